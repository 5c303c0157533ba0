"""Fills its output folder with links to the user's files; with one seed the folder itself is a link."""

import os
import sys
from pathlib import Path

seed, output = sys.argv[4], Path(sys.argv[-1])
user = Path("user").absolute()
if seed == "137":
    output.parent.mkdir(exist_ok=True)
    output.symlink_to(user)
else:
    output.mkdir(parents=True)
    (output / "folder").symlink_to(user)
    (output / "up").symlink_to("../..")
    (output / "root").symlink_to("/")
    (output / "file").symlink_to(user / "precious")
    os.link(user / "precious", output / "hard")
    (output / "nowhere").symlink_to("missing")
    os.mkfifo(output / "fifo")
print(f"val_loss: 4.{seed}")
