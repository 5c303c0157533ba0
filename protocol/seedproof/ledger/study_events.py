"""Events on the study: baselines, experiments, verdicts, reports, and the ledger itself.

Over 300 lines, because every field of these records is described here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from seedproof.ledger.beginnings import Beginnings, OtherLedgers, PastLedger
from seedproof.ledger.event import Event
from seedproof.ledger.record_fields import (
    Readers,
    as_mapping,
    as_seeds,
    as_text,
    as_texts,
    read_known,
)
from seedproof.model.arms import Primary
from seedproof.model.code import Change, Code
from seedproof.model.results import REPORT_FORMAT, Confirmation, Difference, WallTimeChange
from seedproof.model.rules import Rules

__all__ = [
    "ExperimentDeclared",
    "ExperimentWithdrawn",
    "FilesRemoved",
    "FreshSeedsDrawn",
    "GenerationStarted",
    "LedgerDisclosed",
    "ReportWritten",
    "Resumed",
    "VerdictIssued",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationStarted(Event):
    """A baseline generation begins."""

    kind = "generation_started"
    READERS: ClassVar[Readers] = {
        "rules": Rules.from_document,
        "code": Code.from_document,
        "previous": PastLedger.from_document,
        "beginnings": Beginnings.from_document,
    }
    OMITTED = frozenset({"code", "previous", "beginnings", "replaces_empty"})
    generation: int
    """Its number, from 1."""
    rules: Rules
    """The rules that it is measured under; a rule that a later version added has its default."""
    reason: str | None
    """Why a new one was begun; None for the first."""
    adopted: tuple[str, ...] = ()
    """Ids of runs of the previous generation that count for this one too."""
    adoption: str | None = None
    """What it takes over and why, or why nothing; None where there was nothing to take over."""
    code: Code | None = None
    """The code that its baseline is trained with; None where it is not known."""
    previous: PastLedger | None = None
    """The ledger that this folder had before this one."""
    beginnings: Beginnings | None = None
    """What it begins with, and which other ledgers began alike; None in records of earlier versions."""
    replaces_empty: bool = False
    """Whether no run of the generation before had a value; false in records of earlier versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDeclared(Event):
    """An experiment is declared; its primary test is chosen before its results."""

    kind = "experiment_declared"
    READERS: ClassVar[Readers] = {
        "code": Code.from_document,
        "change": Change.from_document,
        "repeats": lambda document: tuple((int(generation), as_text(name)) for generation, name in document),
        "replaces": lambda document: tuple(map(int, document)),
        "seed_files": as_texts,
    }
    OMITTED = frozenset({"code", "change", "repeats", "is_null", "counts_by_value", "replaces", "seed_files"})
    generation: int
    """Number of the generation that it is compared with."""
    experiment: str
    """Its name."""
    flags: tuple[str, ...]
    """What it adds to the command."""
    hypothesis: str
    """What the experimenter expects."""
    code_change: bool
    """Whether it declares a change of code."""
    primary: Primary = "unpaired"
    """The primary interval."""
    primary_reason: str = "by default"
    """Why that one."""
    code: Code | None = None
    """The code of its runs; None where it is not known."""
    change: Change | None = None
    """How that differs from the baseline's code; None where it does not."""
    repeats: tuple[tuple[int, str], ...] = ()
    """Generation and name of earlier experiments with flags that say the same; empty in records of earlier versions."""
    is_null: bool = False
    """Whether it declares to have no effect; false in records of earlier versions, whose headlines do not say so."""
    counts_by_value: bool = False
    """Whether it counts among the ideas tried only while it is not without a value; one that an earlier version
    declared always counts."""
    replaces: tuple[int, ...] = ()
    """Places in the command template of what its flags replace; empty where they only add."""
    seed_files: tuple[str, ...] = ()
    """Files of its code that its flags name and that set a seed, each with the key: `exp.yaml: seed_everything`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentWithdrawn(Event):
    """An experiment without a value is withdrawn: it counts as no idea, and its name may be declared anew.

    Or one with values is closed, which can get no further run: it counts, and ends without a verdict.
    """

    kind = "experiment_withdrawn"
    READERS: ClassVar[Readers] = {"experiment": as_text, "reason": as_text, "is_measured": bool}
    OMITTED = frozenset({"is_measured"})
    generation: int
    """Number of its generation."""
    experiment: str
    """Its name."""
    reason: str
    """Why it was withdrawn."""
    is_measured: bool = False
    """Whether it has values, and is closed; a record leaves out a false one."""


def _read_confirmation(document: Mapping[str, Any] | None) -> Confirmation | None:
    if document is None:
        return None
    wall_time = document.get("wall_time")
    return read_known(
        Confirmation, {**document, "wall_time": read_known(WallTimeChange, wall_time) if wall_time else None}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictIssued(Event):
    """A verdict was given; once for each set of runs."""

    kind = "verdict_issued"
    READERS: ClassVar[Readers] = {
        "fresh_seeds": as_seeds,
        "confirmation": _read_confirmation,
        "accepted": lambda documents: tuple(read_known(Difference, one) for one in documents or ()),
    }
    OMITTED = frozenset({"fresh_seeds", "brackets", "own_controls"})
    generation: int
    """Number of the experiment's generation."""
    experiment: str
    """Name of the experiment."""
    runs: tuple[str, ...] = ()
    """Ids of the runs that it rests on."""
    verdict: str
    """WINNER, NEUTRAL, LOSER, or DROPPED by the screening design."""
    headline: str = ""
    """Verdict and reason in one line."""
    caps: tuple[str, ...] = ()
    """Names of the caps that turned a WINNER into NEUTRAL."""
    delta: float | None = None
    """Experiment minus baseline, in the metric's unit."""
    improvement_sigma: float | None = None
    """Distance of the means in sigmas; positive is better."""
    cohens_d: float | None = None
    """The protocol's d."""
    evidence: Mapping[str, Any] | None = None
    """The output of `verdict.evidence.as_document`; None in ledgers older than that."""
    campaign: Mapping[str, Any] | None = None
    """Likewise, of the campaign."""
    confirmation: Confirmation | None = None
    """What fresh seeds show; None where none are due."""
    accepted: tuple[Difference, ...] = ()
    """Differences besides the experiment that the settings accepted."""
    on_head: str | None = None
    """The ledger head that it was given on."""
    report_format: int | None = None
    """Version of the report format."""
    fresh_seeds: tuple[int, ...] = ()
    """The fresh seeds of its confirmation, drawn for this record; empty where it has none, or has them already."""
    own_controls: bool = False
    """Whether its runs without the change have the experiment's code; else the baseline's."""
    brackets: tuple[str, ...] = ()
    """What the headline says in brackets of the runs themselves, such as `spread 3.1x the baseline's`."""

    @property
    def is_earlier(self) -> bool:
        """Whether it was given by an earlier version: then it is shown as it was given."""
        return self.report_format is None or self.report_format < REPORT_FORMAT

    @property
    def is_winner(self) -> bool:
        """Whether the verdict is WINNER."""
        return self.verdict == "WINNER"

    @property
    def p_better(self) -> float | None:
        """The one-sided p value recorded with it."""
        return (self.campaign or {}).get("p_better")

    @property
    def is_confirmation_ended(self) -> bool:
        """Whether every run of the confirmation had ended by then."""
        return self.confirmation is not None and self.confirmation.state != "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshSeedsDrawn(Event):
    """Fresh seeds are drawn for a WINNER of an earlier version, whose verdict has none."""

    kind = "fresh_seeds_drawn"
    OMITTED = frozenset({"own_controls"})
    READERS: ClassVar[Readers] = {"seeds": as_seeds}
    generation: int
    """Number of the experiment's generation."""
    experiment: str
    """Name of the experiment."""
    seeds: tuple[int, ...]
    """One for each pair of runs."""
    own_controls: bool = False
    """Whether the runs without the change at these seeds have the experiment's code; else the baseline's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWritten(Event):
    """A report is written; its files can be rendered again from the records before this one."""

    kind = "report_written"
    READERS: ClassVar[Readers] = {
        "path": as_text,
        "figures": as_texts,
        "figure_sha256": as_texts,
        "beside": lambda document: {as_text(name): as_text(one) for name, one in as_mapping(document).items()},
    }
    OMITTED = frozenset({"beside"})
    path: str
    """The report's file, relative to the project."""
    sha256: str = ""
    """Hash of that file."""
    generation: int
    """Number of the generation."""
    experiment: str | None
    """Name of the experiment; None for the baseline's report."""
    headline: str = ""
    """Its headline."""
    verdict: str | None = None
    """The verdict; None for the baseline's report."""
    runs: tuple[str, ...] | None = None
    """Ids of the ended runs that it shows; None in the oldest ledgers."""
    at_seq: int = 0
    """Number of records that it was rendered from."""
    figures: tuple[str, ...] = ()
    """The figures' files, relative to the project."""
    figure_sha256: tuple[str, ...] = ()
    """Hashes of the figures, in the same order."""
    report_format: int | None = None
    """Version of the report format; None in the oldest ledgers."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Hash of each other file beside it, by path: its numbers, and the text of a change; empty before format 6."""

    @property
    def files(self) -> dict[str, str]:
        """Hash of each of its files, by path."""
        figures = dict(zip(self.figures, self.figure_sha256, strict=False))
        return {self.path: self.sha256, **figures, **self.beside}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRemoved(Event):
    """Output folders were removed."""

    kind = "files_removed"
    READERS: ClassVar[Readers] = {"paths": as_texts}
    paths: tuple[str, ...]
    """The folders, relative to the project."""
    freed_bytes: int = 0
    """Bytes that this freed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """A person has looked at the failures in a row; new experiments are allowed again."""

    kind = "resumed"
    OMITTED = frozenset({"is_told"})
    reason: str = ""
    """What that person found."""
    failures: int = 0
    """Number of failures in a row."""
    is_told: bool = False
    """Whether reports say so; those of earlier versions do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDisclosed(Event):
    """Records what the registry of projects knew and the ledger did not hold."""

    kind = "ledger_disclosed"
    READERS: ClassVar[Readers] = {"had": PastLedger.from_document, "others": OtherLedgers.from_document}
    OMITTED = frozenset({"folders", "had", "others", "state_folder"})

    def __post_init__(self) -> None:
        if self.had is None and self.what not in ("shared", "others", "elsewhere"):
            raise ValueError(f"{self.what!r:.40} names no ledger that was lost")

    what: Literal["shared", "rewound", "replaced", "copy", "others", "elsewhere"]
    """`shared`: other folders hold this ledger. `rewound`: a later head was seen here. `replaced`: this folder had
    another ledger. `copy`: a copy that is gone had a later head. `others`: more is known of other ledgers that began
    with this code. `elsewhere`: records are written with another state folder than before."""
    present: str | None
    """The ledger's head at that time; None where it does not matter."""
    folders: int = 0
    """Number of other folders with the same ledger; only for `shared`."""
    had: PastLedger | None = None
    """The ledger that was lost; None where none was."""
    others: OtherLedgers | None = None
    """The other ledgers; only for `others`."""
    state_folder: str | None = None
    """The state folder, as in `Beginnings`; only for `elsewhere`."""
