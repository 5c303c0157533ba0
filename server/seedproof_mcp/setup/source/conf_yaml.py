"""Keys of the YAML files of Hydra and of LightningCLI, read line by line: enough for names, numbers and texts."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from seedproof_mcp.setup.source.found import Interface, Option, Style
from seedproof_mcp.setup.source.python_source import Source, call_name, called, read_text
from seedproof_mcp.setup.source.signatures import options_of_class

__all__ = ["from_hydra", "yaml_options"]

_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_][\w.-]*)\s*:(?:\s+(?P<value>.*))?$")
_CHOICE = re.compile(r"^\s*-\s+(?:override\s+)?/?(?P<group>[\w/]+)\s*:\s*(?P<name>[\w.-]+)\s*$")
_NUMBER = re.compile(r"^[+-]?\d+$")
_MOST_GROUPS = 30


def yaml_options(root: Path, path: str, prefix: str = "") -> Iterator[Option]:
    """Each key of a YAML file with its whole path, such as `trainer.max_epochs`."""
    text = read_text(root / path)
    above: list[tuple[int, str]] = []
    for number, line in enumerate((text or "").splitlines(), 1):
        match = _KEY.match(line.expandtabs(8))
        if match is None:
            continue
        indent = len(match["indent"])
        while above and above[-1][0] >= indent:
            above.pop()
        keys = [key for _, key in above] + [match["key"]]
        value = re.sub(r"\s+#.*$", "", match["value"] or "").strip()
        if not value or value.startswith("#"):
            above.append((indent, match["key"]))
        if keys[0] not in ("defaults", "hydra"):
            yield Option((prefix + ".".join(keys),), f"{path}:{number}", _value(value))


def _value(text: str) -> object:
    if _NUMBER.match(text):
        return int(text)
    if text in ("", "null", "~") or text.startswith(("$", "#")):
        return None
    return text.strip("\"'")


def from_hydra(root: Path, sources: Sequence[Source]) -> Interface | None:
    """The keys of a program that `hydra.main` starts; None for any other."""
    for source in sources:
        for node in source.nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and called(source, decorator.func) == "hydra.main":
                        options = tuple(_hydra_options(root, sources, source, decorator))
                        return Interface("Hydra", Style.OVERRIDES, options, adds=("hydra.run.dir={output_dir}",))
    return None


def _hydra_options(root: Path, sources: Sequence[Source], source: Source, decorator: ast.Call) -> Iterator[Option]:
    given = {one.arg: one.value for one in decorator.keywords}
    folder = _last_text(given.get("config_path")) or "."
    name = _last_text(given.get("config_name")) or "config"
    place = PurePosixPath(source.path).parent
    for base in dict.fromkeys((place / folder, PurePosixPath(folder))):
        plain = PurePosixPath(*_without_dots(base.parts))
        path = str(plain / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"))
        if (root / path).is_file():
            yield from yaml_options(root, path)
            yield from _groups(root, plain, path)
            return
    for one in sources:  # a structured config, which the ConfigStore knows
        for node in one.calls:
            if call_name(node.func).endswith(".store"):
                stored = {keyword.arg: keyword.value for keyword in node.keywords}
                if _last_text(stored.get("name")) == name and "node" in stored:
                    yield from options_of_class(sources, call_name(stored["node"]), prefix="")


def _groups(root: Path, folder: PurePosixPath, path: str) -> Iterator[Option]:
    """The keys of the files that the list of defaults chooses."""
    lines = (read_text(root / path) or "").splitlines()
    chosen = [match for match in map(_CHOICE.match, lines) if match is not None]
    for match in chosen[:_MOST_GROUPS]:
        group = f"{folder / match['group'] / match['name']}".removesuffix(".yaml") + ".yaml"
        is_global = "@package _global_" in (read_text(root / group) or "")[:1000]
        yield from yaml_options(root, group, "" if is_global else match["group"].replace("/", ".") + ".")


def _last_text(node: ast.expr | None) -> str | None:
    """A text, or the last one in an expression such as `root / "configs"`."""
    texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)] if node is not None else []
    found = [text for text in texts if isinstance(text, str)]
    return found[-1] if found else None


def _without_dots(parts: Sequence[str]) -> list[str]:
    """The parts of a path with `..` worked out, which stays inside the project."""
    found: list[str] = []
    for part in parts:
        if part == ".." and found:
            found.pop()
        elif part not in ("..", "."):
            found.append(part)
    return found
