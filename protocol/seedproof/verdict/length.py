"""Compares how long two arms trained, by the budget that `rules.budget` names.

Where both arms print tokens, samples or epochs, these are the budget, and else steps are: a larger batch takes fewer
steps at equal tokens.
"""

import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from seedproof.model.arms import Arm, Baseline
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState
from seedproof.verdict.comparability import in_like_company

__all__ = ["Length", "length_of", "length_remark", "names_batch", "took_longer"]

# A script that ends by time takes a few per cent more or fewer steps depending on the machine's load, and the last
# printed step may lie a print interval before the end. A tenth covers both.
_MORE, _LESS = 1.1, 0.9
# Start-up and the load of the machine make up a difference of less.
_LEAST_EXTRA_S = 0.5
_LEAST_PAIRS = 3
_BATCH = re.compile(r"(?i)batch|accum")

Kind = Literal["longer", "shorter", "stopped early", "own end"]


@dataclass(frozen=True, slots=True)
class Length:
    """An experiment that trained longer or shorter than its baseline."""

    kind: Kind
    """`stopped early`: shorter, and in less time, before its own end. `own end`: shorter, as the training itself ended
    both arms, by a limit on time or early stopping."""
    sentence: str
    """What was seen, with numbers, and what to do."""


def length_of(baseline: Arm, experiment: Arm, rules: Rules) -> Length | None:
    """What the logs say of the lengths; None where they are alike, not known, or not the budget."""
    found = _counts(baseline, experiment) if rules.budget_kind == "steps" else None
    length = None if found is None else _compared(baseline, experiment, *found)
    if length is None or length.kind not in ("shorter", "stopped early") or not _has_other_batch(experiment, rules):
        return length
    # Both were told to take as many tokens, so that larger batches make fewer steps, and on a GPU in less time.
    is_as_long = length.kind == "shorter" and _is_known(baseline) and _is_known(experiment)
    return None if is_as_long else replace(length, kind="shorter")


def _has_other_batch(experiment: Arm, rules: Rules) -> bool:
    """Whether the flags name a batch, and the command tells both arms their tokens."""
    return rules.sets_tokens and names_batch(experiment)


def names_batch(experiment: Arm) -> bool:
    """Whether an experiment's flags set the size of a batch, or over how many one is accumulated."""
    options = [flag.partition("=")[0] for flag in experiment.flags if flag.startswith("-") or "=" in flag]
    return any(_BATCH.search(option) for option in options)


def _is_known(arm: Arm) -> bool:
    return _median_s(arm.counted.values()) is not None


def length_remark(baseline: Baseline, experiment: Arm) -> str | None:
    """What a report says of lengths where the rules have no budget of steps; None where they are alike or not known."""
    rules = baseline.rules
    found = None if rules.budget_kind == "steps" else _counts(baseline.arm, experiment)
    if found is None:
        return None
    what, base, exp = found
    mean = statistics.fmean(exp.values())
    if _LESS * min(base.values()) <= mean <= _MORE * max(base.values()):
        return None
    budget = f'rules.scale is "{rules.scale}"' if rules.budget == "steps" else f'rules.budget is "{rules.budget}"'
    return (
        f"{experiment.experiment} ended at {what} {mean:g} (mean), the baseline at {min(base.values())} to "
        f"{max(base.values())}; {budget}, so that is part of the method."
    )


def _counts(baseline: Arm, experiment: Arm) -> tuple[str, Mapping[int, int], Mapping[int, int]] | None:
    """The first measure of length that all results of both arms print, and their counts by seed."""
    for what in ("tokens", "samples", "epoch", "step"):
        base, exp = _counts_of(baseline, what), _counts_of(experiment, what)
        # Within one epoch the count is too coarse to tell.
        if base and exp and (what != "epoch" or max(base.values()) > 1):
            return what, base, exp
    return None


def _counts_of(arm: Arm, what: str) -> dict[int, int]:
    """The last count of each result; empty where one of them did not print it."""
    runs = {seed: run for seed, run in arm.counted.items() if run.state is RunState.SUCCEEDED}
    counts = {seed: run.step if what == "step" else getattr(run.lengths, what) for seed, run in runs.items()}
    known = {seed: count for seed, count in counts.items() if count is not None}
    return known if len(known) == len(runs) else {}


