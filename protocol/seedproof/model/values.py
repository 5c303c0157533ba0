"""The frozen values that cross module borders."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from enum import StrEnum
from typing import Any, Literal

from seedproof.model.code import Change, Code
from seedproof.model.rules import Rules
from seedproof.stats.summary import EffectSize, PriorVariance

__all__ = [
    "Arm",
    "Baseline",
    "Comparison",
    "Confirmation",
    "ConfirmationState",
    "Difference",
    "DifferenceKind",
    "MetricValue",
    "Notice",
    "Pair",
    "Primary",
    "Role",
    "Run",
    "RunState",
    "Verdict",
    "WallTimeChange",
    "declares_no_effect",
]


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DIVERGED = "diverged"
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


class Role(StrEnum):
    """What a run is for."""

    MEASURE = "measure"
    CONTROL = "control"
    CONFIRM = "confirm"


class Verdict(StrEnum):
    """The three words of the protocol."""

    WINNER = "WINNER"
    NEUTRAL = "NEUTRAL"
    LOSER = "LOSER"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader must know that is no refusal."""

    code: str
    """Stable name."""
    message: str
    """One sentence, with numbers."""


DifferenceKind = Literal["packages", "device"]
"""`packages`: names and versions, the interpreter's among them. `device`: GPU, driver and CUDA, else the CPU."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something besides the experiment in which the runs behind a verdict differ."""

    kind: DifferenceKind
    """What kind of thing."""
    words: str
    """What it was and what it is, such as `torch 2.12.0 → 2.13.0`."""


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One metric as a run printed it."""

    value: float | None
    """The number; None where nan or inf was printed, or a number beyond 1e150."""
    text: str
    """The value exactly as printed."""
    line: int | None = None
    """Line of the log, from 1, counted by newlines; None for a value from a JSON document."""
    matched: str = ""
    """The text that matched, at most 200 characters; for a document its path and value."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training process: its key, and what became of it."""

    run_id: str
    """Name of the run and of its folder; a function of the key."""
    generation: int
    """Generation of the baseline, from 1."""
    role: Role
    """What the run is for."""
    experiment: str | None
    """The experiment it belongs to; None for the baseline."""
    seed: int
    """Seed given to the script."""
    attempt: int
    """Attempt at this seed, from 1."""
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
    output_dir: str | None = None
    """Its output folder, relative to the project; known from the start of the run."""
    output_id: tuple[int, ...] | None = None
    """Device and inode of that folder as the run ended; None if there was none or nobody saw the end."""
    argv: tuple[str, ...] = ()
    """The command as it was run."""
    is_control: bool = False
    """Whether it is an experiment's run without flags: it belongs to the baseline's side."""
    started: str | None = None
    """When it was started (ISO 8601, UTC), by the clock of its machine."""
    ended: str | None = None
    """When its end was written down, by the same clock."""
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    """What it was carried out with: the fingerprint in the ledger."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Interpreter, packages and devices that the fingerprint names by their hash; empty where none were recorded."""
    load: float | None = None
    """Load average of the machine before its start; None where nobody noted it."""
    slept_s: float = 0.0
    """Seconds that the machine slept during the run; the wall time does not hold them."""
    repeats: bool = False
    """Of a control: whether, before it, the same code and seed had given the same value twice, and never two values."""
    start_text: str | None = None
    """The deciding metric at step 0 as printed; None where the log shows none."""
    counts: Mapping[str, str] = field(default_factory=dict)
    """What it printed of the size of its evaluation, such as `val_tokens`, by name."""

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


Primary = Literal["unpaired", "paired"]


def declares_no_effect(hypothesis: str) -> bool:
    """Whether a hypothesis declares that nothing should change."""
    return hypothesis.lower().startswith("null:")


