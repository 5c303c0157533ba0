"""Checks today's ledger against its mirror in a git revision."""

from seedproof_mcp.code.git import Git, GitFailed, GitNotStarted
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.chain import first_difference
from seedproof_mcp.verify.checks import Check, failed, passed

__all__ = ["check_against"]


def check_against(paths: ProjectPaths, revision: str, data: bytes) -> Check:
    """Whether today's ledger begins with the mirror of a revision, so that no record of it was taken back.

    Args:
        data: Today's ledger.
    """
    try:
        earlier = _read_mirror(paths, revision)
    except _NoMirror as reason:
        return failed("against", str(reason))
    count, now = earlier.count(b"\n"), data.count(b"\n")
    if data.startswith(earlier):
        return passed("against", f"the {count} records of {revision} are the first of today's {now}")
    if earlier.startswith(data):
        return failed("against", f"{revision} has {count} records and today's ledger {now}: its end was cut off")
    number = first_difference(earlier, data)
    return failed(
        "against", f"today's ledger does not continue that of {revision}: they differ from record #{number} on"
    )


class _NoMirror(Exception):
    """Why the mirror of a revision cannot be read."""


def _read_mirror(paths: ProjectPaths, revision: str) -> bytes:
    name = str(paths.mirror.relative_to(paths.root))
    if _run_git(paths, "rev-parse", "--is-inside-work-tree") is None:
        raise _NoMirror("git does not take this folder for a repository of this user")
    commit = _run_git(paths, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise _NoMirror(f"git knows no revision {revision!r:.80}; in a shallow clone, fetch it first")
    # `./` makes the name relative to the project, which may lie inside a larger repository.
    mirror = _run_git(paths, "cat-file", "blob", f"{commit.decode().strip()}:./{name}")
    if mirror is None:
        raise _NoMirror(f"{revision} has no {name}")
    return mirror


def _run_git(paths: ProjectPaths, *arguments: str) -> bytes | None:
    """The output of a git command; None if it fails."""
    try:
        return Git(paths.root)(*arguments).out
    except GitNotStarted as failure:
        raise _NoMirror(str(failure)) from None
    except (GitFailed, ValueError):  # ValueError: a NUL in the revision
        return None
