"""Decides whether the next baseline generation may take the place of the present one without a reason."""

from seedproof.ledger.state import Generation
from seedproof.model.arms import Arm
from seedproof.model.runs import Run
from seedproof.phases.looks import closing_run
from seedproof.phases.study import Study

__all__ = ["NO_VALUE", "ended_alike_again", "is_empty", "replaceable", "unended_run"]

NO_VALUE = "no run of generation {} had a value"
"""The reason that is recorded with the generation that takes its place."""


def replaceable(study: Study) -> Generation | None:
    """The present generation, where it can never become a baseline and no run of it told anything of a result.

    None otherwise, and where a run shows a value by the metric of the settings. A run of it may be queued or running.
    """
    generation, phase = study.generation, study.baseline_phase
    if generation is None or phase.phase != "void" or not _has_told_nothing(study, generation):
        return None
    return None if ended_alike_again(study) else generation


def is_empty(study: Study) -> bool:
    """Whether no run of the present generation told anything of a result, and none that was started still may."""
    generation = study.generation
    if generation is None or unended_run(study.baseline_phase.arm) is not None:
        return False
    return _has_told_nothing(study, generation)


def _has_told_nothing(study: Study, generation: Generation) -> bool:
    metric = generation.rules.metric.name
    has_drawn = any(run.state.is_counted or run.is_draw(metric) for run in study.baseline_phase.arm.runs)
    return not (has_drawn or generation.experiments or study.shows_value)


def ended_alike_again(study: Study) -> bool:
    """Whether the present generation ended as the one before it had, under the rules of the settings.

    Else a script that ends before it prints a bad first value could be started without end.
    """
    generation = study.generation
    ended = closing_run(study.baseline_phase.arm.runs)
    if generation is None or ended is None or generation.number == 1 or generation.rules.differing(study.rules):
        return False
    before = study.state.generations[generation.number - 2]
    earlier = closing_run(study.state.baseline_arm(before.number).runs)
    return before.is_empty and earlier is not None and earlier.crash == ended.crash


def unended_run(arm: Arm) -> Run | None:
    """The run that was started and whose end is not recorded, even if it waits for its slot or is lost."""
    return next((run for run in arm.runs if run.started is not None and not run.ended_at), None)
