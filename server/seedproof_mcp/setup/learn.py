"""Learns the command template from a command that works: where its seed, output folder and flags stand."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from seedproof.model.template import unknown_field

from seedproof_mcp.setup.choose import (
    find_scale,
    find_seed,
    is_output,
    is_seed,
    output_option,
    scale_words,
    seed_option,
    spelled,
    tokens_option,
)
from seedproof_mcp.setup.draft import Draft, find_metric, setup_of
from seedproof_mcp.setup.interpreters import Interpreter, find_interpreter, of_command
from seedproof_mcp.setup.launchers import read_launcher
from seedproof_mcp.setup.project_files import list_files, with_imports
from seedproof_mcp.setup.source.found import Interface, Metric, Option, SeedFound, Setup, Style, last_word
from seedproof_mcp.setup.source.python_source import Source, read_source
from seedproof_mcp.setup.source.script_options import NO_SETTINGS, SYSTEM_VARIABLES, read_interface

__all__ = ["CannotLearn", "learn"]

_PYTHON = re.compile(r"^(.*/)?python[0-9.]*$")
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_KEY_VALUE = re.compile(r"^\+{0,2}[A-Za-z_][\w.@/-]*=")
_SHELL_WORDS = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<", "2>", "2>&1"})
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_ENVIRONMENTS = ("uv", "conda", "mamba", "micromamba", "poetry", "pdm", "pixi", "hatch", "pipenv")
_YOLO = Interface("ultralytics", Style.OVERRIDES, (Option(("seed",), "yolo"), Option(("project",), "yolo")))

_YOLO_METRIC = Metric("map50_95", "yolo writes results.csv into its project folder", ('preset = "ultralytics"',))


class CannotLearn(Exception):
    """A command from which no template can be made; says why in one sentence."""


@dataclass
class _Words:
    """A command, taken apart."""

    assignments: dict[str, str] = field(default_factory=dict)
    start: list[str] = field(default_factory=list)
    """Up to the script, or the program alone."""
    arguments: list[str] = field(default_factory=list)
    has_env: bool = False
    """Whether it begins with `env`."""
    python: Interpreter = field(default_factory=Interpreter)


def learn(root: Path, words: Sequence[str], why: str | None = None) -> Setup:
    """What to write for a project whose training this command starts.

    Args:
        root: The project, in which the command was typed.
        words: The command, as a shell passes it; one text is split as a shell does.
        why: Where the command was found; by default it was given.

    Raises:
        CannotLearn: It is empty, has signs of a shell, or names a script that is not there.
    """
    parts = _take_apart(root, _split(words))
    _require_there(root, parts)
    sources = _sources(root, parts)
    interface = _of_program(root, parts) or (read_interface(root, sources) if sources else NO_SETTINGS)
    made = _Template(interface, parts).made()
    in_command = any("{seed}" in part for part in made.command)
    env = {name: value for name, value in made.env.items() if not SYSTEM_VARIABLES.match(name)}
    in_env = "{seed}" in env.values()
    seed = None if in_command else SeedFound("environment", "The command sets it so") if in_env else None
    if seed is None and not in_command:
        seed = find_seed(sources) if sources else SeedFound("unseeded", "No option or variable for the seed is known")
    scale = made.scale or (None if made.tokens is not None else find_scale(interface, sources))
    draft = Draft(
        made.command,
        (why or "Learned from the command that was given.", *made.why),
        seed,
        _YOLO_METRIC if interface is _YOLO else find_metric(list_files(root), sources, output_option(interface)),
        None if made.tokens is not None else scale,
        made.tokens,
        parts.python,
        env,
        {name: value for name, value in made.env.items() if name not in env and not _SECRET.search(name)},
        checks=made.checks,
    )
    return setup_of(draft)


def _split(words: Sequence[str]) -> list[str]:
    if len(words) == 1 and " " in words[0].strip():
        try:
            words = shlex.split(words[0])
        except ValueError as error:
            raise CannotLearn(f"the command cannot be split: {error}.") from None
    if not [word for word in words if word.strip()]:
        raise CannotLearn("behind -- stands no command; give one that trains, such as `python train.py --lr 0.1`.")
    signs = [word for word in words if word in _SHELL_WORDS or re.match(r"^[0-9]?>", word)]
    if signs:
        raise CannotLearn(f"`{signs[0]}` is a sign of the shell; give one command, or write it into a run.sh.")
    if any(not word.isprintable() for word in words):
        raise CannotLearn("the command has a control character.")
    unknown = unknown_field(words)
    if unknown is not None or list(words).count("{flags}") > 1:
        raise CannotLearn(f"{unknown or '{flags} stands in the command twice'}.")
    return list(words)


def _take_apart(root: Path, words: list[str]) -> _Words:
    parts = _Words(python=find_interpreter(root))
    rest = list(words)
    parts.has_env = PurePosixPath(rest[0]).name == "env" and len(rest) > 1 and not rest[1].startswith("-")
    rest = rest[1:] if parts.has_env else rest
    while rest and _ASSIGNMENT.match(rest[0]):
        name, _, value = rest.pop(0).partition("=")
        parts.assignments[name] = value
    if not rest:
        raise CannotLearn("the command has variables and no program.")
    if rest[0].endswith(".py"):
        rest.insert(0, "python")
    in_environment = PurePosixPath(rest[0]).name in _ENVIRONMENTS
    parts.python = Interpreter() if in_environment else parts.python
    place = next((at for at, word in enumerate(rest) if _PYTHON.match(word)), None)
    if place is not None and not in_environment and "{python}" not in rest:
        if rest[place] not in ("python", "python3") or parts.python.python is None:
            parts.python = _chosen(parts.python, of_command(root, rest[place]))
        rest[place] = "{python}"
    elif "/" in rest[0] and (Path(root) / rest[0]).parent.joinpath("python").exists():
        parts.python = _chosen(parts.python, of_command(root, str(PurePosixPath(rest[0]).parent / "python")))
        rest[0] = PurePosixPath(rest[0]).name  # the interpreter's folder comes first on the training's path
    if rest[:3] == ["{python}", "-m", "torch.distributed.run"]:
        rest[:3] = ["torchrun"]  # the same program; so the script is the first that the command names
    end = _end_of_start(rest)
    parts.start, parts.arguments = [_plain(root, word) for word in rest[:end]], rest[end:]
    return parts


def _chosen(found: Interpreter, given: Interpreter) -> Interpreter:
    """The interpreter of the command; that of the files where the command's is the one that is found anyway."""
    return given if given.python is not None or given.why is not None else Interpreter(found.python, found.why)


