"""The template of a command: seed, output folder and tokens replaced by their fields, and a place for flags."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from seedproof_mcp.setup.choose import (
    is_output,
    is_seed,
    output_option,
    scale_words,
    seed_option,
    spelled,
    tokens_option,
)
from seedproof_mcp.setup.interpreters import Interpreter
from seedproof_mcp.setup.source.found import Interface, Option, Style, last_word

__all__ = ["Command", "Learned", "learn_template"]

_KEY_VALUE = re.compile(r"^\+{0,2}[A-Za-z_][\w.@/-]*=")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)


@dataclass
class Command:
    """A command, taken apart."""

    assignments: dict[str, str] = field(default_factory=dict)
    start: list[str] = field(default_factory=list)
    """Up to the script, or the program alone."""
    arguments: list[str] = field(default_factory=list)
    has_env: bool = False
    """Whether it begins with `env`."""
    python: Interpreter = field(default_factory=Interpreter)


@dataclass
class Learned:
    """What a command teaches."""

    command: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    tokens: int | None = None
    scale: tuple[str, str] | None = None
    checks: tuple[str, ...] = ()


def learn_template(interface: Interface, parts: Command) -> Learned:
    """The template, with the reasons for its fields.

    Args:
        interface: How the script is told its settings.
        parts: The command.
    """
    return _Template(interface, parts).made()


class _Template:
    """Replaces the values of seed, output folder and tokens by their fields, and adds what the script has besides."""

    def __init__(self, interface: Interface, parts: Command) -> None:
        self._interface = interface
        self._parts = parts
        self._made = Learned()
        self._filled: set[str] = set()
        self._aliases = {name: option for option in interface.options for name in option.names}
        self._why: list[str] = []

    def made(self) -> Learned:
        """The template and what was learned with it."""
        style = self._interface.style
        arguments = self._arguments()
        variables = {name: self._field(name, value) for name, value in self._parts.assignments.items()}
        added = self._added() if style is not Style.VARIABLES else []
        if style is Style.VARIABLES and not self._parts.arguments:
            variables |= {part.partition("=")[0]: part.partition("=")[2] for part in self._added()}
        secrets = [name for name in variables if _SECRET.search(name)]
        checks = [f"{', '.join(secrets)} is not written: set it where Seedproof is started."] if secrets else []
        kept = {name: value for name, value in variables.items() if name not in secrets}
        begins = self._parts.has_env or (style is Style.VARIABLES and bool(kept))
        if begins:
            fields = [f"{name}={value}" for name, value in kept.items() if "{" in value]
            plain = [f"{name}={value}" for name, value in kept.items() if "{" not in value]
            command = ("env", *plain, "{flags}", *fields, *self._parts.start, *arguments, *added)
        else:
            command = (*self._parts.start, *self._placed(arguments, added))
        self._made.command = command
        self._made.env = {} if begins else kept
        self._made.why = tuple(self._why)
        self._made.checks = tuple(checks)
        return self._made

    def _arguments(self) -> list[str]:
        found: list[str] = []
        words = self._parts.arguments
        place = 0
        while place < len(words):
            word = words[place]
            following = words[place + 1] if place + 1 < len(words) else None
            name, equals, value = word.partition("=")
            is_pair = self._interface.style is Style.PAIRS and name in self._aliases
            if equals and (word.startswith("-") or _KEY_VALUE.match(word)):
                found.append(f"{name}={self._field(name, value)}")
            elif (word.startswith("-") or is_pair) and following is not None and self._takes_value(word, following):
                found += [word, self._field(word, following)]
                place += 1
            else:
                found.append(word)
            place += 1
        return found

    def _takes_value(self, word: str, following: str) -> bool:
        option = self._aliases.get(word)
        if option is not None and not option.takes_value:
            return False
        return not following.startswith("--") and (not following.startswith("-") or following[1:2].isdigit())

    def _field(self, name: str, value: str) -> str:
        """What stands in place of a value: a field for seed, output folder and tokens."""
        option = self._aliases.get(name)
        names = option.names if option is not None else (name,)
        tokens = tokens_option(self._interface)
        if any(map(is_seed, names)) or (option is not None and option == self._interface.seed):
            return self._fill("{seed}", name)
        if any(map(is_output, names)) and (option is None or option == output_option(self._interface) or "/" in value):
            return self._fill("{output_dir}", name) if "{output_dir}" not in self._filled else value
        is_tokens = (option is not None and option == tokens) or last_word(name) == "train_tokens"
        if is_tokens and value.replace("_", "").isdigit() and int(value) > 0:
            self._made.tokens = int(value)
            return self._fill("{train_tokens}", name)
        for one in names:
            words = scale_words(one, value)
            if words is not None and self._made.scale is None:
                self._made.scale = (words, f"The command has {name} {value}")
        return value

    def _fill(self, text: str, name: str) -> str:
        self._filled.add(text)
        self._why.append(f"{name} of the command takes {text}.")
        if text == "{seed}" and self._interface.seed_why:
            self._why.append(self._interface.seed_why)
        return text

    def _added(self) -> list[str]:
        """Options for seed and output folder that the script has and the command lacks."""
        found: list[str] = []
        wanted = ((seed_option(self._interface), "{seed}"), (output_option(self._interface), "{output_dir}"))
        for option, text in wanted:
            if option is not None and text not in self._filled:
                found += spelled(self._style(option), option.name, text)
                self._why.append(f"{option.where} defines {option.name}, which takes {text}.")
                self._why += [self._interface.seed_why] if option == self._interface.seed else []
        return found + [one for one in self._interface.adds if one.partition("=")[0] not in self._given()]

    def _given(self) -> set[str]:
        return {word.partition("=")[0] for word in self._parts.arguments}

    def _style(self, option: Option) -> Style:
        """As the command writes its own options: `--a=1` or `--a 1`."""
        style = self._interface.style
        if style in (Style.OPTIONS, Style.EQUALS) and self._parts.arguments:
            has_equals = any(word.startswith("--") and "=" in word for word in self._parts.arguments)
            return Style.EQUALS if has_equals or style is Style.EQUALS else Style.OPTIONS
        return style

    def _placed(self, arguments: list[str], added: list[str]) -> list[str]:
        """The arguments with {flags}: at the end, but before values that one argument takes all of."""
        if "{flags}" in arguments:
            return [*arguments, *added]
        first = _rest_begins(arguments) if self._interface.takes_rest else len(arguments)
        if self._interface.style is Style.PAIRS:
            return [*arguments, *added, "{flags}"]
        return [*arguments[:first], *added, "{flags}", *arguments[first:]]


def _rest_begins(arguments: Sequence[str]) -> int:
    """Where the plain words at the end begin; a word behind an option is taken for its value."""
    first = len(arguments)
    while first > 0 and not arguments[first - 1].startswith("-"):
        first -= 1
    return min(first + 1, len(arguments)) if 0 < first < len(arguments) else first
