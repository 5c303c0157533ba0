"""Supporting statistics; never used to decide."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from seedproof.model.arms import Primary

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "Detectable",
    "Evidence",
    "FalseWinner",
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
class PerSeed:
    """Experiment minus baseline, seed by seed."""

    differences: Mapping[str, float]
    """By seed, in the metric's unit."""
    improved: int
    """Seeds at which the experiment is better."""
    pattern: Literal["consistent", "one_outlier", "mixed"]
    """`one_outlier`: one seed lies far from the others; else `consistent`: all of one sign; else `mixed`."""
    consistent: bool
    """Whether all have one sign, an outlier included."""
    outlier_seed: int | None
    """The seed of the outlier; None where there is none."""
    smallest_sign_p: float
    """The smallest two-sided p value of a sign test with so many seeds."""


@dataclass(frozen=True, slots=True)
class FalseWinner:
    """The probabilities of WINNER, and of LOSER, where nothing differs."""

    label: str
    """What is assumed."""
    independent: float
    """Where the seeds of the two arms are independent."""
    correlation_06: float | None
    """Where equal seeds correlate by .6 between the arms; None under the screening design."""
    correlation_09: float | None
    """Where they correlate by .9; likewise."""
    loser: float | None = None
    """Of LOSER, where the seeds are independent; None in a record of a version that did not state it, and
    under the screening design, which has no LOSER but a diverged seed."""


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
class SeedsNeeded:
    """Seeds in each arm with which a t test finds a worthwhile improvement with 80 % power."""

    worthwhile_sigma: float
    """The improvement, from the rules; never the measured one."""
    at_estimate: int | None
    """Seeds if sigma is as estimated; None above 1,000."""
    at_upper: int | None
    """Seeds if sigma is at its upper 80 % limit; None above 1,000."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Supporting statistics of a verdict; never used to decide. `unavailable` says why a part is None."""

    primary: Primary
    """The interval that was declared the primary one before the first run."""
    primary_reason: str
    """Why that one."""
    false_winner: FalseWinner
    """How often the protocol's rule says WINNER or LOSER where nothing differs."""
    smallest_detectable: Detectable
    """The smallest improvement that the rules in force detect."""
    seeds_needed: SeedsNeeded
    """The number of seeds that a worthwhile improvement needs."""
    unpaired: Interval | None = None
    """Welch's interval."""
    paired: Interval | None = None
    """The paired interval over common seeds."""
    per_seed: PerSeed | None = None
    """Seed by seed."""
    seed_varies: str | None = None
    """A source of noise that sigma does not cover, where the runs show one."""
    hours_between: float | None = None
    """Hours from the baseline's last end to the experiment's first start."""
    same_machine: bool | None = None
    """Whether all runs of both arms ran on one host."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """By part, why it is None."""


def as_document(value: "DataclassInstance") -> dict[str, Any]:
    """Evidence or a campaign as a record holds it, with floats rounded to the ten digits that quadrature gives."""

    def rounded(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {name: rounded(one) for name, one in part.items()}
        return float(f"{part:.10g}") if isinstance(part, float) else part

    omitted = getattr(value, "OMITTED", ())
    return {name: rounded(part) for name, part in asdict(value).items() if part or name not in omitted}
