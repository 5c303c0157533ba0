"""Walks folder trees of any depth, also deeper than recursion and path lengths allow."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Descent", "files_below", "walk"]

# O_NOFOLLOW: a folder that was replaced by a link is not entered.
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Descent:
    """A walk through a tree by descriptors: down into a folder, and up again the same way.

    One descriptor is open at any depth. An open folder keeps its parents from being removed, so device and inode
    identify each parent when it is opened again through "..".
    """

    def __init__(self, folder: int) -> None:
        """Begin in an open folder; the caller keeps its descriptor."""
        self.fd = os.dup(folder)
        """The present folder."""
        self._above: list[tuple[str, os.stat_result]] = []
        """The name of each folder on the way down, with the stat of its parent."""

    def down(self, name: str) -> None:
        """Enter a folder of this one.

        Raises:
            OSError: It is no folder, or may not be read, or its parent cannot be reached again; nothing has changed.
        """
        lower = os.open(name, _FOLDER, dir_fd=self.fd)
        try:
            here = os.fstat(self.fd)
            # Enter only if the way up leads back here.
            _require(here, os.stat("..", dir_fd=lower), name)
        except BaseException:
            os.close(lower)
            raise
        self._above.append((name, here))
        self._move_to(lower)

    def up(self) -> str:
        """Go back to the parent, and return the name of the folder that was left.

        Raises:
            OSError: Somebody moved this folder, or took away the access to it.
        """
        name, above = self._above[-1]
        higher = os.open("..", _FOLDER, dir_fd=self.fd)
        try:
            _require(above, os.fstat(higher), name)
        except BaseException:
            os.close(higher)
            raise
        self._above.pop()
        self._move_to(higher)
        return name

    def __enter__(self) -> "Descent":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def _move_to(self, folder: int) -> None:
        left, self.fd = self.fd, folder
        os.close(left)


def _require(expected: os.stat_result, found: os.stat_result, name: str) -> None:
    if not os.path.samestat(expected, found):
        raise OSError(errno.ESTALE, "it was moved meanwhile", name)


def files_below(folder: Path) -> Iterator[os.stat_result]:
    """The stat of each regular file below a folder; unreadable and vanished ones are left out."""
    try:
        top = os.open(folder, _FOLDER)
    except OSError:
        return
    try:
        with Descent(top) as place:
            yield from _files(place)
    except OSError:  # the folder was moved away during the walk
        return
    finally:
        os.close(top)


def _files(place: Descent) -> Iterator[os.stat_result]:
    waiting = [_entry_names(place)]
    while True:
        while waiting[-1]:
            name = waiting[-1].pop()
            try:
                status = os.stat(name, dir_fd=place.fd, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    place.down(name)
                    waiting.append(_entry_names(place))
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield status
        waiting.pop()
        if not waiting:
            return
        place.up()


def _entry_names(place: Descent) -> list[str]:
    try:
        return os.listdir(place.fd)
    except OSError:
        return []


def walk(
    top: Path, on_error: Callable[[OSError], None] = lambda error: None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Like `os.walk`, which is recursive before Python 3.12. Links are not followed.

    Args:
        top: The folder to begin in.
        on_error: Called for a folder that cannot be listed; by default it is left out.
    """
    waiting = [os.fspath(top)]
    while waiting:
        folder = waiting.pop()
        folders: list[str] = []
        names: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    (folders if _is_folder(entry) else names).append(entry.name)
        except OSError as error:
            on_error(error)
            continue
        yield folder, folders, names
        below = (os.path.join(folder, name) for name in reversed(folders))
        waiting += [path for path in below if not os.path.islink(path)]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
