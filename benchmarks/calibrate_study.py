"""What each rule does in simulated campaigns: seeded draws in, shares with their standard errors out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from calibrate_draws import BLOCK, NOISES, NORMAL, SAME_SEED, SPREADS, STUDY_BLOCK, Estimate, Noise, draw, in_blocks
from calibrate_today import best_over_mad, confirmed_before, mean_of_three, single_run
from numpy.random import Generator
from twin import (
    SCREENING,
    Campaigns,
    Confirmed,
    Decided,
    Floats,
    confirmed,
    every_seed_better,
    fresh_pairs_hold,
    pairs,
    protocol,
    screening,
    seed_pairs_hold,
)

__all__ = [
    "CONFIRMED",
    "EFFECTS",
    "LENGTHS",
    "NAMES",
    "PORTFOLIO",
    "CampaignFigures",
    "PairFigures",
    "PortfolioFigures",
    "PowerFigures",
    "campaigns",
    "figures_of",
    "portfolio",
    "power",
    "same_seed_pairs",
]

# True improvements in sigmas that power is given at.
EFFECTS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
# Campaign lengths of the curves; the tables take 10, 20, 50 and 100 from them.
LENGTHS = (*range(1, 11), 12, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100)
LONGEST = {NORMAL.name: 100}
LONG = 50
# The reference portfolio of the project's third issue: 20 experiments share one baseline.
PORTFOLIO = (0.0,) * 12 + (-2.0,) * 4 + (1.5,) * 2 + (2.5,) * 2

# Rules by short name, in the order of the tables.
NAMES: Mapping[str, str] = {
    "single": "a single run is better",
    "three": "mean of 3 is better",
    "mad": "best is 2 MAD better",
    "protocol": "protocol",
    "before": "protocol, confirmed as before",
    "plain": "protocol, confirmed, spreads not compared",
    "confirmed": "protocol, confirmed",
    "screening": "screening",
    "screening_plain": "screening, confirmed, spreads not compared",
    "screening_confirmed": "screening, confirmed",
}
# Each confirmation, and the rule whose WINNERs it is given.
CONFIRMED: Mapping[str, str] = {
    "before": "protocol",
    "plain": "protocol",
    "confirmed": "protocol",
    "screening_plain": "screening",
    "screening_confirmed": "screening",
}
_TODAY = {"single": single_run, "three": mean_of_three, "mad": best_over_mad}


def _confirmations(drawn: Campaigns, by_protocol: Decided, by_screening: Decided) -> dict[str, Confirmed]:
    return {
        "before": confirmed_before(drawn, by_protocol),
        "plain": confirmed(drawn, by_protocol, knows_spread=False),
        "confirmed": confirmed(drawn, by_protocol),
        "screening_plain": confirmed(drawn, by_screening, SCREENING, knows_spread=False),
        "screening_confirmed": confirmed(drawn, by_screening, SCREENING),
    }


def _decided(drawn: Campaigns, with_today: bool = False) -> dict[str, Decided]:
    """What each rule says, by its short name."""
    found = {name: rule(drawn) for name, rule in _TODAY.items()} if with_today else {}
    found |= {"protocol": protocol(drawn), "screening": screening(drawn)}
    confirmations = _confirmations(drawn, found["protocol"], found["screening"])
    return found | {name: one.of(found[CONFIRMED[name]]) for name, one in confirmations.items()}


# --- campaigns without effect -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """What one rule does in campaigns without effect."""

    false_winner: Estimate
    """Share of experiments that it claims."""
    any_false: Mapping[int, Estimate]
    """Chance of at least one claim by campaign length."""
    runs: Estimate
    """Runs of an experiment, those of a confirmation included."""
    given_winner: Estimate | None
    """Share of the false WINNERs that a confirmation passes."""


def campaigns(count: int, seed: int, noises: tuple[Noise, ...] = NOISES) -> dict[str, dict[str, CampaignFigures]]:
    """By name of the noise and of the rule; the rules of today only under normal noise."""
    found = {}
    for place, noise in enumerate(noises):

        def block(rng: Generator, noise: Noise = noise) -> dict[str, Floats]:
            return counted(draw(rng, BLOCK, LONGEST.get(noise.name, LONG), noise), noise is NORMAL)

        found[noise.name] = figures_of(in_blocks(block, count, seed + place))
    return found


def counted(drawn: Campaigns, with_today: bool = False) -> dict[str, Floats]:
    """For each campaign and rule: shares, the first false WINNER's place, runs."""
    found: dict[str, Floats] = {}
    for name, decided in _decided(drawn, with_today).items():
        length = decided.winner.shape[1]
        found[f"{name} share"] = decided.winner.mean(axis=1)
        found[f"{name} first"] = np.where(decided.winner.any(axis=1), decided.winner.argmax(axis=1), length) + 1.0
        found[f"{name} runs"] = decided.runs.mean(axis=1)
        found[f"{name} length"] = np.full(len(decided.winner), float(length))
    return found


