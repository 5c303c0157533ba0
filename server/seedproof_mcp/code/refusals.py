"""Refusals of a working tree that a run cannot be trained from as it is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from seedproof.model.refusals import BadSettings
from seedproof.phases.calls import check_call

from seedproof_mcp.code.git import GitFailed, GitOutput

__all__ = ["IN_PLACE", "refuse", "refuse_unreadable_folders", "refusing_git_failures"]

# The way out that is open to every project.
IN_PLACE = 'set `code = "in-place"` under [settings] in seedproof.toml'


def refuse(message: str) -> BadSettings:
    """The refusal of a working tree as it is."""
    return BadSettings(message, check_call("Shows what is due, once that is mended."))


@contextmanager
def refusing_git_failures() -> Iterator[None]:
    """Turn a failure of git, while a snapshot is taken, into a refusal that says what to do.

    Raises:
        BadSettings: git has failed.
    """
    try:
        yield
    except GitFailed as failure:
        unreadable = re.search(r'open(?:dir)?\("(.*)"\): (.*)', failure.reason, re.DOTALL)
        if unreadable:
            raise _unreadable(unreadable[1], unreadable[2]) from failure
        raise refuse(f"git cannot take a snapshot: {failure.reason}. Mend that, or {IN_PLACE}.") from failure


def refuse_unreadable_folders(listing: GitOutput) -> None:
    """Refuse a listing of untracked files from which git left out a folder, with only a warning.

    Raises:
        BadSettings: A folder, by name, that cannot be read.
    """
    warning = re.search(r"could not open directory '(.*?)/?': (.*)", listing.errors)
    if warning:
        raise _unreadable(warning[1], warning[2])


def _unreadable(name: str, why: str) -> BadSettings:
    return refuse(f"{name} cannot be read ({why}): make it readable, or ignore it in .gitignore.")