def _plain(root: Path, word: str) -> str:
    """A script's path from the project on."""
    if not word.endswith((".py", ".sh", ".bash")):
        return word
    path = Path(word)
    if path.is_absolute() and path.is_relative_to(root.resolve()):
        return path.relative_to(root.resolve()).as_posix()
    return word.removeprefix("./")


def _end_of_start(rest: Sequence[str]) -> int:
    """Where the script's own arguments begin."""
    for place, word in enumerate(rest):
        if word in ("-m", "--module") and place + 1 < len(rest) and "." not in rest[place + 1][:1]:
            if not rest[place + 1].startswith(("torch.distributed", "accelerate", "deepspeed")):
                return place + 2
        elif word.endswith((".py", ".sh", ".bash")) and not word.startswith("-"):
            return place + 1
    return 1


def _script(parts: _Words) -> str | None:
    """The script that a command names, as a path; that of a module is where it would lie."""
    last = parts.start[-1]
    if len(parts.start) > 1 and parts.start[-2] in ("-m", "--module"):
        return last.replace(".", "/") + ".py"
    return last if last.endswith((".py", ".sh", ".bash")) else None


def _require_there(root: Path, parts: _Words) -> None:
    path = _script(parts)
    if path is not None and path == parts.start[-1] and not (root / path).is_file():
        raise CannotLearn(f"{path} is not in the project's folder; give the command as it is typed there.")


def _sources(root: Path, parts: _Words) -> tuple[Source, ...]:
    """The Python that a command starts, with what it imports: of a shell script, the one that gets its arguments."""
    path = _script(parts)
    if path is None:
        return ()
    if not path.endswith(".py"):
        launcher = read_launcher(root, path)
        lines = " ".join(line for _, line in launcher.commands) if launcher is not None else ""
        inner = re.search(r"\S+\.py\b", lines)
        path = inner[0].strip("\"'") if inner is not None else ""
    stem = path.removesuffix(".py")
    tried = (path, f"src/{path}", f"{stem}/__main__.py", f"src/{stem}/__main__.py")
    found = next((source for source in (read_source(root, one) for one in tried if stem) if source is not None), None)
    return with_imports(root, found) if found is not None else ()


def _of_program(root: Path, parts: _Words) -> Interface | None:
    """The settings of a program that hides what it starts; None where the script's own count."""
    if PurePosixPath(parts.start[0]).name == "yolo":
        return _YOLO
    path = _script(parts)
    launcher = read_launcher(root, path) if path is not None and not path.endswith(".py") else None
    if launcher is None or launcher.passes_arguments:
        return None
    return Interface("the environment", Style.VARIABLES, launcher.variables) if launcher.variables else NO_SETTINGS


# --- the template ---------------------------------------------------------------------------------


@dataclass
class _Made:
    command: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    tokens: int | None = None
    scale: tuple[str, str] | None = None
    checks: tuple[str, ...] = ()


class _Template:
    """Replaces the values of seed, output folder and tokens by their fields, and adds what the script has besides."""

    def __init__(self, interface: Interface, parts: _Words) -> None:
        self._interface = interface
        self._parts = parts
        self._made = _Made()
        self._filled: set[str] = set()
        self._aliases = {name: option for option in interface.options for name in option.names}
        self._why: list[str] = []

    def made(self) -> _Made:
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
        if any(map(is_seed, names)):
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
        return text

    def _added(self) -> list[str]:
        """Options for seed and output folder that the script has and the command lacks."""
        found: list[str] = []
        wanted = ((seed_option(self._interface), "{seed}"), (output_option(self._interface), "{output_dir}"))
        for option, text in wanted:
            if option is not None and text not in self._filled:
                found += spelled(self._style(option), option.name, text)
                self._why.append(f"{option.where} defines {option.name}, which takes {text}.")
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
