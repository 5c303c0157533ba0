"""The reply of `check_baseline`."""

from collections.abc import Callable, Sequence
from typing import Literal, Self

from pydantic import PrivateAttr

from seedproof_mcp.service.replies.plain import rounded
from seedproof_mcp.service.replies.result import Result
from seedproof_mcp.service.replies.rows import MetricSummary, NoticeResult, SeedRow

__all__ = ["BaselineStatus"]


class BaselineStatus(Result):
    """Where the baseline stands."""

    phase: Literal["unmeasured", "measuring", "ready", "stale", "void"]
    generation: int | None
    reason: str | None
    scale: str | None
    metric: str
    direction: Literal["minimize", "maximize"]
    design: Literal["protocol", "screening", "sequential"]
    winner_threshold: float | None
    missing_seeds: list[int]
    seeds: list[SeedRow]
    metrics: dict[str, MetricSummary]
    report_path: str | None
    protocol: list[str]

    _scale_words: str = PrivateAttr(default="")

    def titled(self, scale: str) -> Self:
        """The same result, whose first line names this scale."""
        self._scale_words = scale
        return self

    def worded(self, words: Callable[[str], str], notices: Sequence[NoticeResult]) -> Self:
        """The same in other words."""
        protocol = [
            words(line).replace("`next` is always the call", "`Next:` is always the command") for line in self.protocol
        ]
        return super().worded(words, notices).model_copy(update={"protocol": protocol})

    def first_line(self) -> str:
        """Phase and, once it is known, mean and sigma."""
        line = f"Baseline {self.phase}{self._scale_words}"
        summary = self.metrics.get(self.metric)
        if self.phase != "ready" or summary is None or summary.std is None:
            return f"{line}: {self.reason}" if self.reason else line
        return f"{line}: {self.metric} {rounded(summary.mean)} ± {summary.std:.3g} over {summary.n} seeds"

    def told(self) -> Sequence[str]:
        """What the lines say."""
        return (
            "phase",
            "missing_seeds",
            "winner_threshold",
            "protocol",
            *(() if self.phase == "ready" else ("reason",)),
        )

    def details(self) -> list[str]:
        """The protocol before the first run; what is missing, or what an experiment has to reach."""
        lines = [*self.protocol]
        lines += [f"Missing seeds: {', '.join(map(str, self.missing_seeds))}"] if self.missing_seeds else []
        if self.winner_threshold is not None:
            side = "at most" if self.direction == "minimize" else "at least"
            mean = "A winner's mean" if self.design == "protocol" else "By the protocol's own rule, a winner's mean"
            lines.append(f"{mean} {self.metric} is {side} {rounded(self.winner_threshold)}.")
        return lines
