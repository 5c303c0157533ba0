"""Checks whether the runs of two arms are plausible; some findings cap a WINNER at NEUTRAL.

Each check returns a sentence with its numbers, or None. It reads only what the supervisor measured and the log shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from seedproof.model.arms import Arm, Baseline
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.stats.summary import summarize
from seedproof.verdict.signs import equal_seeds

__all__ = [
    "Cap",
    "LEAST_WALL_S",
    "cancelled_runs",
    "cancelled_seeds",
    "caps_on",
    "did_not_train",
    "fewer_steps",
    "other_eval_sizes",
    "stopped_early",
    "without_effect",
]


@dataclass(frozen=True, slots=True)
class Cap:
    """One reason not to trust an improvement."""

    name: str
    """Its name in the headline."""
    sentence: str
    """What happened, with numbers, and what to do."""


def caps_on(baseline: Baseline, arm: Arm) -> tuple[Cap, ...]:
    """The caps on an improvement of this arm; empty where its runs are plausible."""
    found = {
        "stopped early": stopped_early(baseline.arm, arm),
        "did not train": did_not_train(baseline.arm, arm),
        "cancelled seed": cancelled_seeds(baseline.arm, arm, baseline.rules.metric.name),
        "seeds all equal": equal_seeds(baseline, arm),
    }
    return tuple(Cap(name, sentence) for name, sentence in found.items() if sentence is not None)


# A script that ends by time takes a few per cent more or fewer steps depending on the machine's load, and the last
# printed step may lie a print interval before the end. A tenth covers both; stopping a training early only pays off
# much earlier.
STEPS_SHARE = 0.9


# Compilers and faster kernels give a factor of two or three, not of five.
WALL_SHARE = 0.2


# Below this mean, start-up and machine load dominate the wall time.
LEAST_WALL_S = 1.0


def stopped_early(baseline: Arm, experiment: Arm) -> str | None:
    """Names the seeds whose last step is well below the baseline's smallest; None where a baseline step is unknown."""
    short, least = _short_runs(baseline, experiment)
    said = [f"seed {run.seed} ended at step {run.step}" for run in short if not _is_own_end(baseline, run)]
    if not said:
        return None
    return (
        f"{', '.join(said)}, below {100 * STEPS_SHARE:g} % of the baseline's smallest last step, {least}; where fewer "
        "steps are meant, as with a larger batch, measure a new baseline whose command takes as many."
    )


def fewer_steps(baseline: Arm, experiment: Arm) -> str | None:
    """Names the seeds that came to their own end after far fewer steps than the baseline's, which came to theirs."""
    short, least = _short_runs(baseline, experiment)
    said = [f"seed {run.seed} at step {run.step}" for run in short if _is_own_end(baseline, run)]
    if not said:
        return None
    return (
        f"{', '.join(said)}: below {100 * STEPS_SHARE:g} % of the baseline's smallest last step, {least}, and yet the "
        "training's own end, to which the baseline's runs came as well, as with a limit on time or early stopping. "
        "Such runs count in full."
    )


def _short_runs(baseline: Arm, experiment: Arm) -> tuple[list[Run], int]:
    """The results whose last step is well below the baseline's smallest, and that one."""
    steps = [run.step for run in baseline.counted.values()]
    known = [step for step in steps if step is not None]
    if not known or len(known) < len(steps):  # the run without a step might have the smallest
        return [], 0
    least = min(known)
    runs = experiment.counted.values()
    return [run for run in runs if run.step is not None and run.step < STEPS_SHARE * least], least


def _is_own_end(baseline: Arm, run: Run) -> bool:
    """Whether a run came to its own end as the baseline's runs did, and was not told to take fewer steps than they."""
    others = [one.lengths for one in baseline.counted.values()]
    if run.lengths.reached_end is not True or not all(one.reached_end is True for one in others):
        return False
    told = [one.steps for one in others if one.steps is not None]
    return run.lengths.steps is None or not told or run.lengths.steps >= STEPS_SHARE * min(told)


def did_not_train(baseline: Arm, experiment: Arm) -> str | None:
    """Names the seeds whose run lasted less than a fifth of the baseline's mean wall time."""
    times = list(baseline.finite("wall_time_s").values())
    mean = summarize(times).mean if times else 0.0
    if mean < LEAST_WALL_S:
        return None
    lasted = {run.seed: run.wall_time_s for run in experiment.counted.values() if run.wall_time_s is not None}
    short = [f"seed {seed} lasted {wall:.2f} s" for seed, wall in lasted.items() if wall < WALL_SHARE * mean]
    if not short:
        return None
    return (
        f"{', '.join(short)}, below a fifth of the baseline's mean, {mean:.2f} s: did it train? Where it is that fast, "
        "measure a new baseline that is as fast."
    )


def cancelled_runs(arm: Arm, metric: str) -> list[Run]:
    """Attempts that somebody stopped after they had shown the metric: the next attempt is a second draw."""
    return [run for run in arm.runs if run.state is RunState.CANCELLED and run.shown(metric) is not None]


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
    """Says that every seed of an experiment gave the baseline's value, to the last digit; else None."""
    base = {seed: run.metrics.get(metric) for seed, run in baseline.counted.items()}
    pairs = [(base[seed], run.metrics.get(metric)) for seed, run in experiment.counted.items() if seed in base]
    if experiment.is_null or not pairs or not all(_have_same_value(one, other) for one, other in pairs):
        return None
    idle = "flags have no effect, or do not" if experiment.flags else "change has no effect, or does not"
    return (
        f"{len(pairs)} of {len(pairs)} seeds gave the baseline's {metric} to the last digit; the {idle} arrive in the "
        "training."
    )


def _have_same_value(one: MetricValue | None, other: MetricValue | None) -> bool:
    if one is None or other is None or one.value is None or other.value is None:
        return False
    return one.text == other.text if one.text and other.text else one.value == other.value


def other_eval_sizes(baseline: Arm, experiment: Arm) -> list[str]:
    """Sentences on evaluation sizes that differ between the arms: another validation set has another loss."""
    sentences = []
    for name in sorted({name for run in experiment.counted.values() for name in run.counts}):
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
