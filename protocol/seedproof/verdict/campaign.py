"""Campaign statistics: false WINNERs to expect, and p values adjusted for all experiments of a ledger."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm, Primary
from seedproof.model.results import Campaign
from seedproof.model.rules import Rules
from seedproof.phases.looks import operating_point
from seedproof.phases.study import Study
from seedproof.stats.power import at_least_one_winner, protocol_power, smallest_detectable_effect
from seedproof.stats.tests import correlation, holm
from seedproof.verdict.weigh import p_better

__all__ = [
    "Campaign",
    "Key",
    "adjusted_p",
    "stored_p_values",
    "campaign",
    "campaign_at_verdict",
    "campaign_from_records",
    "choose_primary",
    "confirmed_by_luck",
]

# The share of WINNERs without any effect that a confirmation passes (docs/calibration.md, "What a confirmation does";
# less where their spread is the baseline's).
_CONFIRMED_BY_LUCK = 0.033
# Pairing shortens the 95 % interval where r is above .31 with five common seeds, and above .67 with three
# (t quantiles of 4 and 2 degrees of freedom against Welch's); this lies between.
PAIRED_FROM = 0.4
EARLIER_ARMS = 3


Key = tuple[int, str]
"""Generation and name of an experiment."""


def campaign(state: State) -> Campaign:
    """The campaign as of now, without the p value of an experiment."""
    return _campaign(state, None, {})


def campaign_at_verdict(state: State, of: Experiment, verdict: str) -> Campaign:
    """The campaign at a verdict that is not recorded yet; loads scipy to compute the p values that are not recorded."""
    return _campaign(state, of, _p_values(state), verdict)


def campaign_from_records(state: State, of: Experiment) -> Campaign:
    """The campaign at a recorded verdict, from the recorded p values."""
    return _campaign(state, of, state.p_values)


def _campaign(
    state: State, of: Experiment | None, p_values: Mapping[Key, float], verdict: str | None = None
) -> Campaign:
    generation, winners = state.generation, state.winners
    if verdict is not None and of is not None:  # it replaces an earlier verdict
        winners += (verdict == "WINNER") - (of.verdict is not None and of.verdict.is_winner)
    ideas = state.ideas
    expected, chance, label = _false_winners(state, ideas)
    here = sum(generation is not None and one.generation == generation.number for one in ideas)
    key = None if of is None else (of.generation, of.name)
    p_value = None if key is None else p_values.get(key)
    return Campaign(
        declared=len(ideas),
        declared_in_generation=here,
        nulls=sum(one.is_null for one in ideas),
        winners=winners,
        false_winners_expected=expected,
        false_winner_chance=chance,
        label=label,
        p_better=p_value,
        p_holm=None if key is None or p_value is None else adjusted_p(p_values, _tried(state))[key],
        advice=None if generation is None else _advice(generation.rules, here),
        elsewhere=_elsewhere(state),
        without_value=len(state.experiments) - len(ideas),
    )


def _elsewhere(state: State) -> int:
    """Experiments of other ledgers that the rules of the present generation count in."""
    generation, others = state.generation, state.others
    return others.experiments if generation and others and generation.rules.campaign == "code" else 0


def _tried(state: State) -> int:
    return len(state.ideas) + _elsewhere(state)


def confirmed_by_luck(found: Campaign) -> float:
    """The chance, at most, of any confirmed WINNER if no experiment had an effect.

    Fresh seeds are independent of what selected a WINNER, so the expected number of confirmed ones bounds the chance
    of any (Boole).
    """
    return min(1.0, found.false_winners_expected * _CONFIRMED_BY_LUCK)


def adjusted_p(p_values: Mapping[Key, float], declared: int) -> dict[Key, float]:
    """Holm's adjusted p value of each experiment; those without a p value count as 1."""
    keys = list(p_values)
    adjusted = holm([*(p_values[key] for key in keys), *[1.0] * (declared - len(keys))])
    return dict(zip(keys, adjusted, strict=False))


def stored_p_values(study: Study) -> Mapping[Key, tuple[float, float]]:
    """The recorded p value of each verdict, and the same adjusted for all experiments."""
    state, (known_at, cached) = study.state, study.memory.adjusted
    # A run that ends changes the number of ideas, without a record about the campaign.
    now = (state.campaign_seq, _tried(state))
    if known_at != now:
        adjusted = adjusted_p(state.p_values, now[1])
        cached = {key: (p, adjusted[key]) for key, p in state.p_values.items()}
        study.memory.adjusted = (now, cached)
    found: Mapping[Key, tuple[float, float]] = cached
    return found


