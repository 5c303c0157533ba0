"""How two codes differ: files, line counts, and a text that is kept."""

import difflib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from seedproof.model.code import Change, ChangedFile

from seedproof_mcp.code.git import Git
from seedproof_mcp.code.identity import File, shown
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, prepare_state

__all__ = ["change_between", "code_of_diff", "git_texts", "keep", "plain_texts"]

# Of the text that tells which code a diff leads to, the first word: other programs pass over the line.
_HEAD = "seedproof-code"
# Longer texts are data: git then says "binary", and no diff of them is kept.
_TEXT_BYTES = "1m"
# Less than the system allows for one command line.
_ARGUMENT_BYTES = 64 * 1024
_PLAIN = ("--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--full-index")

Texts = Callable[[Sequence[str]], tuple[dict[str, tuple[int | None, int | None]], str]]
"""Lines added and removed of each changed file, and the text of the difference."""


def change_between(
    old: Sequence[File], new: Sequence[File], new_sha256: str, texts: Texts
) -> tuple[Change | None, bytes]:
    """How the files of two codes differ, and the text to be kept; None and nothing if they do not."""
    before, after = _by_path(old), _by_path(new)
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    if not changed:
        return None, b""
    counts, text = texts(changed)
    files = tuple(ChangedFile(shown(path), *counts.get(path, (None, None))) for path in changed)
    data = f"{_HEAD} {new_sha256}\n{text}".encode(errors="surrogateescape") if text else b""
    return Change(files, hashlib.sha256(data).hexdigest() if data else None), data


def keep(paths: ProjectPaths, name: str, data: bytes) -> None:
    """Keep the text of a change.

    Raises:
        OSError: It cannot be written.
    """
    if not paths.diff(name).exists():
        prepare_state(paths)
        files.make_folder(paths.diffs)
        files.write_atomic(paths.diff(name), data)


def code_of_diff(first_line: bytes) -> str | None:
    """The code that a kept diff leads to, by its first line."""
    words = first_line.decode(errors="replace").split()
    return words[1] if len(words) == 2 and words[0] == _HEAD else None


def _by_path(files: Sequence[File]) -> dict[str, tuple[str, str]]:
    return {file.path: (file.mode, file.blob) for file in files}


def git_texts(git: Git, old: str, new: str) -> Texts:
    """The difference between two snapshots."""

    def read(changed: Sequence[str]) -> tuple[dict[str, tuple[int | None, int | None]], str]:
        counts: dict[str, tuple[int | None, int | None]] = {}
        text = ""
        for some in _in_pieces(changed):
            call = ("-c", f"core.bigFileThreshold={_TEXT_BYTES}", "--literal-pathspecs", "diff-tree", "-r", *_PLAIN)
            for line in git(*call, "--numstat", "-z", old, new, "--", *some).names():
                added, removed, path = line.split("\t", 2)
                counts[path] = (_number(added), _number(removed))
            text += os.fsdecode(git(*call, "--patch", old, new, "--", *some).out)
        return counts, text

    return read


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)


def _in_pieces(names: Sequence[str]) -> Iterator[list[str]]:
    piece, size = [], 0
    for name in names:
        piece.append(name)
        size += len(os.fsencode(name)) + 1
        if size > _ARGUMENT_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def plain_texts(old: Mapping[str, bytes | None], new: Mapping[str, bytes | None]) -> Texts:
    """The difference between contents by path: None is one that nobody kept, a missing path no file."""

    def read(changed: Sequence[str]) -> tuple[dict[str, tuple[int | None, int | None]], str]:
        counts: dict[str, tuple[int | None, int | None]] = {}
        text = ""
        for path in changed:
            lines = _lines(old.get(path, b"")), _lines(new.get(path, b""))
            if lines[0] is None or lines[1] is None:
                text += f"{shown(path)}: no text to compare\n"
                continue
            found = [*difflib.unified_diff(lines[0], lines[1], f"a/{shown(path)}", f"b/{shown(path)}", lineterm="")]
            body = found[2:]
            counts[path] = (sum(one[0] == "+" for one in body), sum(one[0] == "-" for one in body))
            text += "".join(f"{one}\n" for one in found) or f"{shown(path)}: its mode alone\n"
        return counts, text

    return read


def _lines(content: bytes | None) -> list[str] | None:
    if content is None or b"\0" in content:
        return None
    text = content.decode(errors="surrogateescape")
    return text.removesuffix("\n").split("\n") if text else []
