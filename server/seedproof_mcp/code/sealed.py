"""Hashes of sealed files, which no arm may change, as a run would read them."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from seedproof_mcp.code.hashes import Hashes
from seedproof_mcp.code.identity import LINK, File, Selection, matches, printable, segment
from seedproof_mcp.code.refusals import refuse
from seedproof_mcp.system.tree_walk import walk

__all__ = ["sealed_here", "sealed_in_snapshot", "sees_live"]

_NOT_SEALED = frozenset({".seedproof", ".git"})


def sealed_here(
    root: Path, patterns: Sequence[str], hashes: Hashes, sees: Callable[[str], bool] = lambda _: True
) -> dict[str, str]:
    """Content hashes of the project's own files that match the patterns, by path in the project.

    Args:
        root: The project.
        patterns: Patterns of sealed files.
        hashes: Computes the hashes.
        sees: Whether a run reads the project's own copy of a file.

    Raises:
        BadSettings: One of them cannot be read; the message names it.
    """
    found = {}
    for pattern in patterns:
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        for path in _expand(root, "", parts):
            if path in found or not sees(path):
                continue
            try:
                found[path] = hashes.content(root / path)
            except OSError as error:
                if error.errno == 0:
                    continue  # a FIFO or socket
                raise refuse(
                    f"{printable(path)} is sealed and cannot be read ({error.strerror}): make it readable, "
                    "or take it out of `sealed` under [rules] in seedproof.toml."
                ) from error
    return {printable(path): blob for path, blob in found.items()}


def sealed_in_snapshot(files: Sequence[File], prefix: str, patterns: Sequence[str]) -> dict[str, str]:
    """Content hashes of the snapshot's files that match the patterns, by path in the project."""
    inside = ((Selection(prefix).in_project(file.path), file.blob) for file in files if file.path.startswith(prefix))
    return {printable(path): blob for path, blob in inside if any(matches(path, pattern) for pattern in patterns)}


def sees_live(files: Sequence[File], prefix: str, linked: Sequence[str]) -> Callable[[str], bool]:
    """A function that says whether a run with a snapshot reads the project's own copy of a file.

    It does through the links of its working tree, and through links in the snapshot itself: git stores where these
    lead, not the content there.

    Args:
        files: The files of the snapshot.
        prefix: The project's folder in the repository.
        linked: The names that the working tree links to.
    """
    held = {file.path for file in files if file.mode != LINK}
    links = {*linked, *(file.path for file in files if file.mode == LINK)}

    def sees(path: str) -> bool:
        whole = f"{prefix}{path}"
        return whole not in held and not links.isdisjoint((whole, *map(str, PurePosixPath(whole).parents)))

    return sees


def _expand(root: Path, below: str, parts: Sequence[str]) -> Iterator[str]:
    """The files that a pattern matches; for a folder, all files below it."""
    if not parts:
        yield from _files(root, below)
        return
    first, *rest = parts
    if first == "**":
        for folder in _folders(root, below) if rest else [below]:
            yield from _expand(root, folder, rest)
    elif "*" in first or "?" in first:
        for name in _names(root / below):
            if re.fullmatch(segment(first), name, re.DOTALL):
                yield from _expand(root, f"{below}{name}/", rest)
    elif os.path.lexists(root / below / first):
        yield from _expand(root, f"{below}{first}/", rest)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name not in _NOT_SEALED)
    except OSError:
        return []


def _folders(root: Path, below: str) -> Iterator[str]:
    """A folder and all folders below it, without links; each name ends in /."""
    yield below
    for parent, folders, _ in walk(root / below):
        folders[:] = sorted(one for one in folders if one not in _NOT_SEALED)
        places = (os.path.join(parent, one) for one in folders)
        yield from (f"{os.path.relpath(place, root)}/" for place in places if not os.path.islink(place))


def _files(root: Path, below: str) -> Iterator[str]:
    name = below.rstrip("/")
    if not os.path.isdir(root / name):
        yield name
        return
    for parent, folders, names in walk(root / name):
        folders[:] = sorted(one for one in folders if one not in _NOT_SEALED)
        for one in sorted(names):
            yield os.path.relpath(os.path.join(parent, one), root)