def _p_values(state: State) -> dict[Key, float]:
    """The p value of each arm with two values or more; the recorded one, where there is a verdict."""
    found = dict(state.p_values)
    for one in state.experiments:
        if (one.generation, one.name) in found:
            continue
        rules = state.rules_of(one.generation)
        arm, base = state.experiment_arm(one), state.baseline_arm(one.generation)
        if arm.diverged_seeds:
            continue
        metric = rules.metric
        p = p_better(base.finite(metric.name), arm.finite(metric.name), one.primary, metric.sign)
        if p is not None:
            found[(one.generation, one.name)] = p
    return found


def _false_winners(state: State, ideas: Sequence[Experiment]) -> tuple[float, float | None, str]:
    """Expected number of false WINNERs, chance of at least one, and what both assume."""
    expected, none, designs = 0.0, 1.0, set()
    counts = Counter(one.generation for one in ideas)
    for generation in state.generations:
        rules, k = generation.rules, counts[generation.number]
        if k == 0:  # the power needs numpy, whose import takes most of a server's first answer
            continue
        expected += k * operating_point(0.0, rules).p_winner
        none *= 1 - at_least_one_winner(k, rules.sizes)
        designs.add(rules.design)
    elsewhere = _elsewhere(state)
    if elsewhere and state.generation is not None:  # as if they had been tried under the present rules
        expected += elsewhere * operating_point(0.0, state.generation.rules).p_winner
        none *= 1 - at_least_one_winner(elsewhere, state.generation.rules.sizes)
    assumed = "independent seeds, normal noise, equal spread"
    if designs - {"protocol"}:
        return expected, None, f"about, {assumed}; docs/calibration.md has the chance of at least one"
    # Less where the same seed moves both arms, and where a generation took over runs from the one before.
    return expected, 1 - none, assumed


def _advice(rules: Rules, k: int) -> str | None:
    """The advice to measure a larger baseline for k experiments, where that pays; all of them share its error.

    Source: Dunnett 1955, section 5: n_baseline = n x sqrt(K) is best for K comparisons with one control.
    """
    now, n = len(rules.baseline_seeds), len(rules.experiment_seeds)
    best = round(n * math.sqrt(k))
    if best <= now or rules.design != "protocol":
        return None
    larger = rules.model_copy(update={"baseline_seeds": (*rules.baseline_seeds, *range(10_000, 10_000 + best - now))})
    before, after = (100 * protocol_power(0.0, each.sizes).p_winner for each in (rules, larger))
    least, then = (smallest_detectable_effect(0.8, each.sizes) for each in (rules, larger))
    return (
        f"{k} experiments share {now} baseline seeds; {best} would pay "
        f"(n x sqrt(K)): more runs: {best - now}, false WINNERs {before:.1f} -> {after:.1f} %, smallest detectable "
        f"effect {least:.2f} -> {then:.2f} sigma. List them in rules.baseline_seeds, the present ones first, and start "
        "a new baseline: it takes over the runs it has."
    )


# --- fixed when an experiment is declared ----------------------------------------------------------


def choose_primary(state: State, rules: Rules) -> tuple[Primary, str]:
    """The primary interval of the next experiment, and why that one."""
    if rules.seed == "unseeded":
        return "unpaired", "as the runs have no seed"
    if rules.pairing != "auto":
        return rules.pairing, "by rules.pairing"
    pooled, arms = _pooled_correlation(state)
    if arms < EARLIER_ARMS or pooled is None:
        return (
            "unpaired",
            f"by default: {arms} earlier arms show the correlation of the seeds, {EARLIER_ARMS} are needed",
        )
    side: Primary = "paired" if pooled >= PAIRED_FROM else "unpaired"
    return (
        side,
        f"as the correlation of the seeds over {arms} earlier arms is {pooled:.2f} ({PAIRED_FROM:g} or more: paired)",
    )


def _pooled_correlation(state: State) -> tuple[float | None, int]:
    """Correlation of experiment and baseline over common seeds, and the number of arms behind it.

    It is the mean of the arms' correlations, weighted by degrees of freedom, so the metric's unit does not matter.
    """
    total, weights, arms = 0.0, 0, 0
    for one in state.experiments:
        rules = state.rules_of(one.generation)
        if rules.seed == "unseeded":
            continue
        name = rules.metric.name
        base, exp = _common_values(state.baseline_arm(one.generation), state.experiment_arm(one), name)
        found = correlation(base, exp) if len(base) > 2 else None
        if found is not None:
            total, weights, arms = total + (len(base) - 1) * found, weights + len(base) - 1, arms + 1
    return (total / weights if arms else None), arms


def _common_values(base: Arm, exp: Arm, name: str) -> tuple[list[float], list[float]]:
    one, other = base.finite(name), exp.finite(name)
    seeds = [] if exp.diverged_seeds else [seed for seed in one if seed in other]
    return [one[seed] for seed in seeds], [other[seed] for seed in seeds]
