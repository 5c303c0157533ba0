"""What happened, one frozen class for each kind of record; records are read and written here only.

A field that a record may lack has a default, so that ledgers of earlier versions are read.
`fields` gives what a record holds beside its number, time and hashes, byte for byte as earlier versions wrote it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a record says. Number, time and hash are empty until it is written."""

    kind: ClassVar[str]
    seq: int = 0
    """Number of its record, from 1."""
    time: str = ""
    """When the record was written (ISO 8601, UTC)."""
    hash: str = ""
    """Hash of the record."""

    def fields(self) -> dict[str, Any]:
        """What the record holds beside number, time and hashes."""
        raise NotImplementedError

    @classmethod
    def read(cls, record: Record) -> Self:
        """The event of a record of this kind.

        Raises:
            KeyError, TypeError, ValueError: A field is missing or of another type.
        """
        raise NotImplementedError


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
        document = asdict(self)
        return document if self.gone is not None else {name: document[name] for name in ("began", "records", "head")}


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationStarted(Event):
    """A baseline generation begins."""

    kind = "generation_started"
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

    def fields(self) -> dict[str, Any]:
        """See `Event`."""
        return {
            "generation": self.generation,
            "rules": self.rules.document(),
            "reason": self.reason,
            "adopted": list(self.adopted),
            "adoption": self.adoption,
            **_code_fields(self.code, None),
            **({} if self.previous is None else {"previous": self.previous.document()}),
        }

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        previous = record.get("previous")
        return cls(
            **_at(record),
            generation=record["generation"],
            rules=Rules.from_document(record["rules"]),
            reason=record["reason"],
            adopted=tuple(record.get("adopted", ())),
            adoption=record.get("adoption"),
            code=Code.from_document(record.get("code")),
            previous=PastLedger(**previous) if previous else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDeclared(Event):
    """An experiment is declared; how its evidence is weighed is fixed before its results."""

    kind = "experiment_declared"
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

    def fields(self) -> dict[str, Any]:
        """See `Event`."""
        return {
            "generation": self.generation,
            "experiment": self.experiment,
            "flags": list(self.flags),
            "hypothesis": self.hypothesis,
            "code_change": self.code_change,
            "primary": self.primary,
            "primary_reason": self.primary_reason,
            "prior": None if self.prior is None else asdict(self.prior),
            **_code_fields(self.code, self.change),
        }

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        return cls(
            **_at(record),
            generation=record["generation"],
            experiment=record["experiment"],
            flags=tuple(record["flags"]),
            hypothesis=record["hypothesis"],
            code_change=record["code_change"],
            primary=record.get("primary", "unpaired"),
            primary_reason=record.get("primary_reason", "by default"),
            prior=PriorVariance(**record["prior"]) if record.get("prior") else None,
            code=Code.from_document(record.get("code")),
            change=Change.from_document(record.get("change")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequested(Event):
    """A run is queued."""

    kind = "run_requested"
    key: RunKey
    run_id: str = ""
    """As the record names it; the key's own name where nothing is given."""
    code: Code | None = None
    """New code of the arm; None where the arm keeps the code that it has."""
    change: Change | None = None

    def fields(self) -> dict[str, Any]:
        """See `Event`."""
        return {
            "run_id": self.key.run_id,
            "generation": self.key.generation,
            "role": self.key.role.value,
            "arm": self.key.side.value,
            "experiment": self.key.experiment,
            "seed": self.key.seed,
            "attempt": self.key.attempt,
            **_code_fields(self.code, self.change),
        }

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        experiment = record["experiment"]
        is_baseline = experiment is None or record.get("arm") == Side.BASELINE
        key = RunKey(
            generation=record["generation"],
            role=Role(record["role"]),
            side=Side.BASELINE if is_baseline else Side.EXPERIMENT,
            experiment=experiment,
            seed=record["seed"],
            attempt=record["attempt"],
        )
        code, change = record.get("code"), record.get("change")
        return cls(
            **_at(record),
            key=key,
            run_id=record["run_id"],
            code=Code.from_document(code),
            change=Change.from_document(change),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run is handed to the engine; written before its process exists."""

    kind = "run_started"
    run_id: str
    argv: tuple[str, ...]
    output_dir: str
    timeout_s: float | None = None
    fingerprint: Mapping[str, Any]
    """What it is carried out with, `environment_sha256` among it."""
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

    def fields(self) -> dict[str, Any]:
        """See `Event`."""
        return {
            "run_id": self.run_id,
            "argv": list(self.argv),
            "output_dir": self.output_dir,
            "timeout_s": self.timeout_s,
            "fingerprint": self.fingerprint,
            **({} if self.environment is None else {"environment": self.environment}),
        }

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        return cls(
            **_at(record),
            run_id=record["run_id"],
            argv=tuple(record["argv"]),
            output_dir=record["output_dir"],
            timeout_s=record.get("timeout_s"),
            fingerprint=record.get("fingerprint", {}),
            environment=record.get("environment"),
        )


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

    identity: tuple[int, ...]
    """Device and inode."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """A run has ended. Its subclasses say how; what nobody could see is None."""

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
        """See `Event`."""
        metrics = None if self.metrics is None else {name: asdict(value) for name, value in self.metrics.items()}
        return {
            "run_id": self.run_id,
            "reason": self.reason,
            **({} if metrics is None else {"metrics": metrics}),
            **({} if self.log is None else asdict(self.log)),
            **({} if self.measured is None else asdict(self.measured)),
            **({"slept_s": self.slept_s} if self.slept_s else {}),
            **({"created": list(self.created)} if self.created else {}),
            **_output_fields(self.output),
        }

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        return cls(**_end_values(record))


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
        """See `Event`."""
        never = {"never_started": True} if self.never_started else {}
        return {**RunEnded.fields(self), "state": self.end.value, **never}

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        end: Any = RunState(record["state"])
        return cls(end=end, never_started=bool(record.get("never_started")), **_end_values(record))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictIssued(Event):
    """A verdict was given, once for each state of an arm."""

    kind = "verdict_issued"
    generation: int
    experiment: str
    runs: tuple[str, ...]
    """Ids of the runs that it rests on."""
    verdict: str
    headline: str
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

    def fields(self) -> dict[str, Any]:
        """See `Event`."""
        return {
            "generation": self.generation,
            "experiment": self.experiment,
            "runs": list(self.runs),
            "verdict": self.verdict,
            "headline": self.headline,
            "caps": list(self.caps),
            "delta": self.delta,
            "improvement_sigma": self.improvement_sigma,
            "cohens_d": self.cohens_d,
            "evidence": self.evidence,
            "campaign": self.campaign,
            "confirmation": None if self.confirmation is None else asdict(self.confirmation),
            "accepted": [asdict(one) for one in self.accepted],
            "on_head": self.on_head,
            "report_format": self.report_format,
        }

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        return cls(
            **_at(record),
            generation=record["generation"],
            experiment=record["experiment"],
            runs=tuple(record.get("runs", ())),
            verdict=record["verdict"],
            headline=record.get("headline", ""),
            caps=tuple(record.get("caps", ())),
            delta=record.get("delta"),
            improvement_sigma=record.get("improvement_sigma"),
            cohens_d=record.get("cohens_d"),
            evidence=record.get("evidence"),
            campaign=record.get("campaign"),
            confirmation=_confirmation(record.get("confirmation")),
            accepted=tuple(Difference(**one) for one in record.get("accepted") or ()),
            on_head=record.get("on_head"),
            report_format=record.get("report_format"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWritten(Event):
    """A report is written; its file can be made again from the records before this one."""

    kind = "report_written"
    path: str
    sha256: str
    generation: int
    experiment: str | None
    """None for the baseline's report."""
    headline: str
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

    def fields(self) -> dict[str, Any]:
        """See `Event`."""
        return {
            "path": self.path,
            "sha256": self.sha256,
            "generation": self.generation,
            "experiment": self.experiment,
            "headline": self.headline,
            "verdict": self.verdict,
            "runs": None if self.runs is None else list(self.runs),
            "at_seq": self.at_seq,
            "figures": list(self.figures),
            "figure_sha256": list(self.figure_sha256),
            "report_format": self.report_format,
        }

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        runs = record.get("runs")
        return cls(
            **_at(record),
            path=record["path"],
            sha256=record.get("sha256", ""),
            generation=record["generation"],
            experiment=record["experiment"],
            headline=record.get("headline", ""),
            verdict=record.get("verdict"),
            runs=None if runs is None else tuple(runs),
            at_seq=record.get("at_seq", 0),
            figures=tuple(record.get("figures", ())),
            figure_sha256=tuple(record.get("figure_sha256", ())),
            report_format=record.get("report_format"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRemoved(Event):
    """Output folders were removed."""

    kind = "files_removed"
    paths: tuple[str, ...]
    freed_bytes: int = 0

    def fields(self) -> dict[str, Any]:
        """See `Event`."""
        return {"paths": list(self.paths), "freed_bytes": self.freed_bytes}

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        return cls(**_at(record), paths=tuple(record["paths"]), freed_bytes=record.get("freed_bytes", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """A person has looked at a row of failures."""

    kind = "resumed"
    reason: str = ""
    failures: int = 0

    def fields(self) -> dict[str, Any]:
        """See `Event`."""
        return {"reason": self.reason, "failures": self.failures}

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        return cls(**_at(record), reason=record.get("reason", ""), failures=record.get("failures", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDisclosed(Event):
    """What the registry of projects knew and the ledger did not hold."""

    kind = "ledger_disclosed"
    what: Literal["shared", "rewound", "replaced", "copy"]
    present: str | None
    """The head that the ledger had then; None where that is not said."""
    folders: int = 0
    """How many other folders hold the same ledger; only of `shared`."""
    had: PastLedger | None = None
    """What was lost; None of `shared`."""

    def fields(self) -> dict[str, Any]:
        """See `Event`."""
        about = {"folders": self.folders} if self.had is None else {"had": self.had.document()}
        return {"what": self.what, "present": self.present, **about}

    @classmethod
    def read(cls, record: Record) -> Self:
        """See `Event`."""
        had = record.get("had")
        return cls(
            **_at(record),
            what=record["what"],
            present=record["present"],
            folders=record.get("folders", 0),
            had=PastLedger(**had) if had else None,
        )


E = TypeVar("E", bound=Event)
RUN_ENDS = (RunFinished, RunInterrupted, RunCancelled, RunNotNeeded)

EVENTS: Mapping[str, type[Event]] = {
    event.kind: event
    for event in (
        *(GenerationStarted, ExperimentDeclared),
        *(RunRequested, RunStarted, *RUN_ENDS),
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


def _at(record: Record) -> dict[str, Any]:
    return {"seq": record["seq"], "time": record["time"], "hash": record["hash"]}


def _code_fields(code: Code | None, change: Change | None) -> dict[str, Any]:
    """Code and change as records hold them; empty where nobody could look."""
    if code is None:
        return {}
    return {"code": code.document(), **({} if change is None else {"change": change.document()})}


def _output_fields(output: OutputFolder | None) -> dict[str, Any]:
    return {} if output is None else {"output_id": list(output.identity), "output_bytes": output.size_bytes}


def _end_values(record: Record) -> dict[str, Any]:
    """What the end of a run says, whatever its kind."""
    metrics, output_id = record.get("metrics"), record.get("output_id")
    return {
        **_at(record),
        "run_id": record["run_id"],
        "reason": record.get("reason"),
        "metrics": None if metrics is None else {name: MetricValue(**value) for name, value in metrics.items()},
        "log": _part(LogRead, record),
        "measured": _part(Measured, record),
        "slept_s": record.get("slept_s", 0.0),
        "created": tuple(record.get("created", ())),
        "output": OutputFolder(tuple(output_id), record.get("output_bytes", 0)) if output_id else None,
    }


T = TypeVar("T", LogRead, Measured)


def _part(part: type[T], record: Record) -> T | None:
    """The fields of a part that a record holds; None where it holds none of them."""
    found = {name: record[name] for name in _NAMES[part] if name in record}
    return part(**found) if found else None


_NAMES: Mapping[type, tuple[str, ...]] = {part: tuple(one.name for one in fields(part)) for part in (LogRead, Measured)}


def _confirmation(document: Mapping[str, Any] | None) -> Confirmation | None:
    if document is None:
        return None
    wall_time = document.get("wall_time")
    return Confirmation(**{**document, "wall_time": WallTimeChange(**wall_time) if wall_time else None})
