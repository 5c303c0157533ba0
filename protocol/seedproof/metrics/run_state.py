"""Decides the state of a run from how its process ended and what it printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from seedproof.metrics.lengths import LengthReading
from seedproof.metrics.scanner import LogReading
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, Run, RunState, Unread
from seedproof.model.seeding import Seeding
from seedproof.model.untrusted import one_line, safe_tail

__all__ = [
    "LOST",
    "Ending",
    "Outcome",
    "is_complete",
    "lacks_value",
    "outcome",
    "outcome_read_again",
    "spoiled",
    "uninjected",
]

LOST = "the supervisor or the machine was lost"
"""The reason of an interrupted run whose end was not recorded."""

_INCOMPLETE = "; nothing shows that its training was complete, so accept_exit does not count it"
_NOT_READ = "was printed and could not be read"
_NOT_READ_AT_END = re.compile(rf"(?:^|; )[a-z][a-z0-9_]* {_NOT_READ}: .*$", re.DOTALL)
_ENDED_FROM_OUTSIDE: dict[RunState, Literal["timed_out", "cancelled", "interrupted"]] = {
    RunState.TIMED_OUT: "timed_out",
    RunState.CANCELLED: "cancelled",
    RunState.INTERRUPTED: "interrupted",
}


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
    ending: Ending,
    metrics: Mapping[str, MetricValue],
    rules: Rules,
    unread: Mapping[str, Unread] | None = None,
    *,
    is_training_complete: bool = False,
) -> Outcome:
    """The state of a run. A last value of nan or inf is a result, whatever the exit code.

    Args:
        ending: How the supervisor saw it end.
        metrics: The last value of each metric.
        rules: The rules of its generation.
        unread: Metrics that were printed, and whose last value could not be read.
        is_training_complete: Whether its training came to its end before the process did; see `is_complete`.
    """
    ended = _outcome(ending, metrics, rules, unread or {})
    last = metrics.get(rules.metric.name)
    if last is None or ended.state not in (RunState.FAILED, RunState.TIMED_OUT):
        return ended
    if not is_training_complete:
        return replace(ended, reason=f"{ended.reason}{_INCOMPLETE if rules.accept_exit == 'value' else ''}")
    after = f"{ended.reason}, after its training was complete and its last {rules.metric.name} printed"
    if rules.accept_exit == "value":
        return Outcome(RunState.SUCCEEDED, f'{after}; accept_exit = "value" counts it', ended.reason)
    return Outcome(ended.state, f'{after}; accept_exit = "value" in [rules] counts such runs', ended.reason)


def spoiled(ended: Outcome, changed: str) -> Outcome:
    """The state of a run during which its code or a sealed file changed: whatever it printed is no result."""
    if ended.state in _ENDED_FROM_OUTSIDE:
        return replace(ended, reason="; ".join(part for part in (ended.reason, changed) if part))
    return Outcome(RunState.FAILED, changed if ended.reason is None else f"{changed}; {ended.reason}")


def uninjected(ended: Outcome, seeding: Seeding | None, rules: Rules) -> Outcome:
    """The state of a run whose own seed was to be replaced: a result only where that took place.

    What failed by itself keeps its reason.
    """
    if seeding is None or rules.replace_seed is None or not ended.state.is_counted:
        return ended
    fault = seeding.fault(rules.replace_seed)
    return ended if fault is None else replace(spoiled(ended, fault), bad_exit=None)


def _outcome(ending: Ending, metrics: Mapping[str, MetricValue], rules: Rules, unread: Mapping[str, Unread]) -> Outcome:
    name = rules.metric.name
    last, lost = metrics.get(name), unread.get(name)
    if last is not None and last.value is None:
        return Outcome(RunState.DIVERGED, f"the last {name} is {last.text}")
    failure, said = _failure(ending), None if lost is None else _not_read(name, lost)
    if failure is not None:
        return replace(failure, reason="; ".join(part for part in (failure.reason, said) if part) or None)
    if said is not None:
        return Outcome(RunState.UNREAD, said)
    if last is None:
        return Outcome(RunState.FAILED, f"exit code 0, but no {name} was found {rules.metric.source.where}")
    return Outcome(RunState.SUCCEEDED, None)


def _failure(ending: Ending) -> Outcome | None:
    """State and reason of a run that did not end well, whatever it printed; None for the others."""
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
    return None if ending.exit_code == 0 else Outcome(RunState.FAILED, f"exit code {ending.exit_code}")


def _not_read(name: str, lost: Unread) -> str:
    """Why a metric has no value, with the line: untrusted text, so it is masked and escaped."""
    line = "" if lost.line is None else f"line {lost.line} "
    text = one_line(safe_tail(lost.text.encode("utf-8", "replace"), max_lines=1))
    return f'{name} {_NOT_READ}: {line}"{text}" ({one_line(lost.why)})'


def lacks_value(run: Run, metric: str) -> bool:
    """Whether a training ended well, and its metric was not read: then other settings may read it."""
    ended_well = run.state is RunState.FAILED and run.exit_code == 0 and run.changed_meanwhile is None
    return run.state is RunState.UNREAD or (ended_well and metric not in run.metrics)


def outcome_read_again(
    run: Run, metrics: Mapping[str, MetricValue], rules: Rules, unread: Mapping[str, Unread]
) -> Outcome:
    """The state of an ended run whose output was read again; how it ended is what its record says."""
    return uninjected(_read_again(run, metrics, rules, unread), run.seeding, rules)


def _read_again(run: Run, metrics: Mapping[str, MetricValue], rules: Rules, unread: Mapping[str, Unread]) -> Outcome:
    if run.changed_meanwhile is not None:
        return Outcome(RunState.FAILED, run.reason)
    ending = _recorded_ending(run)
    if ending is not None:
        return outcome(ending, metrics, rules, unread, is_training_complete=run.bad_exit is not None)
    # A signal ended it, or it could not be started; of one that had diverged, the record does not say which.
    read = outcome(Ending("exited", 0), metrics, rules, unread)
    if read.state is RunState.DIVERGED or run.state is RunState.SUCCEEDED:
        return read
    reason = _NOT_READ_AT_END.sub("", run.reason or "") or None
    return Outcome(RunState.FAILED, reason if run.state is RunState.FAILED else "it did not end by itself")


def _recorded_ending(run: Run) -> Ending | None:
    """How a run ended; None where its record does not say."""
    if run.exit_code is not None and run.state not in _ENDED_FROM_OUTSIDE:
        return Ending("exited", run.exit_code)
    reason = run.bad_exit or _NOT_READ_AT_END.sub("", run.reason or "").replace(_INCOMPLETE, "") or None
    if run.state in _ENDED_FROM_OUTSIDE:
        return Ending(_ENDED_FROM_OUTSIDE[run.state], detail=reason)
    if run.bad_exit is None:
        return None
    killed_by = run.bad_exit.partition("killed by ")[2]
    return Ending("exited", signal=killed_by) if killed_by else Ending("timed_out", detail=run.bad_exit)
