"""Computes hashes of files, git's own without git, and caches those of large files."""

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from seedproof_mcp.code.identity import LINK, blob_of
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, prepare_state

__all__ = ["SOURCE_BYTES", "TICK_NS", "Hashes", "read_blob"]

# Longer files are no sources: they are hashed again only when they have changed, and no copy of them is kept.
SOURCE_BYTES = 256 * 1024
_CHUNK_BYTES = 1 << 20
# File times have a resolution of a few milliseconds, on some file systems of two seconds: a second write within
# that time may change neither size nor time.
TICK_NS = 2_000_000_000

# Of a file that is hashed by parts. A block of a data file holds thousands of tokens or some images.
_PART_BYTES, _BLOCKS = 1 << 16, 64

Signature = list[int]


def read_blob(path: Path) -> str:
    """Git's hash of a file's content, read in full.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    with _open_regular(path) as (file, seen):
        return _read_whole(file, _new_blob(seen.st_size))


@contextmanager
def _open_regular(path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """A regular file and what it is; links are followed."""
    # O_NONBLOCK: opening a FIFO would otherwise wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(0, "not a regular file", str(path))
        yield file, seen


class Hashes:
    """Hashes of files; those of large files are cached by size and times."""

    def __init__(self, paths: ProjectPaths) -> None:
        self._paths = paths
        self._known: dict[str, tuple[Signature, str]] | None = None
        self._is_new = False

    def of(self, path: Path) -> tuple[str, str]:
        """Mode and hash of a file or link.

        Raises:
            OSError: It cannot be read, or is neither.
        """
        seen = path.lstat()
        if stat.S_ISLNK(seen.st_mode):
            return LINK, blob_of(os.fsencode(os.readlink(path)))
        mode = "100755" if seen.st_mode & stat.S_IXUSR else "100644"
        return mode, self.content(path)

    def content(self, path: Path) -> str:
        """Hash of a file's content, links followed.

        Raises:
            OSError: It cannot be read, or is no regular file.
        """
        with _open_regular(path) as (file, seen):
            if seen.st_size <= SOURCE_BYTES:
                return blob_of(file.read())
            return self._large(str(path), seen, lambda: _read_whole(file, _new_blob(seen.st_size)))

    def sha256(self, path: Path, most_bytes: int | None = None) -> str:
        """SHA-256 of a file's content, links followed.

        Args:
            path: The file.
            most_bytes: A larger file is hashed by its size, head, tail and 64 blocks between; None: no file is.

        Raises:
            OSError: It cannot be read, or is no regular file.
        """
        with _open_regular(path) as (file, seen):
            if seen.st_size <= SOURCE_BYTES:
                return hashlib.sha256(file.read()).hexdigest()
            if most_bytes is None or seen.st_size <= most_bytes:
                return self._large(f"sha256 {path}", seen, lambda: _read_whole(file, hashlib.sha256()))
            return self._large(f"parts {path}", seen, lambda: _read_parts(file, seen.st_size))

    def save(self) -> None:
        """Store the cache for the next process.

        Raises:
            OSError: It cannot be written.
        """
        if self._known is not None and self._is_new:
            prepare_state(self._paths)
            files.write_atomic(self._paths.hashes, json.dumps(self._known).encode())
            self._is_new = False

    def _large(self, name: str, seen: os.stat_result, compute: Callable[[], str]) -> str:
        # No program can set st_ctime, so it shows an edit that restores st_mtime.
        signature = [seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_dev]
        known = self._load().get(name)
        if known is not None and list(known[0]) == signature:
            return known[1]
        digest = compute()
        if time.time_ns() - max(seen.st_mtime_ns, seen.st_ctime_ns) > TICK_NS:
            self._load()[name] = (signature, digest)
            self._is_new = True
        return digest

    def _load(self) -> dict[str, tuple[Signature, str]]:
        if self._known is None:
            try:
                read = json.loads(self._paths.hashes.read_bytes())
            except (OSError, ValueError):
                read = {}
            self._known = read if isinstance(read, dict) else {}
        return self._known


def _new_blob(size: int) -> Any:
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _read_whole(file: BinaryIO, digest: Any) -> str:
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return str(digest.hexdigest())


def _read_parts(file: BinaryIO, size: int) -> str:
    """Hash of a file's size, head, tail and blocks at even distances: a function of its size alone."""
    digest = hashlib.sha256(b"parts %d\0" % size)
    last = size - _PART_BYTES
    for number in range(_BLOCKS + 2):
        file.seek(last * number // (_BLOCKS + 1))
        digest.update(file.read(_PART_BYTES))
    return digest.hexdigest()
