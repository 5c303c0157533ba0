"""The gate's part for the measuring runs of an experiment, the first of which declares it."""

from dataclasses import replace

from seedproof.admission.code import change_from, named, present_code, require_code, require_sealed, same_or
from seedproof.admission.control import with_controls
from seedproof.admission.declaration import (
    check_declaration,
    check_unchanged,
    check_words,
    declaration,
    declare_call,
    duplicate,
)
from seedproof.admission.project_view import Site
from seedproof.admission.request import Admission, RunRequest
from seedproof.admission.seeds import admit_seeds, asked_keys, is_any_new, is_recorded
from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import ArmFailed, BaselineRefusal, BaselineStale, ControlDue, NextCall
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.phases.baseline import stale_reason
from seedproof.phases.control import control_look
from seedproof.phases.looks import next_look
from seedproof.phases.next_call import (
    barring_twin,
    control_call,
    experiment_next,
    new_baseline_call,
    new_experiment_call,
    present_baseline,
)

__all__ = ["admit_experiment"]


def admit_experiment(state: State, rules: Rules, request: RunRequest, site: Site) -> Admission:
    """Decide a request for a measuring run of an experiment.

    Raises:
        BaselineRefusal: There is no complete baseline, or it says nothing of this code.
        DeclarationRefusal: What is declared cannot stand, was tried, or is not what was declared before.
        ControlDue: The control of its code has not ended.
        CodeUnchanged: The change of code that it declares has been taken back.
        ArmFailed: A seed failed for good.
        SeedUnknown, SeedNotDue, AttemptNotAllowed, NothingDue: The run asked for is not one that is due.
        OutputExists, SealedChanged, SnapshotMissing, NotComparable: It could not be started.
    """
    try:
        baseline = present_baseline(state, rules)
    except BaselineRefusal as refusal:
        recorded = _recorded(state, request, refusal.next_call)
        if recorded is None:
            raise
        return Admission((), recorded.run_id)
    generation = state.generation
    assert generation is not None and request.experiment is not None
    known = generation.experiments.get(request.experiment)
    if known is None:
        return _declare(state, baseline, request, site)
    following = experiment_next(state, known, baseline)
    check_unchanged(known, request, following)
    arm = state.experiment_arm(known)
    twin = barring_twin(state, known, rules)
    if twin is not None and not is_recorded(arm, request):
        raise duplicate(state, twin, baseline)
    look = next_look(arm, baseline, rules)
    if look.failed and not is_recorded(arm, request):
        raise ArmFailed(
            f"{request.experiment}: seed {look.failed[0]} failed for good; the arm ends without a verdict.", following
        )
    keys = asked_keys(arm, look, rules, request, following)
    if not is_any_new(arm, keys):
        return admit_seeds(arm, rules, request, (), keys, site)
    code = present_code(arm, baseline.arm.code, site, rules.metric.name)
    arm = with_controls(state, code.arm)
    if code.fields:
        _require_untried(state, baseline, known, arm)
    _require_control(baseline, arm)
    require_sealed(baseline.arm.code, arm.code, rules, site, following)
    require_code(arm, [seed for seed, _ in keys], site, new_experiment_call())
    return admit_seeds(arm, rules, request, (), keys, site, code.fields)


def _require_untried(state: State, baseline: Baseline, known: Experiment, arm: Arm) -> None:
    """Refuse an experiment that has, with mended code, become one that was tried."""
    twin = barring_twin(state, replace(known, code=arm.code), baseline.rules)
    if twin is not None:
        raise duplicate(state, twin, baseline)


def _declare(state: State, baseline: Baseline, request: RunRequest, site: Site) -> Admission:
    """The first call for an experiment; where its code has moved, it is declared and its control is asked for."""
    rules, name = baseline.rules, request.experiment
    assert name is not None
    check_words(baseline, request)
    code = site.code()
    reference, change = baseline.arm.code, None
    if code is not None and reference is not None:
        change = change_from(reference, code, site, is_declared=request.code_change)
        code = same_or(reference, code, site)
    check_declaration(state, baseline, request, code, change)
    declare = declare_call(request, rules.experiment_seeds[0])
    require_sealed(baseline.arm.code, code, rules, site, declare)
    arm = Arm(
        generation=baseline.generation,
        experiment=name,
        runs=(),
        flags=request.flags or (),
        hypothesis=request.hypothesis or "",
        code=code,
        change=change,
        code_change=request.code_change,
    )
    arm = with_controls(state, arm)
    if control_look(baseline, arm).state == "failed":
        raise BaselineStale(stale_reason(arm, baseline), new_baseline_call())
    look = next_look(arm, baseline, rules)
    keys = asked_keys(arm, look, rules, request, declare)
    records = [("experiment_declared", declaration(state, rules, request, code, change))]
    try:
        _require_control(baseline, arm)
    except ControlDue as refusal:
        return Admission(tuple(records), "", refusal)
    return admit_seeds(arm, rules, request, records, keys, site)


def _require_control(baseline: Baseline, arm: Arm) -> None:
    """Refuse to measure on code whose path without flags is not known to be the baseline's.

    Raises:
        ControlDue: Its control has not ended.
        BaselineStale: Its control does not agree with the baseline.
    """
    control = control_look(baseline, arm)
    if control.state == "failed":
        raise BaselineStale(stale_reason(arm, baseline), new_baseline_call())
    if control.state in ("due", "open"):
        differs = "" if arm.change is None else f" ({named([file.path for file in arm.change.files])})"
        raise ControlDue(
            f"{arm.experiment} is declared, and its code is not the baseline's{differs}; one run without flags "
            "has to show first that the change alone moves nothing.",
            control_call(arm.experiment or "", control),
        )


def _recorded(state: State, request: RunRequest, following: NextCall) -> Run | None:
    """The run of an experiment that is asked for by its key; None where it was never requested.

    Raises:
        FlagsChanged: It was declared with something else.
    """
    generation = state.generation
    known = None if generation is None else generation.experiments.get(request.experiment or "")
    if known is None or request.seed is None:
        return None
    attempts = state.experiment_arm(known).attempts(request.seed)
    found = [run for run in attempts if request.attempt in (None, run.attempt)]
    if found:
        check_unchanged(known, request, following)
    return found[-1] if found else None
