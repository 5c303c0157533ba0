"""How often printed intervals and signs are right in simulated studies, and what the rules do with real values."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from calibrate_draws import BLOCK, STUDY_BLOCK, Estimate, draw, in_blocks
from calibrate_study import LONG, CampaignFigures, counted, figures_of
from calibrate_today import confirmation_before
from numpy.random import Generator
from scipy.special import stdtrit
from twin import (
    CONFIRM_P,
    FIRST_PAIRS,
    OTHER_SPREAD_P,
    PAIRS,
    RULES,
    Campaigns,
    Floats,
    confirmed,
    fresh_test,
    other_spread,
    own_spread,
    protocol,
    screening,
)

__all__ = [
    "PROGRAMS",
    "IntervalFigures",
    "SignFigures",
    "intervals",
    "real_pool",
    "real_values",
    "signs",
]

TWO_SIDED = 0.975


# --- printed intervals ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IntervalFigures:
    """How often printed intervals hold the true improvement."""

    welch_of_winner: Estimate
    """Welch's 95 % interval beside a WINNER."""
    before_of_confirmed: Estimate
    """The two-sided 95 % interval beside a WINNER that was confirmed as before."""
    before_holds_zero: Estimate
    """Share of those intervals that have 0 in them."""
    bound_of_confirmed: Estimate
    """The one-sided bound of the test beside a WINNER that is confirmed."""
    bound_of_all: Estimate
    """The same bound of all confirmations, confirmed or not."""


def intervals(studies: int, seed: int) -> dict[float, IntervalFigures]:
    """By true improvement in sigmas, under normal noise and equal spreads."""
    found = {}
    for place, effect in enumerate((0.0, 0.5, 1.0, 2.0)):
        drawn = in_blocks(partial(_covered, effect=effect), studies, seed + place, STUDY_BLOCK)

        def share(part: str, of: str, drawn: Mapping[str, Floats] = drawn) -> Estimate:
            return Estimate.ratio(drawn[part] * drawn[of], drawn[of])

        found[effect] = IntervalFigures(
            welch_of_winner=share("welch", "winner"),
            before_of_confirmed=share("before", "was confirmed"),
            before_holds_zero=share("zero", "was confirmed"),
            bound_of_confirmed=share("bound", "confirmed"),
            bound_of_all=share("bound", "winner"),
        )
    return found


def _covered(rng: Generator, effect: float) -> dict[str, Floats]:
    """For each study: which claims it makes, and whether the intervals beside them hold the truth."""
    drawn = draw(rng, STUDY_BLOCK, 1).improved(np.full((STUDY_BLOCK, 1), effect))
    decided = protocol(drawn)
    judged = confirmed(drawn, decided)
    n_own, (squares, df_own) = decided.runs[judged.at], own_spread(drawn, decided)

    base = drawn.baseline[judged.at[0]]
    by_arm = base.var(axis=-1, ddof=1) / base.shape[-1], squares / df_own / n_own
    df = (by_arm[0] + by_arm[1]) ** 2 / (by_arm[0] ** 2 / (base.shape[-1] - 1) + by_arm[1] ** 2 / df_own)
    own = np.where(n_own == FIRST_PAIRS, *(drawn.experiments[judged.at][:, :n].mean(axis=-1) for n in (3, 5)))
    welch = np.abs(base.mean(axis=-1) - own - effect) <= stdtrit(df, TWO_SIDED) * np.sqrt(by_arm[0] + by_arm[1])

    gain, p, error, df = confirmation_before(drawn, decided)
    half = stdtrit(df, TWO_SIDED) * error
    bounds, limit = [], np.where(other_spread(drawn, decided), OTHER_SPREAD_P, CONFIRM_P)
    for n in (FIRST_PAIRS, PAIRS):
        mean, _, error, df = fresh_test(drawn, judged.at, n, (squares, df_own))
        bounds.append(mean - stdtrit(df, 1 - limit) * error)
    of_winners = {
        "winner": np.ones(len(gain)),
        "welch": welch,
        "was confirmed": p <= 0.1,
        "before": np.abs(gain - effect) <= half,
        "zero": gain <= half,
        "confirmed": judged.holds,
        "bound": np.where(judged.pairs == FIRST_PAIRS, *bounds) <= effect,
    }
    found = {name: np.zeros(STUDY_BLOCK) for name in of_winners}
    for name, values in of_winners.items():
        found[name][judged.at[0]] = values
    return found


# --- signs and brackets -----------------------------------------------------------------------

# Dixon's ratio of five values that two-sided chance reaches in 0.5 % (Dixon 1951).
DIXON = 0.859
# A median seed distance below three repeat distances: the seed is not seen to vary the run.
SEED_RATIO = 3.0
# Share of the machine in the variance of a run, or 1 where the seed does nothing.
MACHINE_SHARES = (0.001, 0.01, 1.0)
EXPERIMENTS = 10


@dataclass(frozen=True, slots=True)
class SignFigures:
    """How often signs that a run is not what it seems appear."""

    spread_of_winner: Mapping[tuple[str, float], Estimate]
    """Share of WINNERs whose spread is called another, by design and true improvement; spreads are equal."""
    spread_of_experiment: Estimate
    """Share of experiments without effect that carry the bracket under the protocol."""
    outlier: Estimate
    """Share of arms of five seeds with an outlier."""
    outlier_in_ten: Estimate
    """Share of studies of ten experiments without effect where it is said of any arm, the baseline included."""
    seed_unseen: Mapping[float, Estimate]
    """Share of baselines whose seed is not seen to vary the run, by the machine's share."""


