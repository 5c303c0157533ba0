"""How a run ended, and what its log and its supervisor showed: one event for each kind of end."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, Self, TypeVar, get_args

from seedproof.ledger.event import Event, Record
from seedproof.ledger.input_fields import RecordedInputs
from seedproof.ledger.record_fields import (
    Readers,
    as_count,
    as_mapping,
    as_seeds,
    as_step,
    as_text,
    read_fields,
    read_known,
)
from seedproof.model.lengths import Lengths
from seedproof.model.runs import MetricValue, NoResult, RunState, TrainedWith
from seedproof.model.seeding import Seeding

__all__ = [
    "FinishedState",
    "LogRead",
    "Measured",
    "OutputFolder",
    "RUN_ENDS",
    "RunCancelled",
    "RunEnded",
    "RunFinished",
    "RunInterrupted",
    "RunNotNeeded",
]

P = TypeVar("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """What the log of an ended run shows besides its metrics."""

    READERS: ClassVar[Readers] = {
        "log_sha256": lambda document: None if document is None else as_text(document),
        "early": lambda document: _read_early(document),
        "lengths": lambda document: Lengths.from_document(as_mapping(document)),
    }
    step: int | None = None
    """The last step."""
    start_text: str | None = None
    """The deciding metric at step 0 as printed."""
    early: tuple[tuple[int | None, str], ...] = ()
    """Its first three values after step 0 as printed, each with its step; a record leaves out an empty one."""
    lengths: Lengths = field(default_factory=Lengths)
    """How far the training went; a record leaves out what is not known."""
    bare_log: bool = False
    """Whether the log is one line, or holds nothing but values of metrics; a record leaves out a false one."""
    log_sha256: str | None = None
    """Hash of the log."""
    log_bytes: int | None = None
    """Size of the log."""
    lost_loss: str | None = None
    """What it shows of the training loss last, where that is nan or inf; not in the record else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the supervisor of an ended run measured."""

    READERS: ClassVar[Readers] = {"counts": as_mapping}
    wall_time_s: float | None = None
    """Seconds from start to end."""
    exit_code: int | None = None
    """Exit code; None where a signal ended it."""
    signal: str | None = None
    """Name of the signal that ended it; None where none did."""
    counts: Mapping[str, str] = field(default_factory=dict)
    """Sizes of the evaluation as printed, by name."""
    load: float | None = None
    """Load average of the machine at the end."""
    cpu_s: float | None = None
    """Processor time of its processes in seconds."""
    waited_s: float | None = None
    """Seconds for which a process could have run and had no processor."""
    stopped_s: float | None = None
    """Seconds for which a process was stopped by a signal; a record leaves out these three while they are zero."""


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """The output folder at the end of a run."""

    READERS: ClassVar[Readers] = {"output_id": lambda document: tuple(document) if document else None}
    output_id: tuple[int, ...] | None = None
    """Device and inode; None where there is no folder."""
    output_bytes: int = 0
    """Size of everything in it; 0 in the oldest ledgers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """A run has ended; each subclass is one kind of end. A part that is not known is None."""

    ENDS_AS: ClassVar[RunState]
    """The state that each run of this kind has from now on."""
    run_id: str
    """Id of the run."""
    reason: str | None = None
    """Why it ended so; None for a success."""
    metrics: Mapping[str, MetricValue] | None = None
    """Metrics by name; None where the log was not read."""
    log: LogRead | None = None
    """What its log shows besides."""
    measured: Measured | None = None
    """What its supervisor measured."""
    slept_s: float = 0.0
    """Seconds that the machine was suspended meanwhile."""
    neighbours: int = 0
    """The most other runs that trained at the same time as it; not in the record where none did."""
    created: tuple[str, ...] = ()
    """Files that a run in place created outside its output folder."""
    output: OutputFolder | None = None
    """Its output folder."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Hash of each file that was copied from it into the run's folder, by the copy's name."""
    inputs: RecordedInputs | None = None
    """What it read; None where that was not recorded."""
    trained_with: TrainedWith | None = None
    """The interpreter that trained it; None where that is the one of its start, and in records of earlier versions."""
    environment: Mapping[str, Any] | None = None
    """That interpreter or that of `placed`, its packages and the devices; only with the first run that has them."""
    no_result: NoResult | None = None
    """What it leaves without a result; None for a result, and in records of earlier versions."""
    printed: Mapping[str, str] = field(default_factory=dict)
    """By name, the last value in the log of each metric whose file holds another."""
    seeding: Seeding | None = None
    """How its training seeded itself; not in the record where the rules replace no seed."""

    repeats: tuple[int, ...] = ()
    """Earlier attempts at its seed that were stopped, and whose log it repeats as far as that went; mostly none."""
    placed: Mapping[str, Any] = field(default_factory=dict)
    """What its start says of host and environment otherwise: a scheduler chose the node after that; mostly nothing."""

    @property
    def state(self) -> RunState:
        """The state that the run has from now on."""
        return self.ENDS_AS

    def fields(self) -> dict[str, Any]:
        values: dict[str, Any] = {"run_id": self.run_id, "reason": self.reason}
        if self.metrics is not None:
            values["metrics"] = {name: asdict(value) for name, value in self.metrics.items()}
        for part in (self.log, self.measured, self.output):
            values |= {} if part is None else asdict(part)
        values |= {} if self.log is None else {"lengths": self.log.lengths.document()}
        values = {name: value for name, value in values.items() if value or name not in _OMITTED_PARTS}
        values |= {name: found for name in ("slept_s", "neighbours") if (found := getattr(self, name))}
        values |= {name: dict(found) for name in ("kept", "printed") if (found := getattr(self, name))}
        values |= {} if self.inputs is None else {"inputs": self.inputs.document()}
        values |= {} if self.trained_with is None else {"trained_with": _trained_document(self.trained_with)}
        values |= {} if self.environment is None else {"environment": dict(self.environment)}
        values |= {} if self.no_result is None else {"no_result": self.no_result.document()}
        values |= {} if self.seeding is None else {"seeding": self.seeding.document()}
        values |= {"repeats": list(self.repeats)} if self.repeats else {}
        values |= {"placed": dict(self.placed)} if self.placed else {}
        return values | ({"created": list(self.created)} if self.created else {})

    @classmethod
    def read(cls, record: Record) -> Self:
        return cls(**cls._end_values(record))

    @classmethod
    def _end_values(cls, record: Record) -> dict[str, Any]:
        metrics = as_mapping(record["metrics"]) if "metrics" in record else None
        return {
            **{name: record[name] for name in ("seq", "time", "hash", "run_id")},
            "reason": record.get("reason"),
            "metrics": None if metrics is None else _read_metrics(metrics),
            "log": _read_part(LogRead, record),
            "measured": _read_part(Measured, record),
            "slept_s": record.get("slept_s", 0.0),
            "neighbours": as_count(record.get("neighbours", 0)),
            "created": tuple(record.get("created", ())),
            "output": _read_part(OutputFolder, record),
            "kept": as_mapping(record.get("kept", {})),
            "inputs": RecordedInputs.from_document(record["inputs"]) if "inputs" in record else None,
            "trained_with": _read_trained(record["trained_with"]) if "trained_with" in record else None,
            "environment": as_mapping(record["environment"]) if "environment" in record else None,
            "no_result": NoResult.from_document(as_mapping(record["no_result"])) if "no_result" in record else None,
            "printed": as_mapping(record.get("printed", {})),
            "repeats": as_seeds(record["repeats"]) if "repeats" in record else (),
            "placed": as_mapping(record.get("placed", {})),
            "seeding": Seeding.from_document(as_mapping(record["seeding"])) if "seeding" in record else None,
        }


