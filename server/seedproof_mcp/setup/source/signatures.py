"""Options that a parser makes of a function's parameters or of a dataclass: fire, typer, tyro and others."""

import ast
from collections.abc import Iterator, Sequence

from seedproof_mcp.setup.source.found import Interface, Option, Style
from seedproof_mcp.setup.source.python_source import NOTHING, Source, call_name, called, literal

__all__ = ["find_class", "from_click", "from_signatures", "like_training", "options_of_class", "options_of_function"]

_DEEPEST = 3
_FUNCTION_PARSERS = {
    "fire.Fire": ("Fire", Style.EQUALS),
    "tyro.cli": ("tyro", Style.EQUALS),
    "jsonargparse.CLI": ("jsonargparse", Style.EQUALS),
    "jsonargparse.auto_cli": ("jsonargparse", Style.EQUALS),
    "simple_parsing.parse": ("simple-parsing", Style.OPTIONS),
    "draccus.parse": ("draccus", Style.OPTIONS),
    "pyrallis.parse": ("pyrallis", Style.OPTIONS),
    "chz.entrypoint": ("chz", Style.OVERRIDES),
    "chz.nested_entrypoint": ("chz", Style.OVERRIDES),
    "typer.run": ("typer", Style.OPTIONS),
}
_WRAPPERS = {"draccus.wrap": "draccus", "pyrallis.wrap": "pyrallis"}
# What TrainingArguments has by default in every version of transformers.
_TRAINING_ARGUMENTS = {"seed": 42, "output_dir": None, "num_train_epochs": 3.0, "max_steps": -1}

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def from_signatures(sources: Sequence[Source]) -> Interface | None:
    """The options of a program whose parser reads a signature; None for any other."""
    for source in sources:
        for node in source.calls:
            name = called(source, node.func)
            if name in _FUNCTION_PARSERS:
                framework, style = _FUNCTION_PARSERS[name]
                return _of_target(sources, source, node, framework, style)
            if name.rpartition(".")[2] == "HfArgumentParser":
                return Interface("HfArgumentParser", Style.OPTIONS, tuple(_of_hugging_face(sources, source, node)))
        for function in _functions(source):
            for decorator in function.decorator_list:
                expression = decorator.func if isinstance(decorator, ast.Call) else decorator
                framework = _WRAPPERS.get(called(source, expression), "")
                annotation = function.args.args[0].annotation if framework and function.args.args else None
                if annotation is not None:
                    found = options_of_class(sources, call_name(annotation))
                    return Interface(framework, Style.OPTIONS, tuple(found))
    return _of_typer_app(sources)


def like_training(names: Sequence[str]) -> str | None:
    """The name among several that most likely trains; the first one where none does."""
    for wanted in ("train", "fit", "pretrain", "finetune", "main", "run"):
        for name in names:
            if name.casefold() == wanted:
                return name
    return next((name for name in names if "train" in name.casefold()), names[0] if names else None)


def _functions(source: Source) -> list[_Function]:
    return [node for node in source.nodes if isinstance(node, _Function)]


def _of_target(
    sources: Sequence[Source], source: Source, node: ast.Call, framework: str, style: Style
) -> Interface | None:
    """The options of what a parser is called with: a function, a class, or several functions by name."""
    targets = node.args[0] if node.args else next((one.value for one in node.keywords if one.arg == "component"), None)
    subcommand: tuple[str, ...] = ()
    if isinstance(targets, ast.Subscript):  # `tyro.cli(tuple[Config, Other])` has no single answer
        return None
    name = call_name(targets) if targets is not None else ""
    if isinstance(targets, (ast.Dict, ast.List)):
        pairs = _targets_by_name(targets)
        chosen = like_training(list(pairs))
        if chosen is None:
            return None
        name, subcommand = pairs[chosen], (chosen,)
    elif targets is None:
        chosen = like_training([one.name for one in source.tree.body if isinstance(one, _Function)])
        if chosen is None:
            return None
        name, subcommand = chosen, (chosen,)
    function = _find_function(sources, name)
    if function is not None:
        options, positionals = options_of_function(*function, typer=framework == "typer")
        return Interface(framework, style, tuple(options), subcommand, tuple(positionals))
    return Interface(framework, style, tuple(options_of_class(sources, name)), subcommand)


