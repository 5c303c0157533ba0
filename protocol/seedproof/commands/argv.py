"""The command line and the variables that one run is started with."""

from collections.abc import Collection, Mapping, Sequence

from seedproof.model.rules import Rules
from seedproof.model.template import holds

__all__ = ["REPLACES", "fixed_env", "training_argv", "training_env"]

REPLACES = "SEEDPROOF_REPLACE_SEED"
"""The variable that tells the processes of a run which seed of the script's own they replace."""


def training_argv(
    rules: Rules, python: str, seed: int, flags: Sequence[str], folder: str, replaced: Collection[int] = ()
) -> tuple[str, ...]:
    """The command of one run: the template with its fields filled in.

    Args:
        python: The interpreter.
        flags: What the experiment adds.
        folder: The run's output folder.
        replaced: Places in the template of what the flags replace.
    """
    argv: list[str] = []
    for place, part in enumerate(rules.command):
        if place in replaced and flags:
            continue
        if part == "{flags}":
            argv.extend(flags)
        else:
            argv.append(_filled(part.replace("{python}", python), rules, seed, folder))
    return tuple(argv)


def training_env(rules: Rules, seed: int, folder: str) -> Mapping[str, str]:
    """The variables that the rules give to one run: `rules.env` with its fields filled in, and Seedproof's own.

    Args:
        folder: The run's output folder.
    """
    own = {"SEEDPROOF_SEED": str(seed), "SEEDPROOF_OUTPUT_DIR": folder}
    if rules.replace_seed is not None:
        own[REPLACES] = str(rules.replace_seed)
    return {**own, **{name: _filled(value, rules, seed, folder) for name, value in rules.env.items()}}


def fixed_env(rules: Rules) -> Mapping[str, str]:
    """The variables of `rules.env` that are the same in every run."""
    fixed = {name: value for name, value in rules.env.items() if not holds([value], "seed")}
    return {name: _filled(value, rules, 0, "") for name, value in fixed.items() if not holds([value], "output_dir")}


def _filled(part: str, rules: Rules, seed: int, folder: str) -> str:
    fields = {"{train_tokens}": str(rules.train_tokens), "{seed}": str(seed), "{output_dir}": folder}
    for field, value in fields.items():
        part = part.replace(field, value)
    return part
