"""Estimates when each run of the queue has ended, from the times of runs that have."""

from collections.abc import Mapping

from seedproof.ledger.state import State
from seedproof.model.runs import Run, RunState
from seedproof.stats.summary import summarize

__all__ = ["expected_ends", "expected_s"]


def expected_s(state: State, run: Run) -> float | None:
    """The mean wall time of the results of a run's arm, else of its baseline, in seconds; None without any."""
    baseline = state.baseline_arm(run.generation)
    experiment = None if run.experiment is None or run.is_control else state.generations[run.generation - 1]
    own = None if experiment is None else state.experiment_arm(experiment.experiments[run.experiment or ""])
    for arm in (own, baseline):
        times = [] if arm is None else list(arm.finite("wall_time_s").values())
        if times:
            return summarize(times).mean
    return None


def expected_ends(state: State, elapsed_s: Mapping[str, float | None], at_once: int = 1) -> dict[str, float | None]:
    """Seconds until each queued or running run has ended; None from the first unknown one on.

    Each is taken to start as soon as a slot is free, in the order of the requests.

    Args:
        state: With the present states of running runs.
        elapsed_s: How long each running run has trained, by its id.
        at_once: How many slots there are.
    """
    found, arms = dict[str, float | None](), dict[tuple[int, str | None, bool], float | None]()
    active = [state.runs[run_id] for run_id in state.active]
    free_in = [0.0] * max(at_once, sum(run.state is RunState.RUNNING for run in active))
    for run in sorted(active, key=lambda run: run.state is not RunState.RUNNING):
        arm = (run.generation, run.experiment, run.is_control)
        if arm not in arms:
            arms[arm] = expected_s(state, run)
        whole, elapsed = arms[arm], elapsed_s.get(run.run_id) if run.state is RunState.RUNNING else 0.0
        if whole is None or elapsed is None:
            return {**dict.fromkeys(state.active), **found}
        slot = free_in.index(min(free_in))
        found[run.run_id] = free_in[slot] = free_in[slot] + max(0.0, whole - elapsed)
    return found
