"""Finds the seeds and attempts of an arm that a request means, and admits those that are due and new."""

from collections.abc import Sequence
from typing import Any

from seedproof.admission.code import ArmCode
from seedproof.admission.project_view import ProjectView, require_free
from seedproof.admission.request import Admission, RunRequest
from seedproof.ledger.event import Event
from seedproof.ledger.run_events import RunRequested
from seedproof.model.arms import Arm
from seedproof.model.refusals import AttemptNotAllowed, NextCall, NothingDue, SeedNotDue, SeedUnknown
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import TRAINED_S, Run, RunState
from seedproof.phases.calls import same_seed_call
from seedproof.phases.looks import Look, may_retry

__all__ = ["admit_seeds", "requested_keys", "is_any_new", "is_recorded"]


def requested_keys(arm: Arm, look: Look, rules: Rules, request: RunRequest, next_call: NextCall) -> list[RunKey]:
    """The key of every requested run, new or recorded.

    Args:
        next_call: Continues the arm; a refusal names it.

    Raises:
        SeedUnknown, SeedNotDue, AttemptNotAllowed, NothingDue: The requested run is not due.
    """
    if request.seed is not None:
        _check_seed(arm, look, rules, request.seed, next_call)
        seeds: tuple[int, ...] = (request.seed,)
    else:
        seeds = _seeds_to_run(arm, look, request.queue_all, next_call)
    return [_key(arm, seed, _attempt(arm, look, rules, seed, request.attempt, next_call)) for seed in seeds]


def _key(arm: Arm, seed: int, attempt: int) -> RunKey:
    """The key of an attempt; one that a baseline took over keeps the key of its first generation."""
    recorded = (run.key for run in arm.attempts(seed) if run.attempt == attempt)
    side = Side.BASELINE if arm.experiment is None else Side.EXPERIMENT
    return next(recorded, RunKey(arm.generation, Role.MEASURE, side, arm.experiment, seed, attempt))


def is_recorded(arm: Arm, request: RunRequest) -> bool:
    """Whether the requested seed has an attempt in the ledger: its result is always returned."""
    if request.seed is None:
        return False
    if request.attempt is None:
        return bool(arm.present_attempts(request.seed))
    return any(run.attempt == request.attempt for run in arm.attempts(request.seed))


def is_any_new(arm: Arm, keys: Sequence[RunKey]) -> bool:
    """Whether one of these runs is not in the ledger."""
    recorded = {run.key for run in arm.runs}
    return any(key not in recorded for key in keys)


def admit_seeds(
    code: ArmCode,
    rules: Rules,
    request: RunRequest,
    events: Sequence[Event],
    keys: Sequence[RunKey],
    project: ProjectView,
) -> Admission:
    """Admit the new ones of these runs.

    Args:
        code: The arm with the code of its next run.
        events: Events to record before the requests.

    Raises:
        OutputExists: An output folder exists, and the ledger does not own it.
    """
    arm, recorded = code.arm, {run.key: run for run in code.arm.runs}
    new = [key for key in keys if key not in recorded]
    for key in new:
        require_free(project, key, rules, _repeat_call(arm, key.seed, request, bool(events)))
    requested = [RunRequested(key=key) for key in new]
    if requested and code.is_new:
        requested[0] = RunRequested(key=new[0], code=arm.code, change=arm.change)
    is_open = any(run.seed == keys[0].seed and run.state.is_active for run in arm.runs)
    first = new[0] if new and not is_open else keys[0]
    return Admission((*events, *requested), recorded[first].run_id if first in recorded else first.run_id)


def _repeat_call(arm: Arm, seed: int, request: RunRequest, begins: bool) -> NextCall:
    """The refused call again, with its declaration: nothing of a refused call is recorded."""
    arguments: dict[str, Any] = {"experiment": arm.experiment} if arm.experiment else {}
    if arm.experiment and begins:
        arguments |= {"flags": list(request.flags or ()), "hypothesis": request.hypothesis}
        arguments |= {"code_change": True} if request.code_change else {}
    elif begins and request.new_baseline:
        arguments["new_baseline"] = request.new_baseline
    return same_seed_call(seed, arguments)


def _check_seed(arm: Arm, look: Look, rules: Rules, seed: int, next_call: NextCall) -> None:
    if seed not in rules.all_seeds:
        seeds = ", ".join(map(str, rules.all_seeds))
        raise SeedUnknown(f"{seed} is not a seed of the protocol ({seeds}).", next_call)
    tried = any(run.state is not RunState.NOT_NEEDED for run in arm.attempts(seed))
    if seed not in look.due and not tried:
        who = arm.experiment or "the baseline"
        raise SeedNotDue(f"seed {seed} is not due for {who}: {_why_not_due(look, rules, seed)}.", next_call)


def _why_not_due(look: Look, rules: Rules, seed: int) -> str:
    if look.diverged:
        return f"seed {look.diverged[0]} diverged, which decides the arm"
    if rules.design != "protocol" and seed in rules.experiment_seeds + rules.extra_seeds:
        return "it is run only when the look before it leaves the question open"
    if seed in rules.extra_seeds:
        first = len(rules.experiment_seeds)
        return f"it is run only when the first {first} seeds end within {rules.winner_sigma:g} sigma"
    return "the rules do not ask for it here"


def _seeds_to_run(arm: Arm, look: Look, queue_all: bool, next_call: NextCall) -> tuple[int, ...]:
    active = [run.seed for run in arm.runs if run.state.is_active]
    if not look.due and not active:
        who = arm.experiment or "the baseline"
        raise NothingDue(f"{who} has every run that it needs.", next_call)
    if queue_all:
        return tuple(dict.fromkeys((*active, *look.due)))
    if active:
        return (active[0],)
    untried = [seed for seed in look.due if not arm.present_attempts(seed)]
    return ((untried or list(look.due))[0],)


def _attempt(arm: Arm, look: Look, rules: Rules, seed: int, wanted: int | None, next_call: NextCall) -> int:
    attempts = arm.attempts(seed)
    last = attempts[-1] if attempts else None
    is_past = last is not None and not arm.present_attempts(seed)
    if last is not None and wanted is None and (is_past or last.state is RunState.NOT_NEEDED):
        return last.attempt + 1
    if wanted is None:
        return last.attempt if last else 1
    if any(run.attempt == wanted for run in attempts) or (last is None and wanted == 1):
        return wanted
    is_retry_allowed = seed in look.due and may_retry(attempts, rules.metric.name)
    if last is not None and wanted == last.attempt + 1 and is_retry_allowed:
        return wanted
    raise AttemptNotAllowed(_why_no_attempt(attempts, look, seed, wanted), next_call)


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
    if all(run.no_result is None or run.draw is None or run.draw.has_metric for run in attempts):
        return f"seed {seed} has shown its metric in two failed attempts; no further one is allowed."
    return f"two attempts at seed {seed} have shown a value or trained for {TRAINED_S:g} s; no further one is allowed."
