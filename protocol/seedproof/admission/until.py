"""Decides what takes an arm to the point where it can be judged: what to request, what to wait for, or its end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seedproof.admission.request import RunRequest
from seedproof.ledger.state import Experiment
from seedproof.model.arms import Arm
from seedproof.model.run_key import ArmKey, Role
from seedproof.model.runs import Run, RunState
from seedproof.phases.confirmation import step_attempts
from seedproof.phases.study import Study

__all__ = ["Onward", "arm_runs", "arm_values", "first_request", "onward"]


@dataclass(frozen=True, slots=True)
class Onward:
    """What an arm needs before it can be judged."""

    run: Run | None
    """The run that answers for the arm: the one to wait for, else the one that ended it. None before the first."""
    request: RunRequest | None = None
    """Queues what is due now and was not requested; None where there is nothing."""
    is_open: bool = False
    """Whether to wait on. Else the arm can be judged, or a run of it ended without a result."""
    unqueued: int = 0
    """How many runs it is known to need that were not requested."""


def onward(study: Study, key: ArmKey) -> Onward:
    """What takes an arm on.

    Its first run goes alone until the arm has a value: what ends it without one would end the others. A run without
    a result ends the wait, as whether it is tried again is the caller's choice.
    """
    runs, due = arm_runs(study, key), _due(study, key)
    blocking = _blocking(due)
    if blocking is not None or not due:
        return Onward(blocking or _last_ended(runs) or next(iter(runs), None))
    active = [run for run in runs if run.state.is_active]
    active.sort(key=lambda run: run.state is not RunState.RUNNING)
    unqueued, has_value = sum(_is_untried(attempts) for attempts in due), _has_value(study, key, runs)
    request = None
    if unqueued and (has_value or not active):
        request = RunRequest(experiment=key.experiment, role=key.role, queue_all=has_value)
    return Onward(active[0] if active else _last_ended(runs), request, is_open=True, unqueued=unqueued)


def first_request(study: Study, request: RunRequest) -> RunRequest:
    """The request that a call begins with which goes on until the arm can be judged.

    It leaves out a reason that the present generation was begun for, so that the same call goes on with it, and it
    names the seed whose attempt ended without a result, which is the answer.
    """
    first = replace(request, queue_all=False, new_baseline=None if _is_begun(study, request) else request.new_baseline)
    if first.seed is not None or first.role is not Role.MEASURE or first.new_baseline is not None:
        return first
    if study.generation is None or (first.experiment is not None and study.find(first.experiment) is None):
        return first
    blocking = _blocking(_due(study, ArmKey(study.generation.number, first.role, first.experiment)))
    return first if blocking is None else replace(first, seed=blocking.seed)


def arm_runs(study: Study, key: ArmKey) -> tuple[Run, ...]:
    """Every attempt of an arm as it is declared now, in the order of the requests."""
    if not 1 <= key.generation <= len(study.state.generations):
        return ()
    if key.experiment is None:
        return study.state.baseline_arm(key.generation).present_runs
    experiment = _experiment(study, key)
    if experiment is None:
        return ()
    arm = study.standing(experiment).arm
    return arm.fresh if key.role is Role.CONFIRM else arm.present_runs


def arm_values(study: Study, key: ArmKey) -> dict[str, dict[str, float | None]]:
    """The values of the deciding metric by seed; of a confirmation, those without the change have a name of their own.

    None stands for `nan` and `inf`.
    """
    if not 1 <= key.generation <= len(study.state.generations):
        return {}
    metric, found = study.state.rules_of(key.generation).metric.name, dict[str, dict[str, float | None]]()
    experiment = _experiment(study, key)
    arm = study.state.baseline_arm(key.generation) if experiment is None else study.standing(experiment).arm
    runs = arm.all_fresh if key.role is Role.CONFIRM else arm.runs
    for run in runs:
        if run.state.is_counted:
            is_without = key.role is Role.CONFIRM and (run.is_control or run.experiment != key.experiment)
            side = f"{metric} without the change" if is_without else metric
            found.setdefault(side, {})[str(run.seed)] = run.value(metric)
    return found


def _experiment(study: Study, key: ArmKey) -> Experiment | None:
    return study.state.generations[key.generation - 1].experiments.get(key.experiment or "")


def _due(study: Study, key: ArmKey) -> list[tuple[Run, ...]]:
    """The present attempts at each run that the arm needs and that has no result; none of an earlier generation."""
    if study.generation is None or key.generation != study.generation.number:
        return []
    if key.experiment is None:
        phase = study.baseline_phase
        return [] if phase.phase == "void" else _attempts(phase.arm, phase.look.due)
    experiment = _experiment(study, key)
    if experiment is None:
        return []
    standing = study.standing(experiment)
    if key.role is Role.CONFIRM:
        return [step_attempts(standing.arm, step) for step in standing.confirmation.due]
    return _attempts(standing.arm, standing.look.due)


def _attempts(arm: Arm, seeds: Sequence[int]) -> list[tuple[Run, ...]]:
    return [arm.present_attempts(seed) for seed in seeds]


def _blocking(due: Sequence[Sequence[Run]]) -> Run | None:
    """The attempt that ended without a result and has no successor; None where there is none."""
    last = (attempts[-1] for attempts in due if not _is_untried(attempts))
    return next((run for run in last if not run.state.is_active), None)


def _is_untried(attempts: Sequence[Run]) -> bool:
    """Whether no attempt was made; one that ended as not needed does not count."""
    return not attempts or attempts[-1].state is RunState.NOT_NEEDED


def _has_value(study: Study, key: ArmKey, runs: Sequence[Run]) -> bool:
    metric = study.state.rules_of(key.generation).metric.name
    return key.role is Role.CONFIRM or any(run.state.is_counted or metric in run.metrics for run in runs)


def _last_ended(runs: Sequence[Run]) -> Run | None:
    """The run that ended last; one that was not needed only where there is no other."""
    ended = [run for run in runs if not run.state.is_active]
    return max(ended, key=lambda run: (run.state is not RunState.NOT_NEEDED, run.ended_at), default=None)


def _is_begun(study: Study, request: RunRequest) -> bool:
    """Whether a call that names a reason repeats the one that began the present generation, which has no experiment."""
    generation = study.generation
    if generation is None or request.new_baseline is None or generation.reason != request.new_baseline:
        return False
    return not generation.experiments and study.baseline_phase.phase in ("measuring", "ready")
