"""What `seedproof doctor` says of one thing."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "fault", "fine", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line, and what to do about it."""

    topic: str
    state: Literal["ok", "note", "mend"]
    """`mend` is what keeps runs from starting or from being read; `note` is worth knowing."""
    text: str
    remedy: str | None = None


def fine(topic: str, text: str) -> Finding:
    """Something that is as it should be."""
    return Finding(topic, "ok", text)


def note(topic: str, text: str, remedy: str) -> Finding:
    """Something to know, which keeps no run."""
    return Finding(topic, "note", text, remedy)


def fault(topic: str, text: str, remedy: str) -> Finding:
    """Something that has to be mended."""
    return Finding(topic, "mend", text, remedy)
