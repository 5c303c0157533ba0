"""The tools' results, and the text of each. docs/tools.md describes every field.

Over 300 lines, because every result stands here beside its text.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, RootModel
from seedproof.model.refusals import NextCall
from seedproof.model.results import Campaign, Confirmation, Difference, Notice, SeedPairs, Verdict
from seedproof.verdict.evidence import Evidence

from seedproof_mcp.service.plain import in_words, rounded, trimmed
from seedproof_mcp.service.rows import (
    AgainstRow,
    ArmSummary,
    ExperimentRow,
    MetricSummary,
    NoticeResult,
    QueuedRow,
    RunningRow,
    SeedRow,
    Shape,
    TriedRow,
)

__all__ = [
    "TRIED_BYTES",
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
# With the next call and the ledger head, the first text of a try has at most two kilobytes.
TRIED_BYTES = 1700
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
    untrusted_output: str | None
    command: str | None = None
    values: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    tried: TriedRow | None = None

    def document(self) -> dict[str, Any]:
        """The structure for a client. Of a measured run the arm follows from `experiment`, and is left out."""
        found = Result.document(self)
        if self.tried is not None:
            found["tried"].pop("log_tail", None)  # `untrusted_output` has it
        for name, values in self.values.items():  # null says that nan or inf was printed
            found["values"][name] = {seed: None if one is None else rounded(one) for seed, one in values.items()}
        if self.role in ("measure", "probe"):
            del found["arm"]
        for name in ("elapsed_s", "eta_s") if self.is_active else ():
            if name in found:
                found[name] = _tenths(getattr(self, name))
        return found

    def title(self) -> str:
        """Run, state and metrics; the time stands among the fields."""
        return self._run_words(self.attempt > 1, "wall_time_s")

    def told(self) -> Sequence[str]:
        """What the lines say."""
        if self.run_id == TRY_ID:
            return ("reason", "untrusted_output")
        return tuple(type(self).model_fields)

    def rest(self) -> list[str]:
        """Which run it is, how far it came, and how many the arm still needs."""
        if self.run_id == TRY_ID:
            return Result.rest(self)
        which = [self.run_id, self.role, *([f"arm {self.arm}"] if self.role in ("control", "confirm") else [])]
        if not self.is_active:
            which += [f"step {self.step}"] if self.step is not None else []
            which += [f"{rounded(self.elapsed_s)} s"] if self.elapsed_s is not None else []
        return [", ".join([*which, f"remaining {self.remaining}"])]

    def texts(self) -> list[str]:
        """What a model reads; of a try the settings to paste and all numbers in a second text."""
        if self.run_id != TRY_ID:
            return Result.texts(self)
        return [self.for_people(lambda call: f"{call} - {call.why}"), *self.rest()]

    def for_people(self, next_line: Callable[[Follow], str]) -> str:
        """What the command line prints."""
        runs = "Runs of the confirmation" if self.role == "confirm" else "Seeds"
        # Where a failure ended the arm, a notice says so: no seed would help.
        is_told = (
            not self.is_active and self.run_id != TRY_ID and (self.remaining or self.state in ("succeeded", "diverged"))
        )
        needed = [f"{runs} still needed: {self.remaining}"] if is_told else []
        *first, last = [self.first_line(), *self.details()]
        is_output = last == self.untrusted_output
        lines = [*first, *needed, last] if is_output else [*first, last, *needed]
        return self._lines(lines, next_line)

    @property
    def is_active(self) -> bool:
        """Whether the run may still bring a result."""
        return self.state in ("queued", "running")

    def first_line(self) -> str:
        """Run, state and numbers."""
        if self.run_id == TRY_ID:
            return f"Trying the command: {self.reason}" if self.tried is None else self.tried.headline
        return self._run_words(True)

    def _run_words(self, with_attempt: bool, *hidden: str) -> str:
        who = self.experiment or "baseline"
        if self.role == "confirm":
            who = f"{who} on a fresh seed, {'without' if self.arm == 'baseline' else 'with'} its change,"
        elif self.role == "control":
            who = f"{who}, control of its code without flags,"
        elif self.role == "probe":
            who = "probe of the baseline,"
        attempt = f" (attempt {self.attempt})" if with_attempt else ""
        values = () if self.is_active else self._values(*hidden)
        return ", ".join([f"{who} seed {self.seed}{attempt}: {self.state}", *values])

    def _values(self, *hidden: str) -> list[str]:
        shown = {name: value for name, value in self.metrics.items() if value is not None and name not in hidden}
        return [f"{name} {rounded(value)}" for name, value in shown.items()]

    def details(self) -> list[str]:
        """Command, progress, reason, and the end of the log; of a try what it told."""
        if self.run_id == TRY_ID:
            lines = [] if self.tried is None else self.tried.lines(TRIED_BYTES)
        else:
            lines = [self.progress()] if self.is_active else []
            lines += [f"Command: {self.command}"] if self.command else []
            lines += [f"Reason: {self.reason}"] if self.reason else []
            lines += [_by_seed(name, values) for name, values in self.values.items()]
        return [*lines, *([self.untrusted_output] if self.untrusted_output else ())]

    def progress(self) -> str:
        """Step, elapsed and remaining time in one line."""
        if self.queue_position is not None:
            ends = "" if self.eta_s is None else f", ends in about {_tenths(self.eta_s)} s"
            return f"waiting, position {self.queue_position} in the queue{ends}"
        parts = [f"step {self.step}"] if self.step is not None else []
        parts += self._values()
        if self.elapsed_s is not None:
            parts.append(f"{_tenths(self.elapsed_s)} s elapsed")
        if self.eta_s is not None:
            parts.append(f"about {_tenths(self.eta_s)} s to go")
        return ", ".join(parts) or "starting"


def _by_seed(name: str, values: Mapping[str, float | None]) -> str:
    shown = (f"{seed} {'not finite' if value is None else rounded(value)}" for seed, value in values.items())
    return f"{name} by seed: {', '.join(shown)}"


def _tenths(seconds: float) -> float:
    """Seconds of a run that goes on, which are not known better."""
    return rounded(round(float(seconds), 1))


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

    def told(self) -> Sequence[str]:
        """What the lines say."""
        return ("experiment", "state", "reason")

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


class ReportResult(Result):
    """A report that was written."""

    path: str
    sha256: str
    verdict: Literal["WINNER", "NEUTRAL", "LOSER"] | None
    figures: list[str]
    removed: list[str]
    freed_bytes: int
    kept: dict[str, int]

    def first_line(self) -> str:
        """What the report says."""
        return self.headline

    def told(self) -> Sequence[str]:
        """What the lines say."""
        return ("path",)

    def details(self) -> list[str]:
        """Where the report is, and which folders stay."""
        lines = [f"Report written: {self.path}"]
        if self.kept:
            from seedproof.notices.declarations import list_first  # here, as each server loads results when it starts

            names = list_first([f"{name} ({size} bytes)" for name, size in self.kept.items()])
            lines.append(f"Kept, as keep_outputs says: {names}.")
        return lines

    def texts(self) -> list[str]:
        """What a model reads; hash, figures and what was removed in a second text."""
        lines = [self.headline, *self.details()]
        return [self._lines(lines, lambda call: f"{call} - {call.why}"), *self.rest()]

    def for_people(self, next_line: Callable[[Follow], str]) -> str:
        """What the command line prints, with what the clean-up removed in numbers."""
        where, *kept = self.details()
        left = sum(not name.startswith("checkpoints/") for name in self.removed)
        folders = len(self.removed) - left
        parts = [f"{folders} checkpoint folders"] if folders else []
        parts += [f"{left} files and folders that runs left in snapshots"] if left else []
        gone = [f"Removed {' and '.join(parts)} ({self.freed_bytes} bytes)."] if parts else []
        return self._lines([self.headline, where, *gone, *kept], next_line)


class ExperimentList(Result):
    """A page of the campaign, oldest first."""

    generation: int | None
    total: int
    judged: int
    running: RunningRow | None
    queued: int
    queue: list[QueuedRow]
    do_not_retry: list[str]
    campaign: Campaign
    experiments: list[ExperimentRow]
    also_running: list[RunningRow] = Field(default_factory=list)

    @property
    def training(self) -> list[str]:
        """Ids of the runs that train now."""
        return [row.run_id for row in (*([self.running] if self.running else []), *self.also_running)]

    def first_line(self) -> str:
        """Counts."""
        return f"{self.total} experiments declared, {self.judged} judged, {self.queued} runs queued"

    def details(self) -> list[str]:
        """What is training and queued, what not to try again, and one line for each experiment."""
        from seedproof.report.summary import ideas_line, without_value_words

        lines = [f"Training now: {', '.join(self.training)}"] if self.running else []
        if self.queue:
            lines.append(f"Queue, in order: {', '.join(map(str, self.queue))}")
        lines += [ideas_line(self.campaign)] if self.total else []
        lines += [without_value_words(self.campaign)] if self.campaign.without_value else []
        lines += [self.campaign.advice] if self.campaign.advice else []
        lines += [row.line(self.generation) for row in self.experiments]
        if self.do_not_retry:
            lines.append(f"Do not try again, also under another name: {', '.join(self.do_not_retry)}")
        return lines

    def told(self) -> Sequence[str]:
        """What the lines say."""
        return ("total", "judged", "queued", "queue", "do_not_retry", "experiments")

    def within(self, most_bytes: int) -> Self:
        """The same in a structure of at most so many bytes: rows are shortened, and left out where that does not do."""
        if _size(self.document()) <= most_bytes:
            return self
        rows = [row.shortened(self.generation, 0) for row in self.experiments]
        found = self._with_rows(rows, "rows are shortened; a smaller limit shows whole ones.")
        room = (most_bytes - _size(found.document())) // len(rows) - _HYPOTHESIS_BYTES
        if room > 0:
            rows = [row.shortened(self.generation, room) for row in self.experiments]
        while len(rows) > 1 and _size(found.document()) > most_bytes:
            rows = rows[: len(rows) * 9 // 10]
            found = self._with_rows(rows, f"{len(rows)} rows fit into one reply; offset shows those that follow.")
        return found.model_copy(update={"experiments": rows})

    def _with_rows(self, rows: Sequence[ExperimentRow], words: str) -> Self:
        kept = [one for one in self.do_not_retry if one in {row.experiment for row in rows}]
        notices = [*self.notices, NoticeResult.of(Notice("shortened", words))]
        return self.model_copy(update={"experiments": [*rows], "do_not_retry": kept, "notices": notices})


# `"hypothesis":"",` and the mark of what is left out.
_HYPOTHESIS_BYTES = 20


def _size(document: dict[str, Any]) -> int:
    return len(json.dumps(document, ensure_ascii=False).encode())  # with blanks, as some hosts show it
