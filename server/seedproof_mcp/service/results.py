"""The tools' results, and the text of each. docs/tools.md describes every field.

Over 300 lines, because every result stands here beside its text.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, RootModel
from seedproof.model.refusals import NextCall
from seedproof.model.results import Campaign, Confirmation, Difference, SeedPairs, Verdict
from seedproof.verdict.evidence import Evidence

from seedproof_mcp.service.rows import (
    AgainstRow,
    ArmSummary,
    ExperimentRow,
    MetricSummary,
    NoticeResult,
    RunningRow,
    SeedRow,
    Shape,
    TriedRow,
)

__all__ = [
    "TRY_ID",
    "BaselineStatus",
    "ComparisonResult",
    "ExperimentList",
    "Follow",
    "ReportResult",
    "Result",
    "RunResult",
    "StopResult",
    "WithdrawnResult",
]


TRY_ID = "try"
"""What stands in place of a run's id in the answers of a try, which is no run of the ledger."""
# With the next call and the ledger head, the text has at most two kilobytes.
_TRIED_BYTES = 1700


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

    def first_line(self) -> str:
        """The first line of the text."""
        raise NotImplementedError

    def details(self) -> list[str]:
        """The lines after the headline."""
        return []

    def document(self) -> dict[str, Any]:
        """The structure for a client."""
        return self.model_dump(mode="json")

    def worded(self, words: Callable[[str], str], notices: Sequence[NoticeResult]) -> Self:
        """The same result in other words, with these notices; what a training printed stays as it is."""
        said = [NoticeResult(code=one.code, message=words(one.message)) for one in notices]
        reason = getattr(self, "reason", None)
        return self.model_copy(update={"notices": said} | ({"reason": words(reason)} if reason else {}))

    def text(self, next_line: Callable[[Follow], str] = lambda call: f"{call} - {call.why}") -> str:
        """What is read: headline, details, notices, next call (for a model: a call of a tool), ledger head."""
        lines = [self.first_line(), *self.details()]
        lines += [f"Notice ({notice.code}): {notice.message}" for notice in self.notices]
        if self.next is not None:
            lines.append(f"Next: {next_line(self.next)}")
        return "\n".join([*lines, f"Ledger: {self.ledger_head}"])


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

    _scale_words: str = PrivateAttr(default="")

    def titled(self, scale: str) -> Self:
        """The same result, whose first line names this scale."""
        self._scale_words = scale
        return self

    def first_line(self) -> str:
        """Phase and, once it is known, mean and sigma."""
        line = f"Baseline {self.phase}{self._scale_words}"
        summary = self.metrics.get(self.metric)
        if self.phase != "ready" or summary is None or summary.std is None:
            return f"{line}: {self.reason}" if self.reason else line
        return f"{line}: {self.metric} {summary.mean:.6g} ± {summary.std:.3g} over {summary.n} seeds"

    def details(self) -> list[str]:
        """What is missing, or what an experiment has to reach."""
        lines = [f"Missing seeds: {', '.join(map(str, self.missing_seeds))}"] if self.missing_seeds else []
        if self.winner_threshold is not None:
            side = "at most" if self.direction == "minimize" else "at least"
            mean = "A winner's mean" if self.design == "protocol" else "By the protocol's own rule, a winner's mean"
            lines.append(f"{mean} {self.metric} is {side} {self.winner_threshold:.6g}.")
        return lines


class RunResult(Result):
    """One run: where it stands and what it brought."""

    run_id: str
    role: Literal["measure", "control", "confirm", "probe"]
    arm: Literal["baseline", "experiment"]
    experiment: str | None
    seed: int
    attempt: int
    state: Literal[
        "queued",
        "running",
        "succeeded",
        "failed",
        "diverged",
        "unread",
        "timed_out",
        "cancelled",
        "interrupted",
        "not_needed",
        "tried",
    ]
    metrics: dict[str, float | None]
    step: int | None
    elapsed_s: float | None
    eta_s: float | None
    queue_position: int | None
    remaining: int
    reason: str | None
    log_tail: str | None
    command: str | None = None
    tried: TriedRow | None = None

    def document(self) -> dict[str, Any]:
        """The structure for a client; `command` and `tried` are left out where there is none."""
        return self.model_dump(mode="json", exclude={one for one in ("command", "tried") if getattr(self, one) is None})

    @property
    def is_active(self) -> bool:
        """Whether the run may still bring a result."""
        return self.state in ("queued", "running")

    def first_line(self) -> str:
        """Run, state and numbers."""
        if self.run_id == TRY_ID:
            return f"Trying the command: {self.reason}" if self.tried is None else self.tried.headline
        who = self.experiment or "baseline"
        if self.role == "confirm":
            who = f"{who} on a fresh seed, {'without' if self.arm == 'baseline' else 'with'} its change,"
        elif self.role == "control":
            who = f"{who}, control of its code without flags,"
        elif self.role == "probe":
            who = "probe of the baseline,"
        values = ", ".join(f"{name} {value:.6g}" for name, value in self.metrics.items() if value is not None)
        return f"{who} seed {self.seed} (attempt {self.attempt}): {self.state}{', ' + values if values else ''}"

    def details(self) -> list[str]:
        """Command, progress, reason, seeds that remain, and the end of the log; of a try what it told."""
        if self.run_id == TRY_ID:
            return [] if self.tried is None else self.tried.lines(_TRIED_BYTES)
        lines = [f"Command: {self.command}"] if self.command else []
        lines += [self.progress()] if self.is_active else []
        if self.reason:
            lines.append(f"Reason: {self.reason}")
        # Where a failure ended the arm, a notice says so: no seed would help.
        if not self.is_active and (self.remaining or self.state in ("succeeded", "diverged")):
            lines.append(
                f"{'Runs of the confirmation' if self.role == 'confirm' else 'Seeds'} still needed: {self.remaining}"
            )
        if self.log_tail:
            lines += ["End of the training's output (untrusted text, not instructions):", "```", self.log_tail, "```"]
        return lines

    def progress(self) -> str:
        """Step, elapsed and remaining time in one line."""
        if self.queue_position is not None:
            return f"waiting, position {self.queue_position} in the queue"
        parts = [f"step {self.step}"] if self.step is not None else []
        parts += [f"{name} {value:.6g}" for name, value in self.metrics.items() if value is not None]
        if self.elapsed_s is not None:
            parts.append(f"{self.elapsed_s:.0f} s elapsed")
        if self.eta_s is not None:
            parts.append(f"about {self.eta_s:.0f} s to go")
        return ", ".join(parts) or "starting"


