"""What the protocol says of an experiment."""

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
