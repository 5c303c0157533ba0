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


def expected_ends(state: State, elapsed_s: Mapping[str, float | None]) -> dict[str, float | None]:
    """Seconds until each queued or running run has ended, one after the other; None from the first unknown one on.

    Args:
        state: With the present states of running runs.
        elapsed_s: How long each running run has trained, by its id.
    """
    found, arms = dict[str, float | None](), dict[tuple[int, str | None, bool], float | None]()
    until: float | None = 0.0
    active = [state.runs[run_id] for run_id in state.active]
    for run in sorted(active, key=lambda run: run.state is not RunState.RUNNING):
        arm = (run.generation, run.experiment, run.is_control)
        if arm not in arms:
            arms[arm] = expected_s(state, run)
        whole, elapsed = arms[arm], elapsed_s.get(run.run_id) if run.state is RunState.RUNNING else 0.0
        is_known = until is not None and whole is not None and elapsed is not None
        until = until + max(0.0, whole - elapsed) if is_known else None  # type: ignore[operator]
        found[run.run_id] = until
    return found
