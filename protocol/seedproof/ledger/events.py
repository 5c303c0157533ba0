"""What happened: one frozen class for each kind of record. Records are read and written here only.

Over 300 lines, because every kind stands in this one place.
A field that a record may lack has a default, so that ledgers of earlier versions are read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Literal, Self, TypeVar

from seedproof.model.arms import Primary
from seedproof.model.code import Change, Code
from seedproof.model.results import Confirmation, Difference, WallTimeChange
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import MetricValue, RunState
from seedproof.stats.summary import PriorVariance

__all__ = [
    "EVENTS",
    "Event",
    "ExperimentDeclared",
    "FinishedState",
    "FilesRemoved",
    "GenerationStarted",
    "LedgerDisclosed",
    "LogRead",
    "Measured",
    "OutputFolder",
    "PastLedger",
    "RUN_ENDS",
    "Record",
    "ReportWritten",
    "Resumed",
    "RunCancelled",
    "RunEnded",
    "RunFinished",
    "RunInterrupted",
    "RunNotNeeded",
    "RunRequested",
    "RunStarted",
    "VerdictIssued",
    "read_event",
    "read_events",
]

Record = dict[str, Any]
"""One line of the ledger as JSON gives it."""
E = TypeVar("E", bound="Event")
P = TypeVar("P")
Readers = Mapping[str, Callable[[Any], Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a record says. Number, time and hash are empty until it is written."""

    kind: ClassVar[str]
    READERS: ClassVar[Readers] = {}
    """By field, what turns the JSON of its record into its value, where that is more than a list becoming a tuple."""
    OMITTED: ClassVar[frozenset[str]] = frozenset()
    """Fields that a record does not hold while they are empty."""

    seq: int = 0
    """Number of its record, from 1."""
    time: str = ""
    """When the record was written (ISO 8601, UTC)."""
    hash: str = ""
    """Hash of the record."""

    def fields(self) -> dict[str, Any]:
        """What the record holds beside number, time and hashes."""
        held = {name: getattr(self, name) for name in _names(type(self))}
        return {name: _as_json(value) for name, value in held.items() if value or name not in self.OMITTED}

    @classmethod
    def read(cls, record: Record) -> Self:
        """The event of a record of this kind.

        Raises:
            KeyError, TypeError, ValueError: A field is missing or of another type.
        """
        return cls(seq=record["seq"], time=record["time"], hash=record["hash"], **_values(cls, record, cls.READERS))


def _names(kind: type[Any]) -> Mapping[str, bool]:
    """The fields of a class, but for a record's place, and whether each is required."""
    found = _FIELDS.get(kind)
    if found is None:
        found = _FIELDS[kind] = {
            one.name: one.default is MISSING and one.default_factory is MISSING
            for one in fields(kind)
            if one.name not in ("seq", "time", "hash")
        }
    return found


# Looked up for every record; `fields` would take as long as all the rest.
_FIELDS: dict[type[Any], Mapping[str, bool]] = {}


def _values(kind: type[Any], record: Record, readers: Readers) -> dict[str, Any]:
    """The fields of a class that a record holds; a required one that is missing raises KeyError."""
    names = _names(kind).items()
    return {
        name: readers.get(name, _as_value)(record[name]) for name, is_required in names if is_required or name in record
    }


def _as_value(document: Any) -> Any:
    return tuple(document) if isinstance(document, list) else document


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_json(one) for one in value]
    if hasattr(value, "document"):
        return value.document()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


