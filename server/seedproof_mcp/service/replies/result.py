"""What every reply has: headline, notices, the next call and the ledger head, as structure and as text."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from seedproof.model.refusals import NextCall

from seedproof_mcp.service.replies.plain import in_words, trimmed
from seedproof_mcp.service.replies.rows import NoticeResult, Shape

__all__ = ["Follow", "Result"]

_TOLD_BY_ALL = ("headline", "notices", "next", "ledger_head")


class Follow(Shape):
    """The next allowed call."""

    tool: str
    arguments: dict[str, Any]
    why: str
    you_choose: list[str]

    @classmethod
    def of(cls, call: NextCall | None) -> "Follow | None":
        """The call as a result shows it."""
        if call is None:
            return None
        return cls(tool=call.tool, arguments=dict(call.arguments), why=call.why, you_choose=list(call.you_choose))

    def __str__(self) -> str:
        return str(NextCall(self.tool, self.why, self.arguments, tuple(self.you_choose)))


class Result(Shape):
    """What every result has."""

    ledger_head: str
    notices: list[NoticeResult]
    next: Follow | None
    headline: str = ""

    def first_line(self) -> str:
        """The first line for people."""
        raise NotImplementedError

    def title(self) -> str:
        """The headline of a reply."""
        return self.headline or self.first_line()

    def details(self) -> list[str]:
        """The lines after the headline."""
        return []

    def document(self) -> dict[str, Any]:
        """The structure for a client: everything that the text says."""
        found = {**self.model_dump(mode="json"), "headline": self.title()}
        first, last = ("headline",), ("notices", "next", "ledger_head")
        order = [*first, *(name for name in found if name not in (*first, *last)), *last]
        short: dict[str, Any] = trimmed({name: found[name] for name in order})
        return short

    def worded(self, words: Callable[[str], str], notices: Sequence[NoticeResult]) -> Self:
        """The same result in other words, with these notices; what a training printed stays as it is."""
        said = [NoticeResult(code=one.code, message=words(one.message)) for one in notices]
        reason = getattr(self, "reason", None)
        return self.model_copy(update={"notices": said} | ({"reason": words(reason)} if reason else {}))

    def texts(self) -> list[str]:
        """What a model reads: everything that the structure says."""
        return [self._lines([self.title(), *self.details(), *self.rest()], lambda call: f"{call} - {call.why}")]

    def rest(self) -> list[str]:
        """The fields that headline and details do not say."""
        told = {*_TOLD_BY_ALL, *self.told()}
        left = {name: value for name, value in self.document().items() if name not in told}
        return [in_words(left)] if left else []

    def told(self) -> Sequence[str]:
        """Names of the fields that headline and details say in full."""
        return ()

    def for_people(self, next_line: Callable[[Follow], str]) -> str:
        """What the command line prints.

        Args:
            next_line: Writes the next call as a command.
        """
        return self._lines([self.first_line(), *self.details()], next_line)

    def _lines(self, lines: Sequence[str], next_line: Callable[[Follow], str]) -> str:
        found = [*lines, *(f"Notice ({notice.code}): {notice.message}" for notice in self.notices)]
        if self.next is not None:
            found.append(f"Next: {next_line(self.next)}")
        return "\n".join([*found, f"Ledger: {self.ledger_head}"])
