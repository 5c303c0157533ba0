"""The reply of `compare`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

from seedproof.model.results import Campaign, Confirmation, Difference, SeedPairs, Verdict
from seedproof.verdict.evidence import Evidence

from seedproof_mcp.service.replies.result import Follow, Result
from seedproof_mcp.service.replies.rows import AgainstRow, ArmSummary, NoticeResult

__all__ = ["ComparisonResult"]


class ComparisonResult(Result):
    """The protocol's verdict on one experiment."""

    experiment: str
    verdict: Literal[Verdict.WINNER, Verdict.NEUTRAL, Verdict.LOSER] | None
    caps: list[str]
    reason: str
    metric: str
    direction: Literal["minimize", "maximize"]
    delta: float | None
    improvement_sigma: float | None
    change_percent: float | None
    cohens_d: float | None
    effect_size: Literal["negligible", "small", "medium", "large"] | None
    significant: bool | None
    baseline_metrics: dict[str, ArmSummary]
    experiment_metrics: dict[str, ArmSummary]
    wall_time_change_percent: float | None
    evidence: Evidence | None
    campaign: Campaign | None
    confirmation: Confirmation | None
    brackets: list[str]
    pairs: SeedPairs | None
    accepted: list[Difference]
    paragraph: str | None
    generation: int
    report_path: str | None
    against: AgainstRow | None
    facts: list[str]

    def worded(self, words: Callable[[str], str], notices: Sequence[NoticeResult]) -> Self:
        """The same in other words."""
        return super().worded(words, notices).model_copy(update={"facts": [words(one) for one in self.facts]})

    def first_line(self) -> str:
        """The verdict."""
        return self.facts[0]

    def details(self) -> list[str]:
        """Effect, cost, what to merge, and how many ideas were tried; of two experiments why there is no verdict."""
        return self.facts[1:]

    def told(self) -> Sequence[str]:
        """What the lines say."""
        said = ("reason",) if any(one.endswith(self.reason) for one in self.facts) else ()
        return ("experiment", "facts", "verdict", "metric", *said)

    def document(self) -> dict[str, Any]:
        """The structure for a client; the first fact is the headline."""
        return {**Result.document(self), "facts": self.facts[1:]}

    def rest(self) -> list[str]:
        """The numbers, with the headline as it stands in the report and what the next call brings."""
        found = Result.rest(self)
        if self.headline != self.facts[0]:
            found[0] = f"headline {self.headline}; {found[0]}"
        if self.next is not None and self.next.tool in _NAMES_SAY_ALL:
            found.append(f"Next brings: {self.next.why}")
        return found

    def texts(self) -> list[str]:
        """What a model reads; of a notice that says what the reason has said, only the code."""
        shorter = [one.model_copy(update={"message": "as the reason says"}) for one in self.notices]
        notices = [new if self._is_said(old) else old for old, new in zip(self.notices, shorter, strict=True)]
        return [self.model_copy(update={"notices": notices})._lines([*self.facts, *self.rest()], _brief)]

    def for_people(self, next_line: Callable[[Follow], str]) -> str:
        """What the command line prints, without notices that the reason says."""
        told = [one for one in self.notices if not self._is_said(one)]
        return self.model_copy(update={"notices": told})._lines(self.facts, next_line)

    def _is_said(self, notice: NoticeResult) -> bool:
        return notice.message.removeprefix(f"{self.experiment}: ") in self.reason

    def shown(self, is_full: bool) -> Self:
        """The same; unless all is asked for without evidence, campaign, and what follows from the other numbers."""
        if is_full:
            return self
        less: dict[str, Any] = dict.fromkeys(("evidence", "campaign", "paragraph"))
        less["baseline_metrics"] = {name: one.shortened(name) for name, one in self.baseline_metrics.items()}
        less["experiment_metrics"] = {name: one.shortened(name) for name, one in self.experiment_metrics.items()}
        if self.confirmation is not None:
            found = replace(self.confirmation, improvement=None, threshold=None, std=None, df=None)
            # The facts say the effect and its bound, the other fields the p and its limit.
            less["confirmation"] = replace(found, reason="") if found.state == "confirmed" else found
        return self.model_copy(update=less)


_NAMES_SAY_ALL = ("write_report", "compare")


def _brief(call: Follow) -> str:
    """A call, and what it brings unless its name says that."""
    return str(call) if call.tool in _NAMES_SAY_ALL else f"{call}: {call.why[:1].lower()}{call.why[1:-1]}"
