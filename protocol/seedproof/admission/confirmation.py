"""The gate's part for confirmations: the server chooses seed and side, once per experiment."""

from collections.abc import Mapping
from typing import Any

from seedproof.admission.code import require_code, require_sealed
from seedproof.admission.declaration import check_unchanged, declared
from seedproof.admission.project_view import Site
from seedproof.admission.request import Admission, RunRequest
from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.command import output_dir
from seedproof.model.refusals import AttemptNotAllowed, ConfirmNotDue, OutputExists
from seedproof.model.results import Verdict
from seedproof.model.rules import Rules
from seedproof.model.run_key import run_id_of
from seedproof.model.runs import Role, Run, RunState
from seedproof.phases.looks import ConfirmLook, Step, cannot_be_confirmed, confirm_look, may_retry, step_attempts
from seedproof.phases.next_call import confirm_call, experiment_next, new_baseline_call, present_baseline

__all__ = ["admit_confirmation"]


def admit_confirmation(state: State, rules: Rules, request: RunRequest, site: Site) -> Admission:
    """Decide a request for a run with role `confirm`.

    Raises:
        BaselineRefusal: There is no complete baseline.
        ExperimentUnknown: The present generation has no such experiment.
        ConfirmNotDue: Its verdict is not WINNER, or the confirmation has ended.
        AttemptNotAllowed: The attempt asked for is not one that is due.
        OutputExists: A folder that the ledger does not own is in the way.
        SnapshotMissing, NotComparable, SealedChanged: The code of either side is not there any more.
    """
    baseline = present_baseline(state, rules)
    experiment = _confirmable(state, baseline, request)
    arm = state.experiment_arm(experiment)
    check_unchanged(experiment, request, experiment_next(state, experiment, baseline))
    look = confirm_look(arm, rules)
    active = [run for run in arm.fresh if run.state.is_active]
    if not look.due:
        following = experiment_next(state, experiment, baseline)
        raise ConfirmNotDue(f"the confirmation of {experiment.name} has ended; there is one per experiment.", following)
    new = _new_runs(arm, look, rules, request, active)
    for step, _ in new:
        _require_free(rules, experiment, arm, look, step, site)
        side = baseline.arm if step.is_control and _has_snapshot(baseline.arm) else arm
        require_sealed(baseline.arm.code, side.code, rules, site, experiment_next(state, experiment, baseline))
        require_code(side, [step.seed], site, new_baseline_call())
    requested = tuple(("run_requested", _requested(arm, step, attempt)) for step, attempt in new)
    return Admission(requested, _answering(arm, look, new, active))


def _has_snapshot(arm: Arm) -> bool:
    """In place nothing but the present files can be run; they are the experiment's, without its flags."""
    return arm.code is not None and arm.code.held == "snapshot"


def _confirmable(state: State, baseline: Baseline, request: RunRequest) -> Experiment:
    experiment = declared(state, request)
    following = experiment_next(state, experiment, baseline)
    if experiment.verdict is None:
        raise ConfirmNotDue(f"{experiment.name} has no verdict yet; only a WINNER is confirmed.", following)
    if experiment.verdict["verdict"] != Verdict.WINNER:
        raise ConfirmNotDue(
            f"{experiment.name} is {experiment.verdict['verdict']}; only a WINNER is confirmed.", following
        )
    obstacle = cannot_be_confirmed(state.experiment_arm(experiment), baseline.arm.code)
    if obstacle is not None:
        raise ConfirmNotDue(obstacle, following)
    return experiment


def _new_runs(
    arm: Arm, look: ConfirmLook, rules: Rules, request: RunRequest, active: list[Run]
) -> list[tuple[Step, int]]:
    """The runs to request, in order: the next one, or with `queue_all` all that are due."""
    if request.attempt is not None:
        return _named_attempt(arm, look, rules, request.attempt, active)
    if request.queue_all:
        untried = [step for step in look.due if _is_untried(arm, step)]
        return [(step, len(step_attempts(arm, step)) + 1) for step in untried]
    first = look.due[0]
    if active or not _is_untried(arm, first):
        return []
    return [(first, len(step_attempts(arm, first)) + 1)]


def _is_untried(arm: Arm, step: Step) -> bool:
    """Whether no attempt stands; one that was not needed when its turn came is none."""
    attempts = step_attempts(arm, step)
    return not attempts or attempts[-1].state is RunState.NOT_NEEDED


def _named_attempt(arm: Arm, look: ConfirmLook, rules: Rules, wanted: int, active: list[Run]) -> list[tuple[Step, int]]:
    first = look.due[0]
    attempts = step_attempts(arm, first)
    if any(run.attempt == wanted for run in attempts) or (not attempts and wanted == 1):
        return [] if attempts else [(first, 1)]
    if not active and wanted == len(attempts) + 1 and attempts and may_retry(attempts, rules.metric.name):
        return [(first, wanted)]
    raise AttemptNotAllowed(
        f"the run that is due has {len(attempts)} attempts; attempt {wanted} at it is not allowed now.",
        confirm_call(arm.experiment or "", arm, look, rules),
    )


def _require_free(rules: Rules, experiment: Experiment, arm: Arm, look: ConfirmLook, step: Step, site: Site) -> None:
    folder = output_dir(rules, Role.CONFIRM, experiment.name, step.seed, step.is_control)
    if site.is_in_the_way(folder):
        raise OutputExists(
            f"{folder} exists and this ledger does not own it; move it away, nothing is deleted for you.",
            confirm_call(experiment.name, arm, look, rules),
        )


def _answering(arm: Arm, look: ConfirmLook, new: list[tuple[Step, int]], active: list[Run]) -> str:
    """The run that answers the request: the one in flight, the new one, or the last attempt at the one due."""
    if active:
        return active[0].run_id
    if new:
        step, attempt = new[0]
        return _run_id(arm, step, attempt)
    return step_attempts(arm, look.due[0])[-1].run_id


def _run_id(arm: Arm, step: Step, attempt: int) -> str:
    return run_id_of(arm.generation, Role.CONFIRM, arm.experiment, step.seed, attempt, step.is_control)


def _requested(arm: Arm, step: Step, attempt: int) -> Mapping[str, Any]:
    return {
        "run_id": _run_id(arm, step, attempt),
        "generation": arm.generation,
        "role": Role.CONFIRM.value,
        "arm": "baseline" if step.is_control else "experiment",
        "experiment": arm.experiment,
        "seed": step.seed,
        "attempt": attempt,
    }
