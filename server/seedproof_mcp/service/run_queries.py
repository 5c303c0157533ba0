"""What the command line asks of a project's runs: which are open, how an arm stands, and what a run has printed."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seedproof.admission.gate import queued_behind
from seedproof.admission.queue import training_now
from seedproof.admission.request import RunRequest
from seedproof.ledger.state import State
from seedproof.model.refusals import RunUnknown
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import RunState
from seedproof.notices.declarations import list_first
from seedproof.phases.calls import show_experiments_call

from seedproof_mcp.service.replies.rows import SeedRow
from seedproof_mcp.service.stop_resume import known_run
from seedproof_mcp.service.views import seed_rows

if TYPE_CHECKING:
    from seedproof_mcp.service.service import Service

__all__ = [
    "active_runs",
    "goes_on_after",
    "is_first_of_baseline",
    "log_of",
    "newest_run",
    "open_runs",
    "rules_of",
    "seeds_so_far",
    "wait_reason",
]


def goes_on_after(service: "Service", run_id: str, others: Sequence[str]) -> int:
    """How many of these runs go on although that one has ended; those that it made pointless are not started."""
    with service.reading() as (study, _):
        pointless = {one for one, _ in queued_behind(study.state, run_id)}
        return len((set(others) & study.state.active.keys()) - pointless)


def active_runs(service: "Service") -> list[str]:
    """Ids of the runs that are queued or training, in their order."""
    with service.reading() as (study, _):
        return list(study.state.active)


def wait_reason(service: "Service") -> str | None:
    """What the queue waits for while nothing trains; None where something trains, or nothing is known."""
    with service.reading() as (study, _):
        state = study.state
        first = next(iter(state.active), None)
        return None if first is None or training_now(state) else service.waits.words(state, state.runs[first], 1)


def seeds_so_far(service: "Service", run_id: str) -> list[SeedRow]:
    """The newest attempt at each seed of the arm of a run."""
    with service.reading() as (study, _):
        state = study.state
        run = known_run(state, run_id)
        generation = state.generations[run.generation - 1]
        named = generation.experiments.get(run.experiment or "")
        arm = state.baseline_arm(run.generation) if named is None else state.experiment_arm(named)
        return seed_rows(arm, generation.rules)


def log_of(service: "Service", run_id: str, offset: int, limit: int) -> bytes:
    """At most so many bytes of a run's output from a place on."""
    folder = service.paths.run(run_id)
    return service.engines.of(folder).read_log(str(folder.folder), offset, limit)


def rules_of(service: "Service", run_id: str) -> Rules:
    """The rules that a run is read with."""
    with service.reading() as (study, _):
        return study.state.rules_of(known_run(study.state, run_id).generation)


def open_runs(service: "Service", run_id: str) -> list[str]:
    """Ids of a run, then of the active runs of the same arm and role, in the order of their requests."""
    with service.reading() as (study, _):
        state, first = study.state, study.state.runs[run_id]
        active = [state.runs[one] for one in state.active if one != run_id]
        same = [run for run in active if (run.generation, run.experiment) == (first.generation, first.experiment)]
        return [run_id, *(run.run_id for run in same if run.role is first.role)]


def is_first_of_baseline(service: "Service", request: RunRequest) -> bool:
    """Whether a request is for a baseline of which no run has a result, and none is queued or running."""
    if request.experiment is not None or request.role is not Role.MEASURE:
        return False
    with service.reading() as (study, _):
        runs = study.baseline_phase.arm.runs
        is_begun = any(run.state.is_counted or run.state.is_active for run in runs)
        return request.new_baseline is not None or not is_begun


def newest_run(service: "Service", beginning: str = "") -> str:
    """The id of the run that is training, else of the newest one that was started.

    Args:
        beginning: The name of an experiment, or how the id begins; only such runs are looked at.

    Raises:
        RunUnknown: There is none, or several begin so and none is called so.
    """
    with service.reading() as (study, _):
        state = study.state
    if beginning in state.runs:
        return beginning
    of = [run for run in state.runs.values() if beginning or run.role is not Role.PROBE]
    named = [run for run in of if beginning and run.experiment == beginning]
    found = named or [run for run in of if run.run_id.startswith(beginning)]
    if not found or (beginning and len(found) > 1 and not named):
        raise RunUnknown(
            _no_such_run(state, beginning, [run.run_id for run in found]),
            show_experiments_call("Shows what is running and queued."),
        )
    training = [run for run in found if run.state is RunState.RUNNING]
    return (training or [run for run in found if run.state is not RunState.QUEUED] or found)[-1].run_id


def _no_such_run(state: State, beginning: str, found: Sequence[str]) -> str:
    if not state.runs:
        return "there is no run yet."
    if found:
        return f"{len(found)} runs begin with {beginning}: {list_first(found)}."
    close = difflib.get_close_matches(beginning, list(state.runs), 1)
    return f"the ledger has no run {beginning!r:.80}{f'; did you mean {close[0]}?' if close else '.'}"
