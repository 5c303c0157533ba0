"""The gate: every request for a run passes here, and is admitted or refused by the ledger alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from seedproof.arm_code import change_from, named, new_code, present_code, require_code, require_sealed, same_or
from seedproof.command import output_dir
from seedproof.control import control_look
from seedproof.declaration import (
    Admission,
    RunRequest,
    check_declaration,
    check_name,
    check_unchanged,
    check_words,
    declaration,
    declare_call,
    duplicate,
)
from seedproof.design import Look, Step, confirm_look, may_retry, next_look
from seedproof.errors import (
    ArmFailed,
    AttemptNotAllowed,
    BadArguments,
    BaselineRefusal,
    BaselineStale,
    BaselineVoid,
    ConfirmNotDue,
    ControlDue,
    ControlNotDue,
    NextCall,
    NothingDue,
    OutputExists,
    SeedNotDue,
    SeedUnknown,
)
from seedproof.events import Experiment, State, run_id_of
from seedproof.flag_off import admit_control, with_controls
from seedproof.fresh import admit_confirmation
from seedproof.limits import check_room, check_runaway
from seedproof.phases import (
    barring_twin,
    baseline_next,
    baseline_phase,
    control_call,
    experiment_next,
    new_baseline_call,
    new_experiment_call,
    present_baseline,
    stale_reason,
)
from seedproof.rules import Rules
from seedproof.site import Site
from seedproof.succession import Succession, succession
from seedproof.values import Arm, Baseline, Role, Run, RunState

__all__ = ["Admission", "admit", "still_due"]

MAX_WORDS = 2000
# A run that was stopped or lost says nothing about a baseline: repeating the call still means the same one.
_BROUGHT_SOMETHING = (RunState.SUCCEEDED, RunState.DIVERGED, RunState.FAILED, RunState.TIMED_OUT)


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
        return _admit_baseline(state, rules, request, site)
    check_name(request.experiment)
    if request.role is Role.CONFIRM:
        return admit_confirmation(state, rules, request, site)
    if request.role is Role.CONTROL:
        return admit_control(state, rules, request, site)
    return _admit_experiment(state, rules, request, site)


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


# --- the baseline -----------------------------------------------------------------------------


def _admit_baseline(state: State, rules: Rules, request: RunRequest, site: Site) -> Admission:
    records: list[tuple[str, Mapping[str, Any]]] = []
    number = state.generation.number if state.generation else 0
    starts = number == 0 or request.new_baseline is not None
    if starts and not _joins_generation(state, rules, request):
        number += 1
        # The first generation has nothing to take over, so nobody needs to ask the interpreter.
        heritage = succession(state, rules, site.surroundings()) if state.generation else Succession()
        code = site.code()
        fields = {
            "generation": number,
            "rules": rules.document(),
            "reason": request.new_baseline,
            "adopted": [run.run_id for run in heritage.runs],
            "adoption": heritage.reason,
            **new_code(code, None),
        }
        records.append(("generation_started", fields))
        arm = Arm(generation=number, experiment=None, runs=heritage.runs, code=code)
    else:
        phase = baseline_phase(state, rules)
        if phase.phase == "void" and not _is_recorded(phase.arm, request):
            raise BaselineVoid(phase.reason or "", new_baseline_call())
        arm = phase.arm
    look = next_look(arm, None, rules)
    following = _first_baseline_call(rules) if records else baseline_next(state, rules)
    keys = _keys(arm, look, rules, request, following)
    if records or not _is_new(arm, keys):
        return _admit_seed(arm, rules, request, records, keys, site)
    newest = present_code(arm, None, site, rules.metric.name)
    # Where nothing was measured, what is sealed is what lies there now.
    require_sealed(newest.arm.code, newest.arm.code, rules, site, following)
    require_code(newest.arm, [seed for seed, _ in keys], site, new_baseline_call())
    return _admit_seed(newest.arm, rules, request, records, keys, site, newest.fields)


def _first_baseline_call(rules: Rules) -> NextCall:
    return NextCall("run_seed", "Runs the first baseline seed.", {"seed": rules.baseline_seeds[0]})


def _joins_generation(state: State, rules: Rules, request: RunRequest) -> bool:
    """Repeating `new_baseline` with the same reason joins a generation that has no result or failure yet."""
    generation = state.generation
    if generation is None or generation.reason != request.new_baseline or generation.parsed_rules() != rules:
        return False
    own = (run_id for run_id in generation.run_ids if run_id not in generation.adopted)
    is_void = baseline_phase(state, rules).phase == "void"  # by two stopped runs that had shown a value
    return not is_void and not any(state.runs[run_id].state in _BROUGHT_SOMETHING for run_id in own)


# --- experiments ------------------------------------------------------------------------------


def _admit_experiment(state: State, rules: Rules, request: RunRequest, site: Site) -> Admission:
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
    if twin is not None and not _is_recorded(arm, request):
        raise duplicate(state, twin, baseline)
    look = next_look(arm, baseline, rules)
    if look.failed and not _is_recorded(arm, request):
        raise ArmFailed(
            f"{request.experiment}: seed {look.failed[0]} failed for good; the arm ends without a verdict.", following
        )
    keys = _keys(arm, look, rules, request, following)
    if not _is_new(arm, keys):
        return _admit_seed(arm, rules, request, (), keys, site)
    code = present_code(arm, baseline.arm.code, site, rules.metric.name)
    arm = with_controls(state, code.arm)
    if code.fields:
        _require_untried(state, baseline, known, arm)
    _require_control(baseline, arm)
    require_sealed(baseline.arm.code, arm.code, rules, site, following)
    require_code(arm, [seed for seed, _ in keys], site, new_experiment_call())
    return _admit_seed(arm, rules, request, (), keys, site, code.fields)


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
    keys = _keys(arm, look, rules, request, declare)
    records = [("experiment_declared", declaration(state, rules, request, code, change))]
    try:
        _require_control(baseline, arm)
    except ControlDue as refusal:
        return Admission(tuple(records), "", refusal)
    return _admit_seed(arm, rules, request, records, keys, site)


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


def _is_recorded(arm: Arm, request: RunRequest) -> bool:
    """Whether a seed is asked for that has been requested before: its result can always be had."""
    attempts = () if request.seed is None else arm.attempts(request.seed)
    return any(request.attempt in (None, run.attempt) for run in attempts)


# --- seeds and attempts, the same for both ----------------------------------------------------


def _keys(arm: Arm, look: Look, rules: Rules, request: RunRequest, following: NextCall) -> list[tuple[int, int]]:
    """Seed and attempt of every run that is asked for, requested before or not."""
    if request.seed is not None:
        _check_seed(arm, look, rules, request.seed, following)
        seeds: tuple[int, ...] = (request.seed,)
    else:
        seeds = _seeds_to_run(arm, look, request.queue_all, following)
    return [(seed, _attempt(arm, look, rules, seed, request.attempt, following)) for seed in seeds]


def _is_new(arm: Arm, keys: Sequence[tuple[int, int]]) -> bool:
    return not all(_exists(arm, seed, attempt) for seed, attempt in keys)


def _admit_seed(
    arm: Arm,
    rules: Rules,
    request: RunRequest,
    records: Sequence[tuple[str, Mapping[str, Any]]],
    keys: Sequence[tuple[int, int]],
    site: Site,
    code: Mapping[str, Any] | None = None,
) -> Admission:
    """Admit what is new of these runs.

    Args:
        code: What the first of them records of new code.
    """
    new = [(seed, attempt) for seed, attempt in keys if not _exists(arm, seed, attempt)]
    for seed, _ in new:
        folder = output_dir(rules, Role.MEASURE, arm.experiment, seed)
        if site.is_in_the_way(folder):
            raise OutputExists(
                f"{folder} exists and this ledger does not own it; move it away, nothing is deleted for you.",
                _same_call(arm, seed, request, records),
            )
    requested = [("run_requested", _requested(arm, seed, attempt)) for seed, attempt in new]
    if requested and code:
        requested[0] = ("run_requested", {**requested[0][1], **code})
    active = any(run.seed == keys[0][0] and run.state.is_active for run in arm.runs)
    first = new[0] if new and not active else keys[0]
    return Admission((*records, *requested), _run_id(arm, *first))


def _run_id(arm: Arm, seed: int, attempt: int) -> str:
    """The run of a key; one that a baseline took over has the name that its own generation gave it."""
    known = (run.run_id for run in arm.attempts(seed) if run.attempt == attempt)
    return next(known, run_id_of(arm.generation, Role.MEASURE, arm.experiment, seed, attempt))


def _same_call(arm: Arm, seed: int, request: RunRequest, records: Sequence[tuple[str, Mapping[str, Any]]]) -> NextCall:
    """The refused call; what it declared, as nothing of a refused call is written down."""
    arguments: dict[str, Any] = {"experiment": arm.experiment} if arm.experiment else {}
    if arm.experiment and records:
        arguments |= {"flags": list(request.flags or ()), "hypothesis": request.hypothesis}
        arguments |= {"code_change": True} if request.code_change else {}
    elif records and request.new_baseline:
        arguments["new_baseline"] = request.new_baseline
    return NextCall("run_seed", "Runs the seed once the folder is gone.", {**arguments, "seed": seed})


def _requested(arm: Arm, seed: int, attempt: int) -> Mapping[str, Any]:
    return {
        "run_id": run_id_of(arm.generation, Role.MEASURE, arm.experiment, seed, attempt),
        "generation": arm.generation,
        "role": Role.MEASURE.value,
        "arm": "baseline" if arm.experiment is None else "experiment",
        "experiment": arm.experiment,
        "seed": seed,
        "attempt": attempt,
    }


def _exists(arm: Arm, seed: int, attempt: int) -> bool:
    return any(run.attempt == attempt for run in arm.attempts(seed))


def _check_seed(arm: Arm, look: Look, rules: Rules, seed: int, following: NextCall) -> None:
    known = ", ".join(str(known) for known in rules.all_seeds)
    if seed not in rules.all_seeds:
        raise SeedUnknown(f"{seed} is not a seed of the protocol ({known}).", following)
    tried = any(run.state is not RunState.NOT_NEEDED for run in arm.attempts(seed))
    if seed not in look.due and not tried:
        who = arm.experiment or "the baseline"
        raise SeedNotDue(f"seed {seed} is not due for {who}: {_why_not_due(look, rules, seed)}.", following)


def _why_not_due(look: Look, rules: Rules, seed: int) -> str:
    if look.diverged:
        return f"seed {look.diverged[0]} diverged, which decides the arm"
    if seed in rules.extra_seeds:
        first = len(rules.experiment_seeds)
        if rules.design == "sequential":
            return f"it is run only when the look after {first} seeds leaves the question open"
        return f"it is run only when the first {first} seeds end within {rules.winner_sigma:g} sigma"
    return "the rules do not ask for it here"


def _seeds_to_run(arm: Arm, look: Look, queue_all: bool, following: NextCall) -> tuple[int, ...]:
    active = [run.seed for run in arm.runs if run.state.is_active]
    if not look.due and not active:
        who = arm.experiment or "the baseline"
        raise NothingDue(f"{who} has every run that it needs.", following)
    if queue_all:
        return tuple(dict.fromkeys((*active, *look.due)))
    if active:
        return (active[0],)
    untried = [seed for seed in look.due if not arm.attempts(seed)]
    return ((untried or list(look.due))[0],)


def _attempt(arm: Arm, look: Look, rules: Rules, seed: int, wanted: int | None, following: NextCall) -> int:
    attempts = arm.attempts(seed)
    last = attempts[-1] if attempts else None
    if last is not None and last.state is RunState.NOT_NEEDED and wanted is None:
        return last.attempt + 1
    if wanted is None:
        return last.attempt if last else 1
    if any(run.attempt == wanted for run in attempts) or (last is None and wanted == 1):
        return wanted
    may = seed in look.due and may_retry(attempts, rules.metric.name)
    if last is not None and wanted == last.attempt + 1 and may:
        return wanted
    raise AttemptNotAllowed(_why_no_attempt(attempts, look, seed, wanted), following)


def _why_no_attempt(attempts: Sequence[Run], look: Look, seed: int, wanted: int) -> str:
    if not attempts:
        return f"seed {seed} has no attempt yet; the first is attempt 1, not {wanted}."
    last = attempts[-1]
    if last.state.is_counted:
        return f"seed {seed} has its result ({last.state}, attempt {last.attempt}); a result is never re-run."
    if last.state.is_active:
        return f"attempt {last.attempt} at seed {seed} is {last.state}; wait for it."
    if wanted != last.attempt + 1:
        return f"seed {seed} has {last.attempt} attempts; the next would be {last.attempt + 1}."
    if look.diverged:
        return f"seed {look.diverged[0]} diverged, which decides the arm; no further attempt is needed."
    return f"seed {seed} has shown its metric in two failed attempts; no further one is allowed."
