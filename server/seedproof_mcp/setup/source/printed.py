"""The lines that a script would print, made from its print and log statements with invented numbers in them."""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seedproof_mcp.setup.source.python_source import Source, call_name, called, literal

__all__ = ["Printed", "logged_names", "printed_lines"]

_SAMPLE = 2.3456789
_MOST_LINES = 2000
_DEEPEST = 8
_PRINTS = re.compile(
    r"^(print\w*|\w*_print|printf|log|log_\w+|info|warning|debug|write|echo|secho|rank_zero_info|msg)$"
)
_COUNTS = re.compile(r"(^|_)(step|steps|iter|iters|iter_num|iteration|epoch|epochs|i|it|batch|batch_idx|rank|num)(_|$)")
_SPLITS = re.compile(r"^(split|phase|mode|stage|prefix)$")
_PERCENT = re.compile(r"%(?:\(\w+\))?[-+ 0#]*(?:\d+|\*)?(?:\.\d+)?([diouxXeEfFgGsra])")


# A number in a line under construction: what the source has there, and the sample.
_BEGIN, _MIDDLE, _END = "\ue000", "\ue001", "\ue002"
_VALUE = re.compile(f"{_BEGIN}([^{_BEGIN}{_MIDDLE}{_END}]*){_MIDDLE}([^{_BEGIN}{_MIDDLE}{_END}]*){_END}")
_MOST_EXPRESSION = 24


@dataclass(frozen=True, slots=True)
class Printed:
    """One line as the program would print it."""

    text: str
    """With invented numbers."""
    shown: str
    """With what the source prints in their place, such as `{acc:.1%}`."""
    where: str


def printed_lines(sources: Sequence[Source]) -> list[Printed]:
    """The lines of every print and log statement, in the order of the source."""
    found: list[Printed] = []
    for source in sources:
        for node in source.calls:
            name = call_name(node.func).rpartition(".")[2] or _last(node.func)
            if _PRINTS.match(name) and node.args and not called(source, node.func).startswith(("wandb.", "math.")):
                where = source.where(node)
                lines = [(_sampled(line), line) for line in _message(node).splitlines()]
                found += [Printed(text, _formats(line), where) for text, line in lines if any(map(str.isalpha, text))]
    return found[:_MOST_LINES]


def _value(shown: str, sample: str) -> str:
    return f"{_BEGIN}{shown}{_MIDDLE}{sample}{_END}"


def _sampled(text: str) -> str:
    """A line with its samples alone."""
    return _VALUE.sub(r"\2", text)


def _formats(text: str) -> str:
    """A line with what the source has in place of its numbers."""
    return _VALUE.sub(r"\1", text)


def _field(node: ast.expr, spec: str) -> str:
    """`{acc:.1%}`; a long expression is cut."""
    words = ast.unparse(node)
    short = words if len(words) <= _MOST_EXPRESSION and words.isprintable() else "..."
    return f"{{{short}:{spec}}}" if spec else f"{{{short}}}"


def _last(function: ast.expr) -> str:
    """The method of an expression such as `get_logger().info`."""
    return function.attr if isinstance(function, ast.Attribute) else ""


def _message(node: ast.Call) -> str:
    """What a call prints: its arguments with spaces between, or a format with its values, as `logging` has it."""
    first = node.args[0]
    text = literal(first)
    if isinstance(text, str) and len(node.args) > 1 and _PERCENT.search(text):
        return _percent(text, node.args[1:])
    return " ".join(_shown(one) for one in node.args)