def _compared(
    baseline: Arm, experiment: Arm, what: str, base: Mapping[int, int], exp: Mapping[int, int]
) -> Length | None:
    mean, least, most = statistics.fmean(exp.values()), min(base.values()), max(base.values())
    if mean > _MORE * most:
        return Length(
            "longer",
            f"it ended at {what} {mean:g} (mean of {len(exp)} seeds), more than {_MORE:g} times the baseline's "
            f'largest, {most}. Train it as long as the baseline, or set rules.budget = "none" where the length is '
            'part of the method, and measure a new baseline: run_seed(new_baseline="the same length").',
        )
    if mean >= _LESS * least:
        return None
    short = {seed: count for seed, count in exp.items() if count < _LESS * least}
    runs = [experiment.counted[seed] for seed in short]
    kind = _kind_of(baseline, experiment, runs)
    named = ", ".join(f"seed {seed} at {what} {count}" for seed, count in short.items())
    below = f"{named}: below {100 * _LESS:g} % of the baseline's smallest, {least}"
    if kind == "own end":
        return Length(
            kind,
            f"{below}, and yet the training's own end, to which the baseline's runs came as well, as with a limit on "
            "time or early stopping. Such runs count in full.",
        )
    if kind == "shorter":
        return Length(kind, f"{below}; does it take larger steps, or did it train less?")
    return Length(
        kind,
        f"{below}, and in less time. Where fewer are meant, measure a new baseline whose command takes as many: "
        'run_seed(new_baseline="the same length").',
    )


def _kind_of(baseline: Arm, experiment: Arm, short: list[Run]) -> Kind:
    others = list(baseline.counted.values())
    if all(run.lengths.reached_end is True for run in (*short, *others)):
        told = [run.lengths.steps for run in others if run.lengths.steps is not None]
        steps = [run.lengths.steps for run in short if run.lengths.steps is not None]
        return "shorter" if told and steps and min(steps) < _LESS * min(told) else "own end"
    base_s, exp_s = map(_median_s, in_like_company(baseline.counted.values(), experiment.counted.values()))
    return "stopped early" if base_s is not None and exp_s is not None and exp_s < _LESS * base_s else "shorter"


# --- a budget of time -------------------------------------------------------------------------


def took_longer(baseline: Baseline, experiment: Arm) -> str | None:
    """Says that an experiment took longer than its budget of time; None where it did not, or time is no budget.

    Separate blocks of runs differ by the load of the machine as well, so once a confirmation has pairs, only these
    count.
    """
    if baseline.rules.budget_kind != "time":
        return None
    pairs = _whole_pairs(experiment)
    controls, runs = [control for control, _ in pairs], [run for _, run in pairs]
    blocks = (controls, runs) if pairs else (baseline.arm.counted.values(), experiment.counted.values())
    base_s, exp_s = map(_median_s, in_like_company(*blocks))
    if base_s is None or exp_s is None or exp_s <= max(_MORE * base_s, base_s + _LEAST_EXTRA_S):
        return None
    if pairs:
        return (
            f"it took {exp_s:.2f} s (median of alternated pairs), more than {_MORE:g} times its controls' "
            f"{base_s:.2f} s: more than the budget of time that the rules give both."
        )
    return (
        f"it took {exp_s:.2f} s (median), more than {_MORE:g} times the baseline's {base_s:.2f} s. Alternated pairs "
        f'tell whether the machine was slower: run_seed(experiment="{experiment.experiment}", role="confirm").'
    )


def _whole_pairs(arm: Arm) -> list[tuple[Run, Run]]:
    """The pairs of a confirmation of which both runs are its own results and have a time, from three on."""
    sides: tuple[dict[int, Run], dict[int, Run]] = ({}, {})
    for run in arm.fresh:
        if run.state.is_counted and run.wall_time_s is not None:
            sides[0 if run.is_control else 1][run.seed] = run
    pairs = [(control, sides[1][seed]) for seed, control in sides[0].items() if seed in sides[1]]
    return pairs if len(pairs) >= _LEAST_PAIRS else []


def _median_s(runs: Iterable[Run]) -> float | None:
    """The median wall time in seconds; None where one is not known."""
    times = [run.wall_time_s for run in runs]
    known = [one for one in times if one is not None]
    return statistics.median(known) if known and len(known) == len(times) else None
