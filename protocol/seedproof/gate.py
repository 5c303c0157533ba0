"""The gate: every request for a run passes here, and is admitted or refused by the ledger alone."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedproof.command import check_flags, normalise_flags, output_dir
from seedproof.design import Look, may_retry, next_look
from seedproof.errors import (
    ArmFailed,
    AttemptNotAllowed,
    BadArguments,
    BaselineVoid,
    ConfirmNotDue,
    ControlNotDue,
    FlagsChanged,
    FlagsDuplicate,
    FlagsMissing,
    HypothesisMissing,
    NameInvalid,
    NextCall,
    NothingDue,
    OutputExists,
    SeedNotDue,
    SeedUnknown,
)
from seedproof.events import Experiment, State, run_id_of
from seedproof.phases import (
    baseline_next,
    baseline_phase,
    experiment_next,
    new_baseline_call,
    new_experiment_call,
    present_baseline,
)
from seedproof.rules import Rules
from seedproof.values import Arm, Role, RunState

__all__ = ["Admission", "RunRequest", "admit", "check_name", "still_due"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
MAX_WORDS = 2000


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a caller asks of `run_seed`."""

    experiment: str | None = None
    seed: int | None = None
    flags: tuple[str, ...] | None = None
    hypothesis: str | None = None
    role: Role = Role.MEASURE
    code_change: bool = False
    attempt: int | None = None
    queue_all: bool = False
    new_baseline: str | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """The gate's yes: what to write down, and the run to look at."""

    records: tuple[tuple[str, Mapping[str, Any]], ...]
    """(kind, fields) of the records to append, in order; empty if the run exists already."""
    run_id: str
    """The run that answers the request."""


def check_name(name: str) -> None:
    """Refuse a name that could not stand in a file name.

    Raises:
        NameInvalid: Not 1 to 64 of a-z, 0-9, `_`, `-`, or it begins with `_` or `-`.
    """
    if not _NAME.fullmatch(name):
        raise NameInvalid(
            "the name of an experiment is 1 to 64 characters of a-z, 0-9, _ and -, beginning with a letter or digit.",
            new_experiment_call(),
        )


def admit(state: State, rules: Rules, request: RunRequest, is_in_the_way: Callable[[str], bool]) -> Admission:
    """Decide a request for a run.

    Args:
        is_in_the_way: Whether an output folder exists that the ledger does not own.

    Raises:
        Refusal: With its code and the next allowed call.
    """
    _check_shape(request)
    if request.experiment is None:
        return _admit_baseline(state, rules, request, is_in_the_way)
    check_name(request.experiment)
    return _admit_experiment(state, rules, request, is_in_the_way)


def still_due(state: State, rules: Rules, run_id: str) -> str | None:
    """Why a queued run is not needed any more, or None while it is."""
    run = state.runs[run_id]
    generation = state.generation
    if generation is None or run.generation != generation.number:
        return "a newer baseline generation has begun"
    if generation.rules != rules.document():
        return "the rules have changed since the baseline began"
    if run.experiment is None:
        look = next_look(state.baseline_arm(run.generation), None, rules)
    else:
        baseline = present_baseline(state, rules)
        look = next_look(state.experiment_arm(generation.experiments[run.experiment]), baseline, rules)
    return None if run.seed in look.due else "the arm is decided without it"


def _check_shape(request: RunRequest) -> None:
    """What no ledger could make right."""
    if request.role is Role.CONTROL:
        raise ControlNotDue("no control run is due.", _where_we_stand())
    if request.role is Role.CONFIRM:
        raise ConfirmNotDue("no confirmation is due.", _where_we_stand())
    if request.code_change:
        raise BadArguments("code_change is not available; an experiment is a set of flags.")
    for name, words in (("hypothesis", request.hypothesis), ("new_baseline", request.new_baseline)):
        if words is not None and len(words) > MAX_WORDS:
            raise BadArguments(f"{name} is longer than {MAX_WORDS} characters.")
    _check_combination(request)


def _where_we_stand() -> NextCall:
    return NextCall("check_baseline", "Shows where the protocol stands and what is due.")


def _check_combination(request: RunRequest) -> None:
    if request.new_baseline is not None:
        if not request.new_baseline.strip():
            raise BadArguments(
                "new_baseline is the reason for a new baseline; it may not be empty.", new_baseline_call()
            )
        if request.experiment is not None:
            raise BadArguments("new_baseline and experiment do not go together.")
    if request.experiment is None and (request.flags or request.hypothesis is not None):
        raise BadArguments("flags and hypothesis belong to an experiment; the baseline has none. Name the experiment.")
    if request.attempt is not None and request.seed is None:
        raise BadArguments("attempt needs the seed that it is an attempt at.")
    if request.queue_all and request.seed is not None:
        raise BadArguments("queue_all queues every seed that is due; leave seed out.")


