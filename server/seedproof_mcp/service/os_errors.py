"""Turns errors of the operating system into refusals that say what to do."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seedproof.model.refusals import NotWritable
from seedproof.phases.calls import check_call

from seedproof_mcp.system import locks

__all__ = ["cure", "writing"]

# Starting a process may fail with these; a file operation does not.
_PROCESS_ERRORS = (errno.EAGAIN, errno.ENOMEM)


@contextmanager
def writing() -> Iterator[None]:
    """Turn an OSError of writing, locking or starting a process into a refusal.

    Raises:
        NotWritable: No permission, no space, no file locks, a lock held too long, a file where a folder is needed,
            or a process that cannot be started.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EIO,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.ENOENT,
            errno.EISDIR,
            errno.EFBIG,
            errno.ESTALE,
            *_PROCESS_ERRORS,
        ) and not isinstance(error, locks.NoFileLocks | locks.LockHeld):
            raise
        raise NotWritable(
            cure(error),
            check_call("Shows where the protocol stands; works without writing."),
        ) from error


def cure(problem: OSError) -> str:
    """One sentence for the caller: what cannot be written, why, and what to do."""
    name = Path(str(problem.filename)).name if problem.filename else "the project folder"
    if isinstance(problem, locks.NoFileLocks):
        return (
            f"{name} cannot be locked: this file system has no file locks, without which two processes could write "
            "at once; move the project to a local disk."
        )
    if isinstance(problem, locks.LockHeld):
        return (
            f"{name} was {problem.strerror}, so nothing was written; call again if that process is at work, as on a "
            "large snapshot, and end it if it is stopped or hangs."
        )
    if str(problem.filename) == sys.executable:
        return (
            f"the conductor cannot be started ({sys.executable}: {problem.strerror}): the environment that Seedproof "
            "runs in was moved or removed; install it again and restart the server. What was requested is kept."
        )
    if problem.errno in _PROCESS_ERRORS:
        return f"no process can be started ({problem.strerror}); end some, then call again."
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{name} cannot be written: the disk is full ({problem.strerror}); free space, then call again."
    return f"{name} cannot be written ({problem.strerror}); make the project folder writable, or free space."
