"""One training process: its key, its state and what it printed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from seedproof.model.inputs import RunInputs
from seedproof.model.lengths import Lengths
from seedproof.model.run_key import Role, RunKey

__all__ = ["MetricValue", "Run", "RunState", "Unread"]


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
    argv: tuple[str, ...] = ()
    """The command as it was run."""
    started: str | None = None
    """When it was started (ISO 8601, UTC), by the clock of its machine."""
    ended: str | None = None
    """When its end was written down, by the same clock."""
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    """What it was carried out with: the fingerprint in the ledger."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Interpreter, packages and devices that the fingerprint names by their hash; empty where none were recorded."""
    load: float | None = None
    """Load average of the machine before its start; None where it was not recorded."""
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
    def host(self) -> str | None:
        """The machine that it ran on; None before its start."""
        return self.surroundings.get("host")

    def value(self, metric: str) -> float | None:
        """The finite value of a metric, or None."""
        if metric == "wall_time_s":
            return self.wall_time_s
        found = self.metrics.get(metric)
        return found.value if found else None