# --- the baseline -----------------------------------------------------------------------------


def _admit_baseline(state: State, rules: Rules, request: RunRequest, is_in_the_way: Callable[[str], bool]) -> Admission:
    records: list[tuple[str, Mapping[str, Any]]] = []
    number = state.generation.number if state.generation else 0
    starts = number == 0 or request.new_baseline is not None
    if starts and not _joins_generation(state, rules, request):
        number += 1
        fields = {"generation": number, "rules": rules.document(), "reason": request.new_baseline}
        records.append(("generation_started", fields))
    if records:
        arm = Arm(generation=number, experiment=None, runs=())
    else:
        phase = baseline_phase(state, rules)
        if phase.phase == "void":
            raise BaselineVoid(phase.reason or "", new_baseline_call())
        arm = phase.arm
    look = next_look(arm, None, rules)
    following = None if records else baseline_next(state, rules)
    return _admit_seed(arm, look, rules, request, records, following, is_in_the_way)


def _joins_generation(state: State, rules: Rules, request: RunRequest) -> bool:
    """Repeating `new_baseline` with the same reason joins a generation that has nothing finished."""
    generation = state.generation
    if generation is None or generation.reason != request.new_baseline or generation.rules != rules.document():
        return False
    return all(state.runs[run_id].state.is_active for run_id in generation.run_ids)


# --- experiments ------------------------------------------------------------------------------


def _admit_experiment(
    state: State, rules: Rules, request: RunRequest, is_in_the_way: Callable[[str], bool]
) -> Admission:
    baseline = present_baseline(state, rules)
    generation = state.generation
    assert generation is not None and request.experiment is not None
    known = generation.experiments.get(request.experiment)
    records: list[tuple[str, Mapping[str, Any]]] = []
    if known is None:
        _check_declaration(state, rules, request)
        records.append(("experiment_declared", _declaration(generation.number, request)))
        arm = Arm(generation.number, request.experiment, (), request.flags or (), request.hypothesis or "")
        following: NextCall | None = NextCall(
            "run_seed",
            "Declares the experiment and runs its first seed.",
            {"experiment": request.experiment, "seed": rules.experiment_seeds[0]},
            ("flags", "hypothesis"),
        )
    else:
        _check_unchanged(known, request)
        arm = state.experiment_arm(known)
        following = experiment_next(state, known, baseline)
    look = next_look(arm, baseline, rules)
    if look.failed:
        raise ArmFailed(
            f"{request.experiment}: seed {look.failed[0]} failed for good; the arm ends without a verdict.", following
        )
    return _admit_seed(arm, look, rules, request, records, following, is_in_the_way)


def _declaration(generation: int, request: RunRequest) -> Mapping[str, Any]:
    return {
        "generation": generation,
        "experiment": request.experiment,
        "flags": list(request.flags or ()),
        "hypothesis": (request.hypothesis or "").strip(),
        "code_change": request.code_change,
    }


def _check_declaration(state: State, rules: Rules, request: RunRequest) -> None:
    """Flags and hypothesis of a first call. Order: what is wrong before what is missing."""
    declare = NextCall(
        "run_seed", "Declares the experiment.", {"experiment": request.experiment}, ("flags", "hypothesis")
    )
    try:
        check_flags(request.flags or (), rules)
    except Exception as refusal:
        if hasattr(refusal, "next_call"):
            refusal.next_call = declare
        raise
    hypothesis = (request.hypothesis or "").strip()
    if not hypothesis:
        raise HypothesisMissing(
            f"{request.experiment} is new: say what you expect and why, before the first run.", declare
        )
    is_null = hypothesis.lower().startswith("null:")
    if not request.flags and not is_null:
        raise FlagsMissing(
            f"{request.experiment} has no flags, so nothing would differ from the baseline. "
            "A hypothesis that begins with `null:` declares that on purpose.",
            declare,
        )
    if not is_null:
        _check_not_tried(state, rules, request)


def _check_not_tried(state: State, rules: Rules, request: RunRequest) -> None:
    assert state.generation is not None
    wanted = normalise_flags(request.flags or ())
    for other in state.generation.experiments.values():
        same = normalise_flags(other.flags) == wanted and other.code_change == request.code_change
        if same and any(rules.metric.name in run.metrics for run in state.experiment_arm(other).runs):
            raise FlagsDuplicate(
                f"{other.name} has the same flags and has been measured; a new name is not a new chance.",
                NextCall("compare", "Gives the verdict on these flags.", {"experiment": other.name}),
            )


