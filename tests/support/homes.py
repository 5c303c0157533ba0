"""A home of its own for what is recorded outside pytest, whose fixtures give every test one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["own_home"]


@contextmanager
def own_home(home: Path) -> Iterator[None]:
    """Make this folder the home, and a folder in it the one for state."""
    names = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    before = {name: os.environ.get(name) for name in names}
    home.mkdir()
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
