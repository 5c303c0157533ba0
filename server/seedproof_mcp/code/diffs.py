"""How two codes differ: files, line counts, and the text of the diff."""

import ast
import difflib
import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from seedproof.model.code import Change, ChangedFile

from seedproof_mcp.code.git import Git
from seedproof_mcp.code.identity import File, printable
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, prepare_state

__all__ = ["change_between", "code_of_diff", "git_texts", "keep", "meaning_of", "plain_texts"]

# The first word of a stored diff; the code that it leads to follows. `patch` and git skip the line.
_HEAD = "seedproof-code"
# Larger files are data: git reports them as binary, and no diff of them is stored.
_TEXT_BYTES = "1m"
# Less than the system allows for one command line.
_ARGUMENT_BYTES = 64 * 1024
_PLAIN = ("--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--full-index")

Counts = dict[str, tuple[int | None, int | None]]
"""Lines added and removed in each file; None where git counts none."""
Texts = Callable[[Sequence[str]], tuple[Counts, str]]
"""From changed paths: the counts, and the text of the diff."""


def change_between(
    old: Sequence[File], new: Sequence[File], new_sha256: str, texts: Texts
) -> tuple[Change | None, bytes]:
    """The change from one code to another, and the diff to store; None and an empty diff if they are the same."""
    before, after = _by_path(old), _by_path(new)
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    if not changed:
        return None, b""
    counts, text = texts(changed)
    files = tuple(ChangedFile(printable(path), *counts.get(path, (None, None))) for path in changed)
    data = f"{_HEAD} {new_sha256}\n{text}".encode(errors="surrogateescape") if text else b""
    return Change(files, hashlib.sha256(data).hexdigest() if data else None), data


def keep(paths: ProjectPaths, name: str, data: bytes) -> None:
    """Store the diff of a change under its hash.

    Raises:
        OSError: It cannot be written.
    """
    if not paths.diff(name).exists():
        prepare_state(paths)
        files.make_folder(paths.diffs)
        files.write_atomic(paths.diff(name), data)


def code_of_diff(diff: Path) -> str | None:
    """The code that a stored diff leads to, read from its first line; None if it cannot be read there."""
    try:
        with diff.open("rb") as file:
            words = file.readline(200).decode(errors="replace").split()
    except OSError:
        return None
    return words[1] if len(words) == 2 and words[0] == _HEAD else None


def _by_path(files: Sequence[File]) -> dict[str, tuple[str, str]]:
    return {file.path: (file.mode, file.blob) for file in files}


def git_texts(git: Git, old: str, new: str) -> Texts:
    """Diffs between two snapshots."""

    def read(changed: Sequence[str]) -> tuple[Counts, str]:
        counts: Counts = {}
        text = ""
        for some in _batches(changed):
            call = ("-c", f"core.bigFileThreshold={_TEXT_BYTES}", "--literal-pathspecs", "diff-tree", "-r", *_PLAIN)
            for line in git(*call, "--numstat", "-z", old, new, "--", *some).names():
                added, removed, path = line.split("\t", 2)
                counts[path] = (_number(added), _number(removed))
            text += os.fsdecode(git(*call, "--patch", old, new, "--", *some).out)
        return counts, text

    return read


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    """Names in lists that fit on a command line."""
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
    """Diffs between contents by path. None is a content that was not stored; a missing path is a missing file."""

    def read(changed: Sequence[str]) -> tuple[Counts, str]:
        counts: Counts = {}
        text = ""
        for path in changed:
            name, before, after = printable(path), _lines(old.get(path, b"")), _lines(new.get(path, b""))
            if before is None or after is None:
                text += f"{name}: no text to compare\n"
                continue
            sides = f"a/{name}" if path in old else "/dev/null", f"b/{name}" if path in new else "/dev/null"
            found = list(difflib.unified_diff(before, after, *sides))
            body = found[2:]
            counts[path] = (sum(one[0] == "+" for one in body), sum(one[0] == "-" for one in body))
            text += _patch(name, sides, found) if found else f"{name}: its mode alone\n"
        return counts, text

    return read


def _patch(name: str, sides: tuple[str, str], found: Sequence[str]) -> str:
    """One file's part of a diff, as git writes it and `git apply` takes it."""
    mode = "new file mode 100644\n" if sides[0] == "/dev/null" else ""
    mode = "deleted file mode 100644\n" if sides[1] == "/dev/null" else mode
    lines = (one if one.endswith("\n") else f"{one}\n\\ No newline at end of file\n" for one in found)
    return f"diff --git a/{name} b/{name}\n{mode}{''.join(lines)}"


def _lines(content: bytes | None) -> list[str] | None:
    """The lines of a text, each with its newline; None for binary content, and for one that was not stored."""
    if content is None or b"\0" in content:
        return None
    lines = content.decode(errors="surrogateescape").split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


# --- what a change means --------------------------------------------------------------------------

Content = Callable[[File], bytes | None]
"""The content of a file of one code; None where it is not stored."""
# Parsing so many takes a few seconds.
_MOST_PARSED = 200
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def meaning_of(old: tuple[Sequence[File], Content], new: tuple[Sequence[File], Content]) -> str | None:
    """Hash over the files that differ in more than comments, blanks and docstrings of Python; empty where none does.

    Two changes from one code that mean the same have the same hash. None where too many files differ, or where one is
    not stored.
    """
    before, after = ({file.path: file for file in files} for files, _ in (old, new))
    changed = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    if len(changed) > _MOST_PARSED:
        return None
    digest, is_empty = hashlib.sha256(), True
    for path in changed:
        one, other = before.get(path), after.get(path)
        meant = [None if file is None else _meant(file, read) for file, (_, read) in ((one, old), (other, new))]
        if meant[0] != meant[1]:
            digest.update(f"{path}\0{meant[1]}\0".encode(errors="surrogateescape"))
            is_empty = False
    return "" if is_empty else digest.hexdigest()


def _meant(file: File, read: Content) -> str:
    """What a file means to a run: of Python its syntax tree, else its bytes."""
    content = read(file) if file.path.endswith(".py") else None
    tree = None if content is None else _syntax(content)
    return f"{file.mode} {file.blob}" if tree is None else f"{file.mode} {hashlib.sha256(tree.encode()).hexdigest()}"


def _syntax(source: bytes) -> str | None:
    """The syntax tree without docstrings, unless the program reads those; None for what cannot be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            reads_docstrings = b"__doc__" in source or b"docopt" in source
            for node in () if reads_docstrings else ast.walk(tree):
                if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
                    node.body = node.body[1:] or [ast.Pass()]
            return ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
