"""Finds the file that a command trains with: a script, a module of the project, or a program of it."""

import os
from collections.abc import Sequence
from pathlib import Path

from seedproof.model.template import script_places

__all__ = ["training_script"]


def training_script(folder: Path, command: Sequence[str]) -> str | None:
    """The file that a command trains with, as the command names it; None where there is none.

    Args:
        folder: Where the command starts: the project, or its copy in a snapshot.
        command: A template, or the command of a run.
    """
    for place in script_places(command):
        path = os.path.normpath(os.path.join(folder, place))
        if os.path.isfile(path) and (place != command[0] or _is_own_program(folder, path)):
            return place
    return None


def _is_own_program(folder: Path, path: str) -> bool:
    """Whether a program is one of the project; those of an environment in it are not."""
    prefix = os.path.dirname(os.path.dirname(path))
    is_installed = any(os.path.exists(os.path.join(prefix, name)) for name in ("pyvenv.cfg", "conda-meta"))
    return path.startswith(f"{folder}/") and not is_installed
