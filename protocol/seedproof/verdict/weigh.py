"""Computes the evidence of a comparison."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal, TypeVar

from seedproof.model.arms import Arm, Baseline, Primary
from seedproof.model.results import Comparison
from seedproof.model.rules import Rules
from seedproof.phases.looks import detectable_effect, operating_point
from seedproof.stats.distributions import sigma_factors, sigma_upper_factor, t_cdf
from seedproof.stats.outliers import find_outlier
from seedproof.stats.power import seeds_for_power
from seedproof.stats.seed_correlation import false_winner
from seedproof.stats.summary import SampleError, percent_change
from seedproof.stats.tests import TTest, paired, welch
from seedproof.verdict.evidence import Detectable, Evidence, FalseWinner, Interval, PerSeed, SeedsNeeded

__all__ = ["p_better", "weigh"]

# The conventional power: Cohen 1988, section 2.4.
POWER = 0.8
T = TypeVar("T")


def weigh(comparison: Comparison) -> Evidence:
    """The evidence of a verdict; loads scipy."""
    baseline, arm = comparison.baseline, comparison.arm
    rules, name = baseline.rules, baseline.rules.metric.name
    base, exp = baseline.arm.finite(name), {} if arm.diverged_seeds else arm.finite(name)
    missing: dict[str, str] = {}
    if arm.diverged_seeds:
        missing["differences"] = f"seed {arm.diverged_seeds[0]} diverged, so no difference has a meaning"
    parts = _Parts(missing)
    one, other = list(base.values()), list(exp.values())
    unpaired = parts.get("unpaired", lambda: _interval("welch", welch(one, other), baseline))
    is_seeded = rules.seed != "unseeded"
    by_seed = parts.get("paired", lambda: _paired_interval(base, exp, baseline)) if is_seeded else None
    if not is_seeded:
        missing["paired"] = "the runs have no seed, so none of them belong together"
    return Evidence(
        primary=arm.primary if by_seed is not None else "unpaired",
        primary_reason=_primary_reason(arm, by_seed),
        false_winner=_false_winner(rules),
        smallest_detectable=_detectable(baseline),
        seeds_needed=_seeds_needed(rules),
        unpaired=unpaired,
        paired=by_seed,
        per_seed=_per_seed(base, exp, rules) if is_seeded else None,
        seed_varies=_seed_varies(baseline) if is_seeded else None,
        hours_between=_hours_between(baseline.arm, arm),
        same_machine=_same_machine(baseline.arm, arm),
        unavailable=missing,
    )


class _Parts:
    """Computes parts of the evidence, and records why one is missing."""

    def __init__(self, missing: dict[str, str]) -> None:
        self._missing = missing

    def get(self, name: str, make: Callable[[], T]) -> T | None:
        if "differences" in self._missing:
            return None
        try:
            return make()
        except SampleError as error:
            self._missing[name] = str(error)
            return None


def _interval(test: Literal["welch", "paired"], found: TTest, baseline: Baseline) -> Interval:
    def percent(value: float) -> float | None:
        return percent_change(baseline.mean, baseline.mean + value)

    return Interval(
        test=test,
        difference=found.difference,
        low=found.low,
        high=found.high,
        difference_percent=percent(found.difference),
        low_percent=percent(found.low),
        high_percent=percent(found.high),
        t=found.t,
        df=found.df,
        p_value=found.p_value,
        p_better=t_cdf(-baseline.rules.metric.sign * found.t, found.df),
    )


def _paired_interval(base: Mapping[int, float], exp: Mapping[int, float], baseline: Baseline) -> Interval:
    found = paired(base, exp)
    return replace(_interval("paired", found, baseline), n=found.n, correlation=found.correlation)


def p_better(base: Mapping[int, float], exp: Mapping[int, float], primary: Primary, sign: int) -> float | None:
    """One-sided p value that an arm is better, by its primary test; None where no test is possible.

    Where the declared paired test is not possible, the unpaired one is the primary, as in `weigh`.
    """
    try:
        found = paired(base, exp) if primary == "paired" else welch(list(base.values()), list(exp.values()))
    except SampleError:
        return p_better(base, exp, "unpaired", sign) if primary == "paired" else None
    return t_cdf(-sign * found.t, found.df)


def _primary_reason(arm: Arm, by_seed: Interval | None) -> str:
    if arm.primary == "paired" and by_seed is None:
        return "declared paired, but no paired interval can be had"
    return arm.primary_reason


def _false_winner(rules: Rules) -> FalseWinner:
    sizes, label = rules.sizes, "independent seeds, normal noise, equal spread"
    null = operating_point(0.0, rules)
    if rules.design != "protocol":
        return FalseWinner(label, null.p_winner, None, None)
    if rules.seed == "unseeded":
        return FalseWinner(label, null.p_winner, None, None, null.p_loser)
    return FalseWinner(label, null.p_winner, false_winner(0.6, sizes), false_winner(0.9, sizes), null.p_loser)


def _detectable(baseline: Baseline) -> Detectable:
    effect = detectable_effect(POWER, baseline.rules)
    low, high = sigma_factors(len(baseline.rules.baseline_seeds))
    at = effect * baseline.std
    return Detectable(POWER, effect, at, low * at, high * at, low, high)


def _seeds_needed(rules: Rules) -> SeedsNeeded:
    upper = sigma_upper_factor(len(rules.baseline_seeds), POWER)
    worthwhile = rules.worthwhile_sigma
    return SeedsNeeded(worthwhile, seeds_for_power(worthwhile, POWER), seeds_for_power(worthwhile / upper, POWER))


def _per_seed(base: Mapping[int, float], exp: Mapping[int, float], rules: Rules) -> PerSeed | None:
    differences = {seed: exp[seed] - base[seed] for seed in base if seed in exp}
    if len(differences) < 2:
        return None
    improved = sum(rules.metric.sign * value > 0 for value in differences.values())
    found = find_outlier(differences)
    outlier = None if found is None else found.key
    signs = {math.copysign(1, value) if value else 0.0 for value in differences.values()}
    consistent = len(signs) == 1 and 0.0 not in signs
    return PerSeed(
        differences={str(seed): value for seed, value in differences.items()},
        improved=improved,
        pattern="one_outlier" if outlier is not None else "consistent" if consistent else "mixed",
        consistent=consistent,
        outlier_seed=outlier,
        smallest_sign_p=2.0 ** (1 - len(differences)),
    )


def _seed_varies(baseline: Baseline) -> str | None:
    texts = [run.start_text for run in baseline.arm.counted.values()]
    known = {text for text in texts if text is not None}
    if len(texts) < 2 or len(known) != 1 or None in texts:
        return None
    name = baseline.rules.metric.name
    return f"{name} at step 0 is {known.pop()} for all seeds: sigma covers data order, not initialisation."


def _hours_between(base: Arm, exp: Arm) -> float | None:
    ends = [run.ended for run in base.counted.values() if run.ended]
    starts = [run.started for run in exp.counted.values() if run.started]
    if not ends or not starts:
        return None
    seconds = (datetime.fromisoformat(min(starts)) - datetime.fromisoformat(max(ends))).total_seconds()
    return max(0.0, seconds / 3600)


def _same_machine(base: Arm, exp: Arm) -> bool | None:
    hosts = {run.host for arm in (base, exp) for run in arm.counted.values()}
    return None if None in hosts or not hosts else len(hosts) == 1
