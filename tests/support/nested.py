"""Folders in folders, deeper than any path is long."""

import os
from pathlib import Path

__all__ = ["DEEPER_THAN_A_PATH", "DEEPER_THAN_CALLS", "nest"]

# Linux takes paths of 4096 characters, of which each folder here is two.
DEEPER_THAN_A_PATH = 2200
# What Python allows is 1000 calls in each other; a path of so many names still works.
DEEPER_THAN_CALLS = 1200


def nest(folder: Path, depth: int, content: bytes = b"x" * 5) -> None:
    """Make a folder with so many folders in each other, and a file at the bottom."""
    folder.mkdir(parents=True)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("x.py", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, content)
    os.close(file)
    os.close(here)
