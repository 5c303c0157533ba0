"""What each rule does in simulated campaigns: seeded draws in, shares with their standard errors out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from calibrate_draws import NOISES, Noise, draw
from numpy.random import Generator, SeedSequence
from twin import (
    Bools,
    Campaigns,
    Decided,
    Floats,
    best_over_mad,
    confirmed,
    corrected,
    corrected_so_far,
    ledger_sequential,
    mean_of_three,
    protocol,
    sequential,
    single_run,
)

__all__ = [
    "CONTENDERS",
    "EFFECTS",
    "LENGTHS",
    "PORTFOLIO",
    "STRESSED",
    "STRESS_EFFECT",
    "Contender",
    "Estimate",
    "Outcome",
    "Stress",
    "run",
    "stress",
]

# True improvements in sigmas that power is given at; the last one is a loss.
EFFECTS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, -2.0)
LONGEST = 50
# Campaign lengths of the curves; the table takes 10, 20 and 50 from them.
LENGTHS = (*range(1, 11), 12, 15, 20, 25, 30, 35, 40, 45, LONGEST)
# The reference portfolio of the project's third issue: 20 experiments share one baseline.
PORTFOLIO = (0.0,) * 12 + (-2.0,) * 4 + (1.5,) * 2 + (2.5,) * 2
# A block is one task with its own stream of numbers, small enough for the caches; a multiple of the portfolio.
BLOCK = 1_000
WORKERS = 2


# --- contenders -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contender:
    """A rule as it stands in the table."""

    key: str
    """Short name, for code."""
    name: str
    """In words."""
    decide: Callable[[Campaigns], Decided]
    """The rule."""
    has_losers: bool = True
    """Whether it knows the word LOSER."""
    is_revised: bool = False
    """Whether a later experiment can take a claim back, so that each length is decided anew."""


CONTENDERS = (
    Contender("single", "a single run is better", single_run, has_losers=False),
    Contender("three", "mean of 3 is better", mean_of_three, has_losers=False),
    Contender("mad", "best is 2 MAD better", best_over_mad, has_losers=False),
    Contender("protocol", "protocol", protocol),
    Contender("confirmed", "protocol, confirmed", lambda each: confirmed(each, protocol(each))),
    Contender("so_far", "Holm at each verdict", lambda each: corrected_so_far(each, protocol(each))),
    Contender("holm", "Holm at the end", lambda each: corrected(each, protocol(each)), is_revised=True),
    Contender("sequential", "sequential", sequential),
    Contender("sequential_confirmed", "sequential, confirmed", lambda each: confirmed(each, sequential(each))),
    Contender("ledger", "sequential, ledger", ledger_sequential),
)


# --- outcomes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over campaigns and its standard error."""

    value: float
    error: float

    @classmethod
    def of(cls, values: Any) -> "Estimate":
        """From one value for each independent campaign."""
        each = np.asarray(values, dtype=float)
        return cls(float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each))))

    @classmethod
    def ratio(cls, above: Any, below: Any) -> "Estimate":
        """Of two sums over campaigns; the error is that of the linearised ratio (Cochran 1977, section 2.11)."""
        one, other = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
        value = float(one.sum() / other.sum())
        rest = one - value * other
        return cls(value, float(rest.std(ddof=1) / other.mean() / np.sqrt(len(one))))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one rule does."""

    contender: Contender
    """The rule."""
    false_winner: Estimate
    """Share of experiments without effect that it claims, in campaigns of 20."""
    null_runs: Estimate
    """Runs of such an experiment."""
    curve: Mapping[int, Estimate]
    """Chance of at least one false WINNER by campaign length."""
    power: Mapping[float, Estimate]
    """Chance of WINNER by true improvement, LOSER for a loss, for one experiment among 19 without effect."""
    runs_per_correct: Estimate
    """Runs, the baseline's included, per correct verdict on the reference portfolio in random order."""
    runs_per_correct_listed: Estimate
    """The same with the experiments in the order in which the portfolio lists them, the nulls first."""
    runs: Estimate
    """Runs of an experiment of the portfolio, the baseline's not included."""
    correct: Estimate
    """Share of its verdicts that are correct."""
    any_false: Estimate
    """Chance that the portfolio has at least one false WINNER."""
    found: Estimate
    """Share of its improvements that are claimed."""
    losers: Estimate
    """Share of its losses that are called LOSER."""


