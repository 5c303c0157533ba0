"""Finds experiments with the same flags and code under another name: a new name is not a new chance."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from seedproof.commands.flags import normalise_flags, option_groups
from seedproof.commands.option_names import OptionNames, known_options, plain_name
from seedproof.commands.settings import flag_zone
from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.arms import Arm
from seedproof.model.code import Change, Code
from seedproof.model.rules import Rules
from seedproof.phases.read_files import is_unread_change

__all__ = [
    "barring_twin",
    "is_same_code",
    "repeated_experiments",
    "say_the_same",
    "template_options",
    "trained_alike",
    "tried_twins",
]


def tried_twins(
    state: State,
    generation: Generation,
    flags: Sequence[str],
    code_change: bool,
    code: Code | None,
    change: Change | None,
    rules: Rules,
) -> list[Experiment]:
    """The experiments with these flags and this code that were a draw, or have an active run.

    Code that differs in comments alone is the same, and so is the same code declared as a change or not; likewise code
    that differs in files that neither the baseline nor the earlier experiment read. Files that are new may be read by
    this one alone, as plugins are: who declares them as a change is not refused, and the verdict says what was read.
    """
    wanted = normalise_flags(flags)
    may_matter = code_change and change is not None and any(not file.removed for file in change.files)
    found = []
    for other in generation.experiments.values():
        is_known = code is not None and other.code is not None
        if normalise_flags(other.flags) != wanted or not (is_known or other.code_change == code_change):
            continue
        arm, codes = state.experiment_arm(other), ((code, change), (other.code, other.change))
        arms = (state.baseline_arm(generation.number), arm)
        is_same = is_same_code(generation.code, *codes) or (
            not may_matter and all(_trains_alike(generation.code, each, arms) for each in codes)
        )
        if is_same and any(run.state.is_active or run.is_draw(rules.metric.name) for run in arm.runs):
            found.append(other)
    return found


def barring_twin(state: State, experiment: Experiment, rules: Rules) -> Experiment | None:
    """The twin that was measured before this experiment showed its metric; None if it may run."""
    arm = state.experiment_arm(experiment)
    if arm.is_null or any(run.state.is_active or run.is_draw(rules.metric.name) for run in arm.runs):
        return None
    generation = state.generations[experiment.generation - 1]
    own = (experiment.flags, experiment.code_change, experiment.code, experiment.change)
    twins = tried_twins(state, generation, *own, rules)
    return next((twin for twin in twins if not state.experiment_arm(twin).is_null), None)


def trained_alike(state: State, one: Experiment, other: Experiment) -> bool:
    """Whether two experiments of a generation trained the same code, as far as their runs read it."""
    generation = state.generations[one.generation - 1]
    codes = ((one.code, one.change), (other.code, other.change))
    arms = (state.baseline_arm(generation.number), state.experiment_arm(one), state.experiment_arm(other))
    return is_same_code(generation.code, *codes) or all(_trains_alike(generation.code, each, arms) for each in codes)


_Changed = tuple[Code | None, Change | None]
"""A code, and how it differs from the baseline's."""


def is_same_code(reference: Code | None, one: _Changed, other: _Changed) -> bool:
    """Whether two codes train alike: equal, or with changes that mean the same; also where one was not recorded.

    Args:
        reference: The baseline's code, which both changes begin at.
        one: One code.
        other: The other one.
    """
    if one[0] is None or other[0] is None or one[0].sha256 == other[0].sha256:
        return True
    meanings = [_meaning(reference, *each) for each in (one, other)]
    return None not in meanings and meanings[0] == meanings[1]


def _trains_alike(reference: Code | None, changed: _Changed, arms: Sequence[Arm]) -> bool:
    """Whether a code trains as the reference: it means the same, or no run of these arms read what differs."""
    if _meaning(reference, *changed) == "":
        return True
    return all(is_unread_change(arm, replace(arm, change=changed[1])) for arm in arms)


def _meaning(reference: Code | None, code: Code | None, change: Change | None) -> str | None:
    if code is not None and reference is not None and code.sha256 == reference.sha256:
        return ""
    return None if change is None else change.meaning


