"""The ledger's mirror as a revision of git holds it."""

import subprocess

from seedproof_mcp.system import spawn
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.chain import first_difference
from seedproof_mcp.verify.checks import Check, failed, passed

__all__ = ["check_against"]


def check_against(paths: ProjectPaths, revision: str, data: bytes) -> Check:
    """Whether the mirror of a revision is a beginning of today's ledger, so that nothing of it was taken back.

    Args:
        data: Today's ledger.
    """
    try:
        earlier = _mirror_at(paths, revision)
    except _NotThere as reason:
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


class _NotThere(Exception):
    """Why there is no mirror to compare with."""


def _mirror_at(paths: ProjectPaths, revision: str) -> bytes:
    name = str(paths.mirror.relative_to(paths.root))
    if _git(paths, "rev-parse", "--is-inside-work-tree") is None:
        raise _NotThere("git does not take this folder for a repository of this user")
    commit = _git(paths, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise _NotThere(f"git knows no revision {revision!r:.80}; in a shallow clone, fetch it first")
    # `./` makes the name relative to the project, which may lie inside a larger repository.
    found = _git(paths, "cat-file", "blob", f"{commit.decode().strip()}:./{name}")
    if found is None:
        raise _NotThere(f"{revision} has no {name}")
    return found


def _git(paths: ProjectPaths, *arguments: str) -> bytes | None:
    """What git prints; None where it fails."""
    try:
        process = spawn.start(["git", *arguments], cwd=paths.root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError as error:
        raise _NotThere(f"git is not installed or cannot be started ({error.strerror})") from None
    except ValueError:  # a NUL in the revision
        return None
    found, _ = process.communicate()
    return found if process.returncode == 0 else None
