"""The base of all events: what a record of the ledger says, read and written field by field.

A field that a record may lack has a default, so that ledgers of earlier versions can be read.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from seedproof.ledger.record_fields import (
    Readers,
    field_plan,
    read_fields,
    to_json,
)

__all__ = ["Event", "Record"]

Record = dict[str, Any]
"""One line of the ledger, decoded from JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The content of one record. Number, time and hash are empty until it is written."""

    kind: ClassVar[str]
    """The `kind` of its records."""
    READERS: ClassVar[Readers] = {}
    """By field, the function that converts its JSON; without one, a list becomes a tuple."""
    OMITTED: ClassVar[frozenset[str]] = frozenset()
    """Fields that a record leaves out while they are empty."""

    seq: int = 0
    """Number of its record, from 1."""
    time: str = ""
    """When the record was written (ISO 8601, UTC)."""
    hash: str = ""
    """Hash of the record."""

    def fields(self) -> dict[str, Any]:
        """The fields of its record, without number, time and hashes."""
        values = {name: getattr(self, name) for name, _, _ in field_plan(type(self))}
        return {name: to_json(value) for name, value in values.items() if value or name not in self.OMITTED}

    @classmethod
    def read(cls, record: Record) -> Self:
        """The event of a record of this kind.

        Raises:
            KeyError, TypeError, ValueError: A field is missing or has the wrong type.
        """
        return cls(seq=record["seq"], time=record["time"], hash=record["hash"], **read_fields(cls, record))
