"""Two experiments of one generation beside each other: numbers, and no verdict."""

from dataclasses import dataclass

from seedproof.ledger.state import Experiment
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import (
    ArmFailed,
    BadArguments,
    ExperimentIncomplete,
    ExperimentUnknown,
    NextCall,
    NotComparable,
)
from seedproof.phases.calls import declare_unknown_call
from seedproof.phases.next_call import campaign_next, experiment_next, require_baseline
from seedproof.phases.study import Study
from seedproof.stats.summary import SampleError, summarize
from seedproof.stats.tests import PairedTest, paired

__all__ = ["Beside", "compare_arms"]


@dataclass(frozen=True, slots=True)
class Beside:
    """Two finished experiments of one generation."""

    baseline: Baseline
    """What both were compared with."""
    experiment: Experiment
    """The one that was asked for."""
    against: Experiment
    """The other one."""
    arms: tuple[Arm, Arm]
    """Their runs, in the same order."""
    difference: float
    """Mean of the first minus mean of the other, in the metric's unit."""
    pairs: PairedTest | None
    """The same over the seeds that both have; None where these are fewer than two or no seeds, or differ all alike."""


def compare_arms(study: Study, name: str, other: str) -> Beside:
    """Two finished experiments beside each other.

    Raises:
        BadArguments: The other one is the same, or the baseline.
        ExperimentUnknown: One was never declared, or they belong to two generations.
        ExperimentIncomplete, ArmFailed, NotComparable: One has not all its seeds, lost one, or diverged.
        BaselineRefusal: Their generation is the present one, and has no complete baseline.
    """
    call = NextCall("compare", "Compares it with the baseline.", {"experiment": name})
    if name == other:
        raise BadArguments(f"against names {name} itself; name another experiment of its generation.", call)
    found = [_find(study, one, call if one == other else None) for one in (name, other)]
    if found[0].generation != found[1].generation:
        raise _of_two_generations(study, found)
    for one in found:
        _require_finished(study, one)
    baseline = study.baseline_of(found[0].generation)
    assert baseline is not None  # without one, no experiment is finished
    arms = (study.standing(found[0]).arm, study.standing(found[1]).arm)
    values = [arm.finite(baseline.rules.metric.name) for arm in arms]
    means = [summarize(list(one.values())).mean for one in values]
    try:
        pairs = paired(values[1], values[0]) if baseline.rules.seed != "unseeded" else None
    except SampleError:
        pairs = None
    return Beside(baseline, found[0], found[1], arms, means[0] - means[1], pairs)


def _find(study: Study, name: str, with_the_baseline: NextCall | None) -> Experiment:
    """The newest experiment of a name.

    Args:
        with_the_baseline: The call that compares with the baseline, where this is the name it is compared against.
    """
    found = study.state.find_experiment(name)
    if found is not None:
        return found
    if name == "baseline" and with_the_baseline is not None:
        raise BadArguments("against names an experiment; without it, compare takes the baseline.", with_the_baseline)
    raise ExperimentUnknown(study.state.no_such_experiment(name), declare_unknown_call(name))


def _of_two_generations(study: Study, found: list[Experiment]) -> ExperimentUnknown:
    older = min(found, key=lambda one: one.generation)
    words = " and ".join(f"{one.name} to generation {one.generation}" for one in found)
    text = f"{words} belongs: their values have no baseline in common. Declare {older.name} anew."
    is_present = study.generation is not None and max(one.generation for one in found) == study.generation.number
    return ExperimentUnknown(text, declare_unknown_call(older.name) if is_present else campaign_next(study))


def _require_finished(study: Study, experiment: Experiment) -> None:
    """Refuse an experiment without a mean over all seeds that it needs."""
    standing, name = study.standing(experiment), experiment.name
    is_present = study.generation is not None and experiment.generation == study.generation.number
    if is_present:
        require_baseline(study)
    look, call = standing.look, experiment_next(study, experiment) if is_present else campaign_next(study)
    if look.diverged:
        seeds = ", ".join(map(str, look.diverged))
        again = NextCall("compare", "Says what that means.", {"experiment": name})
        raise NotComparable(f"seed {seeds} of {name} diverged, so it has no mean to compare.", again)
    if look.failed or standing.control.state == "failed" or experiment.is_closed:
        raise ArmFailed(f"{name} ended without a verdict, so it has no mean to compare.", call)
    if standing.baseline is None or not look.is_complete or not standing.arm.counted:
        due = f"; missing: {', '.join(map(str, look.due))}" if look.due else ""
        raise ExperimentIncomplete(f"{name} has {len(standing.arm.counted)} seeds and is not finished{due}.", call)
