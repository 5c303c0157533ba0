"""Reads Python files as text and syntax trees. Nothing of a project is ever imported or executed."""

import ast
import os
import stat
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["MOST_BYTES", "NOTHING", "Source", "call_name", "called", "literal", "read_source", "read_text"]

MOST_BYTES = 1024 * 1024
"""A larger file is data, or generated."""
NOTHING = object()
"""What is no literal."""
_MOST_DOTS = 16
# `2**16` and `10 * 1024` are worked out; a power that takes long is none.
_LARGE, _BASE, _EXPONENT = 10**12, 10, 64


def read_text(path: Path) -> str | None:
    """The text of a regular file of at most 1 MB; None for every other."""
    try:
        # A pipe that somebody called train.py must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            return None
        try:
            data = file.read(MOST_BYTES + 1)
        except OSError:
            return None
    return None if len(data) > MOST_BYTES else data.decode("utf-8", "replace")


@dataclass(frozen=True)
class Source:
    """One Python file of the project."""

    path: str
    """Relative to the project."""
    text: str
    tree: ast.Module

    def where(self, node: ast.AST) -> str:
        """File and line of a part of it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every part of the file, in the order of its lines."""
        found = list(ast.walk(self.tree))
        return tuple(sorted(found, key=lambda node: getattr(node, "lineno", 0)))

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        """Every call in the file."""
        return tuple(node for node in self.nodes if isinstance(node, ast.Call))

    @cached_property
    def imported(self) -> Mapping[str, str]:
        """What each imported name stands for: `L` is `lightning`, `main` is `hydra.main`."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = alias.name
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{module.rstrip('.')}.{alias.name}" if module else alias.name
        return found

    @cached_property
    def modules(self) -> frozenset[str]:
        """The first part of each imported module, such as `torch`."""
        return frozenset(name.partition(".")[0] for name in self.imported.values() if not name.startswith("."))

    @cached_property
    def constants(self) -> Mapping[str, tuple[object, ast.AST]]:
        """Names that the module sets to a number, text or truth value, and where; the last one counts."""
        found: dict[str, tuple[object, ast.AST]] = {}
        for node in _top_level(self.tree):
            for name, value in _assigned(node):
                read = literal(value)
                if read is not NOTHING and isinstance(read, (int, float, str, bool)):
                    found[name] = (read, node)
        return found

    @cached_property
    def is_program(self) -> bool:
        """Whether running the file does something: it has a main guard, or calls at its top level."""
        return (
            any(isinstance(node, (ast.For, ast.While)) or _is_call(node) for node in self.tree.body) or self.has_guard
        )

    @cached_property
    def has_guard(self) -> bool:
        """Whether it has `if __name__ == "__main__"`."""
        return any(_is_guard(node) for node in self.tree.body)

    def without_guard(self) -> "Source":
        """The file as it is when another one imports it."""
        body = [node for node in self.tree.body if not _is_guard(node)]
        return Source(self.path, self.text, ast.Module(body, []))


def read_source(root: Path, path: str) -> Source | None:
    """A Python file of the project; None where it cannot be read, is too large or is no Python."""
    text = read_text(root / path)
    if text is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Source(path, text, ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def called(source: Source, function: ast.expr) -> str:
    """The full name of what is called: `L.seed_everything` is `lightning.seed_everything`."""
    first, dot, rest = call_name(function).partition(".")
    return source.imported.get(first, first) + dot + rest


def call_name(function: ast.expr) -> str:
    """The name of what is called, as it is written: `torch.manual_seed`; empty for anything else."""
    parts: list[str] = []
    node: ast.expr = function
    while isinstance(node, ast.Attribute) and len(parts) < _MOST_DOTS:
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def literal(node: ast.expr | None) -> object:
    """The number, text, truth value or None that an expression is; `NOTHING` for any other."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal(node.operand)
        return -value if isinstance(value, (int, float)) else NOTHING
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Pow)):
        left, right = literal(node.left), literal(node.right)
        if isinstance(left, int) and isinstance(right, int) and 0 <= left < _LARGE and 0 <= right < _LARGE:
            if isinstance(node.op, ast.Mult):
                return left * right
            return left**right if left <= _BASE and right <= _EXPONENT else NOTHING
    return NOTHING


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from node.body


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The names of an assignment with their values: `a, b = 1, 2` are two."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        yield node.target.id, node.value
    for target in node.targets if isinstance(node, ast.Assign) else ():
        assert isinstance(node, ast.Assign)
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for one, value in zip(target.elts, node.value.elts, strict=False):
                if isinstance(one, ast.Name):
                    yield one.id, value


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _is_guard(node: ast.stmt) -> bool:
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    sides = [node.test.left, *node.test.comparators]
    names = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return names and any(literal(side) == "__main__" for side in sides)
