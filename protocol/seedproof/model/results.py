"""Results of the protocol for an experiment: verdict, comparison, confirmation, notices."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

from seedproof.model.arms import Arm, Baseline, FreshKind
from seedproof.stats.summary import EffectSize

__all__ = [
    "REPORT_FORMAT",
    "Campaign",
    "Comparison",
    "Confirmation",
    "ConfirmationState",
    "Difference",
    "DifferenceKind",
    "ExperimentState",
    "Notice",
    "SeedPairs",
    "Verdict",
    "WallTimeChange",
]


REPORT_FORMAT = 8
"""Version of the words and numbers of verdicts and reports. 5: fresh seeds are drawn, and screening drops ideas.
6: a report has its numbers and the text of its change in files beside it.
7: equal logs are no remark where the metric stands in a file and differs, a question names what takes the seed in the
command, and shell scripts count as scripts.
8: equal values that chance explains are no remark, whatever the step; a scale that is a time is the budget, and a run
did not train where it is short beside the median as well."""

ExperimentState = Literal[
    "declared", "measuring", "measured", "judged", "dropped", "failed", "superseded", "withdrawn", "closed"
]
"""`failed`: it ended without a verdict. `closed`: by `stop_run`. `superseded`: a newer generation began first."""


class Verdict(StrEnum):
    """The verdicts of the protocol, and the end of an idea without one."""

    WINNER = "WINNER"
    NEUTRAL = "NEUTRAL"
    LOSER = "LOSER"
    DROPPED = "DROPPED"
    """The screening design ended it early: no verdict."""

    @property
    def heading(self) -> str:
        """The word of the report's heading; a dropped idea stands under NEUTRAL, the protocol's word for no claim."""
        return str(Verdict.NEUTRAL if self is Verdict.DROPPED else self)


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
    """What pairs of runs on fresh seeds say of an improvement. Every number is None until it has ended."""

    state: ConfirmationState
    """`open` until it has ended; `unavailable` where there can be none."""
    done: int
    """Runs that have ended."""
    needed: int
    """Runs that it is known to need: two for each fresh seed; three pairs may be followed by three more."""
    reason: str
    """The rule that decided, or what is missing; one sentence."""
    kind: FreshKind = "earlier"
    """`winner`: whether a WINNER holds. `pairs`: whether the same-seed pairs of a NEUTRAL hold. `earlier`: a WINNER
    under the rule of records before format 2."""
    pairs: int | None = None
    """Pairs behind the numbers."""
    difference: float | None = None
    """Mean of experiment minus control over the pairs, in the metric's unit."""
    improvement: float | None = None
    """The difference, positive where the experiment is better."""
    p_better: float | None = None
    """One-sided p that the experiment is better."""
    limit: float | None = None
    """The p that confirms."""
    threshold: float | None = None
    """The least improvement that confirms: the gain at which p is the limit."""
    at_least: float | None = None
    """One-sided lower bound of the improvement, which belongs to the test: improvement minus threshold."""
    std: float | None = None
    """Standard deviation behind the error: of a run, or for `pairs` of a pair's difference."""
    df: int | None = None
    """Its degrees of freedom."""
    wall_time: WallTimeChange | None = None
    """The change of wall time; None where the runs are not comparable, or one has no time or no value."""


@dataclass(frozen=True, slots=True)
class SeedPairs:
    """Experiment against baseline over the seeds that both have, where that says more than the means."""

    n: int
    """Seeds that both arms have."""
    difference: float
    """Mean of experiment minus baseline over them, in the metric's unit."""
    p_better: float
    """One-sided p of the paired t test that the experiment is better; near 1 where the pairs are worse."""
    is_offered: bool = False
    """Whether they are five or more and better, so that six fresh pairs are offered."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The protocol's verdict on one experiment, with its numbers; they are None where a seed diverged."""

    baseline: Baseline
    """The baseline it was judged against."""
    arm: Arm
    """The experiment."""
    verdict: Verdict
    """WINNER, NEUTRAL or LOSER; DROPPED where screening ended it without a verdict."""
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
    """The confirmation on fresh seeds, of a WINNER or of the pairs of a NEUTRAL; None for the rest."""
    accepted: tuple[Difference, ...] = ()
    """Differences besides the experiment that the settings accepted at the verdict."""
    caps: tuple[str, ...] = ()
    """Names of the caps that turned a WINNER into NEUTRAL, such as `stopped early`; empty where none did."""
    brackets: tuple[str, ...] = ()
    """What the headline says in brackets of the runs themselves, such as `spread 3.1x the baseline's`."""
    pairs: SeedPairs | None = None
    """The same-seed pairs of a NEUTRAL, where they say more than the means, better or worse; None else."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """All experiments of the ledger as of one record."""

    OMITTED: ClassVar[frozenset[str]] = frozenset({"elsewhere", "without_value"})
    """Fields that a document leaves out while they are empty."""

    declared: int
    """K: every experiment of every generation of which something was seen or may be, abandoned and failed ones too."""
    declared_in_generation: int
    """Those of this generation, which share its baseline."""
    nulls: int
    """Those declared to have no effect."""
    winners: int
    """Verdicts WINNER so far."""
    false_winners_expected: float
    """The mean number of false WINNERs if no experiment had an effect."""
    false_winner_chance: float | None
    """The chance of at least one, at most; None where a generation has another design than the protocol's."""
    label: str
    """What the last two assume."""
    p_better: float | None = None
    """One-sided p of the experiment by its primary test; None where no test can be made, or for a list."""
    p_holm: float | None = None
    """The same adjusted for all K by Holm's method."""
    advice: str | None = None
    """When a larger baseline would pay."""
    elsewhere: int = 0
    """Experiments of other ledgers that began with this code, where `rules.campaign` counts them in; else 0."""
    without_value: int = 0
    """Declared experiments that do not count, as no run of theirs showed anything; withdrawn ones too."""

    @property
    def tried(self) -> int:
        """How many experiments the chances and the adjusted p value count."""
        return self.declared + self.elsewhere
