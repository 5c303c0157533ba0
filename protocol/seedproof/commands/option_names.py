"""The options of a training script, read in its source: which names are one option. The script is never executed."""

import ast
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache

__all__ = ["KnownOptions", "OptionNames", "known_options", "option_names", "plain_name"]

OptionNames = tuple[tuple[str, ...], ...]
"""The names of each option as the script spells them, such as `("--learning_rate", "--lr")`."""

# argparse; optparse; click and typer.
_DEFINES = frozenset({"add_argument", "add_option", "option", "Option"})
# Larger files are data. More options than this are generated, and comparing them would take long.
_MOST_BYTES = 1024 * 1024
_MOST_OPTIONS = 2000


def option_names(source: bytes | None) -> OptionNames:
    """The options that a script defines with literal names; none where it cannot be read.

    Options that an imported module defines, or a loop, are not known.

    Args:
        source: The script; None where it is not stored.
    """
    if source is None or len(source) > _MOST_BYTES:
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = tuple(dict.fromkeys(_defined(ast.parse(source))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return found if len(found) <= _MOST_OPTIONS else ()


def _defined(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in _DEFINES:
            texts = (one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str))
            # To click `--shout/--no-shout` are two: the second is the opposite of the first.
            parts = [text.split("/") for text in texts if text.startswith("-") and text.strip("-")]
            if parts:
                yield tuple(first for first, *_ in parts)
            yield from ((other.strip(),) for _, *others in parts for other in others)


def _name(function: ast.expr) -> str | None:
    """The last name of what is called: `add_argument` of `parser.add_argument`."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


# --- which option a flag means --------------------------------------------------------------------


def plain_name(option: str) -> str:
    """The name of an option without dashes before it, in lower case, and with `-` as `_`."""
    return option.lstrip("-+~").casefold().replace("-", "_")


class KnownOptions:
    """Finds the option that a flag means, by any of its names."""

    def __init__(self, names: OptionNames) -> None:
        self._by_name: dict[str, set[int]] = {}
        for place, group in enumerate(names):
            for name in group:
                self._by_name.setdefault(name, set()).add(place)
        firsts = [next((name for name in group if name.startswith("--")), group[0]) for group in names]
        plain = [plain_name(first) for first in firsts]
        # `-r` and `-R` may be two options.
        self._titles = [one if plain.count(one) == 1 else first for one, first in zip(plain, firsts, strict=True)]
        self.titles = frozenset(self._titles)
        """One name for each option."""

    def has(self, option: str) -> bool:
        """Whether the script gives an option this very name."""
        return option in self._by_name

    def find(self, option: str) -> tuple[str | None, str | None]:
        """One name for the option that is meant, and the value that is part of the flag, as in `-r0.01`.

        A unique abbreviation counts as the name, as with argparse. None for an option that is not known, and for a
        name that the script gives to several, as in subcommands.
        """
        if option in self._by_name:
            return self._title(self._by_name[option]), None
        begun = self._places(lambda name: len(option) > 2 and name.startswith(option))
        if begun:
            return self._title(begun), None
        if option[1:2] != "-" and option[:2] in self._by_name:
            return self._title(self._by_name[option[:2]]), option[2:]
        return self._title(self._places(lambda name: plain_name(name) == plain_name(option))), None

    def _places(self, is_meant: Callable[[str], bool]) -> set[int]:
        return {place for name, places in self._by_name.items() if is_meant(name) for place in places}

    def _title(self, places: set[int]) -> str | None:
        return self._titles[next(iter(places))] if len(places) == 1 else None


@lru_cache(maxsize=16)
def known_options(names: OptionNames) -> KnownOptions:
    """The same for equal names: a long campaign asks for each earlier experiment."""
    return KnownOptions(names)
