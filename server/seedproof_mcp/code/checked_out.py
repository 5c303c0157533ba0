"""Compares a working tree with its snapshot byte by byte, whatever git makes of files when it writes them."""

import json
import os
import stat
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from seedproof_mcp.code.git import Git, GitFailed
from seedproof_mcp.code.hashes import TICK_NS, read_blob
from seedproof_mcp.code.identity import LINK, File, blob_of, printable
from seedproof_mcp.code.refusals import IN_PLACE, refuse
from seedproof_mcp.code.snapshot import list_files
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["differing_files", "note_conversions", "raw_hashes", "was_written_since"]

_Known = dict[str, tuple[list[int], str]]


def differing_files(paths: ProjectPaths, tree: Path, listed: Sequence[File]) -> list[str]:
    """The files of a snapshot whose bytes in its working tree are not those that runs with it have.

    These are the commit's, or what git made of them when it first checked the file out: with Git LFS, line endings,
    or a filter of the user's.
    """
    raw, found = _read_conversions(paths)[0], raw_hashes(paths, tree, listed)
    return [file.path for file in listed if found[file.path] != raw.get(_key(file), file.blob)]


def raw_hashes(paths: ProjectPaths, tree: Path, listed: Iterable[File]) -> dict[str, str | None]:
    """Hash of the bytes of each file in a working tree; None for one that is gone or is no file.

    A file whose size, times and inode are those of an earlier call is not read again.
    """
    store = paths.worktree_hashes(tree)
    known, now, found = _read_known(store), {}, {}
    for file in listed:
        signature, content = _hash(tree / file.path, file.mode == LINK, known.get(file.path))
        found[file.path] = content
        if content is not None and time.time_ns() - max(signature[1:3]) > TICK_NS:
            now[file.path] = (signature, content)
    if now != known and tree.is_dir():
        files.make_folder(store.parent)
        files.write_expendable(store, json.dumps(now).encode())
    return found


def note_conversions(paths: ProjectPaths, git: Git, commit: str, tree: Path, listed: Sequence[File]) -> None:
    """Write down which files git did not check out as the commit holds them, right after it did so.

    Raises:
        BadSettings: An earlier snapshot holds the very same file, and git made other bytes of it then.
    """
    raw, commits = _read_conversions(paths)
    found = raw_hashes(paths, tree, listed)
    made = {_key(file): content for file in listed if (content := found[file.path]) is not None}
    converted = {_key(file): made[_key(file)] for file in listed if made.get(_key(file), file.blob) != file.blob}
    plain = _plain_before(git, commits, converted.keys() - raw.keys())
    others = sorted(key for key, content in made.items() if key in plain or raw.get(key, content) != content)
    if others:
        raise refuse(
            f"{printable(others[0].partition(' ')[2])} was checked out with other bytes than in an earlier run, from "
            "the same file of the repository: a filter, or a setting of git for line endings, is not what it was. "
            f"Bring that back, or {IN_PLACE}."
        )
    if not commits >= {commit} or converted.keys() - raw.keys():
        document = {"commits": sorted({*commits, commit}), "raw": {**raw, **converted}}
        files.write_atomic(paths.conversions, json.dumps(document).encode())


def was_written_since(path: Path, began_ns: int) -> bool:
    """Whether a file was written, or put in the place of another, after a time of the same file system.

    No program can set the change time, so it shows an edit that was set back. It also moves when a file gets other
    rights, another link or an attribute of a program that keeps folders in step, which is no edit.
    """
    try:
        seen = path.lstat()
    except OSError:
        return True
    if seen.st_ctime_ns <= began_ns:
        return False
    return seen.st_mtime_ns > began_ns or (seen.st_nlink == 1 and _has_no_attributes(path))


def _has_no_attributes(path: Path) -> bool:
    """Whether nothing but a move or a set-back time explains a new change time; False where that is not known."""
    if sys.platform != "linux":
        return False
    try:
        return not any(name.startswith("user.") for name in os.listxattr(path, follow_symlinks=False))
    except OSError:
        return False


def _hash(path: Path, is_link: bool, known: tuple[list[int], str] | None) -> tuple[list[int], str | None]:
    try:
        seen = path.lstat()
        signature = [seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_dev, seen.st_mode]
        if known is not None and known[0] == signature:
            return signature, known[1]
        if stat.S_ISLNK(seen.st_mode):
            return signature, blob_of(os.fsencode(os.readlink(path))) if is_link else None
        return signature, None if is_link and not stat.S_ISREG(seen.st_mode) else read_blob(path)
    except OSError:
        return [], None


def _key(file: File) -> str:
    return f"{file.blob} {file.path}"


def _plain_before(git: Git, commits: Collection[str], keys: Collection[str]) -> set[str]:
    """Those of newly converted files that an earlier snapshot holds, from which they came as they are."""
    if not keys:
        return set()
    found: set[str] = set()
    for commit in commits:
        with suppress(GitFailed):  # it was released, and nothing can be compared with it
            found.update(key for key in map(_key, list_files(git, commit)) if key in keys)
    return found


def _read_known(store: Path) -> _Known:
    try:
        return {path: (list(signature), blob) for path, (signature, blob) in json.loads(store.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _read_conversions(paths: ProjectPaths) -> tuple[Mapping[str, str], set[str]]:
    """What git made of files, and the snapshots that were checked out."""
    try:
        document = json.loads(paths.conversions.read_bytes())
        return dict(document["raw"]), set(document["commits"])
    except (OSError, ValueError, TypeError, KeyError):
        return {}, set()
