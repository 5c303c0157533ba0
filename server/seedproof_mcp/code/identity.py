"""Code identity: which files can change a run, and one hash over all of them."""

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

__all__ = [
    "LINK",
    "File",
    "Selection",
    "blob_of",
    "identity_of",
    "is_in_tool_folder",
    "is_result",
    "matches",
    "printable",
]

# For people and agents to read; no training program reads them.
_NO_CODE_ENDINGS = frozenset(
    {".md", ".markdown", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".pdf", ".pyc", ".pyo"}
)
_NO_CODE_NAMES = frozenset({"seedproof.toml", ".mcp.json", ".gitignore", ".gitattributes", "LICENSE", ".DS_Store"})
_NO_CODE_FOLDERS = frozenset({".seedproof", ".codex", ".claude", ".cursor", ".vscode", ".idea", "__pycache__", ".git"})
# The mode of a symbolic link.
LINK = "120000"


@dataclass(frozen=True, slots=True)
class File:
    """One file, as git describes it."""

    path: str
    """In the repository, or in the project where there is none; with / between folders."""
    mode: str
    """100644, 100755 (executable) or 120000 (a link)."""
    blob: str
    """Git's hash of the content; of a link, of its target."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects the files that count as code."""

    prefix: str = ""
    """The project's folder in the repository, as in `Repository.prefix`."""
    not_code: Sequence[str] = ()
    """Patterns of `settings.not_code`, relative to the project."""
    created: Collection[str] = ()
    """Files that earlier runs created."""

    def can_change_a_run(self, path: str) -> bool:
        """Whether a file counts for code identity."""
        place = PurePosixPath(path)
        if place.suffix.lower() in _NO_CODE_ENDINGS or place.name in _NO_CODE_NAMES:
            return False
        if is_in_tool_folder(path) or is_result(path, self.prefix):
            return False
        if path in self.created and place.suffix != ".py":
            return False
        return not any(matches(self.in_project(path), pattern) for pattern in self.not_code)

    def in_project(self, path: str) -> str:
        """A path of the repository, relative to the project; it begins with `../` outside the project."""
        if path.startswith(self.prefix):
            return path[len(self.prefix) :]
        return os.path.relpath(path, self.prefix)

    def of(self, files: Iterable[File]) -> list[File]:
        """The files that count, sorted by path."""
        return sorted((file for file in files if self.can_change_a_run(file.path)), key=lambda file: file.path)


def is_in_tool_folder(path: str) -> bool:
    """Whether a file lies in a folder of settings or caches of a tool, such as an editor."""
    return not _NO_CODE_FOLDERS.isdisjoint(PurePosixPath(path).parts[:-1])


def is_result(path: str, prefix: str) -> bool:
    """Whether a file is an output of this project or another one in the repository; a Python file never is."""
    if path.endswith(".py"):
        return False
    return path == f"{prefix}checkpoints" or re.search(r"(^|/)(checkpoints|docs/research)/", path) is not None


def identity_of(files: Iterable[File]) -> str:
    """One hash over mode, content and path of files, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.mode} {file.blob}\t".encode() + os.fsencode(file.path) + b"\0")
    return digest.hexdigest()


def blob_of(content: bytes) -> str:
    """Git's hash of a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def printable(path: str) -> str:
    r"""A path as valid text: bytes that are not UTF-8 become `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def matches(path: str, pattern: str) -> bool:
    """Whether a pattern matches a path or a folder above it."""
    return _compiled(pattern).match(path) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    r"""A pattern as a regular expression: `*` and `?` stay within a name, `**` spans folders."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    last = len(parts) - 1
    words = []
    for number, part in enumerate(parts):
        if part == "**":
            words.append(".+" if number == last else "(?:[^/]+/)*")
        else:
            words.append(segment(part) + ("" if number == last else "/"))
    return re.compile("".join(words) + r"(?:/.*)?\Z", re.DOTALL)


def segment(part: str) -> str:
    """One part of a pattern, between two slashes, as a regular expression."""
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(letter, re.escape(letter)) for letter in part)
