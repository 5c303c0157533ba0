"""Decides the state of a run from how its process ended and what it printed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, RunState

__all__ = ["LOST", "Ending", "Outcome", "outcome"]

LOST = "the supervisor or the machine was lost"
"""The reason of an interrupted run whose end was not recorded."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the supervisor saw a training end."""

    end: Literal["exited", "timed_out", "cancelled", "interrupted", "not_started"]
    """How it ended."""
    exit_code: int | None = None
    """Exit status; None if a signal ended it."""
    signal: str | None = None
    """Name of the signal that ended it."""
    error: str | None = None
    """Why it could not be started."""
    detail: str | None = None
    """The reason of a cancellation, or the time limit as a text."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """State and reason of a finished run."""

    state: RunState
    """Where the run stands now."""
    reason: str | None
    """Why it did not succeed; None if it did."""


def outcome(ending: Ending, metrics: Mapping[str, MetricValue], rules: Rules) -> Outcome:
    """The state of a run. A last value of nan or inf is a result, whatever the exit code."""
    name = rules.metric.name
    last = metrics.get(name)
    if last is not None and last.value is None:
        return Outcome(RunState.DIVERGED, f"the last {name} is {last.text}")
    if ending.end == "cancelled":
        return Outcome(RunState.CANCELLED, ending.detail)
    if ending.end == "interrupted":
        return Outcome(RunState.INTERRUPTED, ending.detail or "the supervisor was ended")
    if ending.end == "timed_out":
        return Outcome(RunState.TIMED_OUT, ending.detail or "time limit")
    if ending.end == "not_started":
        return Outcome(RunState.FAILED, f"the training could not be started: {ending.error}")
    if ending.signal is not None:
        return Outcome(RunState.FAILED, f"killed by {ending.signal}")
    if ending.exit_code != 0:
        return Outcome(RunState.FAILED, f"exit code {ending.exit_code}")
    if last is None:
        return Outcome(RunState.FAILED, f"exit code 0, but no {name} was found {rules.metric.source.where}")
    return Outcome(RunState.SUCCEEDED, None)