def _shown(node: ast.expr, depth: int = 0) -> str:
    """An expression as it would be printed, a number for what only the run knows."""
    if depth > _DEEPEST:
        return ""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_shown(one, depth + 1) for one in node.values)
    if isinstance(node, ast.FormattedValue):
        spec = _sampled(_shown(node.format_spec, depth + 1)) if node.format_spec is not None else ""
        return _number(node.value, spec)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _shown(node.left, depth + 1) + _shown(node.right, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        text = literal(node.left)
        values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
        return _percent(text, values) if isinstance(text, str) else ""
    if isinstance(node, ast.Dict):
        return _dictionary(node, depth, "'")
    if isinstance(node, ast.Call):
        if call_name(node.func).endswith("dumps") and node.args and isinstance(node.args[0], ast.Dict):
            return _dictionary(node.args[0], depth, '"')
        if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            return _formatted(literal(node.func.value), node)
        if call_name(node.func) == "str" and node.args:
            return _shown(node.args[0], depth + 1)
    return _number(node, "")


def _dictionary(node: ast.Dict, depth: int, quote: str) -> str:
    pairs = [
        f"{quote}{_shown(key, depth + 1)}{quote}: {_shown(value, depth + 1)}"
        for key, value in zip(node.keys, node.values, strict=True)
        if key is not None
    ]
    return "{" + ", ".join(pairs) + "}"


def _percent(text: str, values: Sequence[ast.expr]) -> str:
    waiting = list(values)

    def one(match: re.Match[str]) -> str:
        value = waiting.pop(0) if waiting else ast.Constant(0)
        kind = match[1]
        if kind in "sra":
            return _number(value, "")
        return _value(match[0], match[0].replace("*", "") % (1 if kind in "diouxX" else _SAMPLE))

    bare = re.sub(r"%\(\w+\)", "%", text)
    return _PERCENT.sub(one, bare).replace("%%", "%")


def _formatted(text: object, node: ast.Call) -> str:
    """`"loss {:.4f}".format(x)` and `"loss {loss:.4f}".format(loss=x)`."""
    if not isinstance(text, str):
        return ""
    waiting = list(node.args)
    named = {one.arg: one.value for one in node.keywords}

    def one(match: re.Match[str]) -> str:
        name = match[1]
        value = named.get(name) or (waiting.pop(0) if waiting else ast.Name(name or "x"))
        return _number(value, match[2] or "")

    return re.sub(r"\{(\w*)[^{}:]*(?::([^{}]*))?\}", one, text)


def _number(node: ast.expr, spec: str) -> str:
    """A value of an expression: 1 for what counts, `val` for a split, a fraction for everything else."""
    name = _name(node)
    if _SPLITS.match(name):
        return "val"
    if isinstance(node, ast.Constant) and not spec:
        return str(node.value)
    is_count = bool(_COUNTS.search(name)) or spec.endswith("d") or call_name_of(node) in ("len", "int")
    try:
        return _value(_field(node, spec), format(1 if is_count else _SAMPLE, spec))
    except (ValueError, OverflowError, MemoryError):
        return _value(_field(node, spec), "1")


def call_name_of(node: ast.expr) -> str:
    """The name of the function that an expression calls; empty for any other."""
    return call_name(node.func) if isinstance(node, ast.Call) else ""


def _name(node: ast.expr) -> str:
    """The last name of an expression: `iter_num` of `self.iter_num`, `step` of `step + 1`."""
    if isinstance(node, ast.BinOp):
        return _name(node.left)
    if isinstance(node, ast.Subscript):
        key = literal(node.slice)
        return key if isinstance(key, str) else _name(node.value)
    return call_name(node).rpartition(".")[2].casefold()


def logged_names(sources: Sequence[Source]) -> dict[str, tuple[str, bool]]:
    """Names of Lightning's `self.log`, each with where it stands and whether the progress bar shows it."""
    found: dict[str, tuple[str, bool]] = {}
    for source in sources:
        for node in source.calls:
            if call_name(node.func) in ("self.log", "self.log_dict") and node.args:
                in_bar = any(one.arg == "prog_bar" and literal(one.value) is True for one in node.keywords)
                first = node.args[0]
                for name in _names_of(first):
                    found.setdefault(name, (source.where(node), in_bar))
    return found


def _names_of(node: ast.expr) -> Iterator[str]:
    for one in node.keys if isinstance(node, ast.Dict) else [node]:
        text = _sampled(_shown(one)) if one is not None else ""
        if text and not json.dumps(text).count("\\"):
            yield text
