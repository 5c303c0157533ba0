"""Admits the measuring runs of an experiment, the first of which declares it."""

from dataclasses import replace

from seedproof.admission.code import ArmCode, change_from, named, present_code, require_code, require_sealed, same_or
from seedproof.admission.control import with_controls
from seedproof.admission.declaration import (
    check_declaration,
    check_unchanged,
    check_words,
    declaration,
    declare_again,
    duplicate,
)
from seedproof.admission.project_view import ProjectView
from seedproof.admission.request import Admission, RunRequest
from seedproof.admission.seeds import admit_seeds, asked_keys, is_any_new, is_recorded
from seedproof.ledger.state import Experiment
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import ArmFailed, BaselineRefusal, BaselineStale, ControlDue, NextCall
from seedproof.model.runs import Run
from seedproof.phases.baseline import stale_reason
from seedproof.phases.control import Control, control_look
from seedproof.phases.looks import next_look
from seedproof.phases.next_call import (
    barring_twin,
    control_call,
    experiment_next,
    new_baseline_call,
    new_experiment_call,
    require_baseline,
)
from seedproof.phases.study import Study

__all__ = ["admit_experiment"]


def admit_experiment(study: Study, request: RunRequest, project: ProjectView) -> Admission:
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
        baseline = require_baseline(study)
    except BaselineRefusal as refusal:
        recorded = _recorded(study, request, refusal.next_call)
        if recorded is None:
            raise
        return Admission((), recorded.run_id)
    known = study.find(request.experiment or "")
    if known is None:
        return _declare(study, baseline, request, project)
    return _go_on(study, baseline, known, request, project)


def _go_on(study: Study, baseline: Baseline, known: Experiment, request: RunRequest, project: ProjectView) -> Admission:
    """A later call for a declared experiment."""
    rules, standing, following = baseline.rules, study.standing(known), experiment_next(study, known)
    check_unchanged(known, request, following)
    twin = barring_twin(study.state, known, rules)
    if twin is not None and not is_recorded(standing.arm, request):
        raise duplicate(study, twin)
    look = standing.look
    if look.failed and not is_recorded(standing.arm, request):
        raise ArmFailed(
            f"{known.name}: seed {look.failed[0]} failed for good; the arm ends without a verdict.", following
        )
    keys = asked_keys(standing.arm, look, rules, request, following)
    if not is_any_new(standing.arm, keys):
        return admit_seeds(ArmCode(standing.arm), rules, request, (), keys, project)
    code, control = present_code(standing.arm, baseline.arm.code, project, rules.metric.name), standing.control
    if code.is_new:
        code = replace(code, arm=with_controls(study.state, code.arm))
        control = control_look(baseline, code.arm)
        _require_untried(study, known, code.arm)
    _require_control(baseline, code.arm, control)
    require_sealed(baseline.arm.code, code.arm.code, rules, project, following)
    require_code(code.arm, [key.seed for key in keys], project, new_experiment_call())
    return admit_seeds(code, rules, request, (), keys, project)


def _require_untried(study: Study, known: Experiment, arm: Arm) -> None:
    """Refuse an experiment that has, with mended code, become one that was tried."""
    twin = barring_twin(study.state, replace(known, code=arm.code), study.rules)
    if twin is not None:
        raise duplicate(study, twin)


def _declare(study: Study, baseline: Baseline, request: RunRequest, project: ProjectView) -> Admission:
    """The first call for an experiment; where its code has moved, it is declared and its control is asked for."""
    rules = baseline.rules
    check_words(baseline, request)
    code, reference, change = project.code(), baseline.arm.code, None
    if code is not None and reference is not None:
        change = change_from(reference, code, project, is_declared=request.code_change)
        code = same_or(reference, code, project)
    check_declaration(study, baseline, request, code, change)
    declare = declare_again(request, rules.experiment_seeds[0])
    require_sealed(reference, code, rules, project, declare)
    arm = Arm(
        generation=baseline.generation,
        experiment=request.experiment,
        runs=(),
        flags=request.flags or (),
        hypothesis=request.hypothesis or "",
        code=code,
        change=change,
        code_change=request.code_change,
    )
    arm = with_controls(study.state, arm)
    control = control_look(baseline, arm)
    _require_agreement(baseline, arm, control)
    keys = asked_keys(arm, next_look(arm, baseline, rules), rules, request, declare)
    declared = declaration(study, request, code, change)
    try:
        _require_control(baseline, arm, control)
    except ControlDue as refusal:
        return Admission((declared,), "", refusal)
    return admit_seeds(ArmCode(arm), rules, request, (declared,), keys, project)


def _require_agreement(baseline: Baseline, arm: Arm, control: Control) -> None:
    if control.state == "failed":
        raise BaselineStale(stale_reason(arm, baseline, control), new_baseline_call())


def _require_control(baseline: Baseline, arm: Arm, control: Control) -> None:
    """Refuse to measure on code whose path without flags is not known to be the baseline's.

    Raises:
        ControlDue: Its control has not ended.
        BaselineStale: Its control does not agree with the baseline.
    """
    _require_agreement(baseline, arm, control)
    if control.state in ("due", "open"):
        differs = "" if arm.change is None else f" ({named([file.path for file in arm.change.files])})"
        raise ControlDue(
            f"{arm.experiment} is declared, and its code is not the baseline's{differs}; one run without flags "
            "has to show first that the change alone moves nothing.",
            control_call(arm.experiment or "", control),
        )


def _recorded(study: Study, request: RunRequest, following: NextCall) -> Run | None:
    """The run of an experiment that is asked for by its key; None where it was never requested.

    Raises:
        FlagsChanged: It was declared with something else.
    """
    known = study.find(request.experiment or "")
    if known is None or request.seed is None:
        return None
    attempts = study.state.experiment_arm(known).attempts(request.seed)
    found = [run for run in attempts if request.attempt in (None, run.attempt)]
    if found:
        check_unchanged(known, request, following)
    return found[-1] if found else None