# --- flags that say the same ----------------------------------------------------------------------

# More names tell a reader nothing.
_MOST_REPEATED = 50


def repeated_experiments(
    state: State, name: str, flags: Sequence[str], names: OptionNames = ()
) -> tuple[tuple[int, str], ...]:
    """Generation and name of the earlier experiments whose flags say the same, oldest first; of no flags none do.

    Args:
        state: The state before the declaration.
        name: The experiment that is declared.
        flags: Its flags.
        names: The options of its training script.
    """
    number = len(state.generations)
    others = (one for one in state.experiments if (one.generation, one.name) != (number, name))
    own = template_options(state.generations[-1].rules)
    found = [(one.generation, one.name) for one in others if say_the_same(flags, one.flags, names, own)]
    return tuple(found[-_MOST_REPEATED:])


def template_options(rules: Rules) -> tuple[str, ...]:
    """The settings of the command template: an experiment that repeats one of them changes nothing by it."""
    return tuple(rules.command[place] for place in flag_zone(rules.command) if rules.command[place] != "{flags}")


def say_the_same(
    flags: Sequence[str], earlier: Sequence[str], names: OptionNames = (), template: Sequence[str] = ()
) -> bool:
    """Whether two lists of flags are one in other words.

    Numbers are compared by value, names without case and with `-` as `_`; `--no-x` is `--x false`, of a repeated
    option the last one counts, and an option may be an abbreviation of the other list's. That `--lr` means
    `--learning_rate` is known from `names`; options that these have apart are never one. What the command says
    already counts in neither.

    Args:
        names: The options of the training script, as far as they are known.
        template: The settings of the command.
    """
    said = _meant(tuple(template), names).items()
    one, other = (
        dict(each for each in _meant(tuple(given), names).items() if each not in said) for given in (flags, earlier)
    )
    if not one or len(one) != len(other):
        return False
    if one == other:
        return True
    known = known_options(names).titles
    rest = {name: value for name, value in other.items() if one.get(name) != value}
    for name, value in one.items():
        if other.get(name) == value:
            continue
        alike = (each for each in rest if rest[each] == value and not {name, each} <= known)
        match = next((each for each in alike if _is_abbreviation(name, each)), None)
        if match is None:
            return False
        del rest[match]
    return True


def _is_abbreviation(name: str, other: str) -> bool:
    shorter, longer = sorted((name, other), key=len)
    return len(shorter) > 1 and longer.startswith(shorter)


@lru_cache(maxsize=65536)
def _meant(flags: tuple[str, ...], names: OptionNames) -> dict[str, tuple[str, ...]]:
    """The values of each option by one of its names; every value in one spelling."""
    options: dict[str, tuple[str, ...]] = {}
    for option, *values in option_groups(flags):
        if option.startswith("~") or not option:  # removed, or a file
            options[option] = (*options.get(option, ()), *values)
            continue
        title, inside = known_options(names).find(option)
        name = title or plain_name(option)
        if inside is not None:
            values = [inside, *values]
        elif title is None and not values and option[1:2].isalpha() and _plain_number(option[2:]) is not None:
            name, values = option[1], [option[2:]]  # `-r0.01` is `-r 0.01`
        if title is None and not values and name.startswith("no_"):
            name, values = name.removeprefix("no_"), ["false"]
        # `key=value` elements follow one another behind an option: each is one of its own.
        plain = [value for value in values if "=" not in value]
        options[name] = tuple(map(_plain, plain)) or (() if len(values) > len(plain) else ("true",))
        for key, _, value in (value.partition("=") for value in values if "=" in value):
            options[key.lstrip("-+~")] = (_plain(value),)
    return options


def _plain(text: str) -> str:
    return ",".join(_plain_parts(text))


def _plain_parts(text: str) -> Iterator[str]:
    for part in text.split(","):
        number = _plain_number(part)
        yield part.lower() if part.lower() in ("true", "false") else part if number is None else number


def _plain_number(text: str) -> str | None:
    """A number in one spelling: `1e-2`, `.01` and `0.010` are one; None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return repr(value + 0.0) if math.isfinite(value) else None
