"""All kinds of events, and the readers of records; nothing else reads or writes the fields of a record."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TypeVar

from seedproof.ledger.event import Event, Record
from seedproof.ledger.run_ends import RUN_ENDS
from seedproof.ledger.run_events import MetricsReadAgain, RunRequested, RunStarted
from seedproof.ledger.study_events import (
    ExperimentDeclared,
    ExperimentWithdrawn,
    FilesRemoved,
    FreshSeedsDrawn,
    GenerationStarted,
    LedgerDisclosed,
    ReportWritten,
    Resumed,
    VerdictIssued,
)

__all__ = ["EVENTS", "read_event", "read_events"]

E = TypeVar("E", bound="Event")


EVENTS: Mapping[str, type[Event]] = {
    event.kind: event
    for event in (
        *(GenerationStarted, ExperimentDeclared, RunRequested, RunStarted, *RUN_ENDS, MetricsReadAgain),
        *(ExperimentWithdrawn, VerdictIssued, FreshSeedsDrawn, ReportWritten, FilesRemoved, Resumed, LedgerDisclosed),
    )
}
"""The class of each kind of record."""


def read_event(record: Record) -> Event:
    """The event of a record.

    Raises:
        KeyError, TypeError, ValueError: A field is missing or has the wrong type.
    """
    return EVENTS[record["kind"]].read(record)


def read_events(records: Iterable[Record], *kinds: type[E]) -> Iterator[E]:
    """The events of these kinds among records that may be damaged; skips those that cannot be read."""
    wanted = {kind.kind: kind for kind in kinds}
    for record in records:
        kind = wanted.get(record.get("kind", ""))
        if kind is not None:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                yield kind.read(record)
