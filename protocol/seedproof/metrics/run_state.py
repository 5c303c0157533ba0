"""Decides the state of a run from how its process ended and what it printed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from seedproof.metrics.lengths import LengthReading
from seedproof.metrics.scanner import LogReading
from seedproof.model.metric_rule import JsonFile
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, RunState

__all__ = ["LOST", "Ending", "Outcome", "is_complete", "outcome"]

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
    """Why it did not succeed, or how it ended all the same; None if it ended well."""
    bad_exit: str | None = None
    """How it ended badly after its training was complete; None otherwise."""


def is_complete(read: LengthReading, reading: LogReading, metric: MetricValue | None, usual_step: int | None) -> bool:
    """Whether a training came to its end, and printed its last value there.

    It came to its end where the log says so, or where it says nothing and its last step is the usual one. A value that
    stands before the last step is one of a training that broke off before its last evaluation.

    Args:
        read: What the end of its log says of lengths.
        reading: What its log says.
        metric: The deciding metric; it counts wherever its file was written.
        usual_step: The last step of every other result of its side; None where there is none, or they differ.
    """
    reached = read.lengths.reached_end
    if reached is None:
        reached = usual_step is not None and reading.step == usual_step
    if not reached or metric is None or metric.value is None:
        return False
    return metric.line is None or metric.line > reading.lines - read.lines_since


def outcome(
    ending: Ending, metrics: Mapping[str, MetricValue], rules: Rules, *, is_training_complete: bool = False
) -> Outcome:
    """The state of a run. A last value of nan or inf is a result, whatever the exit code.

    Args:
        ending: How the supervisor saw it end.
        metrics: The last value of each metric.
        rules: The rules of its generation.
        is_training_complete: Whether its training came to its end before the process did; see `is_complete`.
    """
    ended = _outcome(ending, metrics, rules)
    last = metrics.get(rules.metric.name)
    if last is None or ended.state not in (RunState.FAILED, RunState.TIMED_OUT):
        return ended
    if not is_training_complete:
        unknown = "; nothing shows that its training was complete, so accept_exit does not count it"
        return replace(ended, reason=f"{ended.reason}{unknown if rules.accept_exit == 'value' else ''}")
    after = f"{ended.reason}, after its training was complete and its last {rules.metric.name} printed"
    if rules.accept_exit == "value":
        return Outcome(RunState.SUCCEEDED, f'{after}; accept_exit = "value" counts it', ended.reason)
    return Outcome(ended.state, f'{after}; accept_exit = "value" in [rules] counts such runs', ended.reason)


def _outcome(ending: Ending, metrics: Mapping[str, MetricValue], rules: Rules) -> Outcome:
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
        source = rules.metric.source
        where = f"at {source.path} in {source.name}" if isinstance(source, JsonFile) else "in its output"
        return Outcome(RunState.FAILED, f"exit code 0, but no {name} was found {where}")
    return Outcome(RunState.SUCCEEDED, None)
