"""Admits the measuring runs of an experiment, the first of which declares it."""

from dataclasses import replace

from seedproof.admission.code import (
    ArmCode,
    change_from,
    list_files,
    prefer_baseline_code,
    present_code,
    require_code,
    require_sealed,
)
from seedproof.admission.control import with_controls
from seedproof.admission.declaration import (
    check_declaration,
    check_flags_and_hypothesis,
    check_unchanged,
    duplicate_refusal,
    make_declaration,
    redeclare_call,
)
from seedproof.admission.project_view import ProjectView
from seedproof.admission.request import Admission, RunRequest
from seedproof.admission.seeds import admit_seeds, is_any_new, is_recorded, requested_keys
from seedproof.admission.withdrawal import require_not_withdrawn
from seedproof.commands.flags import normalise_flags
from seedproof.ledger.state import Experiment
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import ArmFailed, BaselineRefusal, BaselineStale, ControlDue, NextCall
from seedproof.model.runs import Run
from seedproof.phases.baseline import stale_reason
from seedproof.phases.calls import control_call, new_experiment_call, take_back_call
from seedproof.phases.control import Control, control_look
from seedproof.phases.looks import closing_run, end_words, failure_words, next_look
from seedproof.phases.next_call import experiment_next, require_baseline
from seedproof.phases.study import Standing, Study
from seedproof.phases.twins import barring_twin

__all__ = ["admit_experiment"]


def admit_experiment(study: Study, request: RunRequest, project: ProjectView) -> Admission:
    """Admit or refuse a measuring run of an experiment.

    Raises:
        BaselineRefusal: There is no complete baseline, or the control of this code does not agree with it.
        DeclarationRefusal: The declaration is invalid, was tried before, or contradicts the earlier one.
        ControlDue: The control of its code has not ended.
        CodeUnchanged: It declares a change of code, and the change was reverted.
        ArmFailed: A seed failed for good.
        SeedUnknown, SeedNotDue, AttemptNotAllowed, NothingDue: The requested run is not due.
        OutputExists, SealedChanged, SnapshotMissing, NotComparable: The run could not be started.
    """
    try:
        baseline = require_baseline(study)
    except BaselineRefusal as refusal:
        recorded = _find_recorded(study, request, refusal.next_call)
        if recorded is None:
            raise
        return Admission((), recorded.run_id)
    experiment = study.find(request.experiment or "")
    if experiment is None:
        return _declare(study, baseline, request, project)
    return _continue(study, baseline, experiment, request, project)


def _continue(
    study: Study, baseline: Baseline, experiment: Experiment, request: RunRequest, project: ProjectView
) -> Admission:
    """Admit a run of an experiment that is declared already."""
    rules, standing, next_call = baseline.rules, study.standing(experiment), experiment_next(study, experiment)
    if _declares_anew(standing, request, project, rules.metric.name):
        hypothesis = request.hypothesis or experiment.hypothesis
        return _declare(study, baseline, replace(request, hypothesis=hypothesis), project, standing.arm)
    if not is_recorded(standing.arm, request):
        _require_standing(standing, request, next_call)
    check_unchanged(experiment, request, next_call)
    twin = barring_twin(study.state, experiment, rules)
    if twin is not None and not is_recorded(standing.arm, request):
        raise duplicate_refusal(study, twin)
    look = standing.look
    if look.failed and not is_recorded(standing.arm, request):
        raise ArmFailed(f"{experiment.name}: {failure_words(look)}.", next_call)
    keys = requested_keys(standing.arm, look, rules, request, next_call)
    if not is_any_new(standing.arm, keys):
        return admit_seeds(ArmCode(standing.arm), rules, request, (), keys, project)
    code, control = present_code(standing.arm, baseline.arm.code, project, rules.metric.name), standing.control
    if code.is_new:
        code = replace(code, arm=with_controls(study.state, code.arm))
        control = control_look(baseline, code.arm)
        # The new code may make it equal to an experiment that was tried before.
        moved = replace(experiment, code=code.arm.code, change=code.arm.change)
        twin = barring_twin(study.state, moved, study.rules)
        if twin is not None:
            raise duplicate_refusal(study, twin)
    _require_control(baseline, code.arm, control)
    require_sealed(baseline.arm.code, code.arm.code, rules, project, next_call)
    require_code(code.arm, [key.seed for key in keys], project, new_experiment_call())
    return admit_seeds(code, rules, request, (), keys, project)


def _require_standing(standing: Standing, request: RunRequest, next_call: NextCall) -> None:
    """Refuse to go on with an experiment that was withdrawn.

    Raises:
        ArmFailed: It is declared anew in what ended in the same way twice.
        ExperimentUnknown: It is not declared anew.
    """
    experiment, closed_by = standing.experiment, closing_run(standing.arm.present_runs)
    if experiment.withdrawn is not None and request.flags is not None and closed_by is not None:
        ends = f"two attempts ended in the same way without a value ({end_words(closed_by)})"
        raise ArmFailed(f"{experiment.name}: {ends}; the same flags on the same code would end so too.", next_call)
    require_not_withdrawn(experiment)