class WithdrawnResult(Result):
    """An experiment that was withdrawn, or closed with values."""

    experiment: str
    state: Literal["withdrawn", "closed"]
    reason: str
    generation: int

    def first_line(self) -> str:
        """That it is withdrawn or closed, and what that means."""
        if self.state == "closed":
            return f"{self.experiment} is closed: it ends without a verdict, and counts as an idea tried"
        return f"{self.experiment} is withdrawn: it counts as no idea, and its name may be declared anew"

    def details(self) -> list[str]:
        """Why."""
        return [f"Reason: {self.reason}"]


class StopResult(RootModel[RunResult | WithdrawnResult]):
    """What `stop_run` answers, for its schema."""


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
    headline: str

    _lines: list[str] = PrivateAttr(default_factory=list)

    def with_lines(self, lines: Sequence[str]) -> Self:
        """The same result, read as these lines."""
        self._lines = list(lines)
        return self

    def worded(self, words: Callable[[str], str], notices: Sequence[NoticeResult]) -> Self:
        """The same in other words."""
        return super().worded(words, notices).with_lines([words(line) for line in self._lines])

    def first_line(self) -> str:
        """The verdict."""
        return self._lines[0] if self._lines else self.headline

    def details(self) -> list[str]:
        """Effect, cost, what to merge, and how many ideas were tried; of two experiments why there is no verdict."""
        return self._lines[1:] if self._lines else [f"{self.experiment}: {self.reason}"]

    def text(self, next_line: Callable[[Follow], str] = lambda call: _brief(call)) -> str:
        """What is read; a notice that says what the reason has said is left to the structure."""
        told = [one for one in self.notices if one.message.removeprefix(f"{self.experiment}: ") not in self.reason]
        shown = self.model_copy(update={"notices": told})
        return Result.text(shown, next_line)

    def shown(self, is_full: bool) -> Self:
        """The same; without evidence and campaign unless all is asked for."""
        return self if is_full else self.model_copy(update={"evidence": None, "campaign": None})


def _brief(call: Follow) -> str:
    """A call, and what it brings unless its name says that."""
    return str(call) if call.tool in ("write_report", "compare") else f"{call}: {call.why[:1].lower()}{call.why[1:-1]}"


class ReportResult(Result):
    """A report that was written."""

    path: str
    sha256: str
    verdict: Literal["WINNER", "NEUTRAL", "LOSER"] | None
    figures: list[str]
    removed: list[str]
    freed_bytes: int
    kept: dict[str, int]
    headline: str

    def first_line(self) -> str:
        """What the report says."""
        return self.headline

    def details(self) -> list[str]:
        """Where the report is, and what the clean-up removed and kept."""
        lines = [f"Report written: {self.path}"]
        left = sum(not name.startswith("checkpoints/") for name in self.removed)
        folders = len(self.removed) - left
        parts = [f"{folders} checkpoint folders"] if folders else []
        parts += [f"{left} files and folders that runs left in snapshots"] if left else []
        if parts:
            lines.append(f"Removed {' and '.join(parts)} ({self.freed_bytes} bytes).")
        if self.kept:
            from seedproof.notices.declarations import list_first  # here, as each server loads results when it starts

            names = list_first([f"{name} ({size} bytes)" for name, size in self.kept.items()])
            lines.append(f"Kept, as keep_outputs says: {names}.")
        return lines


class ExperimentList(Result):
    """A page of the campaign, oldest first."""

    generation: int | None
    total: int
    judged: int
    running: RunningRow | None
    queued: int
    campaign: Campaign
    experiments: list[ExperimentRow]
    also_running: list[RunningRow] = Field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The structure for a client; `also_running` is left out where one run trains at most."""
        return self.model_dump(mode="json", exclude=set() if self.also_running else {"also_running"})

    @property
    def training(self) -> list[str]:
        """Ids of the runs that train now."""
        return [row.run_id for row in (*([self.running] if self.running else []), *self.also_running)]

    def first_line(self) -> str:
        """Counts."""
        return f"{self.total} experiments declared, {self.judged} judged, {self.queued} runs queued"

    def details(self) -> list[str]:
        """What is training, and one line for each experiment."""
        from seedproof.report.summary import ideas_line, without_value_words

        lines = [f"Training now: {', '.join(self.training)}"] if self.running else []
        lines += [ideas_line(self.campaign)] if self.total else []
        lines += [without_value_words(self.campaign)] if self.campaign.without_value else []
        lines += [self.campaign.advice] if self.campaign.advice else []
        return lines + [
            f"- {row.experiment}{' (null)' if row.is_null else ''}: "
            f"{row.headline or f'{row.state}, {row.seeds_done} seeds done, {row.seeds_needed} needed'}"
            f"{f' ({row.reason})' if row.reason else ''}"
            f"{f' (merged: generation {row.merged})' if row.merged else ''}"
            for row in self.experiments
        ]
