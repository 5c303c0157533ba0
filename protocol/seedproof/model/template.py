"""The command template of the rules: its fields, and the training script that it names."""

import difflib
import re
from collections.abc import Mapping, Sequence

__all__ = [
    "COMMAND_FIELDS",
    "env_fault",
    "find_module",
    "find_script",
    "holds",
    "script_places",
    "seed_fault",
    "unknown_field",
]

COMMAND_FIELDS = ("python", "train_tokens", "seed", "flags", "output_dir")
"""What stands in braces in a command; `rules.env` may hold `train_tokens`, `seed` and `output_dir`."""

# A shell's ${NAME}, awk's {print} inside a text and Hydra's {key: value} are no fields of ours.
_FIELD = re.compile(r"(?<!\$)\{([A-Za-z_]+)\}")
_SCRIPTS = (".py", ".sh", ".bash")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# They choose the program, or what a Python is before the script begins, and the supervisor sets some of them.
_STEERING = re.compile(r"SEEDPROOF_.*|PATH|LD_PRELOAD|LD_LIBRARY_PATH|DYLD_.*|PYTHON(?!HASHSEED$|WARNINGS$).*")


def holds(parts: Sequence[str], field: str) -> bool:
    """Whether one of the parts has a field, such as `seed`."""
    return any(f"{{{field}}}" in part for part in parts)


def unknown_field(parts: Sequence[str]) -> str | None:
    """What is wrong with a field that nothing fills in, with the likely one; None where all are known."""
    for part in parts:
        for name in _FIELD.findall(part):
            if name not in COMMAND_FIELDS:
                close = difflib.get_close_matches(name, COMMAND_FIELDS, 1, 0.5)
                meant = f"; did you mean {{{close[0]}}}?" if close else "."
                return f"{{{name}}} is no field{meant} Fields are {', '.join(f'{{{one}}}' for one in COMMAND_FIELDS)}"
    return None


def env_fault(env: Mapping[str, str]) -> str | None:
    """Why the rules cannot give a run these variables; None where they can."""
    for name, value in env.items():
        if not _VARIABLE.fullmatch(name):
            return f"{name!r:.40} is no name of a variable"
        if _STEERING.fullmatch(name):
            where = "Seedproof sets it" if name.startswith("SEEDPROOF_") else "set it in [settings.env]"
            return f"{name} decides what is started, and belongs to no rule; {where}"
        if "\0" in value:
            return f"the value of {name} has a NUL"
    return None


def find_script(command: Sequence[str]) -> str | None:
    """The training script that a command names, relative to the project; None where it names none.

    `-m pkg.train` is `pkg/train.py`, which need not exist: a module may lie elsewhere on the import path. A file that
    ends in `.py` comes before one that ends in `.sh`, and the first program behind `{python}` before both.
    """
    for position, part in enumerate(command[:-1]):
        following = command[position + 1]
        if part == "{python}" and following.endswith(_SCRIPTS):
            return following
        if part == "-m" and "{" not in following:
            return following.replace(".", "/") + ".py"
    plain = [part for part in command if "{" not in part and "=" not in part and not part.startswith("-")]
    for ending in _SCRIPTS:
        found = next((part for part in plain if part.endswith(ending)), None)
        if found is not None:
            return found
    return None


def find_module(command: Sequence[str]) -> str | None:
    """The module that a command names behind `-m`; None where it names none."""
    for position, part in enumerate(command[:-1]):
        name = command[position + 1]
        if part == "-m" and all(one.isidentifier() for one in name.split(".")):
            return name
    return None


def script_places(command: Sequence[str]) -> tuple[str, ...]:
    """Where the training script of a command may lie, relative to the project, the likely one first.

    A module may be one of the project or an installed launcher, so scripts that stand behind it follow. A program of
    the project comes last.
    """
    module, first = find_module(command), find_script(command)
    found: list[str] = []
    if module is not None:
        path = module.replace(".", "/")
        found = [f"{top}{path}{end}" for top in ("", "src/") for end in (".py", "/__main__.py")]
    elif first is not None:
        found = [first]
    plain = [part for part in command[1:] if "{" not in part and "=" not in part and not part.startswith("-")]
    found += [part for ending in _SCRIPTS for part in plain if part.endswith(ending)]
    program = command[0]
    return tuple(dict.fromkeys([*found, *([program] if "/" in program and "{" not in program else [])]))


def seed_fault(command: Sequence[str], env: Mapping[str, str], way: str, replaced: int | None) -> str | None:
    """What contradicts the way in which a training gets its seed; None where nothing does.

    Args:
        way: `rules.seed`.
        replaced: `rules.replace_seed`.
    """
    in_command, in_env = holds(command, "seed"), holds(list(env.values()), "seed")
    if way == "argument" and not in_command:
        if in_env:
            return 'the command has no {seed}; env holds it, so write seed = "environment"'
        return (
            "the command has no {seed}; write it where the script takes its seed, or say how it gets one with "
            'seed = "environment", "inject" or "unseeded"'
        )
    if way in ("inject", "unseeded") and (in_command or in_env):
        return f'seed = "{way}" is for commands and variables without {{seed}}'
    if (way == "inject") != (replaced is not None):
        needs = "needs" if way == "inject" else "alone takes"
        return f'seed = "inject" {needs} replace_seed, the number that the script seeds itself with'
    return None
