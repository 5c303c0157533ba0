"""From a baseline and a finished experiment to the protocol's verdict."""

from seedproof.design import TIE, Look, next_look
from seedproof.errors import ArmFailed, ExperimentIncomplete, MoreSeedsNeeded
from seedproof.rules import Rules
from seedproof.stats import cohens_d, effect_size, percent_change, summarize
from seedproof.values import Arm, Baseline, Comparison, Verdict

__all__ = ["judge"]


def judge(baseline: Baseline, arm: Arm) -> Comparison:
    """The protocol's verdict; a pure function of the runs.

    Raises:
        ArmFailed: A seed failed for good.
        ExperimentIncomplete: The seeds of the first look are not all done.
        MoreSeedsNeeded: The mean is within the winner's distance and the extra seeds are missing.
    """
    look = next_look(arm, baseline, baseline.rules)
    if look.diverged:
        return _diverged(baseline, arm, look)
    _require_complete(baseline, arm, look)
    return _compare(baseline, arm)


def _require_complete(baseline: Baseline, arm: Arm, look: Look) -> None:
    name = arm.experiment
    if look.failed:
        raise ArmFailed(f"{name}: seed {_listed(look.failed)} failed for good; the arm ends without a verdict.")
    if not look.first_look_done:
        first = baseline.rules.experiment_seeds
        done = sum(seed in arm.counted for seed in first)
        raise ExperimentIncomplete(f"{name} has {done} of {len(first)} seeds; missing: {_listed(look.due)}.")
    if look.due:
        raise MoreSeedsNeeded(
            f"after {len(baseline.rules.experiment_seeds)} seeds the mean of {name} is less than "
            f"{baseline.rules.winner_sigma:g} sigma from the baseline's; seeds {_listed(look.due)} are needed as well."
        )


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(str(seed) for seed in seeds)


def _diverged(baseline: Baseline, arm: Arm, look: Look) -> Comparison:
    seeds = f"{len(look.diverged)} of {len(arm.counted)} seeds"
    metric = baseline.rules.metric.name
    return Comparison(
        baseline=baseline,
        arm=arm,
        verdict=Verdict.LOSER,
        headline=f"LOSER (diverged: {seeds})",
        reason=f"The last {metric} of seed {_listed(look.diverged)} is not finite; a diverged seed decides.",
        delta=None,
        improvement_sigma=None,
        change_percent=None,
        cohens_d=None,
        effect_size=None,
        significant=None,
        wall_time_change_percent=None,
    )


def _compare(baseline: Baseline, arm: Arm) -> Comparison:
    rules = baseline.rules
    base = list(baseline.arm.finite(rules.metric.name).values())
    exp = list(arm.finite(rules.metric.name).values())
    delta = summarize(exp).mean - baseline.mean
    sigma = rules.metric.sign * delta / baseline.std
    d = cohens_d(base, exp)
    verdict = _word(sigma, rules.winner_sigma)
    side = "better" if sigma >= 0 else "worse"
    suggestive = sigma >= rules.suggestive_sigma - TIE
    tail = "" if verdict is not Verdict.NEUTRAL else ", suggestive but inconclusive" if suggestive else ", noise"
    return Comparison(
        baseline=baseline,
        arm=arm,
        verdict=verdict,
        headline=f"{verdict}: {_distance(sigma, rules)} sigma {side}{tail}",
        reason=_reason(verdict, sigma, suggestive, rules),
        delta=delta,
        improvement_sigma=sigma,
        change_percent=percent_change(baseline.mean, baseline.mean + delta),
        cohens_d=d,
        effect_size=None if d is None else effect_size(d),
        significant=abs(sigma) >= rules.winner_sigma - TIE,
        wall_time_change_percent=_wall_time_change(baseline, arm),
    )


def _word(sigma: float, threshold: float) -> Verdict:
    if sigma >= threshold - TIE:
        return Verdict.WINNER
    return Verdict.LOSER if sigma <= -threshold + TIE else Verdict.NEUTRAL


def _distance(sigma: float, rules: Rules) -> str:
    """The distance with two decimals, or as many as show on which side of a threshold it lies."""
    thresholds = (rules.suggestive_sigma, rules.winner_sigma)

    def sides(value: float) -> list[bool]:
        return [value >= threshold - TIE for threshold in thresholds]

    texts = (f"{abs(sigma):.{decimals}f}" for decimals in range(2, 10))
    return next((text for text in texts if sides(float(text)) == sides(abs(sigma))), repr(abs(sigma)))


def _reason(verdict: Verdict, sigma: float, suggestive: bool, rules: Rules) -> str:
    winner, least = f"{rules.winner_sigma:g}", f"{rules.suggestive_sigma:g}"
    side = "better" if sigma >= 0 else "worse"
    said = f"The mean is {_distance(sigma, rules)} sigma {side} than the baseline's"
    if verdict is not Verdict.NEUTRAL:
        return f"{said}; {winner} sigma decide."
    if suggestive:
        return f"{said}: at least {least} but less than {winner} sigma is suggestive, not conclusive."
    return f"{said}; an improvement of less than {least} sigma is noise, a loss of less than {winner} too."


def _wall_time_change(baseline: Baseline, arm: Arm) -> float | None:
    base = list(baseline.arm.finite("wall_time_s").values())
    exp = list(arm.finite("wall_time_s").values())
    return percent_change(summarize(base).mean, summarize(exp).mean) if base and exp else None
