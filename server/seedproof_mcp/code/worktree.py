"""Checks out snapshots: one working tree each, with links to the project's ignored files."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from seedproof.model.refusals import BadSettings

from seedproof_mcp.code.checked_out import differing_files, note_conversions
from seedproof_mcp.code.git import Git, GitFailed, Repository
from seedproof_mcp.code.identity import Selection, matches
from seedproof_mcp.code.snapshot import ignored_names, list_files
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, prepare_state
from seedproof_mcp.system.tree_walk import walk

__all__ = ["FOUND", "Left", "check_out", "left_in_tree", "linked_names", "remove", "remove_left", "set_aside"]

# Seedproof's own folder, and caches that hold another folder's sources.
_NEVER_LINKED = frozenset({".seedproof", "__pycache__"})

# Suffix, before a number, of damaged working trees that were set aside.
FOUND = ".found-"


def check_out(paths: ProjectPaths, repository: Repository, commit: str, not_linked: Sequence[str]) -> Path:
    """The working tree of a snapshot, made anew if it is missing or differs from the snapshot.

    Raises:
        GitFailed: The snapshot is not there, or git cannot check it out.
        BadSettings: It was checked out with other bytes than before.
        OSError: The folder cannot be written.
    """
    tree = paths.worktree(commit)
    # Before the links: else the first run would make a folder of its own, which no other run sees.
    if not os.path.lexists(paths.checkpoints):
        files.make_folder(paths.checkpoints)
    links = {name: str(repository.top / name) for name in linked_names(paths, repository, not_linked)}
    added = _added_files(repository, tree, commit, links)
    # git's own comparison trusts times, flags in its index, and what a filter says of a file.
    if added is None or differing_files(paths, tree, list_files(repository.git(), commit)):
        added = None
        set_aside(repository, tree, commit)
        remove(paths, repository, tree)
        prepare_state(paths)
        files.make_folder(paths.worktrees)
        # Twice: the place may be registered already, and even locked, for a folder that is gone.
        repository.git()("worktree", "add", "--force", "--force", "--detach", str(tree), commit)
        listed = list_files(repository.git(), commit)
        try:
            note_conversions(paths, repository.git(), commit, tree, listed)
        except BadSettings:
            remove(paths, repository, tree)
            raise
    files.make_folder(tree / repository.prefix)
    _unlink(repository, tree, set(added or ()) - set(links))
    _link(tree, links)
    return tree


def remove(paths: ProjectPaths, repository: Repository, tree: Path) -> int:
    """Remove a working tree, what was cached of it, and its entry in git's list; return the freed bytes.

    Raises:
        OSError: A file cannot be deleted.
    """
    freed = files.remove_tree(tree) if os.path.lexists(tree) else 0
    if os.path.lexists(paths.worktree_hashes(tree)):
        files.remove_file(paths.worktree_hashes(tree))
    # Not `git worktree prune`: it would also forget the user's own trees on a disk that is not mounted now.
    listing = repository.git()("worktree", "list", "--porcelain", allowed=(0, 128))
    # Not line by line: a folder may have a line break in its name.
    if f"\nworktree {tree}\n" in f"\n{os.fsdecode(listing.out)}":
        repository.git()("worktree", "remove", "--force", "--force", str(tree), allowed=(0, 128))
    return freed


@dataclass(frozen=True, slots=True)
class Left:
    """A file, or a link, that lies in a working tree and is not of its snapshot."""

    path: str
    """From the working tree on."""
    top: str
    """The same, or the highest folder above it that holds nothing of the snapshot."""
    seen: os.stat_result
    """What it is; of a link, the link itself."""


def left_in_tree(paths: ProjectPaths, repository: Repository, commit: str) -> list[Left]:
    """What lies in the working tree of a snapshot and is neither of the snapshot nor a link of ours.

    Raises:
        GitFailed: The snapshot is not there.
    """
    tree = paths.worktree(commit)
    if not _is_folder(tree):
        return []
    held = {file.path for file in list_files(repository.git(), commit)}
    folders = {str(folder) for path in held for folder in PurePosixPath(path).parents}
    found = []
    for name in _not_held(tree, held):
        above = [str(folder) for folder in PurePosixPath(name).parents]
        top = next((folder for folder in reversed(above) if folder not in folders | {"."}), name)
        with suppress(OSError):  # it has gone meanwhile
            if not _leads_to(tree / name, str(repository.top / name)):
                found.append(Left(name, top, os.lstat(tree / name)))
    return found


def remove_left(tree: Path, left: Iterable[Left]) -> list[Left]:
    """Remove what runs left in a working tree, and the folders that hold nothing else; return what is gone."""
    by_top: dict[str, list[Left]] = defaultdict(list)
    for one in left:
        by_top[one.top].append(one)
    for top, below in by_top.items():
        paths = {one.path for one in below}
        whole = _is_folder(tree / top) and all(f"{top}/{name}" in paths for name in _not_held(tree / top, ()))
        for name in (top,) if whole else sorted(paths):  # one by one, as each removal is synced
            with suppress(OSError):
                if _is_real_below(tree, (tree / name).parent):
                    files.remove_tree(tree / name)
                    files.remove_empty_folders((tree / name).parent, tree / PurePosixPath(top).parent)
    return [one for below in by_top.values() for one in below if not os.path.lexists(tree / one.path)]


def linked_names(paths: ProjectPaths, repository: Repository, not_linked: Sequence[str]) -> list[str]:
    """The ignored files and folders that a snapshot's working tree links to, relative to the repository."""
    selection = Selection(repository.prefix)
    names = [name.rstrip("/") for name in ignored_names(repository)]
    found = [
        name
        for name in names
        if _NEVER_LINKED.isdisjoint(PurePosixPath(name).parts)
        and not name.endswith((".pyc", ".pyo"))
        and not any(matches(selection.in_project(name), pattern) for pattern in not_linked)
    ]
    checkpoints = f"{repository.prefix}checkpoints"
    if checkpoints not in found and paths.checkpoints.is_dir():
        found.append(checkpoints)
    return found


