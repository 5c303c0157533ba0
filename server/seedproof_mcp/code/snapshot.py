"""Takes a snapshot of a working tree: a commit of it, made without touching the user's index."""

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from seedproof.model.refusals import BadSettings

from seedproof_mcp.code.git import Git, Repository, escape_pattern
from seedproof_mcp.code.identity import LINK, File, is_in_tool_folder, is_result, printable
from seedproof_mcp.code.refusals import IN_PLACE, refuse, refuse_unreadable_folders, refusing_git_failures
from seedproof_mcp.system import files

__all__ = ["ignored_names", "list_files", "take_snapshot"]

_SUBMODULE = "160000"
# GitHub takes no larger file. What is larger is data, and would stay in the repository for good.
_MAX_UNTRACKED_BYTES = 100 * 2**20
_MAX_ALL_UNTRACKED_BYTES = 2**30
_POINTER = b"version https://git-lfs.github.com/spec/"
# The same tree gives the same commit, whoever takes it and when.
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Seedproof"), ("EMAIL", "seedproof@localhost"), ("DATE", "2000-01-01T00:00:00 +0000"))
}


def take_snapshot(repository: Repository, created: Collection[str]) -> tuple[str, list[File]]:
    """Commit the tracked, modified and untracked files that are not ignored; no ref points to the commit yet.

    Args:
        repository: The repository.
        created: Untracked files that runs left behind; only the Python files among them are taken.

    Returns:
        The commit, and the files in it.

    Raises:
        BadSettings: A snapshot cannot hold a file; the message names it and says what to do.
    """
    with _temporary_index(repository) as index, refusing_git_failures():
        git = repository.git(index)
        untracked, conflicts = _read_status(git, repository)
        # The study page conflicts in nearly every merge; it is no code, and the next report writes it anew.
        conflicts = [path for path in conflicts if not is_result(path, repository.prefix)]
        if conflicts:
            raise refuse(
                f"{printable(conflicts[0])} has conflicts of a merge: resolve them and `git add` it, "
                "then call again; a merge without conflicts is no obstacle."
            )
        selected = _select_untracked(untracked, repository, created)
        git("add", "--update")
        if selected:
            names = b"\0".join(os.fsencode(name) for name in selected) + b"\0"
            git("update-index", "--add", "--replace", "-z", "--stdin", stdin=names)
        files = _index_files(git, repository)
        _refuse_unsupported(git, repository, files)
        tree = git("write-tree").text()
        commit = git("commit-tree", tree, env=_NOBODY, stdin=b"Seedproof snapshot\n").text()
    return commit, files


def list_files(git: Git, commit: str) -> list[File]:
    """The files of a snapshot.

    Raises:
        GitFailed: It is not there.
    """
    files = []
    for line in git("ls-tree", "-r", "-z", "--full-tree", commit).names():
        about, path = line.split("\t", 1)
        mode, _, blob = about.split(" ")
        files.append(File(path, mode, blob))
    return files


def ignored_names(repository: Repository) -> list[str]:
    """The ignored files and folders that exist; a wholly ignored folder is one name, which ends in /."""
    arguments = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    return repository.git()(*arguments).names()


@contextmanager
def _temporary_index(repository: Repository) -> Iterator[Path]:
    """A copy of the user's index to work on, so that git need not read unchanged files again."""
    with files.scratch_folder() as folder:
        index, own = folder / "index", repository.folder / "index"
        if own.exists():
            # With its time: git reads a file again that changed when the index was written, or later.
            files.copy_scratch(own, index)
        yield index


def _read_status(git: Git, repository: Repository) -> tuple[list[str], list[str]]:
    """The files that are neither tracked nor ignored, and those with an unresolved merge."""
    own = escape_pattern(f"/{repository.prefix}checkpoints")
    listing = git(
        *("ls-files", "-z", "-t", "--unmerged", "--others", "--exclude-standard"), "-x", ".seedproof/", "-x", own
    )
    refuse_unreadable_folders(listing)
    untracked, conflicts = [], []
    for line in listing.names():
        tag, rest = line[0], line[2:]
        if tag == "?":
            untracked.append(rest)
        else:
            conflicts.append(rest.split("\t", 1)[1])
    return untracked, conflicts


def _select_untracked(untracked: list[str], repository: Repository, created: Collection[str]) -> list[str]:
    """The untracked files that a snapshot takes.

    Raises:
        BadSettings: A repository inside, or data that every snapshot would store.
    """
    selected, total = [], 0
    for name in untracked:
        if name.endswith("/"):
            if is_in_tool_folder(name):
                continue  # working trees that an agent's tools make, such as .claude/worktrees/feature
            raise refuse(
                f"{printable(name.rstrip('/'))} is a git repository of its own, whose files a snapshot cannot hold: "
                f"ignore it in .gitignore, so that snapshots reach it through a link, or {IN_PLACE}."
            )
        if is_result(name, "") and "checkpoints/" in name:
            continue  # the outputs of another project in the same repository
        if name in created and not name.endswith(".py"):
            continue
        selected.append(name)
        size = _size(repository.top / name)
        total += size
        if size > _MAX_UNTRACKED_BYTES:
            raise _too_large(printable(name), size)
    if total > _MAX_ALL_UNTRACKED_BYTES:
        raise _too_large(f"what is untracked ({len(selected)} files)", total)
    return selected


