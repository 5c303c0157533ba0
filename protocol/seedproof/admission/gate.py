"""The gate: every request for a run passes here, and is admitted or refused by the ledger alone."""

from seedproof.admission.baseline import admit_baseline
from seedproof.admission.confirmation import admit_confirmation
from seedproof.admission.control import admit_control
from seedproof.admission.declaration import check_name
from seedproof.admission.experiment import admit_experiment
from seedproof.admission.guards import check_room, check_runaway
from seedproof.admission.project_view import Site
from seedproof.admission.request import Admission, RunRequest
from seedproof.ledger.state import State
from seedproof.model.refusals import BadArguments, ConfirmNotDue, ControlNotDue
from seedproof.model.rules import Rules
from seedproof.model.runs import Role
from seedproof.phases.control import control_look
from seedproof.phases.looks import Step, confirm_look, next_look
from seedproof.phases.next_call import present_baseline

__all__ = ["Admission", "admit", "still_due"]

MAX_WORDS = 2000


def admit(state: State, rules: Rules, request: RunRequest, site: Site) -> Admission:
    """Decide a request for a run.

    Args:
        site: The project as it is now.

    Raises:
        Refusal: With its code and the next allowed call.
    """
    _check_shape(request)
    admission = _admit_arm(state, rules, request, site)
    kinds = [kind for kind, _ in admission.records]
    if "experiment_declared" in kinds:
        check_runaway(state, site.limits())
    if "run_requested" in kinds:
        check_room(state, site.limits())
    return admission


def _admit_arm(state: State, rules: Rules, request: RunRequest, site: Site) -> Admission:
    if request.experiment is None:
        return admit_baseline(state, rules, request, site)
    check_name(request.experiment)
    if request.role is Role.CONFIRM:
        return admit_confirmation(state, rules, request, site)
    if request.role is Role.CONTROL:
        return admit_control(state, rules, request, site)
    return admit_experiment(state, rules, request, site)


def still_due(state: State, rules: Rules, run_id: str) -> str | None:
    """Why a queued run is not needed any more, or None while it is."""
    run = state.runs[run_id]
    generation = state.generation
    if generation is None or run.generation != generation.number:
        return "a newer baseline generation has begun"
    if generation.parsed_rules() != rules:
        return "the rules have changed since the baseline began"
    if run.experiment is None:
        look = next_look(state.baseline_arm(run.generation), None, rules)
    else:
        baseline = present_baseline(state, rules)
        arm = state.experiment_arm(generation.experiments[run.experiment])
        if run.role is Role.CONTROL:
            is_awaited = control_look(baseline, arm).run == run
            return None if is_awaited else "the control of this code has its result already"
        if run.role is Role.CONFIRM:
            is_due = Step(run.seed, run.is_control) in confirm_look(arm, rules).due
            return None if is_due else "the confirmation has this run already"
        look = next_look(arm, baseline, rules)
    return None if run.seed in look.due else "the arm is decided without it"


def _check_shape(request: RunRequest) -> None:
    """What no ledger could make right."""
    if request.role is Role.CONTROL and request.experiment is None:
        raise ControlNotDue("a control belongs to an experiment whose code differs from the baseline's; name it.")
    if request.role is Role.CONFIRM and request.experiment is None:
        raise ConfirmNotDue("only an experiment that is a WINNER is confirmed; name it.")
    for name, words in (("hypothesis", request.hypothesis), ("new_baseline", request.new_baseline)):
        if words is not None and len(words) > MAX_WORDS:
            raise BadArguments(f"{name} is longer than {MAX_WORDS} characters.")
    _check_combination(request)


def _check_combination(request: RunRequest) -> None:
    fault = _combination_fault(request)
    if fault:
        raise BadArguments(fault)


def _combination_fault(request: RunRequest) -> str | None:
    """Which arguments do not go together, or None."""
    if request.new_baseline is not None and not request.new_baseline.strip():
        return "new_baseline is the reason for a new baseline; it may not be empty."
    if request.new_baseline is not None and request.experiment is not None:
        return "new_baseline and experiment do not go together."
    if request.experiment is None and (request.flags or request.hypothesis is not None or request.code_change):
        return "flags, hypothesis and code_change belong to an experiment; the baseline has none. Name the experiment."
    if request.role is not Role.MEASURE:
        return _chosen_fault(request)
    if request.attempt is not None and request.seed is None:
        return "attempt needs the seed that it is an attempt at."
    if request.queue_all and request.seed is not None:
        return "queue_all queues every seed that is due; leave seed out."
    return None


def _chosen_fault(request: RunRequest) -> str | None:
    if request.seed is None:
        return None
    word = "confirmation" if request.role is Role.CONFIRM else "control"
    return f"the server chooses seed and side of a {word}; leave seed out."