def figures_of(drawn: Mapping[str, Floats]) -> dict[str, CampaignFigures]:
    """The figures of each rule from what was counted."""
    found = {}
    for name in (each for each in NAMES if f"{each} share" in drawn):
        first, length = drawn[f"{name} first"], int(drawn[f"{name} length"][0])
        share, source = drawn[f"{name} share"], CONFIRMED.get(name)
        found[name] = CampaignFigures(
            false_winner=Estimate.of(share),
            any_false={each: Estimate.of(first <= each) for each in LENGTHS if each <= length},
            runs=Estimate.of(drawn[f"{name} runs"]),
            given_winner=Estimate.ratio(share, drawn[f"{source} share"]) if source else None,
        )
    return found


# --- power ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PowerFigures:
    """What one rule does with a true improvement."""

    found: Estimate
    """Chance of a claim, confirmed where the rule confirms."""
    runs: Estimate
    """Runs of the experiment, those of a confirmation included."""
    given_winner: Estimate | None
    """Share of the WINNERs that a confirmation passes."""
    confirmation_runs: Estimate | None
    """Runs of a confirmation."""


def power(studies: int, seed: int) -> dict[tuple[float, float], dict[str, PowerFigures]]:
    """By spread of the experiment, true improvement in sigmas, and rule; each study has a baseline of its own."""
    wanted = [(noise, effect) for noise in SPREADS for effect in (EFFECTS if noise is NORMAL else (2.0, 3.0))]
    found = {}
    for place, (noise, effect) in enumerate(wanted):

        def block(rng: Generator, noise: Noise = noise, effect: float = effect) -> dict[str, Floats]:
            drawn = draw(rng, STUDY_BLOCK, 1, noise).improved(np.full((STUDY_BLOCK, 1), effect))
            decided = _decided(drawn, with_today=True)
            parts = {f"{name} winner": one.winner[:, 0].astype(float) for name, one in decided.items()}
            return parts | {f"{name} runs": one.runs[:, 0].astype(float) for name, one in decided.items()}

        drawn = in_blocks(block, studies, seed + place, STUDY_BLOCK)
        found[noise.spread, effect] = {name: _power(name, drawn) for name in NAMES if name != "mad"}
    return found


def _power(name: str, drawn: Mapping[str, Floats]) -> PowerFigures:
    winner, runs, source = drawn[f"{name} winner"], drawn[f"{name} runs"], CONFIRMED.get(name)
    given = None if source is None else Estimate.ratio(winner, drawn[f"{source} winner"])
    spent = None if source is None else Estimate.ratio(runs - drawn[f"{source} runs"], drawn[f"{source} winner"])
    return PowerFigures(Estimate.of(winner), Estimate.of(runs), given, spent)


# --- the reference portfolio ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PortfolioFigures:
    """What one rule does with the reference portfolio."""

    runs_per_correct: Estimate
    """Runs, the baseline's included, per correct decision."""
    runs: Estimate
    """Runs of an experiment, the baseline's not included."""
    correct: Estimate
    """Share of its decisions that are correct."""
    any_false: Estimate
    """Chance of at least one false WINNER."""
    found: Estimate
    """Share of its improvements that are claimed."""


