"""Admits runs of the baseline; the first call of a generation begins it."""

from dataclasses import replace

from seedproof.admission.baseline_reuse import Reuse, reused_runs
from seedproof.admission.code import ArmCode, present_code, require_code, require_sealed
from seedproof.admission.project_view import ProjectView
from seedproof.admission.request import Admission, RunRequest
from seedproof.admission.seeds import admit_seeds, is_any_new, is_recorded, requested_keys
from seedproof.ledger.run_ends import RunNotNeeded
from seedproof.ledger.study_events import GenerationStarted
from seedproof.model.arms import Arm
from seedproof.model.refusals import BadSettings, BaselineVoid
from seedproof.model.runs import Run, RunState
from seedproof.phases.calls import check_call, first_baseline_call, new_baseline_call
from seedproof.phases.looks import next_look
from seedproof.phases.next_call import baseline_next
from seedproof.phases.replacement import NO_VALUE, is_empty, replaceable, unended_run
from seedproof.phases.study import Study

__all__ = ["admit_baseline"]

# States that say something about a baseline. A stopped or lost run does not: after it, the same `new_baseline` call
# still means the generation that it began.
_CONCLUSIVE = (RunState.SUCCEEDED, RunState.DIVERGED, RunState.UNREAD, RunState.FAILED, RunState.TIMED_OUT)


def admit_baseline(study: Study, request: RunRequest, project: ProjectView) -> Admission:
    """Admit or refuse a run of the baseline.

    Raises:
        BaselineVoid: This generation can never become a baseline.
        BadSettings: A new generation is to have a design of the past.
        SeedUnknown, SeedNotDue, AttemptNotAllowed, NothingDue: The requested run is not due.
        OutputExists, SealedChanged, SnapshotMissing, NotComparable: The run could not be started.
    """
    is_new_generation = study.generation is None or request.new_baseline is not None
    if is_new_generation and not _repeats_new_baseline(study, request):
        return _begin_generation(study, request, project, request.new_baseline)
    rules, phase = study.rules, study.baseline_phase
    if phase.phase == "void" and not is_recorded(phase.arm, request):
        return _replace(study, request, project)
    next_call = baseline_next(study)
    keys = requested_keys(phase.arm, phase.look, rules, request, next_call)
    if not is_any_new(phase.arm, keys):
        return admit_seeds(ArmCode(phase.arm), rules, request, (), keys, project)
    code = present_code(phase.arm, None, project, rules.metric.name)
    # Before the first measurement `present_code` takes the present files, so their seals are the reference.
    require_sealed(code.arm.code, code.arm.code, rules, project, next_call)
    require_code(code.arm, [key.seed for key in keys], project, new_baseline_call())
    return admit_seeds(code, rules, request, (), keys, project)


def _replace(study: Study, request: RunRequest, project: ProjectView) -> Admission:
    """Begin the next generation without a reason, where no run of the present one told anything of a result.

    Raises:
        BaselineVoid: A run did, or one is still running.
    """
    reason, replaced = study.baseline_phase.reason or "", replaceable(study)
    if replaced is None:
        raise BaselineVoid(reason, baseline_next(study))
    unended = unended_run(study.baseline_phase.arm)
    if unended is not None:
        raise BaselineVoid(
            f"{reason} The next generation begins once {unended.run_id} has ended or is stopped.", baseline_next(study)
        )
    # Whoever follows the call that a failed attempt named has mended the cause meanwhile: it is the first one now.
    return _begin_generation(study, replace(request, attempt=None), project, NO_VALUE.format(replaced.number))


def _begin_generation(study: Study, request: RunRequest, project: ProjectView, reason: str | None) -> Admission:
    """Begin the next generation and request its first runs."""
    rules = study.rules
    if rules.design == "sequential":
        raise BadSettings(
            'rules.design = "sequential" in seedproof.toml stays only with a baseline that was begun under it; a new '
            'one takes design = "screening", or no design for the protocol.',
            check_call("Reads the settings again once they are mended."),
        )
    number = 1 if study.generation is None else study.generation.number + 1
    # Without results to reuse, the fingerprint, which starts the interpreter, is not needed.
    nothing = study.generation is None or is_empty(study)
    reuse = Reuse() if nothing else reused_runs(study, project.surroundings(), project.environment_of)
    code = project.code()
    started = GenerationStarted(
        generation=number,
        rules=rules,
        reason=reason,
        adopted=tuple(run.run_id for run in reuse.runs),
        adoption=reuse.reason,
        code=code,
        beginnings=project.beginnings(),
        replaces_empty=is_empty(study),
    )
    # The conductor would end queued runs too; but only without any is the generation known to end without a value.
    unneeded = [_not_needed(run) for run in _queued(study)] if started.replaces_empty else []
    arm = Arm(generation=number, experiment=None, runs=reuse.runs, code=code)
    look = next_look(arm, None, rules)
    if reuse.runs and not look.due and request.seed is None:  # it is complete at once: its first run is the answer
        keys = [arm.counted[rules.baseline_seeds[0]].key]
    else:
        keys = requested_keys(arm, look, rules, request, first_baseline_call(rules))
    return admit_seeds(ArmCode(arm), rules, request, (*unneeded, started), keys, project)


def _queued(study: Study) -> list[Run]:
    return [] if study.generation is None else [run for run in study.baseline_phase.arm.runs if run.state.is_active]


def _not_needed(run: Run) -> RunNotNeeded:
    return RunNotNeeded(run_id=run.run_id, reason="a newer baseline generation has begun")


def _repeats_new_baseline(study: Study, request: RunRequest) -> bool:
    """Whether `new_baseline` repeats the reason of the newest generation, which has no result and no failure yet."""
    generation = study.generation
    if generation is None or generation.reason != request.new_baseline or generation.rules.differing(study.rules):
        return False
    run_ids = (run_id for run_id in generation.run_ids if run_id not in generation.adopted)
    is_void = study.baseline_phase.phase == "void"  # by two stopped runs that had shown a value
    return not is_void and not any(study.state.runs[run_id].state in _CONCLUSIVE for run_id in run_ids)
