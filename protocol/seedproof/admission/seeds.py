"""Which seeds and attempts of an arm a request means, whether they are due, and what of them is new."""

from collections.abc import Mapping, Sequence
from typing import Any

from seedproof.admission.project_view import Site
from seedproof.admission.request import Admission, RunRequest
from seedproof.model.arms import Arm
from seedproof.model.command import output_dir
from seedproof.model.refusals import AttemptNotAllowed, NextCall, NothingDue, OutputExists, SeedNotDue, SeedUnknown
from seedproof.model.rules import Rules
from seedproof.model.run_key import run_id_of
from seedproof.model.runs import Role, Run, RunState
from seedproof.phases.looks import Look, may_retry

__all__ = ["admit_seeds", "asked_keys", "is_any_new", "is_recorded"]


def asked_keys(arm: Arm, look: Look, rules: Rules, request: RunRequest, following: NextCall) -> list[tuple[int, int]]:
    """Seed and attempt of every run that is asked for, requested before or not.

    Raises:
        SeedUnknown, SeedNotDue, AttemptNotAllowed, NothingDue: `following` goes on with the arm.
    """
    if request.seed is not None:
        _check_seed(arm, look, rules, request.seed, following)
        seeds: tuple[int, ...] = (request.seed,)
    else:
        seeds = _seeds_to_run(arm, look, request.queue_all, following)
    return [(seed, _attempt(arm, look, rules, seed, request.attempt, following)) for seed in seeds]


def is_recorded(arm: Arm, request: RunRequest) -> bool:
    """Whether a seed is asked for that has been requested before: its result can always be had."""
    attempts = () if request.seed is None else arm.attempts(request.seed)
    return any(request.attempt in (None, run.attempt) for run in attempts)


def is_any_new(arm: Arm, keys: Sequence[tuple[int, int]]) -> bool:
    """Whether one of these runs was never requested."""
    return not all(_exists(arm, seed, attempt) for seed, attempt in keys)


def admit_seeds(
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

    Raises:
        OutputExists: A folder that the ledger does not own is in the way.
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
