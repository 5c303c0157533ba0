"""The command template of the rules: its fields, and the training script that it names."""

import difflib
import re
from collections.abc import Mapping, Sequence

__all__ = ["COMMAND_FIELDS", "find_script", "holds", "seed_fault", "unknown_field"]

COMMAND_FIELDS = ("python", "train_tokens", "seed", "flags", "output_dir")
"""What stands in braces in a command; `rules.env` may hold `train_tokens`, `seed` and `output_dir`."""

# A shell's ${NAME}, awk's {print} inside a text and Hydra's {key: value} are no fields of ours.
_FIELD = re.compile(r"(?<!\$)\{([A-Za-z_]+)\}")
_SCRIPTS = (".py", ".sh", ".bash")


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
