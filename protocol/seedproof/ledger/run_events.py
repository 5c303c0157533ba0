"""Events on single runs: requested, started, read again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from seedproof.ledger.event import Event, Record
from seedproof.ledger.record_fields import (
    Readers,
    as_count,
    as_mapping,
    as_text,
    as_texts,
)
from seedproof.ledger.run_ends import _read_early, _read_metrics
from seedproof.model.code import Change, Code
from seedproof.model.metric_rule import MetricRule
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import MetricValue, RunState

__all__ = ["MetricsReadAgain", "ReadAgain", "RunReading", "RunRequested", "RunStarted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequested(Event):
    """A run is queued."""

    kind = "run_requested"
    key: RunKey
    """What the run is for: generation, role, side, experiment, seed and attempt."""
    run_id: str = ""
    """Id in the record; empty takes the key's."""
    code: Code | None = None
    """New code of the arm; None where the arm keeps its code."""
    change: Change | None = None
    """How the new code differs from the baseline's."""

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
    READERS: ClassVar[Readers] = {
        "argv": as_texts,
        "output_dir": as_text,
        "fingerprint": as_mapping,
        "environment": lambda document: None if document is None else as_mapping(document),
        "neighbours": as_count,
    }
    OMITTED = frozenset({"environment", "neighbours"})
    run_id: str
    """Id of the run."""
    argv: tuple[str, ...]
    """The command."""
    output_dir: str
    """The output folder, relative to the project."""
    timeout_s: float | None = None
    """Time limit in seconds; None where there is none."""
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    """Hashes and names of what it is trained with: code, interpreter, packages, host."""
    environment: Mapping[str, Any] | None = None
    """Interpreter, packages and devices; only with the first run that has them."""
    neighbours: int = 0
    """How many other slots were taken at its start, by whatever project; not in the record where none was."""

    @property
    def environment_sha256(self) -> str:
        """Hash of the environment; empty where none was recorded."""
        return str(self.fingerprint.get("environment_sha256", ""))

    @property
    def load(self) -> float | None:
        """Load average of the machine before the start; None where it was not recorded."""
        return self.fingerprint.get("load")

    @property
    def surroundings(self) -> Mapping[str, Any]:
        """The fingerprint without the load, which differs at every start."""
        return {name: value for name, value in self.fingerprint.items() if name != "load"}


@dataclass(frozen=True, slots=True)
class RunReading:
    """What a run's output says by the metrics of its generation."""

    state: RunState
    """The state that follows."""
    reason: str | None
    """Why it is no success; None for a success."""
    metrics: Mapping[str, MetricValue]
    """Metrics by name."""
    start_text: str | None
    """The deciding metric at step 0 as printed."""
    early: tuple[tuple[int | None, str], ...] = ()
    """Its first three values after step 0, each with its step."""

    def document(self) -> dict[str, Any]:
        """The JSON object in a record."""
        return {**asdict(self), "state": self.state.value, "early": [list(one) for one in self.early]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "RunReading":
        """Read the JSON object."""
        return cls(
            RunState(document["state"]),
            document["reason"],
            _read_metrics(document["metrics"]),
            document["start_text"],
            _read_early(document["early"]),
        )


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """A run whose kept output was read again."""

    now: RunReading
    """What holds from now on."""
    before: RunReading
    """What held until then."""
    log_sha256: str
    """Hash of the log that was read."""

    def document(self) -> dict[str, Any]:
        """The JSON object in a record."""
        before = {"before": self.before.document(), "log_sha256": self.log_sha256}
        return {**self.now.document(), **before}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ReadAgain":
        """Read the JSON object."""
        before = RunReading.from_document(document["before"])
        return cls(RunReading.from_document(document), before, as_text(document["log_sha256"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsReadAgain(Event):
    """The metrics of a generation changed in the settings, and its runs were read again from what is kept of them."""

    kind = "metrics_read_again"
    generation: int
    """Number of the generation."""
    metric: MetricRule
    """The metric that decides from now on."""
    extra_metrics: tuple[MetricRule, ...]
    """The other ones."""
    runs: Mapping[str, ReadAgain]
    """By id, each run of which anything changes."""
    left: Mapping[str, str] = field(default_factory=dict)
    """By id, why a run could not be read again."""

    def fields(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "metric": self.metric.model_dump(mode="json"),
            "extra_metrics": [metric.model_dump(mode="json") for metric in self.extra_metrics],
            "runs": {run_id: run.document() for run_id, run in self.runs.items()},
            "left": dict(self.left),
        }

    @classmethod
    def read(cls, record: Record) -> Self:
        return cls(
            **{name: record[name] for name in ("seq", "time", "hash", "generation")},
            metric=_read_metric(record["metric"]),
            extra_metrics=tuple(map(_read_metric, record["extra_metrics"])),
            runs={run_id: ReadAgain.from_document(run) for run_id, run in as_mapping(record["runs"]).items()},
            left=as_mapping(record["left"]),
        )


def _read_metric(document: Any) -> MetricRule:
    # From JSON, as the type is strict and a document has lists where it has tuples.
    return MetricRule.model_validate_json(json.dumps(as_mapping(document)))
