"""Learns the command template from a command that works: where its seed, output folder and flags stand."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from seedproof.model.template import unknown_field
from seedproof.model.untrusted import one_line, safe_tail

from seedproof_mcp.setup.choose import (
    find_scale,
    is_seed,
    output_option,
    seed_option,
)
from seedproof_mcp.setup.config_files import config_scale
from seedproof_mcp.setup.draft import Draft, find_metric, setup_of
from seedproof_mcp.setup.interpreters import Interpreter, find_interpreter, of_command
from seedproof_mcp.setup.launchers import read_launcher
from seedproof_mcp.setup.learned_template import Command, learn_template
from seedproof_mcp.setup.project_files import list_files, with_imports
from seedproof_mcp.setup.seeding import find_seed, with_seed_option
from seedproof_mcp.setup.source.found import Interface, Metric, Option, SeedFound, Setup, Style
from seedproof_mcp.setup.source.python_source import Source, read_source
from seedproof_mcp.setup.source.script_options import NO_SETTINGS, has_other_options, read_interface
from seedproof_mcp.setup.source.variables import SYSTEM_VARIABLES

__all__ = ["CannotLearn", "learn"]

_PYTHON = re.compile(r"^(.*/)?python[0-9.]*$")
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_SECRET_NAME = re.compile(r"^--?(password|passwd|(\w+[_-])?api[_-]?key|secret)(=|$)", re.IGNORECASE)
_SHOWN_OPTIONS = 12
_SHELL_WORDS = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<", "2>", "2>&1"})
_ENVIRONMENTS = ("uv", "conda", "mamba", "micromamba", "poetry", "pdm", "pixi", "hatch", "pipenv")
_YOLO = Interface(
    "ultralytics", Style.OVERRIDES, (Option(("seed",), "yolo"), Option(("project", "output_dir"), "yolo"))
)

_YOLO_METRIC = Metric("map50_95", "yolo writes results.csv into its project folder", ('preset = "ultralytics"',))


class CannotLearn(Exception):
    """A command from which no template can be made; says why in one sentence."""


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
    interface = _of_program(root, parts) or _of_script(root, sources)
    left_out = _without_unknown_seed(interface, sources, parts)
    made = learn_template(interface, parts)
    in_command = any("{seed}" in part for part in made.command)
    env = {name: value for name, value in made.env.items() if not SYSTEM_VARIABLES.match(name)}
    in_env = "{seed}" in env.values()
    seed = None if in_command else SeedFound("environment", "The command sets it so") if in_env else None
    if seed is None and not in_command:
        seed = find_seed(sources) if sources else SeedFound("unseeded", "No option or variable for the seed is known")
    scale = made.scale or config_scale(root, interface, parts.arguments) or find_scale(interface, sources)
    draft = Draft(
        made.command,
        (why or "Learned from the command that was given.", *made.why),
        seed,
        _YOLO_METRIC if interface is _YOLO else find_metric(list_files(root), sources, output_option(interface)),
        None if made.tokens is not None else scale,
        made.tokens,
        parts.python,
        env,
        {name: value for name, value in made.env.items() if name not in env},
        checks=(*left_out, *made.checks),
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
    for place, word in enumerate(words):
        name = words[place - 1] if place and not word.startswith("-") else word
        if _is_secret(name, word.rpartition("=")[2]) and not _ASSIGNMENT.match(word):
            raise CannotLearn(f"`{name.partition('=')[0]}` holds what looks like a secret; give it by a variable.")
    unknown = unknown_field(words)
    if unknown is not None or list(words).count("{flags}") > 1:
        raise CannotLearn(f"{unknown or '{flags} stands in the command twice'}.")
    return list(words)


def _is_secret(name: str, value: str) -> bool:
    """Whether a value must not stand in a file that others read: by its own form, or by a name that is clear."""
    return one_line(safe_tail(value.encode("utf-8", "replace"))) != one_line(value) or bool(_SECRET_NAME.match(name))


def _take_apart(root: Path, words: list[str]) -> Command:
    parts = Command(python=find_interpreter(root))
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


def _script(parts: Command) -> str | None:
    """The script that a command names, as a path; that of a module is where it would lie."""
    last = parts.start[-1]
    if len(parts.start) > 1 and parts.start[-2] in ("-m", "--module"):
        return last.replace(".", "/") + ".py"
    return last if last.endswith((".py", ".sh", ".bash")) else None


def _require_there(root: Path, parts: Command) -> None:
    path = _script(parts)
    if path is not None and path == parts.start[-1] and not (root / path).is_file():
        raise CannotLearn(f"{path} is not in the project's folder; give the command as it is typed there.")


def _sources(root: Path, parts: Command) -> tuple[Source, ...]:
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


def _of_script(root: Path, sources: tuple[Source, ...]) -> Interface:
    return with_seed_option(read_interface(root, sources), sources) if sources else NO_SETTINGS


def _without_unknown_seed(interface: Interface, sources: Sequence[Source], parts: Command) -> tuple[str, ...]:
    """Takes a seed option that the script's parser does not have out of a command, which would fail; says so."""
    known = [name for option in interface.options for name in option.names]
    is_whole = interface.framework in ("argparse", "click") and not any(map(has_other_options, sources))
    given = [word.partition("=")[0] for word in parts.arguments if word.startswith("--")]
    unknown = next((one for one in given if is_seed(one) and not any(name.startswith(one) for name in known)), None)
    if unknown is None or not is_whole or not known:
        return ()
    path = sources[0].path
    has = f"{path} has no {unknown}; it has {', '.join(one.name for one in interface.options[:_SHOWN_OPTIONS])}"
    place = next(at for at, word in enumerate(parts.arguments) if word.partition("=")[0] == unknown)
    has_value = parts.arguments[place] == unknown and place + 1 < len(parts.arguments)
    del parts.arguments[place : place + 1 + has_value]
    option = seed_option(interface)
    instead = "It was left out" if option is None else f"{option.name} takes the seed in its place"
    return (f"{has}. {instead}.",)


def _of_program(root: Path, parts: Command) -> Interface | None:
    """The settings of a program that hides what it starts; None where the script's own count."""
    if PurePosixPath(parts.start[0]).name == "yolo":
        return _YOLO
    path = _script(parts)
    launcher = read_launcher(root, path) if path is not None and not path.endswith(".py") else None
    if launcher is None or launcher.passes_arguments:
        return None
    return Interface("the environment", Style.VARIABLES, launcher.variables) if launcher.variables else NO_SETTINGS