# --- generations and experiments ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PastLedger:
    """A ledger, or a state of one, as the registry of projects knew it."""

    began: str
    """Time of its first record."""
    records: int
    """How many records it held."""
    head: str
    """Its head as reports print it."""
    gone: int | None = None
    """How many ledgers its folder had before it; None where that was not asked."""

    def document(self) -> dict[str, Any]:
        """The same as a record holds it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> "PastLedger | None":
        """Read it back; None where there was none."""
        return cls(**document) if document else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationStarted(Event):
    """A baseline generation begins."""

    kind = "generation_started"
    READERS: ClassVar[Readers] = {
        "rules": Rules.from_document,
        "code": Code.from_document,
        "previous": PastLedger.from_document,
    }
    OMITTED = frozenset({"code", "previous"})
    generation: int
    rules: Rules
    """Those that it is measured under; what a later version added has its default."""
    reason: str | None
    """Why a new one; None for the first."""
    adopted: tuple[str, ...] = ()
    """Runs of the generation before that count for this one too."""
    adoption: str | None = None
    """What is taken over and why, or why not."""
    code: Code | None = None
    previous: PastLedger | None = None
    """The ledger that this folder had before this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDeclared(Event):
    """An experiment is declared; how its evidence is weighed is fixed before its results."""

    kind = "experiment_declared"
    READERS: ClassVar[Readers] = {
        "prior": lambda document: PriorVariance(**document) if document else None,
        "code": Code.from_document,
        "change": Change.from_document,
    }
    OMITTED = frozenset({"code", "change"})
    generation: int
    experiment: str
    flags: tuple[str, ...]
    hypothesis: str
    code_change: bool
    primary: Primary = "unpaired"
    primary_reason: str = "by default"
    prior: PriorVariance | None = None
    code: Code | None = None
    change: Change | None = None


