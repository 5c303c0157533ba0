"""File locks (flock) that live as long as a process holds their descriptor."""

import errno
import fcntl
import math
import os
import time
from contextlib import suppress
from pathlib import Path

from seedproof_mcp.system.files import naming

# A probe (is_locked) holds its shared lock for microseconds; 100 ms outlast a descheduled one.
_PROBE_TRIES = 100
_PROBE_PAUSE_S = 0.001
# Between two tries at a held lock: about as long as a ledger write takes, and cheap for many waiters.
_LOCK_PAUSE_S = 0.005
# Fixed, so that one write replaces the previous signature.
_SIGNATURE_LENGTH = 20
# Errors of flock on a file system without locks: Linux, NFS without its lock daemon, FUSE, macOS.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class NoFileLocks(OSError):
    """The file system of a file has no locks, so nothing can be limited to one process at a time."""


class LockHeld(OSError):
    """A lock was held for the whole waiting time; `strerror` names the last holder, if it is known."""


class Lock:
    """A held flock on a file, shared with every process that inherits its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.fd = descriptor
        """The descriptor that carries the lock; not inheritable unless passed on by name."""

    def sign(self, name: str) -> None:
        """Write the holder's name into the locked file, for `signature`. Call once, as its first holder.

        Raises:
            OSError: The disk is full, or fails.
        """
        os.write(self.fd, f"{name:<{_SIGNATURE_LENGTH}}\n".encode())

    def release(self) -> None:
        """Give up this process's hold; a process that inherited the descriptor keeps its own."""
        # Closing, not LOCK_UN: unlocking would take the lock from processes that inherited it, too.
        if self.fd >= 0:
            descriptor, self.fd = self.fd, -1
            os.close(descriptor)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def try_lock(path: Path) -> Lock | None:
    """Lock a file, created if missing; None if another process holds it.

    Raises:
        OSError: The file cannot be opened; its folder may be missing.
        NoFileLocks: The file system has no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with naming(path):
            if _flock_unless_held(descriptor):
                return Lock(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def lock(path: Path, patience_s: float = math.inf) -> Lock:
    """Lock a file, created if missing; wait while another process holds it.

    Raises:
        OSError: The file cannot be opened; its folder may be missing.
        NoFileLocks: The file system has no locks.
        LockHeld: It was not free within `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with naming(path):
                while not _try_flock(descriptor, fcntl.LOCK_EX):
                    if time.monotonic() > deadline:
                        raise LockHeld(errno.EAGAIN, f"locked for {patience_s:g} s, now by {_holder(descriptor)}")
                    time.sleep(_LOCK_PAUSE_S)
            # The file may have been deleted while we waited; then others lock a new one.
            if is_open_at(descriptor, path):
                return Lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """The holder of an open file's lock, in words; only Linux names the process."""
    seen = os.fstat(descriptor)
    file = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    with suppress(OSError, ValueError), open("/proc/locks") as locks:
        for _, kind, _, _, pid, of_file, *_ in (line.split() for line in locks if "->" not in line):  # -> marks waiters
            if (kind, of_file) == ("FLOCK", file) and int(pid) > 0:  # else one outside this container
                return f"process {pid}" if int(pid) != os.getpid() else "another call of this process"
    return "another process"


def signature(path: Path) -> str | None:
    """The name that the last holder signed a locked file with; None if there is none."""
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def adopt_lock(descriptor: int) -> Lock | None:
    """Take over a lock that the parent process passed on; None if another process holds it.

    Raises:
        OSError: The descriptor is not open.
    """
    os.set_inheritable(descriptor, False)
    return Lock(descriptor) if _flock_unless_held(descriptor) else None


def is_locked(path: Path) -> bool:
    """Whether any process holds the lock of a file; a missing file is not locked.

    Raises:
        OSError: The file exists and cannot be read.
        NoFileLocks: The file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        with naming(path):
            return not _try_flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def is_open_at(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to an open file; not if it was deleted or replaced."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _flock_unless_held(descriptor: int) -> bool:
    """Lock exclusively; a probe that passes by does not count as a holder."""
    for _ in range(_PROBE_TRIES):
        if _try_flock(descriptor, fcntl.LOCK_EX):
            return True
        # Only a real holder refuses a shared lock; a probe does not.
        if not _try_flock(descriptor, fcntl.LOCK_SH):
            return False
        _flock(descriptor, fcntl.LOCK_UN)
        time.sleep(_PROBE_PAUSE_S)
    return False


def _try_flock(descriptor: int, kind: int) -> bool:
    try:
        _flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _flock(descriptor: int, kind: int) -> None:
    try:
        fcntl.flock(descriptor, kind)
    except OSError as error:
        if error.errno in _WITHOUT_LOCKS:
            raise NoFileLocks(error.errno, "this file system has no file locks") from error
        raise
