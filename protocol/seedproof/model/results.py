"""Results of the protocol for an experiment: verdict, comparison, confirmation, notices."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from seedproof.model.arms import Arm, Baseline
from seedproof.stats.summary import EffectSize

__all__ = [
    "Comparison",
    "Confirmation",
    "ConfirmationState",
    "Difference",
    "DifferenceKind",
    "Notice",
    "Verdict",
    "WallTimeChange",
]


class Verdict(StrEnum):
    """The verdicts of the protocol."""

    WINNER = "WINNER"
    NEUTRAL = "NEUTRAL"
    LOSER = "LOSER"


@dataclass(frozen=True, slots=True)
class Notice:
    """Information that a reader needs besides the result; it refuses nothing."""

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
    """Its kind."""
    words: str
    """The old and the new value, such as `torch 2.12.0 → 2.13.0`."""


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
    """The claim; `none` where the interval contains zero, and for trainings that are too short for a wall time."""


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
    """The rule that decided, or what is missing; one sentence."""
    difference: float | None = None
    """Mean of experiment minus control over the pairs, in the metric's unit."""
    low: float | None = None
    """Lower limit of its 95 % interval."""
    high: float | None = None
    """Upper limit."""
    improvement: float | None = None
    """The difference, positive where the experiment is better."""
    threshold: float | None = None
    """The least improvement that confirms: t(.90, df) x std x sqrt(2 / pairs)."""
    std: float | None = None
    """Standard deviation pooled over baseline, experiment and both fresh arms."""
    df: int | None = None
    """Its degrees of freedom."""
    wall_time: WallTimeChange | None = None
    """The change of wall time; None where the runs are not comparable, or one has no time or no value."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The protocol's verdict on one experiment, with its numbers; they are None where a seed diverged."""

    baseline: Baseline
    """The baseline it was judged against."""
    arm: Arm
    """The experiment."""
    verdict: Verdict
    """WINNER, NEUTRAL or LOSER."""
    headline: str
    """Verdict and reason in one line."""
    reason: str
    """The rule that decided; one sentence."""
    delta: float | None
    """Experiment minus baseline, in the metric's unit."""
    improvement_sigma: float | None
    """Distance of the means in sigmas; positive is better for either direction of the metric."""
    change_percent: float | None
    """Change of the mean in percent of the baseline's."""
    cohens_d: float | None
    """The protocol's d; negative is lower."""
    effect_size: EffectSize | None
    """Class of |d|."""
    significant: bool | None
    """Whether the means lie at least `winner_sigma` apart."""
    wall_time_change_percent: float | None
    """Change of the mean wall time, from separate blocks of runs, not tested; None where they are not comparable."""
    confirmation: Confirmation | None = None
    """The confirmation of a WINNER on fresh seeds; None for the other verdicts."""
    accepted: tuple[Difference, ...] = ()
    """Differences besides the experiment that the settings accepted at the verdict."""
    caps: tuple[str, ...] = ()
    """Names of the caps that turned a WINNER into NEUTRAL, such as `stopped early`; empty where none did."""