def run(campaigns: int, seed: int) -> dict[str, Outcome]:
    """Every contender on the same draws, by its key.

    Args:
        campaigns: How many, rounded up to whole blocks.
        seed: Of the draws; the blocks' streams are spawned from it, so threads change nothing.
    """
    sequence = SeedSequence(seed)
    blocks = [np.random.default_rng(each) for each in sequence.spawn(-(-campaigns // BLOCK))]
    with ThreadPoolExecutor(WORKERS) as pool:
        measured = list(pool.map(_block, blocks))
    return {each.key: _outcome(each, [one[each.key] for one in measured]) for each in CONTENDERS}


@dataclass(slots=True)
class _Counted:
    """What one rule did in one block; arrays have one value for each campaign."""

    null: Decided
    by_length: dict[int, Bools] = field(default_factory=dict)
    hits: dict[float, Bools] = field(default_factory=dict)
    portfolios: dict[str, dict[str, Floats]] = field(default_factory=dict)


def _block(rng: Generator) -> dict[str, _Counted]:
    null = draw(rng, BLOCK, LONGEST)
    size = len(PORTFOLIO)
    short = null.first(size)
    place = np.arange(BLOCK) % size
    shifted = {effect: short.improved(effect * (np.arange(size) == place[:, None])) for effect in EFFECTS}
    effects = rng.permuted(np.tile(PORTFOLIO, (BLOCK, 1)), axis=1)
    portfolios = {"shuffled": effects, "listed": np.tile(PORTFOLIO, (BLOCK, 1))}
    return {each.key: _count(each, null, shifted, portfolios) for each in CONTENDERS}


def _count(
    contender: Contender, null: Campaigns, shifted: Mapping[float, Campaigns], portfolios: Mapping[str, Floats]
) -> _Counted:
    size, rows = len(PORTFOLIO), np.arange(BLOCK)
    at_twenty = contender.decide(null.first(size))
    counted = _Counted(at_twenty, by_length=dict(_by_length(contender, null)))
    for effect, campaigns in shifted.items():
        decided = contender.decide(campaigns)
        counted.hits[effect] = (decided.winner if effect > 0 else decided.loser)[rows, rows % size]
    for order, effects in portfolios.items():
        counted.portfolios[order] = _judged(contender.decide(null.first(size).improved(effects)), effects)
    return counted


def _by_length(contender: Contender, null: Campaigns) -> Iterator[tuple[int, Bools]]:
    """Whether there is a false WINNER at the end of a campaign, by its length."""
    if contender.is_revised:
        for length in LENGTHS:
            yield length, np.asarray(contender.decide(null.first(length)).winner.any(axis=1))
    else:
        reached = np.logical_or.accumulate(contender.decide(null).winner, axis=1)
        for length in LENGTHS:
            yield length, np.asarray(reached[:, length - 1])


def _judged(decided: Decided, effects: Floats) -> dict[str, Floats]:
    """WINNER is correct if better, NEUTRAL if null, anything but WINNER if worse."""
    neutral = ~decided.winner & ~decided.loser
    correct = np.where(effects > 0, decided.winner, np.where(effects < 0, ~decided.winner, neutral))
    return {
        "all_runs": decided.runs.sum(axis=1) + float(decided.baseline_runs),
        "runs": decided.runs.mean(axis=1),
        "correct": correct.sum(axis=1).astype(float),
        "any_false": (decided.winner & (effects <= 0)).any(axis=1).astype(float),
        "found": decided.winner.sum(axis=1, where=effects > 0) / (effects > 0).sum(axis=1),
        "losers": decided.loser.sum(axis=1, where=effects < 0) / (effects < 0).sum(axis=1),
    }


def _outcome(contender: Contender, blocks: Sequence[_Counted]) -> Outcome:
    def joined(part: Callable[[_Counted], Any]) -> Any:
        return np.concatenate([part(one) for one in blocks])

    def in_portfolio(name: str, order: str = "shuffled") -> Any:
        return joined(lambda one: one.portfolios[order][name])

    return Outcome(
        contender=contender,
        false_winner=Estimate.of(joined(lambda one: one.null.winner.mean(axis=1))),
        null_runs=Estimate.of(joined(lambda one: one.null.runs.mean(axis=1))),
        curve={each: Estimate.of(np.concatenate([one.by_length[each] for one in blocks])) for each in LENGTHS},
        power={each: Estimate.of(np.concatenate([one.hits[each] for one in blocks])) for each in EFFECTS},
        runs_per_correct=Estimate.ratio(in_portfolio("all_runs"), in_portfolio("correct")),
        runs_per_correct_listed=Estimate.ratio(in_portfolio("all_runs", "listed"), in_portfolio("correct", "listed")),
        runs=Estimate.of(in_portfolio("runs")),
        correct=Estimate.of(in_portfolio("correct") / len(PORTFOLIO)),
        any_false=Estimate.of(in_portfolio("any_false")),
        found=Estimate.of(in_portfolio("found")),
        losers=Estimate.of(in_portfolio("losers")),
    )


# --- sensitivity ------------------------------------------------------------------------------

STRESSED = ("protocol", "confirmed", "sequential")
STRESS_EFFECT = 2.0


@dataclass(frozen=True, slots=True)
class Stress:
    """What one rule does when the noise is of another kind."""

    false_winner: Estimate
    """Share of WINNERs without effect."""
    power: Estimate
    """Share at a true improvement of 2 sigmas of the baseline."""


def stress(studies: int, seed: int) -> dict[str, dict[str, Stress]]:
    """By name of the noise and key of the rule, each study with a baseline of its own."""
    streams = [np.random.default_rng(each) for each in SeedSequence(seed).spawn(len(NOISES))]
    with ThreadPoolExecutor(WORKERS) as pool:
        measured = pool.map(lambda noise, rng: _stressed(noise, rng, studies), NOISES, streams)
        return {noise.name: found for noise, found in zip(NOISES, measured, strict=True)}


def _stressed(noise: Noise, rng: Generator, studies: int) -> dict[str, Stress]:
    null = draw(rng, studies, 1, noise)
    better = null.improved(np.full((studies, 1), STRESS_EFFECT))
    rules = {each.key: each.decide for each in CONTENDERS if each.key in STRESSED}
    return {
        key: Stress(*(Estimate.of(decide(campaigns).winner[:, 0]) for campaigns in (null, better)))
        for key, decide in rules.items()
    }
