"""How a training script is told its settings: which parser it uses and which options it has, read in its source."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from seedproof_mcp.setup.source.conf_yaml import from_hydra, yaml_options
from seedproof_mcp.setup.source.found import Interface, Option, Style, last_word
from seedproof_mcp.setup.source.python_source import NOTHING, Source, call_name, called, literal
from seedproof_mcp.setup.source.signatures import (
    find_class,
    from_click,
    from_signatures,
    like_training,
    options_of_class,
)
from seedproof_mcp.setup.source.variables import read_variables

__all__ = ["NO_SETTINGS", "has_other_options", "read_interface"]

_REST = ("argparse.REMAINDER", "REMAINDER", "...", "*", "+")
_OWN_MODULES = frozenset({"argparse", "jsonargparse", "configargparse", "optparse"})
_NEEDED_VARIABLES = 2
NO_SETTINGS = Interface("no options", Style.OPTIONS)
"""Of a script whose settings stand in its source."""


def read_interface(root: Path, sources: Sequence[Source]) -> Interface:
    """The options of a script.

    Args:
        root: The project.
        sources: The script, and after it what it imports from the project.
    """
    try:
        own = _read(root, sources[:1])
        if len(sources) == 1 or any(_is_seed(option) for option in own.options):
            return own
        every = _read(root, sources)
    except RecursionError:  # an expression that is nested deeper than anybody writes
        return NO_SETTINGS
    # yacs keeps its keys in a module of their own, beside a few options of argparse in the script.
    is_same = own.framework == every.framework or every.style is Style.PAIRS
    has_more = own is NO_SETTINGS or (is_same and len(every.options) > len(own.options))
    return every if has_more else own


def _is_seed(option: Option) -> bool:
    return any("seed" in last_word(name) for name in option.names)


def _read(root: Path, sources: Sequence[Source]) -> Interface:
    return (
        from_hydra(root, sources)
        or _from_lightning_cli(root, sources)
        or from_signatures(sources)
        or _from_yacs(sources)
        or _from_absl(sources)
        or from_click(sources)
        or _from_argparse(sources)
        or _from_omegaconf(root, sources)
        or _from_configurator(sources)
        or _from_variables(sources)
        or NO_SETTINGS
    )


# --- argparse, and what adds to it ----------------------------------------------------------------


def _from_argparse(sources: Sequence[Source]) -> Interface | None:
    parsers = {one for source in sources for one in source.modules & _OWN_MODULES}
    subparsers: dict[str, str] = {}
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                name = node.value.args[0] if node.value.args else None
                if call_name(node.value.func).endswith(".add_parser") and isinstance(name, ast.Constant):
                    subparsers |= {call_name(one): str(name.value) for one in node.targets}
    chosen = like_training(list(subparsers.values()))
    found = [one for source in sources for one in _added(source, subparsers, chosen)]
    options = [one for one, _ in found if one.names[0].startswith("-")]
    options += _added_classes(sources)
    if not parsers or (not found and not options):
        return None
    names = [(one, takes_rest) for one, takes_rest in found if not one.names[0].startswith("-")]
    needed = tuple(one.name for one, takes_rest in names if one.is_required and not takes_rest)
    framework = "jsonargparse" if "jsonargparse" in parsers else "argparse"
    takes_rest = any(rest for _, rest in names)
    return Interface(framework, Style.OPTIONS, tuple(options), (chosen,) if chosen else (), needed, takes_rest)


def _added(source: Source, subparsers: dict[str, str], chosen: str | None) -> Iterator[tuple[Option, bool]]:
    """Each argument that is added, and whether it takes everything that follows."""
    for node in source.calls:
        if call_name(node.func).rpartition(".")[2] not in ("add_argument", "add_option"):
            continue
        owner = call_name(node.func).rpartition(".")[0]
        if owner in subparsers and subparsers[owner] != chosen:
            continue
        names = tuple(one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str))
        given = {one.arg: one.value for one in node.keywords if one.arg}
        nargs = literal(given.get("nargs"))
        rest = call_name(given["nargs"]) if "nargs" in given else ""
        takes_rest = nargs in _REST or rest in _REST
        default = literal(given.get("default")) if "default" in given else None
        is_named = bool(names) and names[0].startswith("-")
        is_required = literal(given.get("required")) is True if is_named else nargs != "?" and "default" not in given
        action = literal(given.get("action"))
        takes_value = not (isinstance(action, str) and action.startswith(("store_", "count", "help", "version")))
        if names:
            known = None if default is NOTHING else default
            first = bool(subparsers) and owner not in subparsers
            dest = literal(given.get("dest"))
            read_as = dest if isinstance(dest, str) else None
            yield Option(names, source.where(node), known, is_required, takes_value, first, read_as), takes_rest


def has_other_options(source: Source) -> bool:
    """Whether a file may add options whose names do not stand in it, or leaves unknown ones to another parser."""
    for node in source.calls:
        last = call_name(node.func).rpartition(".")[2]
        if last in ("parse_known_args", "add_argparse_args") or last.endswith("_class_arguments"):
            return True
        if last == "add_argument" and not any(isinstance(literal(one), str) for one in node.args):
            return True
    return False


def _added_classes(sources: Sequence[Source]) -> list[Option]:
    """`add_arguments(Config, "config")` of simple-parsing, `add_class_arguments(Model, "model")` of jsonargparse."""
    found: list[Option] = []
    for source in sources:
        for node in source.calls:
            last = call_name(node.func).rpartition(".")[2]
            if node.args and last in ("add_arguments", "add_class_arguments", "add_dataclass_arguments"):
                nested = literal(node.args[1]) if len(node.args) > 1 and last != "add_arguments" else ""
                prefix = f"--{nested}." if isinstance(nested, str) and nested else "--"
                found += options_of_class(sources, call_name(node.args[0]), prefix)
    return found


def _from_lightning_cli(root: Path, sources: Sequence[Source]) -> Interface | None:
    for source in sources:
        for node in source.calls:
            if not _is_lightning_cli(sources, called(source, node.func).rpartition(".")[2]):
                continue
            given = {one.arg: one.value for one in node.keywords}
            where = source.where(node)
            runs = literal(given.get("run")) is not False
            own = tuple(_added(source, {}, None))
            options = (
                Option(("--seed_everything",), where),
                Option(("--trainer.default_root_dir",), where),
                *(option for option, _ in own),
                *(one for path in _configs(root) for one in _dashed(yaml_options(root, path))),
            )
            has_model = bool(node.args) or "model_class" in given
            needed = () if has_model else ("--config",)
            return Interface("LightningCLI", Style.OPTIONS, options, ("fit",) if runs else (), needed)
    return None


def _is_lightning_cli(sources: Sequence[Source], name: str) -> bool:
    if name == "LightningCLI":
        return True
    own = find_class(sources, name) if name.endswith("CLI") else None
    return own is not None and any(call_name(base).endswith("LightningCLI") for base in own[1].bases)


def _configs(root: Path) -> list[str]:
    """The one config file of the project, where there is one."""
    found = [path for pattern in ("config*.yaml", "configs/*.yaml") for path in sorted(root.glob(pattern))]
    return [found[0].relative_to(root).as_posix()] if len(found) == 1 else []


def _dashed(options: Iterator[Option]) -> Iterator[Option]:
    for one in options:
        if one.name not in ("seed_everything", "trainer.default_root_dir"):
            yield Option((f"--{one.name}",), one.where, one.default)


# --- other parsers --------------------------------------------------------------------------------


def _from_absl(sources: Sequence[Source]) -> Interface | None:
    options = []
    for source in sources:
        for node in source.calls:
            last = called(source, node.func).rpartition(".")[2]
            name = literal(node.args[0]) if node.args and last.startswith("DEFINE_") else None
            if isinstance(name, str) and "absl" in source.modules:
                read = literal(node.args[1]) if len(node.args) > 1 else None
                default = None if read is NOTHING else read
                takes_value = last not in ("DEFINE_bool", "DEFINE_boolean")
                options.append(Option((f"--{name}",), source.where(node), default, takes_value=takes_value))
    return Interface("absl", Style.EQUALS, tuple(options)) if options else None


def _from_yacs(sources: Sequence[Source]) -> Interface | None:
    """KEY VALUE behind the options: yacs, and detectron2, whose own keys are known."""
    merges = [one for source in sources for one in source.calls if call_name(one.func).endswith("merge_from_list")]
    if not merges:
        return None
    options: list[Option] = []
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
                key = call_name(node.targets[0]).partition(".")[2]
                value = literal(node.value)
                if key.isupper() and value is not NOTHING:
                    options.append(Option((key,), source.where(node), value))
            elif isinstance(node, ast.Call) and called(source, node.func).endswith("CfgNode"):
                options += _keys_of_dict(source, node.args[0], "") if node.args else ()
        if source.modules & {"detectron2"}:
            options += [Option((key,), source.where(source.tree.body[0])) for key in ("SEED", "OUTPUT_DIR")]
    return Interface("yacs", Style.PAIRS, tuple(options), takes_rest=True) if options else None


def _keys_of_dict(source: Source, node: ast.expr, prefix: str) -> Iterator[Option]:
    if not isinstance(node, ast.Dict):
        return
    for key, value in zip(node.keys, node.values, strict=True):
        name = literal(key)
        if isinstance(name, str):
            yield from _keys_of_dict(source, value, f"{prefix}{name}.")
            read = literal(value)
            if read is not NOTHING:
                yield Option((prefix + name,), source.where(value), read)


def _from_omegaconf(root: Path, sources: Sequence[Source]) -> Interface | None:
    for source in sources:
        if any(call_name(node.func).endswith("OmegaConf.from_cli") for node in source.calls):
            options: list[Option] = []
            for node in source.calls:
                last, first = call_name(node.func).rpartition(".")[2], node.args[0] if node.args else None
                path = literal(first) if last == "load" else None
                if isinstance(path, str) and not path.startswith("/"):
                    options += yaml_options(root, path)
                elif last in ("structured", "create") and first is not None:
                    options += _keys_of_dict(source, first, "")
                    target = first.func if isinstance(first, ast.Call) else first
                    options += options_of_class(sources, call_name(target), prefix="")
            return Interface("OmegaConf", Style.OVERRIDES, tuple(options))
    return None


def _from_configurator(sources: Sequence[Source]) -> Interface | None:
    """Settings are globals, which a file that is executed and `--key=value` replace: nanoGPT's way."""
    script = sources[0]
    runs_file = any(
        call_name(node.func) == "exec" and any(call_name(one.func) == "open" for one in _calls_in(node))
        for node in script.calls
    )
    sets_globals = "globals()[" in script.text and "sys.argv" in script.text
    if not runs_file and not sets_globals:
        return None
    options = [
        Option((f"--{name}",), script.where(node), value)
        for name, (value, node) in script.constants.items()
        if not name.startswith("_")
    ]
    return Interface("globals and a configurator", Style.EQUALS, tuple(options))


def _calls_in(node: ast.AST) -> Iterator[ast.Call]:
    return (one for one in ast.walk(node) if isinstance(one, ast.Call))


def _from_variables(sources: Sequence[Source]) -> Interface | None:
    options = read_variables(sources)
    return Interface("the environment", Style.VARIABLES, options) if len(options) >= _NEEDED_VARIABLES else None
