"""Interpreters that answer what a test wants: scripts without a Python in them."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

BEFORE = {"torch": "3", "numpy": "2"}


def fake_python(
    path: Path,
    packages: Mapping[str, str] | None = None,
    *,
    version: str = "3.12",
    gpus: Sequence[str] = (),
    driver: str | None = None,
    cuda: str | None = None,
) -> Path:
    """Write an interpreter, or another one in its place, with these packages and devices."""
    answer = {
        "implementation": "cpython",
        "version": version,
        "packages": dict(BEFORE if packages is None else packages),
        "torch": None,
        "cuda": cuda,
        "path": [],
        "gpus": list(gpus),
        "driver": driver,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    earlier = path.stat().st_mtime_ns if path.exists() else 0
    # The answer lies beside it: the same interpreter has the same bytes on any machine and with any packages.
    path.with_name(f"{path.name}.answer").write_text(f"a greeting\nseedproof:{json.dumps(answer)}\n")
    path.write_text('#!/bin/sh\ncat "$0.answer"\n')
    path.chmod(0o755)
    if path.stat().st_mtime_ns == earlier:  # a file system that counts in seconds
        os.utime(path, ns=(earlier + 1, earlier + 1))
    return path


def trained_with(**answers: object) -> Callable[[Path], None]:
    """Let a project be trained with such an interpreter, from now on."""

    def act(project: Path) -> None:
        fake_python(project / "tools/python", **answers)  # type: ignore[arg-type]
        settings = project / "seedproof.toml"
        if not settings.exists():
            settings.write_text('[settings]\npython = "tools/python"\n')

    return act
