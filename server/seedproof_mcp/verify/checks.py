"""The findings of a verification, one line each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CannotVerify", "Check", "Outcome", "failed", "listed", "noted", "passed"]

# Enough to see what happened: a rewritten ledger has a fault in every line.
MAX_LISTED = 10


class CannotVerify(Exception):
    """Nothing can be verified, or not by this version; the message says why."""


class Outcome(StrEnum):
    """How a check ended."""

    OK = "OK"
    FAIL = "FAIL"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the verification."""

    outcome: Outcome
    """Only FAIL makes the exit code 1."""
    subject: str
    """What was checked: `chain`, `heads`, `logs` …"""
    message: str
    """What was found."""

    def __str__(self) -> str:
        return f"{self.outcome:<5} {self.subject}: {self.message}"


def passed(subject: str, message: str) -> Check:
    """A check that found no fault."""
    return Check(Outcome.OK, subject, message)


def failed(subject: str, message: str) -> Check:
    """A check that found damage or a mismatch."""
    return Check(Outcome.FAIL, subject, message)


def noted(subject: str, message: str) -> Check:
    """Something that a reader should know and that is not damage."""
    return Check(Outcome.NOTE, subject, message)


def listed(subject: str, faults: Sequence[str], otherwise: Check) -> list[Check]:
    """A failed check for each of the first ten faults; `otherwise` if there is none."""
    if not faults:
        return [otherwise]
    found = [failed(subject, fault) for fault in faults[:MAX_LISTED]]
    more = len(faults) - MAX_LISTED
    return found if more <= 0 else [*found, failed(subject, f"and {more} more of this kind")]
