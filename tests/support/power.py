"""What a machine has not stored yet, as POSIX lets it: contents since their sync, names since that of their folder."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.memory import MEMORY

__all__ = ["Unstored"]

_READ_BLOCK = 1 << 20
Key = tuple[int, int]


@dataclass(frozen=True)
class _Place:
    """A name in a folder, wherever that is moved."""

    folder: int
    """A descriptor."""
    name: str


@dataclass
class _File:
    descriptor: int
    """Of our own: no lock of anybody's is bound to it."""
    stored: bytes
    """What a power cut leaves of the content."""


@dataclass(frozen=True)
class _Change:
    """A name that was made, removed or moved; stored once its folder is synced."""

    folder: int
    undo: Callable[[], None]


class Unstored:
    """Follows the changes that are made through it, and can take back what was not synced.

    A rename between two folders counts as stored with the folder of the new name. What others write, such as a
    training, counts as stored at once. What is removed is kept elsewhere, so that it comes back as the same file.
    """

    def __init__(self) -> None:
        self._files: dict[Key, _File] = {}
        self._folders: dict[Key, int] = {}
        self._changes: list[_Change] = []
        self._removed = tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY)
        self._removals = 0

    def make(self, name: str, act: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Make one change."""
        follow: Callable[..., Any] | None = getattr(self, f"_{name}", None)
        if follow is None:
            return act(*arguments, **options)
        return follow(lambda: act(*arguments, **options), *arguments, **options)

    def lose(self) -> None:
        """The power fails."""
        for change in reversed(self._changes):
            change.undo()
        for file in self._files.values():
            if _content(file.descriptor) != file.stored:
                os.ftruncate(file.descriptor, 0)
                os.pwrite(file.descriptor, file.stored, 0)
        self.close()

    def close(self) -> None:
        """Follow nothing any more."""
        for descriptor in (*(file.descriptor for file in self._files.values()), *self._folders.values()):
            os.close(descriptor)
        self._files, self._folders, self._changes = {}, {}, []
        self._removed.cleanup()

    # --- contents -----------------------------------------------------------------------------

    def _open(self, act: Callable[[], int], path: Any, flags: int, mode: int = 0o777) -> int:
        is_new = not os.path.exists(path)
        if not is_new:
            self._follow(path)  # before it is emptied, if it is to be
        opened = act()
        if is_new:
            self._follow(path).stored = b""
            self._made(path, _unlink)
        return opened

    def _follow(self, path: Any) -> _File:
        key = _key(os.stat(path))
        if key not in self._files:
            descriptor = os.open(path, os.O_RDWR)
            self._files[key] = _File(descriptor, _content(descriptor))
        return self._files[key]

    def _fsync(self, act: Callable[[], None], descriptor: int) -> None:
        act()
        seen = os.fstat(descriptor)
        if stat.S_ISDIR(seen.st_mode):
            folder = self._folders.get(_key(seen))
            self._changes = [one for one in self._changes if one.folder != folder]
        elif _key(seen) in self._files:
            file = self._files[_key(seen)]
            file.stored = _content(file.descriptor)

    _fdatasync = _fsync

    # --- names --------------------------------------------------------------------------------

    def _mkdir(self, act: Callable[[], None], path: Any, mode: int = 0o777) -> None:
        act()
        self._made(path, lambda place: shutil.rmtree(place.name, dir_fd=place.folder))

    def _symlink(self, act: Callable[[], None], _: Any, path: Any) -> None:
        act()
        self._made(path, _unlink)

    _link = _symlink

    def _made(self, path: Any, unmake: Callable[[_Place], None]) -> None:
        place = self._place(path)
        self._changes.append(_Change(place.folder, lambda: unmake(place)))

    def _unlink(self, act: Callable[[], None], path: Any, *, dir_fd: int | None = None) -> None:
        place = self._place(path, dir_fd)
        kept = self._put_away(place)
        self._changes.append(_Change(place.folder, lambda: _move(kept, place)))

    def _rmdir(self, act: Callable[[], None], path: Any, *, dir_fd: int | None = None) -> None:
        place = self._place(path, dir_fd)
        folder = os.open(place.name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=place.folder)
        is_empty = not os.listdir(folder)
        os.close(folder)
        self._unlink(act, path, dir_fd=dir_fd) if is_empty else act()

    def _rename(self, act: Callable[[], None], old: Any, new: Any) -> None:
        before, after = self._place(old), self._place(new)
        replaced = self._put_away(after) if os.path.lexists(new) else None
        act()

        def undo() -> None:
            _move(after, before)
            if replaced is not None:
                _move(replaced, after)

        self._changes.append(_Change(after.folder, undo))

    _replace = _rename

    def _place(self, path: Any, dir_fd: int | None = None) -> _Place:
        parent, name = os.path.split(os.fspath(path))
        descriptor = os.open(parent or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=dir_fd)
        folder = self._folders.setdefault(_key(os.fstat(descriptor)), descriptor)
        if folder != descriptor:
            os.close(descriptor)
        return _Place(folder, name)

    def _put_away(self, place: _Place) -> _Place:
        self._removals += 1
        kept = self._place(Path(self._removed.name, str(self._removals)))
        _move(place, kept)
        return kept


def _move(old: _Place, new: _Place) -> None:
    os.rename(old.name, new.name, src_dir_fd=old.folder, dst_dir_fd=new.folder)


def _unlink(place: _Place) -> None:
    os.unlink(place.name, dir_fd=place.folder)


def _key(seen: os.stat_result) -> Key:
    return seen.st_dev, seen.st_ino


def _content(descriptor: int) -> bytes:
    found, block = b"", b"begin"
    while block:
        block = os.pread(descriptor, _READ_BLOCK, len(found))
        found += block
    return found