def _too_large(what: str, size: int) -> BadSettings:
    return refuse(
        f"{what} has {size / 2**20:.0f} MB, neither tracked nor ignored, which every snapshot would store: "
        f"ignore it in .gitignore, so that snapshots reach it through a link, or {IN_PLACE}."
    )


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _index_files(git: Git, repository: Repository) -> list[File]:
    """The files in the index, after an update of those that git was told not to watch."""
    tagged = _tagged_files(git)
    # Lower case: assumed unchanged. S: left out of a sparse checkout, and there all the same.
    unwatched = [
        file.path
        for tag, file in tagged
        if tag.islower() or (tag == "S" and os.path.lexists(repository.top / file.path))
    ]
    if unwatched:
        names = b"\0".join(os.fsencode(name) for name in unwatched) + b"\0"
        git("update-index", "--no-assume-unchanged", "-z", "--stdin", stdin=names)
        git("update-index", "--no-skip-worktree", "-z", "--stdin", stdin=names)
        git("add", "--update")
        tagged = _tagged_files(git)
    return [file for _, file in tagged]


def _tagged_files(git: Git) -> list[tuple[str, File]]:
    """Each file of the index with git's tag for its state."""
    found = []
    for line in git("ls-files", "-z", "-v", "--stage").names():
        about, path = line.split("\t", 1)
        tag, mode, blob, _ = about.split(" ")
        found.append((tag, File(path, mode, blob)))
    return found


# --- what a snapshot cannot hold --------------------------------------------------------------


def _refuse_unsupported(git: Git, repository: Repository, files: Sequence[File]) -> None:
    for file in files:
        if file.mode == _SUBMODULE:
            raise refuse(
                f"{printable(file.path)} is a submodule, whose files a snapshot cannot hold: {IN_PLACE}, "
                "or take its files into this repository."
            )
    links = [file.path for file in files if file.mode == LINK]
    if links:
        _refuse_misleading_links(repository, links, {file.path for file in files})
    attributes = repository.folder / "info" / "attributes"
    if attributes.exists() or any(file.path.endswith(".gitattributes") for file in files):
        _refuse_missing_lfs(git, repository)


def _refuse_misleading_links(repository: Repository, links: list[str], paths: set[str]) -> None:
    """Refuse links that, taken as they are written, would lead from a snapshot to another file."""
    for path in links:
        try:
            target = os.readlink(repository.top / path)
        except OSError:  # links are files here, or it lies outside a sparse checkout
            continue
        end = os.path.normpath(os.path.join(repository.top, os.path.dirname(path), target))
        inside = os.path.relpath(end, repository.top)
        leaves = inside == ".." or inside.startswith("../")
        if not os.path.isabs(target) and leaves:
            raise refuse(
                f"{printable(path)} is a link to {printable(target)}, outside the repository, and would lead elsewhere "
                f"from a snapshot: make it an absolute link, ignore it in .gitignore, or {IN_PLACE}."
            )
        is_in_snapshot = inside == "." or inside in paths or any(one.startswith(f"{inside}/") for one in paths)
        if os.path.isabs(target) and not leaves and is_in_snapshot:
            raise refuse(
                f"{printable(path)} is an absolute link into the repository, through which a snapshot would train with "
                f"whatever is edited later: make it a relative link, or {IN_PLACE}."
            )


def _refuse_missing_lfs(git: Git, repository: Repository) -> None:
    """Refuse files of Git LFS where its filter or their content is missing: a checkout needs both."""
    large = git("ls-files", "-z", "--", ":(top,attr:filter=lfs)").names()
    if not large:
        return
    programs = os.pathsep.join((os.environ.get("PATH", os.defpath), git("--exec-path").text()))
    has_filter = git("config", "filter.lfs.clean", allowed=(0, 1)).code == 0
    is_installed = has_filter and shutil.which("git-lfs", path=programs) is not None
    for path in large:
        if not is_installed:
            raise refuse(
                f"{printable(path)} is kept with Git LFS, which is not installed here: "
                f"install it (`git lfs install`, `git lfs pull`), or {IN_PLACE}."
            )
        if _is_pointer(repository.top / path):
            raise refuse(
                f"{printable(path)} is a Git LFS pointer whose content is not here: `git lfs pull` it, or {IN_PLACE}."
            )


def _is_pointer(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False
