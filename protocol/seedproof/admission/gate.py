"""Admits or refuses every request for a run, by the ledger and the project as they are."""

from dataclasses import replace

from seedproof.admission.baseline import admit_baseline
from seedproof.admission.confirmation import admit_confirmation
from seedproof.admission.control import admit_control
from seedproof.admission.declaration import check_name
from seedproof.admission.experiment import admit_experiment
from seedproof.admission.guards import check_room, check_runaway
from seedproof.admission.project_view import ProjectView
from seedproof.admission.request import Admission, RunRequest
from seedproof.ledger.state import State
from seedproof.model.arms import Arm
from seedproof.model.refusals import BadArguments, ConfirmNotDue, ControlNotDue
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.phases.confirmation import Step
from seedproof.phases.looks import failed_canary
from seedproof.phases.next_call import require_baseline
from seedproof.phases.read_again import metrics_begun_with
from seedproof.phases.study import Study

__all__ = ["admit", "not_needed_reason", "queued_behind"]

MAX_TEXT_LENGTH = 2000


def admit(study: Study, request: RunRequest, project: ProjectView) -> Admission:
    """Admit or refuse a request for a run.

    Args:
        project: The project folder as it is now.

    Raises:
        Refusal: With its code and the next allowed call.
    """
    _check_shape(request)
    admission = _admit_arm(study, request, project)
    if admission.declares_experiment:
        check_runaway(study.state, project.limits())
    if admission.requests_run:
        check_room(study.state, project.limits())
    return admission


def _admit_arm(study: Study, request: RunRequest, project: ProjectView) -> Admission:
    if request.experiment is None:
        return admit_baseline(study, request, project)
    check_name(request.experiment)
    if request.role is Role.CONFIRM:
        return admit_confirmation(study, request, project)
    if request.role is Role.CONTROL:
        return admit_control(study, request, project)
    return admit_experiment(study, request, project)


def not_needed_reason(study: Study, run_id: str) -> str | None:
    """Why a queued run is no longer needed; None while it is.

    Raises:
        BaselineRefusal: There is no baseline to compare its experiment with.
    """
    # Other metrics change no training, and the next call decides what they mean.
    study = Study(study.state, metrics_begun_with(study.state, study.rules))
    run, generation = study.state.runs[run_id], study.generation
    if generation is None or run.generation != generation.number:
        return "a newer baseline generation has begun"
    if generation.rules.differing(study.rules):
        return "the rules have changed since the baseline began"
    if run.role is Role.PROBE:
        return None if study.baseline is not None else "there is no baseline that it could say something of"
    if run.experiment is None:
        phase = study.baseline_phase
        if run.seed not in phase.look.due:
            return "the arm is decided without it"
        return _canary_reason(phase.arm, run, generation.rules)
    require_baseline(study)
    standing = study.standing(generation.experiments[run.experiment])
    if run.role is Role.CONTROL:
        return None if standing.control.run == run else "the control of this code has its result already"
    if run.role is Role.CONFIRM:
        is_due = Step(run.seed, run.is_control) in standing.confirmation.due
        return None if is_due else "the confirmation has this run already"
    if run.seed not in standing.look.due:
        return "the arm is decided without it"
    return _canary_reason(standing.arm, run, generation.rules)


def _canary_reason(arm: Arm, run: Run, rules: Rules) -> str | None:
    ended = failed_canary(arm, rules.metric.name)
    if ended is None or ended.ended_at < run.requested_at:
        return None
    return f"{ended.run_id} ended without a {rules.metric.name}, and this one would"


def queued_behind(state: State, run_id: str) -> list[tuple[str, str]]:
    """The queued runs that the end of a run makes pointless, as no run of its arm has a value; each with the reason."""
    run = state.runs[run_id]
    if run.role is not Role.MEASURE:
        return []
    arm, rules = state.arm_of(run), state.rules_of(run.generation)
    queued = (one for one in arm.runs if one.state is RunState.QUEUED)
    reasons = ((one.run_id, _canary_reason(arm, one, rules)) for one in queued)
    return [(queued_id, reason) for queued_id, reason in reasons if reason is not None]


def _check_shape(request: RunRequest) -> None:
    """Refuse arguments that are invalid whatever the ledger holds."""
    if request.role is Role.CONTROL and request.experiment is None:
        raise ControlNotDue("a control belongs to an experiment whose code differs from the baseline's; name it.")
    if request.role is Role.CONFIRM and request.experiment is None:
        raise ConfirmNotDue("only an experiment is confirmed; name it.")
    for name, text in (("hypothesis", request.hypothesis), ("new_baseline", request.new_baseline)):
        if text is not None and len(text) > MAX_TEXT_LENGTH:
            shorter = request.call(why="The same, in fewer words.", you_choose=(name,))
            raise BadArguments(f"{name} is longer than {MAX_TEXT_LENGTH} characters.", shorter)
    fault, mended, to_fill = _combination_fault(request)
    if not fault:
        return
    chosen: list[str] = []
    while to_fill is not None:  # more than one thing may be wrong
        chosen += [to_fill] if to_fill else []
        _, mended, to_fill = _combination_fault(mended)
    why = "The same, with the arguments that go together."
    raise BadArguments(fault, mended.call(why=why, you_choose=tuple(chosen)))


_TO_FILL = "…"


def _combination_fault(request: RunRequest) -> tuple[str, RunRequest, str | None]:
    """Which arguments do not go together, the request with those that do, and the one that the caller is to fill.

    The last is empty where there is nothing to fill, and None where all go together.
    """
    if request.new_baseline is not None and not request.new_baseline.strip():
        fault = "new_baseline is the reason for a new baseline; it may not be empty."
        return fault, replace(request, new_baseline=_TO_FILL), "new_baseline"
    if request.new_baseline is not None and request.experiment is not None:
        # The baseline first: experiments come after it.
        first = RunRequest(new_baseline=request.new_baseline)
        return "new_baseline and experiment do not go together.", first, ""
    if request.experiment is None and (request.flags or request.hypothesis is not None or request.code_change):
        fault = "flags, hypothesis and code_change belong to an experiment; the baseline has none. Name the experiment."
        return fault, replace(request, experiment=_TO_FILL, new_baseline=None), "experiment"
    if request.role is not Role.MEASURE:
        kind = "confirmation" if request.role is Role.CONFIRM else "control"
        fault = f"the server chooses seed and side of a {kind}; leave seed out."
        return ("", request, None) if request.seed is None else (fault, replace(request, seed=None), "")
    if request.attempt is not None and request.seed is None:
        fault = "attempt needs the seed that it is an attempt at."
        return fault, replace(request, seed=0, queue_all=False), "seed"
    if request.queue_all and request.seed is not None:
        fault = "queue_all queues every seed that is due; leave seed out."
        return fault, replace(request, seed=None, attempt=None), ""
    return "", request, None