def _trained_document(found: TrainedWith) -> dict[str, str]:
    return {name: part for name, part in asdict(found).items() if part is not None}


def _read_trained(document: Any) -> TrainedWith:
    return read_known(TrainedWith, {name: as_text(part) for name, part in as_mapping(document).items()})


def _read_early(document: Any) -> tuple[tuple[int | None, str], ...]:
    return tuple((as_step(step), as_text(text)) for step, text in document)


def _read_metrics(document: Any) -> dict[str, MetricValue]:
    return {name: read_known(MetricValue, value) for name, value in as_mapping(document).items()}


def _read_part(part: type[P], record: Record) -> P | None:
    """A part of an event, read from the fields that the record has; None where it has none of them."""
    found = read_fields(part, record)
    return part(**found) if found else None


# Fields of the parts of an end that a record leaves out while they are empty.
_OMITTED_PARTS = frozenset({"early", "lengths", "bare_log", "lost_loss", "cpu_s", "waited_s", "stopped_s"})


FinishedState = Literal[RunState.SUCCEEDED, RunState.FAILED, RunState.DIVERGED, RunState.UNREAD, RunState.TIMED_OUT]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(RunEnded):
    """A training ended by itself or by its time limit, or could not be started."""

    kind = "run_finished"
    end: FinishedState
    """How it ended."""
    never_started: bool = False
    """Whether its training never started."""
    bad_exit: str | None = None
    """How it ended badly after its training was complete, such as `exit code 1`; counted if the rules accept that."""
    changed_meanwhile: str | None = None
    """What of its code or of the sealed files changed during it, as a sentence; then it is no result."""

    @property
    def state(self) -> RunState:
        """How it ended."""
        return self.end

    def fields(self) -> dict[str, Any]:
        names = ("never_started", "bad_exit", "changed_meanwhile")
        more = {name: getattr(self, name) for name in names}
        known = {name: value for name, value in more.items() if value}
        return {**RunEnded.fields(self), "state": self.end.value, **known}

    @classmethod
    def read(cls, record: Record) -> Self:
        end: Any = RunState(record["state"])
        if end not in get_args(FinishedState):
            raise ValueError(f"a finished run is not {end}")
        return cls(
            end=end,
            never_started=bool(record.get("never_started")),
            bad_exit=as_text(record["bad_exit"]) if "bad_exit" in record else None,
            changed_meanwhile=as_text(record["changed_meanwhile"]) if "changed_meanwhile" in record else None,
            **cls._end_values(record),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInterrupted(RunEnded):
    """The supervisor or the machine was lost."""

    kind = "run_interrupted"
    ENDS_AS = RunState.INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled(RunEnded):
    """Somebody stopped the run."""

    kind = "run_cancelled"
    ENDS_AS = RunState.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNotNeeded(RunEnded):
    """The arm was decided before the run was started."""

    kind = "run_not_needed"
    ENDS_AS = RunState.NOT_NEEDED


RUN_ENDS = (RunFinished, RunInterrupted, RunCancelled, RunNotNeeded)
