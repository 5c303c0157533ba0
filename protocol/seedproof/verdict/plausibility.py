"""Checks whether the runs of two arms are what they seem; what caps a WINNER at NEUTRAL.

Each check gives a sentence with its numbers, or None. They read only what the supervisor measured and the log shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from seedproof.model.arms import Arm, Baseline
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.stats.summary import summarize

__all__ = [
    "Cap",
    "LEAST_WALL_S",
    "cancelled_runs",
    "cancelled_seeds",
    "caps_on",
    "did_not_train",
    "other_eval_sizes",
    "shown_value",
    "stopped_early",
    "without_effect",
]


@dataclass(frozen=True, slots=True)
class Cap:
    """One reason not to trust an improvement."""

    word: str
    """As the headline prints it."""
    sentence: str
    """What happened, with numbers, and the way out."""


def caps_on(baseline: Baseline, arm: Arm) -> tuple[Cap, ...]:
    """The caps on an improvement of this arm; empty where its runs give no reason."""
    found = {
        "stopped early": stopped_early(baseline.arm, arm),
        "did not train": did_not_train(baseline.arm, arm),
        "cancelled seed": cancelled_seeds(baseline.arm, arm, baseline.rules.metric.name),
    }
    return tuple(Cap(word, sentence) for word, sentence in found.items() if sentence is not None)


# Runs that their script ends by time take a few per cent more or fewer steps with the machine's load, and the last
# step that is printed may lie a print interval before the end. A tenth leaves room for both; whoever stops a training
# to profit from it stops much earlier.
STEPS_SHARE = 0.9


# Compilers and faster kernels bring a factor of two or three; a fifth of the time is more than they do.
WALL_SHARE = 0.2


# Below this mean, start-up and the load of the machine make a wall time, not the training.
LEAST_WALL_S = 1.0


def stopped_early(baseline: Arm, experiment: Arm) -> str | None:
    """Counted runs whose last step is well below the baseline's smallest; None too where that is not known."""
    steps = [run.step for run in baseline.counted.values()]
    known = [step for step in steps if step is not None]
    if not known or len(known) < len(steps):  # the one without a step might be the smallest
        return None
    least = min(known)
    short = {run.seed: run.step for run in experiment.counted.values() if run.step is not None}
    told = [f"seed {seed} ended at step {step}" for seed, step in short.items() if step < STEPS_SHARE * least]
    if not told:
        return None
    return (
        f"{', '.join(told)}, below {100 * STEPS_SHARE:g} % of the baseline's smallest last step, {least}; where fewer "
        "steps are meant, as with a larger batch, measure a new baseline whose command takes as many."
    )


def did_not_train(baseline: Arm, experiment: Arm) -> str | None:
    """Counted runs that lasted less than a fifth of the baseline's mean wall time."""
    times = list(baseline.finite("wall_time_s").values())
    mean = summarize(times).mean if times else 0.0
    if mean < LEAST_WALL_S:
        return None
    lasted = {run.seed: run.wall_time_s for run in experiment.counted.values() if run.wall_time_s is not None}
    told = [f"seed {seed} lasted {wall:.2f} s" for seed, wall in lasted.items() if wall < WALL_SHARE * mean]
    if not told:
        return None
    return (
        f"{', '.join(told)}, below a fifth of the baseline's mean, {mean:.2f} s: did it train? Where it is that fast, "
        "measure a new baseline that is as fast."
    )


def shown_value(run: Run, metric: str) -> str | None:
    """The last value of a metric that a run showed, as printed; None where it showed none.

    One that is read from a file may have been printed as well: then its value at step 0 is what is known.
    """
    found = run.metrics.get(metric)
    return run.start_text if found is None else found.text


def cancelled_runs(arm: Arm, metric: str) -> list[Run]:
    """Attempts that somebody stopped after they had shown the metric: another attempt is a second draw."""
    return [run for run in arm.runs if run.state is RunState.CANCELLED and shown_value(run, metric) is not None]


def cancelled_seeds(baseline: Arm, experiment: Arm, metric: str) -> str | None:
    """Seeds of both arms that count although an earlier attempt was stopped after its first value."""
    told = []
    for who, arm in (("the baseline's ", baseline), ("", experiment)):
        runs = [run for run in cancelled_runs(arm, metric) if run.seed in arm.counted]
        told += [f"{who}seed {run.seed} was stopped after it had shown {shown_value(run, metric)}" for run in runs]
    if not told:
        return None
    return f"{', '.join(told)}, and was run anew, a second draw; a new baseline generation measures everything afresh."


def without_effect(baseline: Arm, experiment: Arm, metric: str) -> str | None:
    """An experiment whose seeds all gave what the baseline's gave, to the last digit."""
    base = {seed: run.metrics.get(metric) for seed, run in baseline.counted.items()}
    pairs = [(base[seed], run.metrics.get(metric)) for seed, run in experiment.counted.items() if seed in base]
    if experiment.is_null or not pairs or not all(_is_same(one, other) for one, other in pairs):
        return None
    idle = "flags have no effect, or do not" if experiment.flags else "change has no effect, or does not"
    return (
        f"{len(pairs)} of {len(pairs)} seeds gave the baseline's {metric} to the last digit; the {idle} arrive in the "
        "training."
    )


def _is_same(one: MetricValue | None, other: MetricValue | None) -> bool:
    if one is None or other is None or one.value is None or other.value is None:
        return False
    return one.text == other.text if one.text and other.text else one.value == other.value


def other_eval_sizes(baseline: Arm, experiment: Arm) -> list[str]:
    """Counts of an evaluation that differ between the arms: a validation set of another size has another loss."""
    told = []
    for name in sorted({name for run in experiment.counted.values() for name in run.counts}):
        known = _counts(baseline, name)
        others = {seed: count for seed, count in _counts(experiment, name).items() if count not in _fit(known, seed)}
        if known and others:
            told.append(
                f"{name} is {_listed(others.values())} at seed {_listed(others)}, in the baseline "
                f"{_listed(known.values())}; values of evaluations of different size do not compare."
            )
    return told


def _counts(arm: Arm, name: str) -> dict[int, str]:
    return {seed: run.counts[name] for seed, run in arm.counted.items() if name in run.counts}


def _fit(known: dict[int, str], seed: int) -> set[str]:
    """What the baseline printed at this seed, or at any where it did not run this one."""
    return {known[seed]} if seed in known else set(known.values())


def _listed(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))
