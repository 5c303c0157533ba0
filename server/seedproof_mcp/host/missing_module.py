"""Says which interpreter found no module of a training, and how to name another one."""

import os
import sys
from pathlib import Path

__all__ = ["is_own_interpreter", "missing_module_words"]


def is_own_interpreter(python: str) -> bool:
    """Whether an interpreter stands in the environment that Seedproof itself runs in."""
    return "/" in python and os.path.realpath(os.path.dirname(python)) == os.path.realpath(Path(sys.executable).parent)


def missing_module_words(last_line: str | None, python: str | None, root: Path) -> str | None:
    """Which interpreter lacked a module; None where a training failed otherwise.

    Args:
        last_line: What the log said last.
        python: The interpreter that ran the training; relative ones lie in the project.
        root: The project.
    """
    if python is None or not (last_line or "").startswith("ModuleNotFoundError"):
        return None
    own = ", which Seedproof itself runs in" if is_own_interpreter(os.path.join(root, python)) else ""
    return f"it was run by {python}{own}; name another interpreter with settings.python in seedproof.toml"