def _targets_by_name(node: ast.Dict | ast.List) -> dict[str, str]:
    if isinstance(node, ast.List):
        return {call_name(one): call_name(one) for one in node.elts if call_name(one)}
    found = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            found[key.value] = call_name(value)
    return found


def _find_function(sources: Sequence[Source], name: str) -> tuple[Source, _Function] | None:
    last = name.rpartition(".")[2]
    return next(((one, node) for one in sources for node in _functions(one) if node.name == last), None)


def find_class(sources: Sequence[Source], name: str) -> tuple[Source, ast.ClassDef] | None:
    """A class by its name."""
    last = name.rpartition(".")[2]
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.ClassDef) and node.name == last:
                return source, node
    return None


def options_of_function(source: Source, node: _Function, *, typer: bool = False) -> tuple[list[Option], list[str]]:
    """The options that a function's parameters become, and the parameters that must be given without a name."""
    arguments = [*node.args.posonlyargs, *node.args.args]
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(node.args.defaults))
    defaults += node.args.defaults
    pairs = [*zip(arguments, defaults, strict=True), *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
    options, positionals = [], []
    for argument, default in pairs:
        if argument.arg in ("self", "cls", "ctx"):
            continue
        given = _typer_call(argument.annotation, default)
        is_positional = (given is None and default is None) or (
            given is not None and call_name(given.func).endswith("Argument")
        )
        if typer and is_positional:
            positionals.append(argument.arg)
            continue
        names = _typer_names(given) or (f"--{argument.arg.replace('_', '-') if typer else argument.arg}",)
        value = given.args[0] if given is not None and given is default and given.args else default
        read = literal(value)
        known = None if read is NOTHING or read is ... else read
        is_required = value is None or read is ...
        takes_value = not (typer and isinstance(known, bool))
        options.append(Option(names, source.where(argument), known, is_required, takes_value))
    return options, positionals


def _typer_call(annotation: ast.expr | None, default: ast.expr | None) -> ast.Call | None:
    """`typer.Option(...)` as a default, or within `Annotated[...]`."""
    inside = list(ast.walk(annotation)) if annotation is not None else []
    for node in [default, *inside]:
        if isinstance(node, ast.Call) and call_name(node.func).rpartition(".")[2] in ("Option", "Argument"):
            return node
    return None


def _typer_names(given: ast.Call | None) -> tuple[str, ...]:
    texts = [one.value for one in given.args if isinstance(one, ast.Constant)] if given is not None else []
    names = [text.partition("/")[0] for text in texts if isinstance(text, str) and text.startswith("-")]
    return tuple(names)


def options_of_class(sources: Sequence[Source], name: str, prefix: str = "--", depth: int = 0) -> Iterator[Option]:
    """The options that the fields of a dataclass become; those of a dataclass within it have its name before them."""
    found = find_class(sources, name)
    if found is None or depth > _DEEPEST:
        return
    source, node = found
    for base in node.bases:
        yield from options_of_class(sources, call_name(base), prefix, depth + 1)
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        inner = call_name(field.annotation)
        if inner and inner != name and find_class(sources, inner) is not None:
            yield from options_of_class(sources, inner, f"{prefix}{field.target.id}.", depth + 1)
            continue
        value = field.value
        if isinstance(value, ast.Call):
            value = next((one.value for one in value.keywords if one.arg == "default"), ast.Constant("…"))
        read = literal(value)
        known = None if read is NOTHING or read == "…" else read
        yield Option((f"{prefix}{field.target.id}",), source.where(field), known, value is None)


def _of_hugging_face(sources: Sequence[Source], source: Source, node: ast.Call) -> Iterator[Option]:
    """The fields of each class that `HfArgumentParser` is given; those of `TrainingArguments` are known."""
    given = node.args[0] if node.args else next((one.value for one in node.keywords), None)
    for one in given.elts if isinstance(given, (ast.Tuple, ast.List)) else [given]:
        name = call_name(one) if one is not None else ""
        own = find_class(sources, name)
        yield from options_of_class(sources, name)
        bases = [call_name(base).rpartition(".")[2] for base in own[1].bases] if own else [name.rpartition(".")[2]]
        if any(base.endswith(("TrainingArguments", "Config")) for base in bases):
            for key, default in _TRAINING_ARGUMENTS.items():
                yield Option((f"--{key}",), source.where(node), default)


def _of_typer_app(sources: Sequence[Source]) -> Interface | None:
    """The commands of a `typer.Typer()`; with one command there is no subcommand."""
    for source in sources:
        if "typer" not in source.modules:
            continue
        commands: dict[str, _Function] = {}
        has_callback = False
        for function in _functions(source):
            for decorator in function.decorator_list:
                last = call_name(decorator.func).rpartition(".")[2] if isinstance(decorator, ast.Call) else ""
                has_callback = has_callback or last == "callback"
                if last == "command" and isinstance(decorator, ast.Call):
                    texts = [one.value for one in decorator.args if isinstance(one, ast.Constant)]
                    commands[str(texts[0]) if texts else function.name.replace("_", "-")] = function
        chosen = like_training(list(commands))
        if chosen is not None:
            options, positionals = options_of_function(source, commands[chosen], typer=True)
            subcommand = (chosen,) if len(commands) > 1 or has_callback else ()
            return Interface("typer", Style.OPTIONS, tuple(options), subcommand, tuple(positionals))
    return None


def from_click(sources: Sequence[Source]) -> Interface | None:
    """The options that decorators of click give to the command that trains."""
    commands: dict[str, tuple[list[Option], list[str]]] = {}
    has_group = False
    for source in sources:
        for function in source.nodes:
            if not isinstance(function, ast.FunctionDef) or "click" not in source.modules:
                continue
            decorators = [one for one in function.decorator_list if isinstance(one, ast.Call)]
            by_name = {call_name(one.func).rpartition(".")[2]: one for one in decorators}
            bare = {call_name(one) for one in function.decorator_list}
            has_group = has_group or "group" in by_name or "click.group" in bare
            if "command" in by_name or any(name.endswith("command") for name in bare):
                command = by_name.get("command")
                first = literal(command.args[0]) if command is not None and command.args else None
                name = first if isinstance(first, str) else function.name.lower().replace("_", "-")
                commands[name] = _click_parameters(source, decorators)
    chosen = like_training(list(commands))
    if chosen is None:
        return None
    options, positionals = commands[chosen]
    return Interface("click", Style.OPTIONS, tuple(options), (chosen,) if has_group else (), tuple(positionals))


def _click_parameters(source: Source, decorators: Sequence[ast.Call]) -> tuple[list[Option], list[str]]:
    options, positionals = [], []
    for one in decorators:
        kind = call_name(one.func).rpartition(".")[2]
        texts = [text.value for text in one.args if isinstance(text, ast.Constant) and isinstance(text.value, str)]
        given = {keyword.arg: keyword.value for keyword in one.keywords}
        if kind == "argument" and texts and literal(given.get("required")) is not False and "default" not in given:
            positionals.append(texts[0])
        names = tuple(text for text in texts if text.startswith("-"))
        if kind == "option" and names:
            is_flag = literal(given.get("is_flag")) is True or "/" in names[0]
            read = literal(given.get("default"))
            default = None if read is NOTHING else read
            needed = literal(given.get("required")) is True
            plain = tuple(name.partition("/")[0] for name in names)
            options.append(Option(plain, source.where(one), default, needed, not is_flag))
    return options, positionals
