"""Where a file that a run opened lies: in its working tree, elsewhere in the project, or outside."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seedproof.inputs.names import outside_name, printable_name

from seedproof_mcp.code.identity import Selection

__all__ = ["Place", "Places"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies."""

    real: str
    """Its absolute path, links resolved."""
    key: str
    """As in `ListedFile.key`."""
    place: str
    """As in `ListedFile.place`."""
    name: str
    """Its name, unless another file has that."""
    in_code: str | None = None
    """Its path in the repository, or in the project where there is none, if the run's code could hold it."""
    in_project: str | None = None
    """Its path in the project, as patterns of sealed files mean it; None outside."""


class Places:
    """Tells where files lie, for one run."""

    def __init__(self, root: Path, top: Path, tree: Path | None, selection: Selection) -> None:
        """Choose the folders that are told apart.

        Args:
            root: The project.
            top: The working tree of its repository; the project where there is none.
            tree: The working tree of the run's snapshot; None in place.
            selection: Tells the project's files among the repository's.
        """
        self._root, self._top = str(root.resolve()), str(top.resolve())
        self._tree = None if tree is None else str(tree.resolve())
        self._selection = selection
        self._folders: dict[str, str] = {}

    def real(self, path: str) -> str:
        """A path with its links resolved; folders are looked up once."""
        folder, _, name = path.rpartition("/")
        known = self._folders.get(folder)
        if known is None or name in ("", ".", ".."):
            known = self._folders[folder] = os.path.realpath(folder or "/")
        whole = f"{known.rstrip('/')}/{name}"
        return os.path.realpath(whole) if os.path.islink(whole) or name in ("", ".", "..") else whole

    def place(self, real: str, tracked: Mapping[str, object]) -> Place:
        """Where a file lies.

        Args:
            real: Its path, links resolved.
            tracked: The files of the run's snapshot; a live file of such a name is another file than the run's own.
        """
        where = _below(real, self._root) or real
        inside = None if self._tree is None else _below(real, self._tree)
        if inside is not None:
            path = self._selection.in_project(inside)
            return Place(real, path, where, printable_name(path), inside, path)
        live = _below(real, self._top)
        if live is None or PurePosixPath(where).parts[0] == ".seedproof":
            name = printable_name(where) if where != real else outside_name(real)
            return Place(real, where, where, name)
        path = self._selection.in_project(live)
        if self._tree is None:
            return Place(real, path, where, printable_name(path), live, path)
        if live in tracked:
            return Place(real, f"./{path}", where, outside_name(real), None, path)
        return Place(real, path, where, printable_name(path), None, path)


def _below(path: str, folder: str) -> str | None:
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
