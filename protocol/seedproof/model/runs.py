"""One training process: its key, its state and what it printed.

Over 300 lines, because everything that a record says of a run stands here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from seedproof.model.inputs import RunInputs
from seedproof.model.lengths import Lengths
from seedproof.model.run_key import Role, RunKey
from seedproof.model.seeding import NOT_INJECTED, Seeding

__all__ = ["TRAINED_S", "Draw", "MetricValue", "NoResult", "Run", "RunState", "TrainedWith", "Unread"]

TRAINED_S = 60.0
"""Seconds of training after which an attempt is a draw, whatever it printed: its curve may be known by then."""


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DIVERGED = "diverged"
    UNREAD = "unread"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    NOT_NEEDED = "not_needed"

    @property
    def is_active(self) -> bool:
        """Whether the run may still bring a result."""
        return self in (RunState.QUEUED, RunState.RUNNING)

    @property
    def is_counted(self) -> bool:
        """Whether the run is a result: never re-run, never dropped."""
        return self in (RunState.SUCCEEDED, RunState.DIVERGED)


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One metric as a run printed it."""

    value: float | None
    """The number; None where nan or inf was printed, or a number beyond 1e150."""
    text: str
    """The value exactly as printed."""
    line: int | None = None
    """Line of the log, from 1, counted by newlines; None for a value from a file."""
    matched: str = ""
    """The text that matched, at most 200 characters; for a document its path and value."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A value of a metric that was printed and could not be read."""

    line: int | None
    """Line of the log, from 1; None for a file."""
    text: str
    """The line as printed, at most 200 characters."""
    why: str
    """What is wrong with it, phrased to follow the metric's name."""


@dataclass(frozen=True, slots=True)
class TrainedWith:
    """The interpreter that trained a run, where it is not the one that was asked for packages before the start."""

    interpreter: str | None = None
    """Its path; None where nobody could tell which one it was."""
    environment_sha256: str | None = None
    """Hash of its environment; None likewise."""
    packages_sha256: str | None = None
    """Hash of the names and versions of its packages; None where they could not be found."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What an attempt without a result told of it: whoever saw that could want another attempt."""

    value: str | None = None
    """Its last readable value as printed; None where it had none."""
    is_like: bool = False
    """Whether neither the metric nor the default pattern reads that value: its line only looks like the metric."""
    is_unread: bool = False
    """Whether the last value was printed and could not be read."""
    label: str | None = None
    """What the value stood under, where its line only looks like the metric; records of earlier versions lack it."""

    @property
    def has_metric(self) -> bool:
        """Whether it showed the metric, and not only that it trained or a line that looks like it."""
        return self.is_unread or (self.value is not None and not self.is_like)


@dataclass(frozen=True, slots=True)
class NoResult:
    """What an attempt leaves that ended without a result; records of earlier versions do not have it."""

    draw: Draw | None = None
    """What it told of its result; None where it showed no value and trained for less than `TRAINED_S`."""
    last_line: str | None = None
    """Last line of its log without its numbers; None where the end says nothing of the next attempt, as for memory."""
    full_disk: bool = False
    """Whether the disk was full when it ended."""

    def document(self) -> dict[str, Any]:
        """The JSON object in a record."""
        fields = {"last_line": self.last_line, "full_disk": self.full_disk}
        known: dict[str, Any] = {name: value for name, value in fields.items() if value not in (None, False)}
        if self.draw is not None:
            draw = asdict(self.draw)
            known["draw"] = {name: value for name, value in draw.items() if value not in (None, False)}
        return known

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "NoResult":
        """Read it back; a later minor version may have added a field."""
        found = document.get("draw")
        draw = None
        if found is not None:
            is_like, is_unread = bool(found.get("is_like")), bool(found.get("is_unread"))
            draw = Draw(found.get("value"), is_like, is_unread, found.get("label"))
        return cls(draw, document.get("last_line"), bool(document.get("full_disk")))