def _added_files(repository: Repository, tree: Path, commit: str, links: Mapping[str, str]) -> list[str] | None:
    """Files in a snapshot's working tree that the snapshot does not have: links, and what runs left.

    None if the folder cannot be used: it is not the unchanged working tree of this snapshot in this repository, or has
    an additional source, or something else in the place of a link.
    """
    if not tree.is_dir():
        return None
    git = Git(tree)
    try:
        where = git("rev-parse", "--absolute-git-dir", "--show-toplevel", "HEAD", "--symbolic-full-name", "HEAD").text()
        # Without its link to git, git takes the folder for a part of the user's own working tree.
        folder = where.removesuffix(f"\n{tree.resolve()}\n{commit}\nHEAD")
        # One that was copied with its project belongs to the original, and its links lead there.
        if folder == where or Path(folder).parent.parent != _common_folder(repository):
            return None
        seen = git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignored=matching").names()
    except GitFailed:
        return None
    if any(_is_damage(repository, tree, line) for line in seen) or _is_displaced(repository, tree, commit, links):
        return None
    return [line[3:] for line in seen]


def set_aside(repository: Repository, tree: Path, commit: str) -> None:
    """Move a damaged working tree away if it holds files that are nowhere else."""
    if not _is_folder(tree) or not _has_leftovers(tree, {file.path for file in list_files(repository.git(), commit)}):
        return
    places = (tree.with_name(f"{tree.name}{FOUND}{number}") for number in count(1))
    place = next(place for place in places if not os.path.lexists(place))
    files.rename(tree, place)
    # Else git would take it for the new working tree, which has the same name in git.
    link = place / ".git"
    if link.is_file() or link.is_symlink():
        files.remove_file(link)


def _has_leftovers(tree: Path, held: Collection[str]) -> bool:
    return any(not os.path.islink(tree / name) for name in _not_held(tree, held))


def _not_held(tree: Path, held: Collection[str]) -> Iterator[str]:
    """Files and links in a working tree that its snapshot does not hold; compiled Python aside."""
    for parent, folders, names in walk(tree):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        folders[:] = [name for name in folders if name != "__pycache__"]
        inside = os.path.relpath(parent, tree)
        for name in (*names, *links):
            path = name if inside == "." else f"{inside}/{name}"
            # Git's own file of the tree; below it stands what a repository keeps that somebody made there.
            if path != ".git" and path not in held and not name.endswith((".pyc", ".pyo")):
                yield path


def _common_folder(repository: Repository) -> Path:
    """The git folder that all working trees of a repository share."""
    try:
        return (repository.folder / (repository.folder / "commondir").read_text().rstrip("\n")).resolve()
    except FileNotFoundError:
        return repository.folder.resolve()


def _is_damage(repository: Repository, tree: Path, line: str) -> bool:
    kind, path = line[:2], line[3:]
    if kind not in ("??", "!!"):
        return True
    return path.endswith(".py") and not _leads_to(tree / path, str(repository.top / path))


def _is_displaced(repository: Repository, tree: Path, commit: str, links: Mapping[str, str]) -> bool:
    """Whether something that is not from the snapshot stands in the place of a link."""
    places = {place for name in links if (place := _in_the_way(tree, name, links)) is not None}
    if not places:
        return False
    held = [file.path for file in list_files(repository.git(), commit)]
    return any(not any(one == place or one.startswith(f"{place}/") for one in held) for place in places)


def _in_the_way(tree: Path, name: str, links: Mapping[str, str]) -> str | None:
    """The file or folder that stands in the place of a link or above it; None if there is none."""
    for above in reversed(PurePosixPath(name).parents[:-1]):
        folder = str(above)
        if folder in links:
            return None  # reached through that one
        if os.path.lexists(tree / folder) and not _is_folder(tree / folder):
            return folder
    return name if os.path.lexists(tree / name) and not _leads_to(tree / name, links[name]) else None


def _leads_to(place: Path, target: str) -> bool:
    return place.is_symlink() and os.readlink(place) == target


def _unlink(repository: Repository, tree: Path, names: Collection[str]) -> None:
    """Remove links whose target is gone, no longer ignored, or excluded by `not_linked`."""
    for name in names:
        place = tree / name
        if _leads_to(place, str(repository.top / name)):
            files.remove_file(place)


def _link(tree: Path, links: Mapping[str, str]) -> None:
    # Sorted, so that a folder's link comes first: what lies below it is reached through it.
    for name, target in sorted(links.items()):
        place = tree / name
        if os.path.lexists(place) or not _is_real_below(tree, place.parent):
            continue
        files.make_folder(place.parent)
        files.make_link(place, target)


def _is_real_below(tree: Path, folder: Path) -> bool:
    """Whether a path stays inside the working tree: no part of it is a link or a file."""
    while folder != tree:
        if os.path.lexists(folder) and not _is_folder(folder):
            return False
        folder = folder.parent
    return True


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