def _declares_anew(standing: Standing, request: RunRequest, project: ProjectView, metric: str) -> bool:
    """Whether a call declares an experiment anew of whose result nothing is known, in other flags or mended code.

    The same flags on the same code would end as they did. One that was withdrawn may have them, unless two runs did.
    """
    experiment, arm = standing.experiment, standing.arm
    is_withdrawn, is_closed = experiment.withdrawn is not None, closing_run(arm.present_runs) is not None
    if request.flags is None and not request.code_change and not (is_withdrawn and request.hypothesis is not None):
        return False
    if not arm.is_without_value(metric) or any(
        run.state.is_active for run in arm.controls if run.experiment == arm.experiment
    ):
        return False
    is_other = normalise_flags(request.flags or ()) != normalise_flags(experiment.flags)
    if is_other or (request.code_change and not experiment.code_change) or (is_withdrawn and not is_closed):
        return True
    code = project.code() if is_closed or standing.control.state == "failed" else None
    return code is not None and arm.code is not None and code.sha256 != arm.code.sha256


def _declare(
    study: Study, baseline: Baseline, request: RunRequest, project: ProjectView, earlier: Arm | None = None
) -> Admission:
    """Declare an experiment and admit its first run; where its code needs a control, declare it and ask for that.

    Args:
        earlier: The arm that was declared under this name before, without a value; its attempts stay and are listed.
    """
    rules = baseline.rules
    code, reference, change = project.code(), baseline.arm.code, None
    names = () if code is None or not request.flags else project.option_names(code)
    check_flags_and_hypothesis(baseline, request, names)
    if code is not None and reference is not None:
        change = change_from(reference, code, project, is_declared=request.code_change)
        code = prefer_baseline_code(reference, code, project)
    check_declaration(study, baseline, request, code, change)
    declare = redeclare_call(request, rules.experiment_seeds[0])
    require_sealed(reference, code, rules, project, declare)
    runs = () if earlier is None else earlier.runs
    arm = Arm(
        generation=baseline.generation,
        experiment=request.experiment,
        runs=runs,
        since=len(runs),
        flags=request.flags or (),
        hypothesis=request.hypothesis or "",
        code=code,
        change=change,
        code_change=request.code_change,
    )
    arm = with_controls(study.state, arm)
    control = control_look(baseline, arm)
    _require_agreement(baseline, arm, control)
    keys = requested_keys(arm, next_look(arm, baseline, rules), rules, request, declare)
    seed_files = () if code is None or not request.flags else project.seed_files(code, request.flags)
    declared = make_declaration(study, request, code, change, names, seed_files)
    try:
        _require_control(baseline, arm, control)
    except ControlDue as refusal:
        return Admission((declared,), "", refusal)
    return admit_seeds(ArmCode(arm), rules, request, (declared,), keys, project)


def _require_agreement(baseline: Baseline, arm: Arm, control: Control) -> None:
    if control.state == "failed":
        raise BaselineStale(stale_reason(arm, baseline, control), take_back_call(arm, baseline.rules.metric.name))


def _require_control(baseline: Baseline, arm: Arm, control: Control) -> None:
    """Refuse to measure code that is not shown to train like the baseline without flags.

    Raises:
        ControlDue: Its control has not ended.
        BaselineStale: Its control does not agree with the baseline.
    """
    _require_agreement(baseline, arm, control)
    if control.state in ("due", "open"):
        files = [] if arm.change is None else [f"{file.path} {file.counts}" for file in arm.change.files]
        differs = f" ({list_files(files)})" if files else ""
        raise ControlDue(
            f"{arm.experiment} is declared, and its code is not the baseline's{differs}. "
            "Take the edit back and repeat the call; or declare it as a part of the experiment, with code_change=true; "
            "or one run without flags shows first that the change alone moves nothing, as `next` has it.",
            control_call(arm.experiment or "", control),
        )


def _find_recorded(study: Study, request: RunRequest, next_call: NextCall) -> Run | None:
    """The requested run of an experiment, where the ledger has it; else None.

    Raises:
        FlagsChanged: The request contradicts the declaration.
    """
    experiment = study.find(request.experiment or "")
    if experiment is None or request.seed is None:
        return None
    attempts = study.state.experiment_arm(experiment).attempts(request.seed)
    found = [run for run in attempts if request.attempt in (None, run.attempt)]
    if found:
        check_unchanged(experiment, request, next_call)
    return found[-1] if found else None