@dataclass(frozen=True, slots=True)
class Run:
    """One training process: its key, and what became of it."""

    run_id: str
    """Name of the run and of its folder."""
    key: RunKey
    """What it is for, and which run of that kind it is."""
    state: RunState
    """Where it stands."""
    metrics: Mapping[str, MetricValue] = field(default_factory=dict)
    """Metrics read from its output, by name."""
    wall_time_s: float | None = None
    """Seconds from start to exit, by a monotonic clock; None if it never ran."""
    reason: str | None = None
    """Why it did not succeed."""
    step: int | None = None
    """Last training step seen in the log."""
    exit_code: int | None = None
    """Exit status of the training; None if it did not exit by itself."""
    log_sha256: str | None = None
    """SHA-256 of the log that counts."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Hash of each file of its output folder that its own folder has a copy of, by the copy's name."""
    printed: Mapping[str, str] = field(default_factory=dict)
    """The last value in its log of each metric whose file holds another, as printed, by name."""
    output_dir: str | None = None
    """Its output folder, relative to the project; known from the start of the run."""
    output_id: tuple[int, ...] | None = None
    """Device and inode of that folder as the run ended; None if there was none, or the end was not seen."""
    output_bytes: int = 0
    """Bytes that its files took on the disk then."""
    argv: tuple[str, ...] = ()
    """The command as it was run."""
    requested: str | None = None
    """When it was requested (ISO 8601, UTC)."""
    started: str | None = None
    """When it was started (ISO 8601, UTC), by the clock of its machine."""
    ended: str | None = None
    """When its end was written down, by the same clock."""
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    """What it was started with: the fingerprint in the ledger."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Interpreter, packages and devices that it was trained with; empty where none were recorded."""
    trained_with: TrainedWith | None = None
    """What trained it, where the fingerprint names another interpreter; None before its end, and where it does not."""
    load: float | None = None
    """Load average of the machine before its start; None where it was not recorded."""
    held_up_s: float = 0.0
    """Seconds for which it was stopped, or could have run and had no processor, as far as that is known."""
    neighbours: int = 0
    """The most other runs that trained at the same time as it, as far as that is known."""
    slept_s: float = 0.0
    """Seconds that the machine slept during the run; the wall time does not hold them."""
    repeats: bool = False
    """Of a control: whether, before it, the same code and seed had given the same value twice, and never two values."""
    start_text: str | None = None
    """The deciding metric at step 0 as printed; None where the log shows none."""
    lost_loss: str | None = None
    """What its log shows of the training loss last, where that is nan or inf."""
    early: tuple[tuple[int | None, str], ...] = ()
    """Its first three values after step 0 as printed, each with its step (None where the line names none)."""
    lengths: Lengths = field(default_factory=Lengths)
    """How far its training went, as its log says."""
    bare_log: bool = False
    """Whether its log is one line, or holds nothing but values of metrics."""
    bad_exit: str | None = None
    """How it ended badly after its training was complete; a result only where the rules accept that."""
    changed_meanwhile: str | None = None
    """What of its code or of the sealed files changed during it, for which it failed; None where nothing did."""
    counts: Mapping[str, str] = field(default_factory=dict)
    """What it printed of the size of its evaluation, such as `val_tokens`, by name."""
    inputs: RunInputs | None = None
    """What it read; None before its end, and where that was not recorded."""

    seeding: Seeding | None = None
    """How it seeded itself; None before its end, and where the rules replace no seed."""
    repeats_attempts: tuple[int, ...] = ()
    """Earlier attempts at its seed that were stopped, and whose log it repeats as far as that went."""
    no_result: NoResult | None = None
    """What it left where it ended without a result; None for a result, and in records of earlier versions."""
    requested_at: int = 0
    """Number of the record that requested it."""
    ended_at: int = 0
    """Number of the record of its end; 0 before that."""

    @property
    def generation(self) -> int:
        """Generation of the baseline, from 1."""
        return self.key.generation

    @property
    def role(self) -> Role:
        """What the run is for."""
        return self.key.role

    @property
    def experiment(self) -> str | None:
        """The experiment it belongs to; None for the baseline."""
        return self.key.experiment

    @property
    def seed(self) -> int:
        """Seed given to the script."""
        return self.key.seed

    @property
    def attempt(self) -> int:
        """Attempt at this seed, from 1."""
        return self.key.attempt

    @property
    def is_control(self) -> bool:
        """Whether it is an experiment's run without flags: it belongs to the baseline's side."""
        return self.key.is_control

    @property
    def slot(self) -> str | None:
        """The one of several slots that it took; None where one run at a time is trained."""
        return self.surroundings.get("slot") if "slot_env" in self.surroundings else None

    @property
    def beginning(self) -> tuple[str | None, tuple[tuple[int | None, str], ...]]:
        """Its value at step 0 and its first ones after that: trainings in which they differ are not the same one."""
        return self.start_text, self.early

    @property
    def host(self) -> str | None:
        """The machine that it ran on; None before its start."""
        return self.surroundings.get("host")

    def value(self, metric: str) -> float | None:
        """The finite value of a metric, or None."""
        if metric == "wall_time_s":
            return self.wall_time_s
        found = self.metrics.get(metric)
        return found.value if found else None

    @property
    def draw(self) -> Draw | None:
        """What it told of its result without having one, as recorded."""
        return None if self.no_result is None else self.no_result.draw

    def is_draw(self, metric: str) -> bool:
        """Whether it told something of its result: it showed the metric or what looks like it, or it trained.

        Only what is no draw may be forgotten, declared anew or repeated freely.
        """
        return metric in self.metrics or self.state is RunState.UNREAD or self.draw is not None

    def shown(self, metric: str) -> str | None:
        """The last value of a metric that it showed, as printed; None where it showed none.

        Where the metric's file is missing, the log may still show its value.
        """
        found, draw = self.metrics.get(metric), self.draw
        if found is not None or draw is None or not draw.has_metric:
            return self.start_text if found is None else found.text
        return draw.value or "a value that cannot be read"

    @property
    def is_not_injected(self) -> bool:
        """Whether it would be a result, had the run's seed reached its training."""
        return self.seeding is not None and (self.reason or "").startswith(NOT_INJECTED)

    @property
    def was_ended_by_machine(self) -> bool:
        """Whether a scheduler, the machine or a full disk ended it, and nobody's choice."""
        return self.state is RunState.INTERRUPTED or (self.no_result is not None and self.no_result.full_disk)

    @property
    def crash(self) -> tuple[object, ...] | None:
        """What two attempts have in common that ended alike without a value; None where it says nothing of the next."""
        ended = self.no_result
        if self.state is not RunState.FAILED or ended is None or ended.draw is not None or ended.last_line is None:
            return None
        return (self.exit_code, self.reason if self.exit_code is None else None, ended.last_line)