@dataclass(frozen=True, slots=True)
class Arm:
    """All attempts at all seeds of one side of a comparison, in the order of their requests."""

    generation: int
    """Generation of the baseline it is measured against."""
    experiment: str | None
    """Name; None for the baseline."""
    runs: tuple[Run, ...]
    """Every attempt with role `measure`."""
    flags: tuple[str, ...] = ()
    """What the experiment adds to the command."""
    hypothesis: str = ""
    """What the experimenter expected, written before the first run."""
    primary: Primary = "unpaired"
    """Which interval was declared the primary one, before the first run."""
    primary_reason: str = "by default"
    """Why that one."""
    prior: PriorVariance | None = None
    """What a sequential look pools besides the two arms, fixed at the declaration."""
    fresh: tuple[Run, ...] = ()
    """Every attempt with role `confirm`, of both sides, in the order of their requests."""
    controls: tuple[Run, ...] = ()
    """Every attempt with role `control`: the experiment's code without its flags."""
    code: Code | None = None
    """What its runs are trained with; None in a ledger from before code was recorded."""
    change: Change | None = None
    """How that differs from the baseline's code; None where it does not, and for a baseline."""
    code_change: bool = False
    """Whether the difference of code is what the experiment declares."""

    @property
    def is_null(self) -> bool:
        """Whether the experiment was declared to have no effect."""
        return declares_no_effect(self.hypothesis)

    def attempts(self, seed: int) -> tuple[Run, ...]:
        """The attempts at one seed, first to last."""
        return tuple(run for run in self.runs if run.seed == seed)

    @property
    def counted(self) -> dict[int, Run]:
        """The result of each seed that has one, by seed."""
        return {run.seed: run for run in self.runs if run.state.is_counted}

    @property
    def diverged_seeds(self) -> tuple[int, ...]:
        """Seeds whose last value was nan or inf."""
        return tuple(run.seed for run in self.counted.values() if run.state is RunState.DIVERGED)

    def finite(self, metric: str) -> dict[int, float]:
        """Finite values of a metric by seed, of the runs that count."""
        found = {seed: run.value(metric) for seed, run in self.counted.items()}
        return {seed: value for seed, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair of a confirmation: a fresh seed trained without and with the experiment's flags."""

    seed: int
    """The fresh seed."""
    control: Run | None
    """The newest attempt without flags; None before it is requested."""
    experiment: Run | None
    """The newest attempt with the experiment's flags; None before it is requested."""


_ESTABLISHED = object()


@dataclass(frozen=True, slots=True)
class Baseline:
    """A complete baseline with a spread. Only `seedproof.phases.next_call.establish_baseline` makes one."""

    generation: int
    """Number of the generation, from 1."""
    rules: Rules
    """The rules it was measured under."""
    arm: Arm
    """Its runs."""
    mean: float
    """Mean of the deciding metric."""
    std: float
    """Sample standard deviation (ddof = 1) of the deciding metric: one sigma. Above 0."""
    key: InitVar[object] = None
    """Proof that the guards were passed; not kept, so that no copy with other numbers can be made."""

    def __post_init__(self, key: object) -> None:
        if key is not _ESTABLISHED:
            raise TypeError("a Baseline is made by establish_baseline() alone")

    @property
    def values(self) -> list[float]:
        """The deciding metric, in the order of the rules' seeds."""
        found = self.arm.finite(self.rules.metric.name)
        return [found[seed] for seed in self.rules.baseline_seeds]

    @property
    def winner_threshold(self) -> float:
        """The mean from which an experiment is a WINNER."""
        return self.mean + self.rules.metric.sign * self.rules.winner_sigma * self.std


ConfirmationState = Literal["open", "confirmed", "not_confirmed", "incomplete", "unavailable"]


@dataclass(frozen=True, slots=True)
class WallTimeChange:
    """The change of wall time over runs that alternated on one machine."""

    change_percent: float
    """Experiment against control, from the mean of the log ratios."""
    low_percent: float
    """Lower limit of its 95 % interval."""
    high_percent: float
    """Upper limit."""
    claim: Literal["speedup", "slowdown", "none"]
    """What may be said; `none` where the interval holds zero, and of trainings that are too short for a wall time."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What pairs of fresh seeds say of a WINNER. Every number is None until all runs have ended."""

    state: ConfirmationState
    """`open` until all runs have ended; `unavailable` where there can be none."""
    done: int
    """Runs that have ended."""
    needed: int
    """Runs in all: two for each fresh seed, or none."""
    reason: str
    """The rule that decided, or what is missing, in a sentence."""
    difference: float | None = None
    """Mean of experiment minus control over the pairs, in the metric's unit."""
    low: float | None = None
    """Lower limit of its 95 % interval."""
    high: float | None = None
    """Upper limit."""
    improvement: float | None = None
    """The same difference, positive where the experiment is better."""
    threshold: float | None = None
    """The improvement that confirms: t(.90, df) x std x sqrt(2 / pairs)."""
    std: float | None = None
    """Standard deviation pooled over baseline, experiment and both fresh arms."""
    df: int | None = None
    """Its degrees of freedom."""
    wall_time: WallTimeChange | None = None
    """The change of wall time; None where the runs did not share a machine, or one has no time or no value."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the protocol says of one experiment. None where a diverged seed leaves nothing to say."""

    baseline: Baseline
    """The baseline it was judged against."""
    arm: Arm
    """The experiment."""
    verdict: Verdict
    """WINNER, NEUTRAL or LOSER."""
    headline: str
    """Verdict and reason in one line."""
    reason: str
    """The rule that decided, in a sentence."""
    delta: float | None
    """Experiment minus baseline, in the metric's unit."""
    improvement_sigma: float | None
    """Distance of the means in sigmas; positive is better, whatever the direction."""
    change_percent: float | None
    """Change of the mean in percent of the baseline's."""
    cohens_d: float | None
    """The protocol's d; negative is lower."""
    effect_size: EffectSize | None
    """Class of |d|."""
    significant: bool | None
    """Whether the means lie at least `winner_sigma` apart."""
    wall_time_change_percent: float | None
    """Change of the mean wall time; separate blocks of runs, not tested. None also where it would mean nothing."""
    confirmation: Confirmation | None = None
    """What fresh seeds say of a WINNER; None for the other verdicts."""
    accepted: tuple[Difference, ...] = ()
    """What differs besides the experiment, and was accepted by the settings when the verdict was given."""
    caps: tuple[str, ...] = ()
    """What made NEUTRAL of a WINNER, such as `stopped early`; empty where nothing did."""