# --- runs --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequested(Event):
    """A run is queued."""

    kind = "run_requested"
    key: RunKey
    run_id: str = ""
    """As the record names it; empty: as the key does."""
    code: Code | None = None
    """New code of the arm; None where the arm keeps the code that it has."""
    change: Change | None = None

    def fields(self) -> dict[str, Any]:
        key = {**asdict(self.key), "arm": self.key.side, "run_id": self.run_id or self.key.run_id}
        del key["side"]
        parts = {"code": self.code, "change": self.change}
        return {**key, **{name: part.document() for name, part in parts.items() if part is not None}}

    @classmethod
    def read(cls, record: Record) -> Self:
        experiment, role = record["experiment"], Role(record["role"])
        # The oldest ledgers do not name the side.
        is_baseline = experiment is None or record.get("arm") == Side.BASELINE
        side = Side.BASELINE if is_baseline else Side.EXPERIMENT
        return cls(
            seq=record["seq"],
            time=record["time"],
            hash=record["hash"],
            key=RunKey(record["generation"], role, side, experiment, record["seed"], record["attempt"]),
            run_id=record["run_id"],
            code=Code.from_document(record.get("code")),
            change=Change.from_document(record.get("change")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run is handed to the engine; written before its process exists."""

    kind = "run_started"
    OMITTED = frozenset({"environment"})
    run_id: str
    argv: tuple[str, ...]
    output_dir: str
    timeout_s: float | None = None
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    """What it is carried out with."""
    environment: Mapping[str, Any] | None = None
    """Interpreter, packages and devices, with the first run that has them."""

    @property
    def environment_sha256(self) -> str:
        """Names the environment; empty where none was recorded."""
        return str(self.fingerprint.get("environment_sha256", ""))

    @property
    def load(self) -> float | None:
        """Load average of the machine before the start; None where nobody noted it."""
        return self.fingerprint.get("load")

    @property
    def surroundings(self) -> Mapping[str, Any]:
        """The fingerprint without the load, which is never the same twice."""
        return {name: value for name, value in self.fingerprint.items() if name != "load"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """What the log of an ended run says besides its metrics."""

    step: int | None = None
    start_text: str | None = None
    """The deciding metric at step 0 as printed."""
    log_sha256: str | None = None
    log_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the supervisor of an ended run measured."""

    wall_time_s: float | None = None
    exit_code: int | None = None
    signal: str | None = None
    counts: Mapping[str, str] = field(default_factory=dict)
    """Sizes of the evaluation as printed, by name."""
    load: float | None = None
    """Load average of the machine at the end."""


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """The output folder as a run left it."""

    output_id: tuple[int, ...] | None
    """Device and inode."""
    output_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """A run has ended. Its subclasses say how; what nobody could see is None."""

    OMITTED = frozenset({"metrics", "slept_s", "created"})
    run_id: str
    reason: str | None = None
    metrics: Mapping[str, MetricValue] | None = None
    """Metrics by name; None where nothing was read."""
    log: LogRead | None = None
    measured: Measured | None = None
    slept_s: float = 0.0
    created: tuple[str, ...] = ()
    """Files that a run in place left beside its output folder."""
    output: OutputFolder | None = None

    @property
    def state(self) -> RunState:
        """Where the run stands now."""
        raise NotImplementedError

    def fields(self) -> dict[str, Any]:
        held: dict[str, Any] = {"run_id": self.run_id, "reason": self.reason}
        if self.metrics is not None:
            held["metrics"] = {name: asdict(value) for name, value in self.metrics.items()}
        for part in (self.log, self.measured, self.output):
            held |= {} if part is None else asdict(part)
        held |= {"slept_s": self.slept_s} if self.slept_s else {}
        return held | ({"created": list(self.created)} if self.created else {})

    @classmethod
    def read(cls, record: Record) -> Self:
        return cls(**cls._end_values(record))

    @classmethod
    def _end_values(cls, record: Record) -> dict[str, Any]:
        metrics = record.get("metrics")
        return {
            **{name: record[name] for name in ("seq", "time", "hash", "run_id")},
            "reason": record.get("reason"),
            "metrics": None if metrics is None else {name: MetricValue(**value) for name, value in metrics.items()},
            "log": _part(LogRead, record),
            "measured": _part(Measured, record),
            "slept_s": record.get("slept_s", 0.0),
            "created": tuple(record.get("created", ())),
            "output": _part(OutputFolder, record),
        }


def _part(part: type[P], record: Record) -> P | None:
    """The fields of a part that a record holds; None where it holds none of them."""
    names = _names(part)
    found = {name: _as_value(record[name]) for name in names if name in record}
    return part(**{**{name: None for name, is_required in names.items() if is_required}, **found}) if found else None


FinishedState = Literal[RunState.SUCCEEDED, RunState.FAILED, RunState.DIVERGED, RunState.TIMED_OUT]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(RunEnded):
    """A training has come to its end by itself, by its time limit, or could not be started."""

    kind = "run_finished"
    end: FinishedState
    never_started: bool = False
    """Whether it was turned away before its training began."""

    @property
    def state(self) -> RunState:
        """Where the run stands now."""
        return self.end

    def fields(self) -> dict[str, Any]:
        never = {"never_started": True} if self.never_started else {}
        return {**RunEnded.fields(self), "state": self.end.value, **never}

    @classmethod
    def read(cls, record: Record) -> Self:
        end: Any = RunState(record["state"])
        return cls(end=end, never_started=bool(record.get("never_started")), **cls._end_values(record))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInterrupted(RunEnded):
    """The supervisor or the machine was lost."""

    kind = "run_interrupted"

    @property
    def state(self) -> RunState:
        """Where the run stands now."""
        return RunState.INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled(RunEnded):
    """Somebody stopped the run."""

    kind = "run_cancelled"

    @property
    def state(self) -> RunState:
        """Where the run stands now."""
        return RunState.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNotNeeded(RunEnded):
    """The arm was decided before the run was started."""

    kind = "run_not_needed"

    @property
    def state(self) -> RunState:
        """Where the run stands now."""
        return RunState.NOT_NEEDED


# --- verdicts, reports and the rest -------------------------------------------------------------


def _confirmation(document: Mapping[str, Any] | None) -> Confirmation | None:
    if document is None:
        return None
    wall_time = document.get("wall_time")
    return Confirmation(**{**document, "wall_time": WallTimeChange(**wall_time) if wall_time else None})


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictIssued(Event):
    """A verdict was given, once for each state of an arm."""

    kind = "verdict_issued"
    READERS: ClassVar[Readers] = {
        "confirmation": _confirmation,
        "accepted": lambda documents: tuple(Difference(**one) for one in documents or ()),
    }
    generation: int
    experiment: str
    runs: tuple[str, ...] = ()
    """Ids of the runs that it rests on."""
    verdict: str
    headline: str = ""
    caps: tuple[str, ...] = ()
    delta: float | None = None
    improvement_sigma: float | None = None
    cohens_d: float | None = None
    evidence: Mapping[str, Any] | None = None
    """As `verdict.evidence.as_document` gives it; None before there was any."""
    campaign: Mapping[str, Any] | None = None
    """Likewise."""
    confirmation: Confirmation | None = None
    accepted: tuple[Difference, ...] = ()
    on_head: str | None = None
    """The ledger head that it was given on."""
    report_format: int | None = None

    @property
    def is_winner(self) -> bool:
        """Whether the verdict is WINNER."""
        return self.verdict == "WINNER"

    @property
    def p_better(self) -> float | None:
        """The one-sided p value that was written down with it."""
        return (self.campaign or {}).get("p_better")

    @property
    def is_confirmation_ended(self) -> bool:
        """Whether it was given with every run of the confirmation."""
        return self.confirmation is not None and self.confirmation.state != "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWritten(Event):
    """A report is written; its file can be made again from the records before this one."""

    kind = "report_written"
    path: str
    sha256: str = ""
    generation: int
    experiment: str | None
    """None for the baseline's report."""
    headline: str = ""
    verdict: str | None = None
    runs: tuple[str, ...] | None = None
    """Ids of the ended runs that it shows; None in the oldest ledgers."""
    at_seq: int = 0
    """How many records it was made from."""
    figures: tuple[str, ...] = ()
    figure_sha256: tuple[str, ...] = ()
    report_format: int | None = None

    @property
    def files(self) -> dict[str, str]:
        """The files that the record vouches for, with their hashes."""
        return {self.path: self.sha256, **dict(zip(self.figures, self.figure_sha256, strict=False))}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRemoved(Event):
    """Output folders were removed."""

    kind = "files_removed"
    paths: tuple[str, ...]
    freed_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """A person has looked at a row of failures."""

    kind = "resumed"
    reason: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDisclosed(Event):
    """What the registry of projects knew and the ledger did not hold."""

    kind = "ledger_disclosed"
    READERS: ClassVar[Readers] = {"had": PastLedger.from_document}
    OMITTED = frozenset({"folders", "had"})
    what: Literal["shared", "rewound", "replaced", "copy"]
    present: str | None
    """The head that the ledger had then; None where that is not said."""
    folders: int = 0
    """How many other folders hold the same ledger; only of `shared`."""
    had: PastLedger | None = None
    """What was lost; None of `shared`."""


RUN_ENDS = (RunFinished, RunInterrupted, RunCancelled, RunNotNeeded)
EVENTS: Mapping[str, type[Event]] = {
    event.kind: event
    for event in (
        *(GenerationStarted, ExperimentDeclared, RunRequested, RunStarted, *RUN_ENDS),
        *(VerdictIssued, ReportWritten, FilesRemoved, Resumed, LedgerDisclosed),
    )
}
"""By kind of record."""


def read_event(record: Record) -> Event:
    """The event of a record.

    Raises:
        KeyError, TypeError, ValueError: A field is missing or of another type.
    """
    return EVENTS[record["kind"]].read(record)


def read_events(records: Iterable[Record], *kinds: type[E]) -> Iterator[E]:
    """The events of these kinds among records that may be damaged; what cannot be read is passed over."""
    wanted = {kind.kind: kind for kind in kinds}
    for record in records:
        kind = wanted.get(record.get("kind", ""))
        if kind is not None:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                yield kind.read(record)
