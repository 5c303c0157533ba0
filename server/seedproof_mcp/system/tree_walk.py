"""Trees of folders of any depth: trainings leave some that are deeper than calls nest, and than any path is long."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

__all__ = ["Descent", "files_below", "walk"]

# O_NOFOLLOW: a link that was put in the place of a folder leads nowhere.
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Descent:
    """An open folder of a tree, from which one goes down and up again and nowhere else.

    At any depth one descriptor is open: a folder that is open keeps those above it, so each is known by device and
    inode when it is opened again through "..".
    """

    def __init__(self, folder: int) -> None:
        """Begin in an open folder, which stays open."""
        self.fd = os.dup(folder)
        """The folder of this moment."""
        self._above: list[tuple[str, os.stat_result]] = []
        """How each folder on the way down is called, and the one that it lies in."""

    def down(self, name: str) -> None:
        """Enter a folder of this one.

        Raises:
            OSError: It is none, or a link, or may not be read or left again; then nothing has changed.
        """
        lower = os.open(name, _FOLDER, dir_fd=self.fd)
        try:
            here = os.fstat(self.fd)
            # Whoever could not come up again does not go down.
            _require(here, os.stat("..", dir_fd=lower), name)
        except BaseException:
            os.close(lower)
            raise
        self._above.append((name, here))
        self._stand_in(lower)

    def up(self) -> str:
        """Go back to the folder above, and return what this one is called there.

        Raises:
            OSError: Somebody has moved this folder, or closed it.
        """
        name, above = self._above[-1]
        higher = os.open("..", _FOLDER, dir_fd=self.fd)
        try:
            _require(above, os.fstat(higher), name)
        except BaseException:
            os.close(higher)
            raise
        self._above.pop()
        self._stand_in(higher)
        return name

    def __enter__(self) -> "Descent":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)

    def _stand_in(self, folder: int) -> None:
        left, self.fd = self.fd, folder
        os.close(left)


def _require(expected: os.stat_result, found: os.stat_result, name: str) -> None:
    if not os.path.samestat(expected, found):
        raise OSError(errno.ESTALE, "it was moved meanwhile", name)


def files_below(folder: Path) -> Iterator[os.stat_result]:
    """The status of each regular file below a folder; what cannot be looked at, or vanishes meanwhile, is left out."""
    try:
        top = os.open(folder, _FOLDER)
    except OSError:
        return
    try:
        with Descent(top) as place:
            yield from _files(place)
    except OSError:  # the folder that was being looked at was moved away, and nobody knows what is still left
        return
    finally:
        os.close(top)


def _files(place: Descent) -> Iterator[os.stat_result]:
    waiting = [_listed(place)]
    while True:
        while waiting[-1]:
            name = waiting[-1].pop()
            try:
                status = os.stat(name, dir_fd=place.fd, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    place.down(name)
                    waiting.append(_listed(place))
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield status
        waiting.pop()
        if not waiting:
            return
        place.up()


def _listed(place: Descent) -> list[str]:
    try:
        return os.listdir(place.fd)
    except OSError:
        return []


def walk(
    top: Path, on_error: Callable[[OSError], None] = lambda error: None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """What `os.walk` yields, which calls itself for each level before Python 3.12; links are not followed.

    Args:
        top: Where to begin.
        on_error: What to do about a folder that cannot be listed; by default it is left out.
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
