"""Finds and removes refs and files of codes that no arm needs any more."""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seedproof.model.code import Code

from seedproof_mcp.code import worktree
from seedproof_mcp.code.diffs import code_of_diff
from seedproof_mcp.code.git import Repository
from seedproof_mcp.code.in_place import read_manifest
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import OF_SLOT, ProjectPaths
from seedproof_mcp.system.tree_walk import files_below

__all__ = ["Leftover", "find", "release"]

# Not --all: it includes the HEADs of working trees, and those of snapshots are among them.
_USER_REFS = ("--branches", "--tags", "--remotes", "--glob=refs/stash")


@dataclass(frozen=True, slots=True)
class Leftover:
    """One ref, file or folder that can be removed."""

    kind: Literal["snapshot", "worktree", "diff", "code"]
    """`snapshot`: a ref of the repository. The others are files and folders under `.seedproof`."""
    name: str
    """The ref, or the name of the file or folder."""
    size_bytes: int
    """What its removal frees; of a snapshot, what git frees when it collects garbage the next time."""
    path: Path | None = None
    """Where it lies; None for a ref."""
    is_found: bool = False
    """Whether it holds files that are nowhere else, left by a run or a person: only a person may remove it."""


def find(paths: ProjectPaths, repository: Repository | None, refs: str, needed: Collection[Code]) -> list[Leftover]:
    """What this project stores and no needed code uses.

    Args:
        paths: The project.
        repository: Its repository.
        refs: The prefix of its refs, without a / at the end.
        needed: The codes to keep.
    """
    found = [] if repository is None else list(_snapshots(repository, refs, needed))
    trees = {paths.worktree(code.snapshot).name for code in needed if code.snapshot is not None}
    places = _entries(paths.worktrees)
    # A damaged tree that was set aside is no tree of a slot, whatever its slot was.
    found += [
        _leftover("worktree", place)
        for place in places
        if worktree.FOUND in place.name or place.name.partition(OF_SLOT)[0] not in trees
    ]
    codes = {code.sha256 for code in needed}
    found += [_leftover("diff", place) for place in _entries(paths.diffs) if code_of_diff(place) not in codes]
    in_use = {place for code in needed for place in _stored_files(paths, code)}
    found += [_leftover("code", place) for place in _entries(paths.code) if place not in in_use]
    return found


def release(paths: ProjectPaths, repository: Repository | None, leftovers: Iterable[Leftover]) -> int:
    """Remove leftovers and return the freed bytes.

    Raises:
        OSError: A file cannot be deleted; others may be gone already.
        GitFailed: A ref cannot be deleted.
    """
    freed = 0
    for one in leftovers:
        if one.path is None:
            if repository is not None:
                repository.git()("update-ref", "-d", one.name)
        elif one.kind == "worktree" and repository is not None:
            freed += worktree.remove(paths, repository, one.path)
        elif os.path.lexists(one.path):
            freed += files.remove_tree(one.path)
    return freed


def _snapshots(repository: Repository, refs: str, needed: Collection[Code]) -> Iterator[Leftover]:
    git = repository.git()
    wanted = {code.snapshot for code in needed if code.snapshot is not None}
    listed = git("for-each-ref", "--format=%(objectname) %(refname)", f"{refs}/").text().splitlines()
    seen: list[str] = []
    for line in listed:
        commit, ref = line.split(" ", 1)
        if commit in wanted:
            continue
        # Without objects of the user's own history, of needed snapshots, and of those counted already.
        others = [*seen, *sorted(wanted)]
        arguments = ("rev-list", "--objects", "--disk-usage", "--ignore-missing", commit, "--not", *others)
        usage = git(*arguments, *_USER_REFS, allowed=(0, 128, 129))
        seen.append(commit)
        yield Leftover("snapshot", ref, int(usage.text()) if usage.text().isdigit() else 0)


def _entries(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder))]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _leftover(kind: Literal["worktree", "diff", "code"], place: Path) -> Leftover:
    seen = place.lstat()
    is_found = kind == "worktree" and worktree.FOUND in place.name
    size_bytes = sum(one.st_size for one in files_below(place)) if place.is_dir() else seen.st_size
    return Leftover(kind, place.name, size_bytes, place, is_found)


def _stored_files(paths: ProjectPaths, code: Code) -> Iterator[Path]:
    """The files under `.seedproof/code` that a code needs."""
    manifest = paths.code_files(code.sha256)
    yield manifest
    for file in read_manifest(manifest) or ():
        yield paths.source(file.blob)
