"""Wakes a waiting process when files change: inotify on Linux, looking again by the clock where that cannot tell."""

import ctypes
import os
import select
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

__all__ = ["FileWatch"]

# A file is told closed a moment before the lock that was held on it is given up, and a second look costs little.
_AGAIN_S = 0.02

# linux/inotify.h
_CLOSE_WRITE, _MOVED_TO, _CREATE, _DELETE_SELF, _MOVE_SELF = 0x8, 0x80, 0x100, 0x400, 0x800
_OF_A_FILE = _CLOSE_WRITE | _DELETE_SELF | _MOVE_SELF
_OF_A_FOLDER = _CREATE | _MOVED_TO | _DELETE_SELF | _MOVE_SELF
_READ_BYTES = 64 << 10
# statfs(2): its first field is the type; the whole takes 120 bytes at most.
_STATFS_BYTES = 256

# linux/magic.h: file systems that only this machine changes, so that the kernel sees every change of them.
_LOCAL = {
    0xEF53: "ext4",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0x01021994: "tmpfs",
    0x858458F6: "ramfs",
    0x794C7630: "overlayfs",
    0xF2F52010: "f2fs",
    0x2FC12FC1: "zfs",
    0xCA451A4E: "bcachefs",
}
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class FileWatch:
    """The files and folders that a process waits for. Use it as a context: it holds one descriptor.

    Follow what you look at, then look, then wait: a change after the first is never waited for.
    """

    def __init__(self, slow_s: float = 1.0) -> None:
        """Follow nothing yet.

        Args:
            slow_s: How long a wait lasts at most, as what is told may be lost: the queue of the kernel overflows, or a
                folder is replaced between two looks.
        """
        self._slow_s = slow_s
        self.fd = -1
        """Readable after a change; -1 where the system cannot tell. No other program inherits it."""
        self._wanted: dict[Path, int] = {}
        self._watched: dict[Path, int] = {}
        self._has_changed = False
        if _libc is not None:
            # The flags have the values of these two: sys/inotify.h. Without a free instance it is -1.
            self.fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)

    def follow(self, *, files: Iterable[Path] = (), folders: Iterable[Path] = ()) -> bool:
        """Follow these instead of those before; whether some are new, which have to be looked at once more.

        Args:
            files: What is told of them is that a writer has closed them, which also gives up its locks.
            folders: What is told of them is that a file in them is made, or replaced by a rename.
        """
        self._wanted = {**dict.fromkeys(files, _OF_A_FILE), **dict.fromkeys(folders, _OF_A_FOLDER)}
        return self._renew()

    def bound_s(self, bound_s: float, blind_s: float) -> float:
        """How long the next wait may last.

        Args:
            bound_s: The longest, by the caller's own clock.
            blind_s: The longest where changes are not told of.
        """
        sees_all = self._wanted.keys() == self._watched.keys()
        return max(0.0, min(bound_s, (_AGAIN_S if self._has_changed else self._slow_s) if sees_all else blind_s))

    def wait(self, bound_s: float, blind_s: float, others: Sequence[int] = ()) -> None:
        """Return after a change, when another descriptor becomes readable, or when the time is over.

        Args:
            bound_s: See `bound_s`.
            blind_s: See `bound_s`.
            others: The other descriptors.
        """
        bound_s = self.bound_s(bound_s, blind_s)
        readable = [*others, *([self.fd] if self.fd >= 0 else [])]
        if readable:
            poll = select.poll()  # select.select refuses descriptors above 1023
            for descriptor in readable:
                poll.register(descriptor, select.POLLIN)
            poll.poll(bound_s * 1000)
        else:
            time.sleep(bound_s)
        self.take()

    def take(self) -> None:
        """Note what was told since the last time, and follow what has been replaced meanwhile."""
        self._has_changed = False
        try:
            # What they say is not needed: whoever waits looks at everything.
            while self.fd >= 0 and os.read(self.fd, _READ_BYTES):
                self._has_changed = True
        except BlockingIOError:
            pass
        self._has_changed = self._renew() or self._has_changed

    def _renew(self) -> bool:
        """Watch what is wanted; whether something is newly watched. What is watched already stays as it is."""
        before = self._watched
        found = {path: _add(self.fd, path, mask) for path, mask in self._wanted.items()} if self.fd >= 0 else {}
        self._watched = {path: watch for path, watch in found.items() if watch >= 0}
        for watch in {*before.values()} - {*self._watched.values()}:
            _remove(self.fd, watch)
        return not self._watched.items() <= before.items()

    def close(self) -> None:
        """Give the descriptor back."""
        if self.fd >= 0:
            descriptor, self.fd = self.fd, -1
            os.close(descriptor)

    def __enter__(self) -> "FileWatch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _add(descriptor: int, path: Path, mask: int) -> int:
    """The number of the watch on a path; -1 if there can be none, or other machines may change the file."""
    if _libc is None:
        return -1
    name, status = os.fsencode(path), ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc.statfs(name, status) != 0 or ctypes.c_long.from_buffer(status).value not in _LOCAL:
        return -1
    return int(_libc.inotify_add_watch(descriptor, name, mask))


def _remove(descriptor: int, watch: int) -> None:
    if _libc is not None:
        _libc.inotify_rm_watch(descriptor, watch)  # fails if the file is gone, and the watch with it
