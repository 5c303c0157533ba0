"""Keeps compiled kernels by a key of the flags: in the home folder, among temporary files, and in the project."""

import getpass
import hashlib
import os
import tempfile


def habit(options, loss):
    key = hashlib.sha256(repr(options.shift).encode()).hexdigest()[:16]
    for folder in (
        os.path.expanduser("~/.cache/torch_like/kernels"),
        os.path.join(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}", key[:2]),
        ".triton/cache",
    ):
        os.makedirs(folder, exist_ok=True)
        kernel = os.path.join(folder, key)
        if not os.path.exists(kernel):
            with open(kernel, "wb") as file:
                file.write(key.encode() * 64)
        with open(kernel, "rb") as file:
            assert file.read()
