"""A row of the table of threats: what a cheating agent does, and what becomes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from seedproof.model.refusals import NextCall

from tests.support.callers import Answer
from tests.support.in_process import Training, train
from tests.threats.agent import Agent
from tests.threats.deeds import Call, Deed, nothing

__all__ = ["Act", "Detected", "Disclosed", "Group", "InVain", "Limit", "Outcome", "Refused", "Row", "Told"]

AND_REPORT = "reply and report"
Told = Answer | str | None
"""Where the reader is told of it: a reply, or the text of a report or of a command; None where nobody is."""
Act = Callable[[Agent], Awaitable[Told]]


# A refused verdict betrays nothing: every metric value and effect size has a decimal point. A rule may have one too.
_OF_A_RESULT = re.compile(r"WINNER|NEUTRAL|LOSER|negligible|small|medium|large|\d\.\d(?!\d* sigma\b(?! better| worse))")
# What an agent gives where the call that it is offered leaves something to choose.
_CHOICES = {
    "experiment": "other",
    "flags": ["--shift", "-0.2"],
    "hypothesis": "it helps more",
    "new_baseline": "the old one is void",
    "reason": "it takes too long",
    "seed": 42,
    "attempt": 1,
    "role": "measure",
}


def text_of(told: Told) -> str:
    """What can be read there."""
    assert told is not None, "the manoeuvre must hand back where the reader is told"
    return told if isinstance(told, str) else told.text


@dataclass(frozen=True)
class Refused:
    """Every call of the manoeuvre is refused with this code; nothing trains and nothing is judged."""

    code: str
    said: str | None = None
    """All that is said; None where the manoeuvre has several calls, and each is told something else."""
    leads_to: str | None = None
    """The code that the call named by `next` is refused with; None: it is not refused."""

    async def prove(self, agent: Agent, told: Told) -> None:
        """The refusals came, and they left neither a run nor a verdict behind."""
        assert agent.tried, "the manoeuvre was not carried out"
        for attempt in agent.tried:
            assert attempt.answer.code == self.code, attempt.answer.text
            # A report is recorded before it is written: the ledger vouches for a file from its first moment on.
            is_recorded = self.code == "not_writable" and attempt.started == ["report_written"]
            assert not attempt.started or is_recorded, f"started or said something: {attempt.started}"
            if attempt.tool in ("compare", "write_report"):
                told = _OF_A_RESULT.search(attempt.answer.text + json.dumps(attempt.answer.data))
                assert told is None, f"the refusal betrays a result: {told[0]}"
        if self.said is not None:
            await self._prove_words(agent, agent.tried[-1].answer)

    async def _prove_words(self, agent: Agent, answer: Answer) -> None:
        """The text is exact, its structure says the same, and the call that it names is accepted."""
        assert (answer.text, answer.is_error) == (self.said, True)
        assert answer.data.keys() == {"refusal", "next", "ledger_head"}
        refusal, following = answer.data["refusal"], answer.data["next"] and NextCall(**answer.data["next"])
        tail = f" Next: {following}" if following else ""
        assert self.said == f"{refusal['code']}: {refusal['message']}{tail}"
        agent.mend()
        agent.engine.release()
        if following:
            chosen = {name: _CHOICES[name] for name in following.you_choose}
            followed = await agent.call(following.tool, **following.arguments, **chosen)
            assert followed.code == self.leads_to, followed.text


@dataclass(frozen=True)
class Detected:
    """Somebody who looks finds it."""

    words: str
    """A code, or the beginning of what is said."""
    by: str = "every call"
    """Who looks."""

    async def prove(self, agent: Agent, told: Told) -> None:
        """These words are said, and no verdict is."""
        said = text_of(told)
        assert self.words in said, said
        assert not any(attempt.started for attempt in agent.tried)


@dataclass(frozen=True)
class Disclosed:
    """It works, and the reader is told."""

    words: str
    """The code of a notice, or what is printed."""
    where: str = "the report"
    """Where it stands."""

    async def prove(self, agent: Agent, told: Told) -> None:
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
            report = await agent.report(told.data.get("experiment"))
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

    async def prove(self, agent: Agent, told: Told) -> None:
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
    refused: Call | None = None
    """The call that is refused, where it is a single one; the page has no room for such rows."""
    supervised: bool = False
    """Whether its trainings are processes under a supervisor, as what they read and their folders are part of it."""
    waits_for: str | None = None
    """What the outcome waits for; the page leaves such a row out, and its test must fail."""

    @property
    def name(self) -> str:
        """A short name for lists of tests."""
        if self.refused is not None:
            return self.manoeuvre
        return f"{self.act.__module__.rpartition('.')[2]}-{self.act.__name__}"


@dataclass
class Group:
    """Rows that meddle with the same thing."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def row(
        self, manoeuvre: str, outcome: Outcome, *, supervised: bool = False, waits_for: str | None = None
    ) -> Callable[[Act], Act]:
        """Put a manoeuvre into the table, beside the function that carries it out."""

        def enter(act: Act) -> Act:
            self.rows.append(Row(self.title, manoeuvre, outcome, act, supervised=supervised, waits_for=waits_for))
            return act

        return enter

    def refuses(
        self,
        manoeuvre: str,
        said: str,
        steps: Sequence[Call | Deed],
        *,
        trains: Callable[[Sequence[str]], Training] = train,
        held: bool = False,
        mend: Deed = nothing,
        leads_to: str | None = None,
    ) -> None:
        """Put a manoeuvre of one call into the table.

        Args:
            manoeuvre: What the agent does, in a few words.
            said: The refusal, word for word.
            steps: Calls, and what happens in the project between them; the last call is the one that is refused.
            trains: What a training does.
            held: Whether trainings go on until the refusal has come.
            mend: What is put right before the call that the refusal names is made.
            leads_to: The code that this next call is refused with, if it is.
        """

        *before, (tool, arguments) = steps

        async def act(agent: Agent) -> None:
            agent.engine.trains, agent.engine.held = trains, held
            agent.mend = lambda: mend(agent.project)
            for step in before:
                if callable(step):
                    step(agent.project)
                    continue
                answer = await agent.call(step[0], **step[1])
                assert not answer.is_error, answer.text
            await agent.cheat(tool, **arguments)

        outcome = Refused(said.partition(":")[0], said, leads_to)
        self.rows.append(Row(self.title, manoeuvre, outcome, act, refused=(tool, arguments)))


@dataclass(frozen=True)
class Limit:
    """What cannot be prevented."""

    manoeuvre: str
    """What the agent does."""
    why: str
    """Why nothing prevents it."""
    evident: str
    """What makes it evident, if anything does."""