def signs(studies: int, seed: int) -> SignFigures:
    """Under normal noise and equal spreads."""
    spread = {}
    for place, effect in enumerate((0.0, 1.0, 2.0, 3.0)):
        drawn = in_blocks(partial(_spread_signs, effect=effect), studies, seed + place, STUDY_BLOCK)
        for design in ("protocol", "screening"):
            spread[design, effect] = Estimate.ratio(drawn[f"{design} bracket"], drawn[f"{design} winner"])
        if not effect:
            of_experiment = Estimate.of(drawn["protocol bracket"])
    outliers = in_blocks(_outlier_signs, studies // EXPERIMENTS, seed + 10)
    unseen = in_blocks(_seed_signs, studies, seed + 11, STUDY_BLOCK)
    return SignFigures(
        spread_of_winner=spread,
        spread_of_experiment=of_experiment,
        outlier=Estimate.of(outliers["baseline"]),
        outlier_in_ten=Estimate.of(outliers["any"]),
        seed_unseen={share: Estimate.of(unseen[str(share)]) for share in MACHINE_SHARES},
    )


def _spread_signs(rng: Generator, effect: float) -> dict[str, Floats]:
    drawn = draw(rng, STUDY_BLOCK, 1).improved(np.full((STUDY_BLOCK, 1), effect))
    found = {}
    for name, rule in (("protocol", protocol), ("screening", screening)):
        decided = rule(drawn)
        found[f"{name} winner"] = decided.winner[:, 0].astype(float)
        found[f"{name} bracket"] = np.zeros(STUDY_BLOCK)
        found[f"{name} bracket"][np.nonzero(decided.winner)[0]] = other_spread(drawn, decided)
    return found


def _outlier_signs(rng: Generator) -> dict[str, Floats]:
    drawn = draw(rng, BLOCK, EXPERIMENTS)
    has_five = protocol(drawn).runs == drawn.experiments.shape[-1]
    of_base, of_arms = (_dixon(values) >= DIXON for values in (drawn.baseline, drawn.experiments))
    return {"baseline": of_base.astype(float), "any": (of_base | (of_arms & has_five).any(axis=1)).astype(float)}


def _dixon(values: Floats) -> Floats:
    """The larger gap at either end, in parts of the range."""
    ordered = np.sort(values, axis=-1)
    gaps = np.maximum(ordered[..., 1] - ordered[..., 0], ordered[..., -1] - ordered[..., -2])
    ratio: Floats = gaps / (ordered[..., -1] - ordered[..., 0])
    return ratio


def _seed_signs(rng: Generator) -> dict[str, Floats]:
    """The repeat is of the first seed, which the machine moves anew."""
    seeds = len(RULES.baseline_seeds)
    of_seed, of_machine = (rng.standard_normal((STUDY_BLOCK, n)) for n in (seeds, seeds + 1))
    pairs = np.triu_indices(seeds, 1)
    found = {}
    for share in MACHINE_SHARES:
        values = np.sqrt(1 - share) * np.hstack([of_seed, of_seed[:, :1]]) + np.sqrt(share) * of_machine
        distances = np.abs(values[:, pairs[0]] - values[:, pairs[1]])
        repeat = np.abs(values[:, 0] - values[:, -1])
        found[str(share)] = (np.median(distances, axis=-1) < SEED_RATIO * repeat).astype(float)
    return found


# --- real values ------------------------------------------------------------------------------

LOGS = Path(__file__).parents[1] / "tests" / "real_logs"
# Program, files, and how each arm's runs are told from the file's name.
PROGRAMS = ("makemore", "llm-research-kit")
_ARM = re.compile(r"(baseline|exp_.*)_seed\d+\.(?:stdout|metrics\.json)")


def real_pool(program: str) -> Floats:
    """Distances of real final values from the mean of their own arm: what remains is seed and machine."""
    arms: dict[str, list[float]] = {}
    for path in sorted((LOGS / program).iterdir()):
        named = _ARM.fullmatch(path.name)
        if named is None or "repeat" in path.name or "merged" in path.name:
            continue
        if path.suffix == ".json":
            value = json.loads(path.read_bytes())["final_metrics"]["val_loss"]
        elif program == "makemore":
            value = re.findall(r"test loss: ([0-9.]+)", path.read_text(encoding="utf-8"))[-1]
        else:
            continue
        arms.setdefault(named[1], []).append(float(value))
    return np.concatenate([np.subtract(values, np.mean(values)) for values in arms.values()])


def real_values(count: int, seed: int) -> dict[str, dict[str, CampaignFigures]]:
    """By program and rule: campaigns of 50 whose every run is one of its real values, drawn with repetition."""
    found = {}
    for place, program in enumerate(PROGRAMS):
        drawn = in_blocks(partial(_resampled, pool=real_pool(program)), count, seed + place)
        found[program] = figures_of(drawn)
    return found


def _resampled(rng: Generator, pool: Floats) -> dict[str, Floats]:
    def values(*shape: int) -> Floats:
        return rng.choice(pool, (BLOCK, *shape))

    seeds = len(RULES.baseline_seeds)
    base = values(seeds)
    # A baseline of equal values has no sigma, and the product accepts none: a permutation stands in for it.
    flat = np.ptp(base, axis=-1) == 0
    base[flat] = rng.permuted(np.tile(pool, (BLOCK, 1)), axis=-1)[flat, :seeds]
    return counted(Campaigns(base, values(LONG, seeds), values(LONG, PAIRS), values(LONG, PAIRS)))
