"""Admits runs of the baseline; the first call of a generation begins it."""

from seedproof.admission.baseline_reuse import Reuse, reused_runs
from seedproof.admission.code import ArmCode, present_code, require_code, require_sealed
from seedproof.admission.project_view import ProjectView
from seedproof.admission.request import Admission, RunRequest
from seedproof.admission.seeds import admit_seeds, is_any_new, is_recorded, requested_keys
from seedproof.ledger.study_events import GenerationStarted
from seedproof.model.arms import Arm
from seedproof.model.refusals import BadSettings, BaselineVoid
from seedproof.model.runs import RunState
from seedproof.phases.looks import next_look
from seedproof.phases.next_call import baseline_next, check_call, first_baseline_call, new_baseline_call
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
        return _begin_generation(study, request, project)
    rules, phase = study.rules, study.baseline_phase
    if phase.phase == "void" and not is_recorded(phase.arm, request):
        raise BaselineVoid(phase.reason or "", new_baseline_call())
    next_call = baseline_next(study)
    keys = requested_keys(phase.arm, phase.look, rules, request, next_call)
    if not is_any_new(phase.arm, keys):
        return admit_seeds(ArmCode(phase.arm), rules, request, (), keys, project)
    code = present_code(phase.arm, None, project, rules.metric.name)
    # Before the first measurement `present_code` takes the present files, so their seals are the reference.
    require_sealed(code.arm.code, code.arm.code, rules, project, next_call)
    require_code(code.arm, [key.seed for key in keys], project, new_baseline_call())
    return admit_seeds(code, rules, request, (), keys, project)


def _begin_generation(study: Study, request: RunRequest, project: ProjectView) -> Admission:
    """Begin the next generation and request its first runs."""
    rules = study.rules
    if rules.design == "sequential":
        raise BadSettings(
            'rules.design = "sequential" in seedproof.toml stays only with a baseline that was begun under it; a new '
            'one takes design = "screening", or no design for the protocol.',
            check_call("Reads the settings again once they are mended."),
        )
    number = 1 if study.generation is None else study.generation.number + 1
    # The first generation has no runs to reuse, so the fingerprint, which starts the interpreter, is not needed.
    reuse = Reuse() if study.generation is None else reused_runs(study, project.surroundings(), project.environment_of)
    code = project.code()
    started = GenerationStarted(
        generation=number,
        rules=rules,
        reason=request.new_baseline,
        adopted=tuple(run.run_id for run in reuse.runs),
        adoption=reuse.reason,
        code=code,
        beginnings=project.beginnings(),
    )
    arm = Arm(generation=number, experiment=None, runs=reuse.runs, code=code)
    look = next_look(arm, None, rules)
    if reuse.runs and not look.due and request.seed is None:  # it is complete at once: its first run is the answer
        keys = [arm.counted[rules.baseline_seeds[0]].key]
    else:
        keys = requested_keys(arm, look, rules, request, first_baseline_call(rules))
    return admit_seeds(ArmCode(arm), rules, request, (started,), keys, project)


def _repeats_new_baseline(study: Study, request: RunRequest) -> bool:
    """Whether `new_baseline` repeats the reason of the newest generation, which has no result and no failure yet."""
    generation = study.generation
    if generation is None or generation.reason != request.new_baseline or generation.rules.differing(study.rules):
        return False
    run_ids = (run_id for run_id in generation.run_ids if run_id not in generation.adopted)
    is_void = study.baseline_phase.phase == "void"  # by two stopped runs that had shown a value
    return not is_void and not any(study.state.runs[run_id].state in _CONCLUSIVE for run_id in run_ids)