def portfolio(count: int, seed: int) -> dict[str, PortfolioFigures]:
    """By rule."""
    drawn = in_blocks(_portfolio_block, count, seed)
    return {name: _portfolio(name, drawn) for name in NAMES}


def _portfolio(name: str, drawn: Mapping[str, Floats]) -> PortfolioFigures:
    per = {part: drawn[f"{name} {part}"] for part in ("all runs", "runs", "correct", "any false", "found")}
    return PortfolioFigures(
        runs_per_correct=Estimate.ratio(per["all runs"], per["correct"]),
        runs=Estimate.of(per["runs"]),
        correct=Estimate.of(per["correct"] / len(PORTFOLIO)),
        any_false=Estimate.of(per["any false"]),
        found=Estimate.of(per["found"]),
    )


def _portfolio_block(rng: Generator) -> dict[str, Floats]:
    effects = rng.permuted(np.tile(PORTFOLIO, (BLOCK, 1)), axis=1)
    drawn = draw(rng, BLOCK, len(PORTFOLIO)).improved(effects)
    found = {}
    for name, decided in _decided(drawn, with_today=True).items():
        for part, values in _judged(decided, effects):
            found[f"{name} {part}"] = values
    return found


def _judged(decided: Decided, effects: Floats) -> Iterator[tuple[str, Floats]]:
    """Correct is WINNER if better, no verdict but NEUTRAL if null, anything but WINNER if worse."""
    neutral = ~decided.winner & ~decided.loser
    correct = np.where(effects > 0, decided.winner, np.where(effects < 0, ~decided.winner, neutral))
    yield "all runs", decided.runs.sum(axis=1) + float(decided.baseline_runs)
    yield "runs", decided.runs.mean(axis=1)
    yield "correct", correct.sum(axis=1).astype(float)
    yield "any false", (decided.winner & (effects <= 0)).any(axis=1).astype(float)
    yield "found", decided.winner.sum(axis=1, where=effects > 0) / (effects > 0).sum(axis=1)


# --- pairs of the same seed -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PairFigures:
    """What pairs of the same seed say, by noise and true improvement."""

    better_in_all: Estimate
    """Share of campaigns of 50 with an experiment that is better at each of five seeds."""
    offered: Estimate
    """Share of experiments that are NEUTRAL of five seeds and are offered fresh pairs."""
    holds: Estimate
    """Share of experiments that are NEUTRAL and whose six fresh pairs hold."""
    winner: Estimate
    """Share of experiments that are WINNER without any pairs."""
    pairs_alone: Estimate
    """Share whose first five and whose six fresh pairs hold, whatever the verdict."""


def same_seed_pairs(count: int, seed: int) -> dict[tuple[str, float], PairFigures]:
    """By name of the noise and true improvement in sigmas of all experiments."""
    wanted = [(NORMAL, 0.0), (SAME_SEED, 0.0), (SAME_SEED, 0.5), (SAME_SEED, 1.0)]
    found = {}
    for place, (noise, effect) in enumerate(wanted):

        def block(rng: Generator, noise: Noise = noise, effect: float = effect) -> dict[str, Floats]:
            return _paired(draw(rng, BLOCK, LONG, noise).improved(np.full((BLOCK, LONG), effect)))

        drawn = in_blocks(block, count, seed + place)
        found[noise.name, effect] = PairFigures(**{name: Estimate.of(values) for name, values in drawn.items()})
    return found


def _paired(drawn: Campaigns) -> dict[str, Floats]:
    decided = protocol(drawn)
    offered, holds = np.zeros(decided.winner.shape), np.zeros(decided.winner.shape)
    judged = pairs(drawn, decided)
    offered[judged.at], holds[judged.at] = 1.0, judged.holds
    return {
        "better_in_all": every_seed_better(drawn).any(axis=1).astype(float),
        "offered": offered.mean(axis=1),
        "holds": holds.mean(axis=1),
        "winner": decided.winner.mean(axis=1),
        "pairs_alone": (seed_pairs_hold(drawn) & fresh_pairs_hold(drawn)).mean(axis=1),
    }
