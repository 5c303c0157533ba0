"""Reads and replaces settings files, each with a copy of what was there before."""

import difflib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.setup.hosts.untouched import CannotEdit
from seedproof_mcp.system import files

__all__ = ["FileChange", "backups_of", "read_settings"]


@dataclass(frozen=True, slots=True)
class FileChange:
    """What becomes of one file."""

    path: Path
    before: bytes | None
    after: bytes | None
    """None where the file goes."""

    def diff(self) -> str:
        """The change as a person reads it."""
        old, new = ((data or b"").decode(errors="replace").splitlines() for data in (self.before, self.after))
        return "\n".join(difflib.unified_diff(old, new, str(self.path), str(self.path), lineterm=""))

    def carry_out(self, tops: Sequence[Path], *, keep_copy: bool) -> Path | None:
        """Make the change, and return the copy of the file as it was, if one is kept.

        Args:
            tops: Folders that stay when they are empty.
            keep_copy: Whether the file is copied before it changes.

        Raises:
            OSError: It cannot be made.
        """
        target = self.path.resolve()  # a link stays a link
        mode = stat.S_IMODE(target.stat().st_mode) if self.before is not None else 0o666
        copy = None
        if keep_copy and self.before is not None:
            copy = next(path for path in _backup_names(target) if not os.path.lexists(path))
            files.write_atomic(copy, self.before, mode=mode)
        if self.after is None:
            files.remove_file(target)
            _remove_empty(target.parent, tops)
        else:
            files.make_folder(target.parent)
            files.write_atomic(target, self.after, mode=mode)
        return copy


def read_settings(path: Path) -> str | None:
    """The text of a settings file that may be written; None where there is none.

    Raises:
        CannotEdit: It is no text, no regular file, or may not be written.
    """
    try:
        seen = path.stat()
        if not stat.S_ISREG(seen.st_mode):
            raise CannotEdit("is not a regular file")
        # The bits as well: root may write everything, and replacing a file asks for no permission to write it.
        if not seen.st_mode & 0o222 or not os.access(path, os.W_OK):
            raise CannotEdit("is read-only")
        return path.read_bytes().decode()
    except FileNotFoundError:
        if path.is_symlink() and not path.resolve().parent.is_dir():
            raise CannotEdit("is a link into a folder that does not exist") from None
        return None
    except UnicodeDecodeError:
        raise CannotEdit("is not UTF-8 text") from None
    except OSError as error:
        raise CannotEdit(f"cannot be read ({error.strerror})") from None


def backups_of(path: Path) -> list[Path]:
    """The copies of a settings file that were kept, the latest first."""
    found: list[Path] = []
    for copy in _backup_names(path.resolve()):
        if not os.path.lexists(copy):
            return found[::-1]
        if copy.is_file():
            found.append(copy)
    return found


def _backup_names(path: Path) -> Iterator[Path]:
    yield path.with_name(f"{path.name}.seedproof-backup")
    number = 2
    while True:
        yield path.with_name(f"{path.name}.seedproof-backup-{number}")
        number += 1


def _remove_empty(folder: Path, tops: Sequence[Path]) -> None:
    """Remove folders that a change left empty, up to one that stays."""
    below = [top for top in tops if folder.is_relative_to(top.resolve())]
    if below:
        files.remove_empty_folders(folder, max(below, key=lambda top: len(top.parts)).resolve())
