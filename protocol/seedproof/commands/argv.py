"""The command line and the variables that one run is started with."""

from collections.abc import Collection, Mapping, Sequence

from seedproof.model.rules import Rules

__all__ = ["training_argv", "training_env"]


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
    """The variables that the rules give to one run: `rules.env` with its fields filled in, and Seedproof's own two.

    Args:
        folder: The run's output folder.
    """
    own = {"SEEDPROOF_SEED": str(seed), "SEEDPROOF_OUTPUT_DIR": folder}
    return {**own, **{name: _filled(value, rules, seed, folder) for name, value in rules.env.items()}}


def _filled(part: str, rules: Rules, seed: int, folder: str) -> str:
    fields = {"{train_tokens}": str(rules.train_tokens), "{seed}": str(seed), "{output_dir}": folder}
    for field, value in fields.items():
        part = part.replace(field, value)
    return part
