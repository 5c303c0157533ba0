"""A request for a run, and the answer that admits it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedproof.model.refusals import Refusal
from seedproof.model.runs import Role

__all__ = [
    "Admission",
    "RunRequest",
]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a caller asks of `run_seed`."""

    experiment: str | None = None
    seed: int | None = None
    flags: tuple[str, ...] | None = None
    hypothesis: str | None = None
    role: Role = Role.MEASURE
    code_change: bool = False
    attempt: int | None = None
    queue_all: bool = False
    new_baseline: str | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """The gate's yes: what to write down, and the run to look at."""

    records: tuple[tuple[str, Mapping[str, Any]], ...]
    """(kind, fields) of the records to append, in order; empty if the run exists already."""
    run_id: str
    """The run that answers the request."""
    refusal: Refusal | None = None
    """What is answered instead, once the records are written: an experiment is declared before its control is asked
    for."""
