"""A row of the table of threats: what a cheating agent does, and what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.conftest import Answer
from tests.threats.bench import Bench

__all__ = ["Act", "Detected", "Disclosed", "Group", "InVain", "Limit", "Outcome", "Refused", "Row", "Told"]

AND_REPORT = "reply and report"
Told = Answer | str | None
"""Where the reader is told of it: a reply, or the text of a report or of a command; None where nobody is."""
Act = Callable[[Bench], Awaitable[Told]]


def text_of(told: Told) -> str:
    """What can be read there."""
    assert told is not None, "the manoeuvre must hand back where the reader is told"
    return told if isinstance(told, str) else told.text


@dataclass(frozen=True)
class Refused:
    """Every call of the manoeuvre is refused with this code; nothing trains and nothing is judged."""

    code: str

    async def prove(self, bench: Bench, told: Told) -> None:
        """The refusals came, and they left neither a run nor a verdict behind."""
        assert bench.tried, "the manoeuvre was not carried out"
        for attempt in bench.tried:
            assert attempt.answer.code == self.code, attempt.answer.text
            assert not attempt.started, f"started or said something: {attempt.started}"
            if attempt.tool in ("compare", "write_report"):
                assert not re.search(r"WINNER|NEUTRAL|LOSER|\d\.\d", attempt.answer.text)


@dataclass(frozen=True)
class Detected:
    """Somebody who looks finds it."""

    words: str
    """A code, or the beginning of what is said."""
    by: str = "every call"
    """Who looks."""

    async def prove(self, bench: Bench, told: Told) -> None:
        """These words are said, and no verdict is."""
        said = text_of(told)
        assert self.words in said, said
        assert not any(attempt.started for attempt in bench.tried)


@dataclass(frozen=True)
class Disclosed:
    """It works, and the reader is told."""

    words: str
    """The code of a notice, or what is printed."""
    where: str = "the report"
    """Where it stands."""

    async def prove(self, bench: Bench, told: Told) -> None:
        """The notice or the words are there."""
        if not isinstance(told, Answer):
            assert self.words in text_of(told), text_of(told)
            return
        words = self.words
        if self.is_notice:
            messages = {notice["code"]: notice["message"] for notice in told.data["notices"]}
            assert self.words in messages, told.text
            # A reply may go on with what only this machine needs to know.
            words = messages[self.words].partition(". ")[0]
        assert words in told.text, told.text
        if self.where.endswith(AND_REPORT):
            report = await bench.report(told.data.get("experiment"))
            assert words in report, report

    @property
    def is_notice(self) -> bool:
        """Whether the words are the code of a notice."""
        return re.fullmatch(r"[a-z]+(_[a-z]+)+", self.words) is not None


@dataclass(frozen=True)
class InVain:
    """It changes nothing that counts."""

    because: str
    """Why, as the end of a sentence."""

    async def prove(self, bench: Bench, told: Told) -> None:
        """The manoeuvre has looked for itself that nothing changed."""


Outcome = Refused | Detected | Disclosed | InVain


@dataclass(frozen=True)
class Row:
    """One manoeuvre."""

    group: str
    """What it meddles with."""
    manoeuvre: str
    """What the cheating agent does, one sentence in plain words."""
    outcome: Outcome
    """What becomes of it."""
    act: Act
    """Carries it out."""

    @property
    def name(self) -> str:
        """A short name for lists of tests."""
        return f"{self.act.__module__.rpartition('.')[2]}-{self.act.__name__}"


@dataclass
class Group:
    """Rows that meddle with the same thing."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def row(self, manoeuvre: str, outcome: Outcome) -> Callable[[Act], Act]:
        """Put a manoeuvre into the table, beside the function that carries it out."""

        def enter(act: Act) -> Act:
            self.rows.append(Row(self.title, manoeuvre, outcome, act))
            return act

        return enter


@dataclass(frozen=True)
class Limit:
    """What cannot be prevented."""

    manoeuvre: str
    """What the agent does."""
    why: str
    """Why nothing prevents it."""
    evident: str
    """What makes it evident, if anything does."""
