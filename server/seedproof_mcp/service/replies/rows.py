"""The rows within the tools' results: summaries of arms, seeds, experiments. docs/tools.md describes every field."""

import shlex
from itertools import accumulate
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict
from seedproof.model.results import ConfirmationState, ExperimentState, Notice
from seedproof.model.untrusted import fenced, one_line

from seedproof_mcp.service.replies.plain import rounded

__all__ = [
    "AgainstRow",
    "ArmSummary",
    "ExperimentRow",
    "FailedRow",
    "MetricSummary",
    "NoticeResult",
    "QueuedRow",
    "RunningRow",
    "SeedRow",
    "Shape",
    "SharedSeeds",
    "TriedRow",
    "shortened_line",
]


class Shape(BaseModel):
    """A frozen model that accepts no unknown field."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoticeResult(Shape):
    """Something to know beside the numbers."""

    code: str
    message: str

    @classmethod
    def of(cls, notice: Notice) -> "NoticeResult":
        """The notice as a result shows it."""
        return cls(code=notice.code, message=notice.message)


class MetricSummary(Shape):
    """One metric over the runs of an arm, in its own unit."""

    n: int
    mean: float
    std: float | None
    min: float
    max: float


class ArmSummary(MetricSummary):
    """The same with the value of each seed."""

    per_seed: dict[str, float]

    def shortened(self, metric: str) -> Self:
        """Without what follows from the values of the seeds, and of the wall time without these values."""
        less: dict[str, Any] = dict.fromkeys(("min", "max"))
        return self.model_copy(update={**less, "std": None, "per_seed": {}} if metric == "wall_time_s" else less)


class SeedRow(Shape):
    """The newest attempt at one seed."""

    seed: int
    state: str
    attempt: int
    run_id: str
    metrics: dict[str, float | None]


class SharedSeeds(Shape):
    """The difference of two experiments over the seeds that both have, with its 95 % interval."""

    n: int
    difference: float
    low: float
    high: float


class AgainstRow(Shape):
    """The other experiment that one was compared with."""

    experiment: str
    metrics: dict[str, ArmSummary]
    difference: float
    pairs: SharedSeeds | None


class ExperimentRow(Shape):
    """One experiment of the campaign."""

    experiment: str
    generation: int
    flags: list[str]
    code_change: bool
    is_null: bool
    hypothesis: str
    state: ExperimentState
    reason: str | None
    seeds_done: int
    seeds_needed: int
    verdict: Literal["WINNER", "NEUTRAL", "LOSER"] | None
    headline: str | None
    report_path: str | None
    p_better: float | None
    p_holm: float | None
    confirmation: ConfirmationState | None
    merged: int | None

    def shortened(self, generation: int | None, hypothesis_bytes: int) -> Self:
        """What is needed to go on with it: its reports and `compare` have the rest.

        Args:
            generation: The present one, which the list says.
            hypothesis_bytes: How much of the hypothesis there is room for.
        """
        less: dict[str, Any] = dict.fromkeys(("headline", "p_better", "p_holm"))
        less["hypothesis"] = _cut(self.hypothesis, hypothesis_bytes) if hypothesis_bytes else None
        less["generation"] = None if self.generation == generation else self.generation
        if self.verdict is not None:
            less |= dict.fromkeys(("state", "seeds_done", "seeds_needed"))
        less |= {name: None for name in ("code_change", "is_null") if not getattr(self, name)}
        return self.model_copy(update=less)

    def line(self, generation: int | None) -> str:
        """The experiment in one line: what came of it, what was tried and why, and where it is written down.

        Args:
            generation: The present one, which stands for those that are left out.
        """
        told = f"{self.state}, {self.seeds_done} seeds done, {self.seeds_needed} needed"
        text = f"- {self.experiment}{' (null)' if self.is_null else ''}: {self.headline or self.verdict or told}"
        text += f" ({self.reason})" if self.reason else ""
        text += f" (merged: generation {self.merged})" if self.merged else ""
        parts = [f"flags {shlex.join(self.flags)}"] if self.flags else []
        parts += ["code_change true"] if self.code_change else []
        parts += [self.hypothesis] if self.hypothesis else []
        parts += [f"generation {self.generation or generation}"]
        if self.headline and self.state is not None:
            parts += [f"{self.state} on {self.seeds_done} seeds"]
            parts += [f"{self.seeds_needed} needed"] if self.seeds_needed else []
        parts += [
            f"{name} {rounded(one)}" for name in ("p_better", "p_holm") if (one := getattr(self, name)) is not None
        ]
        parts += [f"confirmation {self.confirmation}"] if self.confirmation else []
        return "; ".join([text, *parts, *([self.report_path] if self.report_path else [])])


class FailedRow(Shape):
    """A seed whose newest attempt brought no value."""

    run_id: str
    experiment: str | None
    seed: int
    attempt: int
    state: str
    reason: str | None
    log_path: str

    def __str__(self) -> str:
        words = f"{self.experiment or 'baseline'} seed {self.seed} (attempt {self.attempt}): {self.state}"
        return f"{words}, {self.reason}" if self.reason else words


class RunningRow(Shape):
    """The run that is training now."""

    run_id: str
    experiment: str | None
    seed: int
    attempt: int


class QueuedRow(Shape):
    """A run that waits."""

    run_id: str
    eta_s: float | None

    def __str__(self) -> str:
        return self.run_id if self.eta_s is None else f"{self.run_id} (in about {rounded(self.eta_s)} s)"


class TriedRow(Shape):
    """What two short runs and a repeat told, outside the ledger."""

    is_well: bool
    headline: str
    found: list[str]
    mend: list[str]
    command: list[str]
    working_directory: str
    interpreter: str | None
    packages: dict[str, str]
    values: dict[str, str | None]
    run_s: float | None
    toml: str | None
    log_tail: str | None

    def lines(self, most_bytes: int = 0) -> list[str]:
        """What was found and what to mend, after the headline.

        Args:
            most_bytes: At most so many, what to mend first; 0 for all of it.
        """
        lines = [*(f"Mend: {one}" for one in self.mend), *self.found]
        if not most_bytes:
            return lines
        lines, left = [_cut(one, _LINE_BYTES) for one in lines], most_bytes - len(self.headline.encode()) - 1
        return [one for one, whole in zip(lines, _sums(lines), strict=True) if whole <= left]

    def tail(self, most_bytes: int) -> str | None:
        """The end of the training's output, fenced, where there is room for some of it beside these lines."""
        left = most_bytes - sum(len(one.encode()) + 1 for one in (self.headline, *self.lines(most_bytes)))
        room = min(left, _TAIL_BYTES)
        return fenced(self.log_tail, room) if self.log_tail and room > _LINE_BYTES else None


# About four lines on a screen; the report has all of a hypothesis.
_HYPOTHESIS_CHARS = 300


def shortened_line(text: str) -> str:
    """A text from outside in one line, of a length that a list can show."""
    line = one_line(text)
    return line if len(line) <= _HYPOTHESIS_CHARS else f"{line[:_HYPOTHESIS_CHARS]}…"


_LINE_BYTES, _TAIL_BYTES = 300, 780


def _cut(text: str, most_bytes: int) -> str:
    data = text.encode()
    return text if len(data) <= most_bytes else f"{data[:most_bytes].decode('utf-8', 'ignore')}…"


def _sums(lines: list[str]) -> list[int]:
    """The bytes up to the end of each line."""
    return list(accumulate(len(one.encode()) + 1 for one in lines))
