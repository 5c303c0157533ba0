"""Checks whether the runs of two arms are plausible; some findings cap a WINNER at NEUTRAL.

Each check returns a sentence with its numbers, or None. It reads only what the supervisor measured and the log shows.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from seedproof.model.arms import Arm, Baseline
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.stats.summary import summarize
from seedproof.verdict.length import length_of, names_batch, took_longer
from seedproof.verdict.signs import equal_seeds

__all__ = [
    "Cap",
    "LEAST_WALL_S",
    "TOOK_LONGER",
    "cancelled_runs",
    "cancelled_seeds",
    "caps_on",
    "did_not_train",
    "other_eval_sizes",
    "without_effect",
]


@dataclass(frozen=True, slots=True)
class Cap:
    """One reason not to trust an improvement."""

    name: str
    """Its name in the headline."""
    sentence: str
    """What happened, with numbers, and what to do."""


TOOK_LONGER = "took longer"
"""Name of the only cap that a confirmation may lift."""
LENGTH_CAPS = {"longer": "trained longer", "stopped early": "stopped early"}


def caps_on(baseline: Baseline, arm: Arm) -> tuple[Cap, ...]:
    """The caps on an improvement of this arm; empty where its runs are plausible."""
    length = length_of(baseline.arm, arm, baseline.rules)
    found = {
        **({LENGTH_CAPS[length.kind]: length.sentence} if length is not None and length.kind in LENGTH_CAPS else {}),
        TOOK_LONGER: took_longer(baseline, arm),
        "did not train": did_not_train(baseline.arm, arm),
        "cancelled seed": cancelled_seeds(baseline.arm, arm, baseline.rules.metric.name),
        "seeds all equal": equal_seeds(baseline, arm),
    }
    return tuple(Cap(name, sentence) for name, sentence in found.items() if sentence is not None)


# Compilers and faster kernels give a factor of two or three, not of five.
WALL_SHARE = 0.2


# Counts of an evaluation that follow from the size of a batch.
_OF_BATCHES = ("batches", "iters")


# Below this mean, start-up and machine load dominate the wall time.
LEAST_WALL_S = 1.0


def did_not_train(baseline: Arm, experiment: Arm) -> str | None:
    """Names the seeds whose run lasted less than a fifth of the baseline's mean and of its median wall time.

    A first run that fetches data or compiles would make the mean too long for all that follow.
    """
    times = list(baseline.finite("wall_time_s").values())
    mean = summarize(times).mean if times else 0.0
    if mean < LEAST_WALL_S:
        return None
    lasted = {run.seed: run.wall_time_s for run in experiment.counted.values() if run.wall_time_s is not None}
    most = max(run.neighbours for run in baseline.counted.values())
    # A run with less company than the baseline had may be as much faster.
    faster = {seed: max(1.0, (1 + most) / (1 + run.neighbours)) for seed, run in experiment.counted.items()}
    usual = min(mean, statistics.median(times))
    is_short = {seed: wall < WALL_SHARE * usual / faster[seed] for seed, wall in lasted.items()}
    short = [f"seed {seed} lasted {wall:.2f} s" for seed, wall in lasted.items() if is_short[seed]]
    if not short:
        return None
    return (
        f"{', '.join(short)}, below a fifth of the baseline's mean, {mean:.2f} s: did it train? Where it is that fast, "
        "measure a new baseline that is as fast."
    )


def cancelled_runs(arm: Arm, metric: str) -> list[Run]:
    """Attempts that somebody stopped after they had shown the metric: the next attempt is a second draw.

    Not where that one repeats what was seen of this one.
    """
    stopped = (run for run in arm.runs if run.state is RunState.CANCELLED and run.shown(metric) is not None)
    return [run for run in stopped if run.run_id not in arm.repeated]


def cancelled_seeds(baseline: Arm, experiment: Arm, metric: str) -> str | None:
    """Names the counted seeds of both arms with an earlier attempt that was stopped after its first value."""
    stopped = []
    for who, arm in (("the baseline's ", baseline), ("", experiment)):
        runs = [run for run in cancelled_runs(arm, metric) if run.seed in arm.counted]
        stopped += [f"{who}seed {run.seed} was stopped after it had shown {run.shown(metric)}" for run in runs]
    if not stopped:
        return None
    names = ", ".join(stopped)
    return f"{names}, and was run anew, a second draw; a new baseline generation measures everything afresh."


def without_effect(baseline: Arm, experiment: Arm, metric: str) -> str | None:
    """Says that every seed of an experiment gave the baseline's value, to the last digit; else None.

    Where a seed's first values differ from the baseline's, something did arrive, and the last ones agree by chance.
    """
    base = baseline.counted
    pairs = [(base[seed], run) for seed, run in experiment.counted.items() if seed in base]
    if experiment.is_null or not pairs or not all(_agree(one, other, metric) for one, other in pairs):
        return None
    idle = "flags have no effect, or do not" if experiment.flags else "change has no effect, or does not"
    return (
        f"{len(pairs)} of {len(pairs)} seeds gave the baseline's {metric} to the last digit; the {idle} arrive in the "
        "training."
    )


def _agree(run: Run, other: Run, metric: str) -> bool:
    return run.beginning == other.beginning and _have_same_value(run.metrics.get(metric), other.metrics.get(metric))


def _have_same_value(one: MetricValue | None, other: MetricValue | None) -> bool:
    if one is None or other is None or one.value is None or other.value is None:
        return False
    return one.text == other.text if one.text and other.text else one.value == other.value


def other_eval_sizes(baseline: Arm, experiment: Arm) -> list[str]:
    """Sentences on evaluation sizes that differ between the arms: another validation set has another loss.

    Where the flags name a batch, the same set has another number of batches.
    """
    sentences = []
    names = {name for run in experiment.counted.values() for name in run.counts}
    for name in sorted(name for name in names if not (name.endswith(_OF_BATCHES) and names_batch(experiment))):
        known = _counts(baseline, name)
        others = {
            seed: count for seed, count in _counts(experiment, name).items() if count not in _expected(known, seed)
        }
        if known and others:
            sentences.append(
                f"{name} is {_join_distinct(others.values())} at seed {_join_distinct(others)}, in the baseline "
                f"{_join_distinct(known.values())}; values of evaluations of different size do not compare."
            )
    return sentences


def _counts(arm: Arm, name: str) -> dict[int, str]:
    return {seed: run.counts[name] for seed, run in arm.counted.items() if name in run.counts}


def _expected(known: dict[int, str], seed: int) -> set[str]:
    """What the baseline printed at this seed, or at any seed where it did not run this one."""
    return {known[seed]} if seed in known else set(known.values())


def _join_distinct(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))
