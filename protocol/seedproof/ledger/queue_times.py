"""Estimates when each run of the queue has ended, from the times of runs that have."""

from collections.abc import Container, Mapping

from seedproof.ledger.state import State
from seedproof.model.run_key import Role
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


def expected_ends(
    state: State, elapsed_s: Mapping[str, float | None], at_once: int = 1, alone: Container[str] = ()
) -> dict[str, float | None]:
    """Seconds until each queued or running run has ended; None from the first unknown one on.

    Each is taken to start as soon as a slot is free, in the order of the requests, and behind the first of its arm.

    Args:
        state: With the present states of running runs.
        elapsed_s: How long each running run has trained, by its id; None for one whose start nobody can foresee.
        at_once: How many slots there are.
        alone: Ids of the runs that train beside no other.
    """
    found, arms = dict[str, float | None](), dict[tuple[int, str | None, bool], float | None]()
    firsts: dict[tuple[int, str | None], float] = {}
    active = [state.runs[run_id] for run_id in state.active]
    free_in = [0.0] * max(at_once, sum(run.state is RunState.RUNNING for run in active))
    for run in sorted(active, key=lambda run: run.state is not RunState.RUNNING):
        arm = (run.generation, run.experiment, run.is_control)
        if arm not in arms:
            arms[arm] = expected_s(state, run)
        whole, elapsed = arms[arm], elapsed_s.get(run.run_id, None if run.state is RunState.RUNNING else 0.0)
        if whole is None or elapsed is None:
            return {**dict.fromkeys(state.active), **found}
        place = (run.generation, run.experiment)
        is_alone = run.state is RunState.QUEUED and run.run_id in alone
        starts_in = max(max(free_in) if is_alone else min(free_in), firsts.get(place, 0.0))
        ends_in = starts_in + max(0.0, whole - elapsed)
        if run.role is Role.MEASURE and not state.arm_of(run).counted:
            firsts.setdefault(place, ends_in)
        free_in[free_in.index(min(free_in))] = ends_in
        found[run.run_id] = ends_in
        free_in = [ends_in] * len(free_in) if is_alone else free_in
    return found
