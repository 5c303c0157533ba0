"""Where a value comes from: the names and numbers that an expression is made of, followed through assignments."""

import ast
from collections.abc import Iterator, Sequence

from seedproof_mcp.setup.source.python_source import Source, call_name, called, literal

__all__ = ["origins", "uses_name"]

_DEEPEST = 6
_PASSES_ON = ("int", "str", "float", "abs", "hash")
_READS_VARIABLE = ("os.environ.get", "os.getenv", "os.environ.setdefault")


def origins(sources: Sequence[Source], source: Source, node: ast.expr | None) -> list[str | int]:
    """Names of options, keys and variables, and whole numbers, the nearest first: `rng` of `int(args.rng) + rank`.

    Args:
        sources: The script, and what it imports from the project.
        source: The file in which the expression stands.
        node: The expression.
    """
    return list(dict.fromkeys(_origins(sources, source, node, frozenset(), 0)))


def uses_name(sources: Sequence[Source], name: str) -> bool:
    """Whether a name is read anywhere: as a variable, an attribute or a key, or with all in `main(**options)`."""
    is_handed_on = any(one.arg is None for source in sources for call in source.calls for one in call.keywords)
    return is_handed_on or any(name == word.casefold() for source in sources for word in _read_names(source))


def _read_names(source: Source) -> Iterator[str]:
    methods = {id(call.func) for call in source.calls}  # `seed` of `random.seed(…)` reads no option
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and id(node) not in methods:
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Subscript):
            key = literal(node.slice)
            yield key if isinstance(key, str) else ""
        elif isinstance(node, ast.Call) and len(node.args) > 1 and call_name(node.func) == "getattr":
            yield str(literal(node.args[1]))


def _origins(
    sources: Sequence[Source], source: Source, node: ast.expr | None, seen: frozenset[str], depth: int
) -> Iterator[str | int]:
    if node is None or depth > _DEEPEST:
        return
    value = literal(node)
    if isinstance(value, int) and not isinstance(value, bool):
        yield value
        return
    inner: Sequence[ast.expr] = ()
    if isinstance(node, ast.Name):
        yield node.id
        if node.id not in seen:
            seen |= {node.id}
            inner = [*_assigned(source, node.id), *_handed(sources, source, node.id)]
    elif isinstance(node, ast.Attribute):
        yield node.attr
        inner = [] if f".{node.attr}" in seen else _assigned(source, node.attr, of_object=True)
        seen |= {f".{node.attr}"}
    elif isinstance(node, ast.Subscript):
        key = literal(node.slice)
        if isinstance(key, str):
            yield key
    elif isinstance(node, ast.Call):
        name = called(source, node.func)
        key = literal(node.args[1]) if call_name(node.func) == "getattr" and len(node.args) > 1 else None
        first = literal(node.args[0]) if node.args else None
        if name in _PASSES_ON:
            inner = node.args
        elif isinstance(key, str):
            yield key
        elif (name in _READS_VARIABLE or name.endswith(".get")) and isinstance(first, str):
            yield first
    elif isinstance(node, ast.BinOp):
        inner = (node.left, node.right)
    elif isinstance(node, ast.IfExp):
        inner = (node.body, node.orelse)
    elif isinstance(node, ast.BoolOp):
        inner = node.values
    for one in inner:
        yield from _origins(sources, source, one, seen, depth + 1)


def _assigned(source: Source, name: str, *, of_object: bool = False) -> list[ast.expr]:
    """What a variable, or an attribute of any object, is set to."""
    found: list[ast.expr] = []
    for node in source.nodes:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            kind = isinstance(target, ast.Attribute if of_object else ast.Name)
            if kind and call_name(target).rpartition(".")[2] == name and isinstance(node, (ast.Assign, ast.AnnAssign)):
                found += [node.value] if node.value is not None else []
            elif isinstance(target, ast.Tuple) and isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=False)
                found += [value for one, value in pairs if not of_object and call_name(one) == name]
    return found


def _handed(sources: Sequence[Source], source: Source, name: str) -> list[ast.expr]:
    """What the project's calls hand to the functions of a file that have a parameter of this name."""
    found: list[ast.expr] = []
    classes = {id(one): node.name for node in source.nodes if isinstance(node, ast.ClassDef) for one in node.body}
    for node in source.nodes:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        known_as = classes.get(id(node), node.name) if node.name == "__init__" else node.name
        parameters = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
        if name not in parameters:
            continue
        place = parameters.index(name) - (parameters[:1] == ["self"])
        for call in (call for one in sources for call in one.calls):
            if call_name(call.func).rpartition(".")[2] == known_as:
                found += [one.value for one in call.keywords if one.arg == name]
                found += call.args[place : place + 1]
    return found
