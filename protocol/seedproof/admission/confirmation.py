"""Admits runs on fresh seeds that confirm a verdict; the server chooses seed and side."""

from dataclasses import replace

from seedproof.admission.code import require_code, require_sealed
from seedproof.admission.declaration import check_unchanged
from seedproof.admission.project_view import ProjectView, require_free
from seedproof.admission.request import Admission, RunRequest
from seedproof.admission.withdrawal import require_declared
from seedproof.ledger.event import Event
from seedproof.ledger.run_events import RunRequested
from seedproof.ledger.study_events import FreshSeedsDrawn
from seedproof.model.arms import Arm, Baseline, FreshPlan
from seedproof.model.refusals import AttemptNotAllowed, ConfirmNotDue
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import Run, RunState
from seedproof.phases.calls import confirm_call, new_baseline_call
from seedproof.phases.confirmation import Step, cannot_be_confirmed, needs_own_controls, step_attempts
from seedproof.phases.looks import may_retry
from seedproof.phases.next_call import experiment_next, require_baseline
from seedproof.phases.study import Standing, Study

__all__ = ["admit_confirmation"]


def admit_confirmation(study: Study, request: RunRequest, project: ProjectView) -> Admission:
    """Admit or refuse a run with role `confirm`.

    Raises:
        BaselineRefusal: There is no complete baseline.
        ExperimentUnknown: The present generation has no such experiment.
        ConfirmNotDue: Its verdict has no confirmation, or that has ended.
        NoRandomSource: Its seeds have to be drawn first, and the system has no random source.
        AttemptNotAllowed: The requested attempt is not due.
        OutputExists: The output folder exists, and the ledger does not own it.
        SnapshotMissing, NotComparable, SealedChanged: The code of one side is missing or has changed.
    """
    baseline = require_baseline(study)
    experiment = require_declared(study, request)
    next_call, standing = experiment_next(study, experiment), study.standing(experiment)
    obstacle = _obstacle(standing, baseline)
    if obstacle is not None:
        raise ConfirmNotDue(obstacle, next_call)
    check_unchanged(experiment, request, next_call)
    events: list[Event] = []
    if standing.arm.fresh_plan is None:  # a WINNER of an earlier version, whose verdict has no seeds
        seeds = project.fresh_seeds(experiment)
        is_own = needs_own_controls(study.state, experiment)
        events.append(
            FreshSeedsDrawn(
                generation=experiment.generation, experiment=experiment.name, seeds=seeds, own_controls=is_own
            )
        )
        is_given = seeds == baseline.rules.confirm_seeds
        plan = FreshPlan(seeds, "winner", is_given=is_given, has_own_controls=is_own)
        standing = replace(standing, arm=replace(standing.arm, fresh_plan=plan))
    if not standing.confirmation.due:
        message = f"the confirmation of {experiment.name} has ended; there is one per experiment."
        raise ConfirmNotDue(message, next_call)
    arm = standing.arm
    # In place only the present files can be run, which are the experiment's.
    has_snapshot = baseline.arm.code is not None and baseline.arm.code.held == "snapshot"
    is_own = arm.fresh_plan is not None and arm.fresh_plan.has_own_controls
    active = [run for run in arm.fresh if run.state.is_active]
    new = _new_runs(standing, request, active)
    for key in new:
        require_free(project, key, study.rules, confirm_call(standing))
        trained = baseline.arm if key.is_control and has_snapshot and not is_own else arm
        require_sealed(baseline.arm.code, trained.code, study.rules, project, next_call)
        require_code(trained, [key.seed], project, new_baseline_call())
    requested = (RunRequested(key=key) for key in new)
    return Admission((*events, *requested), _answering_run_id(standing, new, active))


def _obstacle(standing: Standing, baseline: Baseline) -> str | None:
    """Why the experiment cannot be confirmed now; None where it can."""
    name, verdict = standing.experiment.name, standing.experiment.verdict
    if verdict is None:
        return f"{name} has no verdict yet; only a WINNER is confirmed."
    if not verdict.is_winner and standing.arm.fresh_plan is None:
        return f"{name} is {verdict.verdict}; only a WINNER is confirmed, and a NEUTRAL whose same-seed pairs say more."
    return cannot_be_confirmed(standing.arm, baseline.arm.code)


def _new_runs(standing: Standing, request: RunRequest, active: list[Run]) -> list[RunKey]:
    """The runs to request, in order: the next one, or with `queue_all` every one that is due."""
    due = standing.confirmation.due
    if request.attempt is not None:
        return _requested_attempt(standing, request.attempt, active)
    if request.queue_all:
        return [_next_key(standing.arm, step) for step in due if _is_untried(standing.arm, step)]
    return [] if active or not _is_untried(standing.arm, due[0]) else [_next_key(standing.arm, due[0])]


def _is_untried(arm: Arm, step: Step) -> bool:
    """Whether no attempt was made; one that ended as not needed does not count."""
    attempts = step_attempts(arm, step)
    return not attempts or attempts[-1].state is RunState.NOT_NEEDED


def _requested_attempt(standing: Standing, wanted: int, active: list[Run]) -> list[RunKey]:
    first = standing.confirmation.due[0]
    attempts = step_attempts(standing.arm, first)
    if any(run.attempt == wanted for run in attempts) or (not attempts and wanted == 1):
        return [] if attempts else [_next_key(standing.arm, first)]
    is_retry_allowed = attempts and may_retry(attempts, standing.rules.metric.name)
    if not active and wanted == len(attempts) + 1 and is_retry_allowed:
        return [_next_key(standing.arm, first)]
    raise AttemptNotAllowed(
        f"the run that is due has {len(attempts)} attempts; attempt {wanted} at it is not allowed now.",
        confirm_call(standing),
    )


def _next_key(arm: Arm, step: Step) -> RunKey:
    """The next attempt at one run of the confirmation."""
    side = Side.BASELINE if step.is_control else Side.EXPERIMENT
    attempt = len(step_attempts(arm, step)) + 1
    return RunKey(arm.generation, Role.CONFIRM, side, arm.experiment, step.seed, attempt)


def _answering_run_id(standing: Standing, new: list[RunKey], active: list[Run]) -> str:
    """Id of the run that answers the request: the active one, the new one, or the last attempt at the one due."""
    if active:
        return active[0].run_id
    if new:
        return new[0].run_id
    return step_attempts(standing.arm, standing.confirmation.due[0])[-1].run_id
