"""What stands beside a verdict and never decides: the frozen values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from seedproof.model.arms import Primary

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "Claim",
    "Detectable",
    "Evidence",
    "FalseWinner",
    "HedgesG",
    "Interval",
    "PerSeed",
    "SeedsNeeded",
    "as_document",
]


@dataclass(frozen=True, slots=True)
class Interval:
    """The difference, experiment minus baseline, with its 95 % interval and test."""

    test: Literal["welch", "paired"]
    """Which test."""
    difference: float
    """In the metric's unit."""
    low: float
    """Lower limit, in the metric's unit."""
    high: float
    """Upper limit, in the metric's unit."""
    difference_percent: float | None
    """In percent of the baseline's mean; None where that is 0."""
    low_percent: float | None
    """Lower limit in percent."""
    high_percent: float | None
    """Upper limit in percent."""
    t: float
    """The statistic."""
    df: float
    """Degrees of freedom."""
    p_value: float
    """Two-sided."""
    p_better: float
    """One-sided: how easily noise alone gives an improvement of this size or more."""
    n: int | None = None
    """Common seeds; None for the unpaired test."""
    correlation: float | None = None
    """Correlation of the two arms over the common seeds; None for the unpaired test or without spread."""


@dataclass(frozen=True, slots=True)
class HedgesG:
    """Hedges' g, experiment minus baseline, with its 95 % interval."""

    g: float
    """The bias-corrected standardised difference."""
    low: float
    """Lower limit."""
    high: float
    """Upper limit."""


@dataclass(frozen=True, slots=True)
class PerSeed:
    """Experiment minus baseline, seed by seed."""

    differences: Mapping[str, float]
    """By seed, in the metric's unit."""
    improved: int
    """Seeds at which the experiment is better."""
    pattern: Literal["consistent", "one_outlier", "mixed"]
    """`one_outlier`: one seed lies far from the others; else `consistent`: all of one sign; else `mixed`."""
    consistent: bool
    """Whether all are of one sign, an outlier included."""
    outlier_seed: int | None
    """That seed."""
    smallest_sign_p: float
    """The smallest two-sided p that a sign test of so many seeds can reach."""


@dataclass(frozen=True, slots=True)
class FalseWinner:
    """The probability of WINNER where nothing differs."""

    label: str
    """What is assumed."""
    independent: float
    """Seeds independent in the two arms."""
    correlation_06: float
    """The same seed moves both arms with correlation .6."""
    correlation_09: float
    """With correlation .9."""


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest true improvement that is a WINNER with 80 % probability."""

    power: float
    """That probability."""
    sigma: float
    """In true sigmas of the baseline."""
    difference: float
    """In the metric's unit, at the estimated sigma."""
    low: float
    """At the lower limit of sigma's own 95 % interval."""
    high: float
    """At its upper limit."""
    sigma_low_factor: float
    """Lower limit of sigma over its estimate."""
    sigma_high_factor: float
    """Upper limit of sigma over its estimate."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A WINNER's improvement, freed from the luck of having been selected."""

    observed_sigma: float
    """As measured."""
    shrunk_sigma: float
    """Median-unbiased given WINNER, at least 0."""
    shrunk_difference: float
    """The same as experiment minus baseline in the metric's unit."""
    method: str
    """Where the estimate comes from."""


@dataclass(frozen=True, slots=True)
class SeedsNeeded:
    """Seeds in each arm with which a t test finds a worthwhile improvement with 80 % power."""

    worthwhile_sigma: float
    """The improvement, by the rules; never the one that was seen."""
    at_estimate: int | None
    """If sigma is as estimated; None above 1,000."""
    at_upper: int | None
    """If sigma is at its upper 80 % limit; None above 1,000."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands beside a verdict. A part that cannot be had is None, and `unavailable` says why."""

    primary: Primary
    """Which of the two intervals was declared the primary one before the first run."""
    primary_reason: str
    """Why."""
    false_winner: FalseWinner
    """How often the protocol's rule errs."""
    smallest_detectable: Detectable
    """What the rule in force can see."""
    seeds_needed: SeedsNeeded
    """For a better experiment."""
    unpaired: Interval | None = None
    """Welch's interval."""
    paired: Interval | None = None
    """The paired interval over common seeds."""
    hedges_g: HedgesG | None = None
    """Beside the protocol's d."""
    class_share_under_no_effect: Mapping[str, float] | None = None
    """How often each class of |d| appears at these numbers of seeds where nothing differs."""
    per_seed: PerSeed | None = None
    """Seed by seed."""
    claim: Claim | None = None
    """For a WINNER."""
    seed_varies: str | None = None
    """What sigma does not cover, where that can be seen."""
    hours_between: float | None = None
    """From the baseline's last end to the experiment's first start."""
    same_machine: bool | None = None
    """Whether all runs of both arms ran on one host."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Part -> why it cannot be had."""


def as_document(value: "DataclassInstance") -> dict[str, Any]:
    """Evidence or a campaign as it stands in the ledger: floats to the ten digits that its quadratures give."""

    def rounded(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {name: rounded(one) for name, one in part.items()}
        return float(f"{part:.10g}") if isinstance(part, float) else part

    return {name: rounded(part) for name, part in asdict(value).items()}