def _check_unchanged(known: Experiment, request: RunRequest) -> None:
    again = NextCall("run_seed", "Goes on with the experiment as declared.", {"experiment": known.name})
    if request.flags is not None and normalise_flags(request.flags) != normalise_flags(known.flags):
        raise FlagsChanged(
            f"{known.name} was declared with other flags ({len(known.flags)} elements); "
            "leave them out, or declare a new name.",
            again,
        )
    if request.hypothesis is not None and request.hypothesis.strip() != known.hypothesis:
        raise FlagsChanged(f"{known.name} was declared with another hypothesis; leave it out.", again)


# --- seeds and attempts, the same for both ----------------------------------------------------


def _admit_seed(
    arm: Arm,
    look: Look,
    rules: Rules,
    request: RunRequest,
    records: Sequence[tuple[str, Mapping[str, Any]]],
    following: NextCall | None,
    is_in_the_way: Callable[[str], bool],
) -> Admission:
    if request.seed is not None:
        _check_seed(arm, look, rules, request.seed, following)
        seeds: tuple[int, ...] = (request.seed,)
    else:
        seeds = _seeds_to_run(arm, look, request.queue_all, following)
    keys = [(seed, _attempt(arm, rules, seed, request.attempt, following)) for seed in seeds]
    new = [(seed, attempt) for seed, attempt in keys if not _exists(arm, seed, attempt)]
    for seed, _ in new:
        folder = output_dir(rules, Role.MEASURE, arm.experiment, seed)
        if is_in_the_way(folder):
            raise OutputExists(
                f"{folder} exists and this ledger does not own it; move it away, nothing is deleted for you.",
                _same_call(arm, seed),
            )
    requested = [("run_requested", _requested(arm, seed, attempt)) for seed, attempt in new]
    active = any(run.seed == keys[0][0] and run.state.is_active for run in arm.runs)
    first = new[0] if new and not active else keys[0]
    return Admission(
        (*records, *requested), run_id_of(arm.generation, Role.MEASURE, arm.experiment, first[0], first[1])
    )


def _same_call(arm: Arm, seed: int) -> NextCall:
    name = {"experiment": arm.experiment} if arm.experiment else {}
    return NextCall("run_seed", "Runs the seed once the folder is gone.", {**name, "seed": seed})


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


def _check_seed(arm: Arm, look: Look, rules: Rules, seed: int, following: NextCall | None) -> None:
    known = ", ".join(str(known) for known in rules.all_seeds)
    if seed not in rules.all_seeds:
        raise SeedUnknown(f"{seed} is not a seed of the protocol ({known}).", following or _same_call(arm, look.due[0]))
    if seed not in look.allowed and not arm.attempts(seed):
        raise SeedNotDue(
            f"seed {seed} is not due for {arm.experiment or 'the baseline'}: it is run only when the first "
            f"{len(rules.experiment_seeds)} seeds end within {rules.winner_sigma:g} sigma.",
            following or _same_call(arm, look.due[0]),
        )


def _seeds_to_run(arm: Arm, look: Look, queue_all: bool, following: NextCall | None) -> tuple[int, ...]:
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


def _attempt(arm: Arm, rules: Rules, seed: int, wanted: int | None, following: NextCall | None) -> int:
    attempts = arm.attempts(seed)
    last = attempts[-1] if attempts else None
    if last is not None and last.state is RunState.NOT_NEEDED and wanted is None:
        return last.attempt + 1
    if wanted is None:
        return last.attempt if last else 1
    if any(run.attempt == wanted for run in attempts) or (last is None and wanted == 1):
        return wanted
    if last is not None and wanted == last.attempt + 1 and may_retry(attempts, rules.metric.name):
        return wanted
    raise AttemptNotAllowed(_why_no_attempt(attempts, seed, wanted), following)


def _why_no_attempt(attempts: Sequence[Any], seed: int, wanted: int) -> str:
    if not attempts:
        return f"seed {seed} has no attempt yet; the first is attempt 1, not {wanted}."
    last = attempts[-1]
    if last.state.is_counted:
        return f"seed {seed} has its result ({last.state}, attempt {last.attempt}); a result is never re-run."
    if last.state.is_active:
        return f"attempt {last.attempt} at seed {seed} is {last.state}; wait for it."
    if wanted != last.attempt + 1:
        return f"seed {seed} has {last.attempt} attempts; the next would be {last.attempt + 1}."
    return f"seed {seed} has shown its metric in two failed attempts; no further one is allowed."
