"""What a config file sets: its keys with their values, and the length of the training that follows from it."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from seedproof_mcp.setup.choose import scale_words
from seedproof_mcp.setup.source.conf_yaml import yaml_options
from seedproof_mcp.setup.source.found import Interface, Option, Style, last_word
from seedproof_mcp.setup.source.python_source import read_source, read_text

__all__ = ["config_scale", "is_config", "unused_configs"]

_DEEPEST = 6
_MOST_SHOWN = 3


def is_config(name: str) -> bool:
    """Whether an option's name is that of a config file."""
    return last_word(name) in ("config", "config_file", "config_path", "cfg", "configs", "c", "conf")


def config_scale(root: Path, interface: Interface, words: Sequence[str]) -> tuple[str, str] | None:
    """The length that the config file of a command sets, in words, and where; the last one that sets any counts.

    Args:
        root: The project.
        interface: The options of the script, one of which may have a config file by default.
        words: The arguments of the command.
    """
    values = [word.rpartition("=")[2] for word in words]
    values = values or [str(one.default) for one in interface.options if any(map(is_config, one.names))]
    for path in reversed(values):
        for option in _options_of(root, path):
            found = scale_words(option.name, option.default)
            if found is not None:
                return found, f"{option.where} sets {option.name} = {option.default}"
    return None


def _options_of(root: Path, path: str) -> Iterator[Option]:
    """The keys of a config file of the project; none of any other word."""
    kind = PurePosixPath(path).suffix
    try:
        is_there = kind in (".py", ".yaml", ".yml", ".json", ".toml") and (root / path).is_file()
    except (OSError, ValueError):
        return
    if not is_there:
        return
    if kind == ".py":
        source = read_source(root, path)
        for name, (value, node) in source.constants.items() if source is not None else ():
            yield Option((name,), source.where(node) if source is not None else path, value)
    elif kind in (".yaml", ".yml"):
        yield from yaml_options(root, path)
    else:
        try:
            text = read_text(root / path) or ""
            yield from _keys(json.loads(text) if kind == ".json" else tomllib.loads(text), path, 0)
        except (ValueError, RecursionError):
            return


def _keys(value: Any, path: str, depth: int) -> Iterator[Option]:
    for key, inner in value.items() if isinstance(value, dict) and depth < _DEEPEST else ():
        yield Option((str(key),), path, inner)
        yield from _keys(inner, path, depth + 1)


def unused_configs(interface: Interface, paths: Sequence[str], start: Sequence[str]) -> str | None:
    """That a script takes config files which the command does not name; None where there are none.

    Args:
        interface: The options of the script.
        paths: The config files of the project.
        start: What starts the script.
    """
    option = next((one for one in interface.options if any(map(is_config, one.names)) and one.default is None), None)
    takes_file = interface.style is Style.EQUALS and interface.framework == "globals and a configurator"
    if not paths or (option is None and not takes_file) or interface.style is Style.VARIABLES:
        return None
    names = ", ".join(paths[:_MOST_SHOWN]) + (
        f" and {len(paths) - _MOST_SHOWN} more" if len(paths) > _MOST_SHOWN else ""
    )
    command = " ".join(["python" if word == "{python}" else word for word in start])
    given = f"{option.name} {paths[0]}" if option is not None else paths[0]
    verb = "is" if len(paths) == 1 else "are"
    return f"{names} {verb} not used; `seedproof init -- {command} {given}` takes it over."
