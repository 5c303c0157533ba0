"""From a baseline and a finished experiment to the protocol's verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import ArmFailed, ExperimentIncomplete, MoreSeedsNeeded
from seedproof.model.results import Comparison, Confirmation, Difference, Verdict
from seedproof.model.rules import Rules
from seedproof.phases.looks import Look, next_look
from seedproof.stats.sequential import FUTILITY_P, decide, look_p, sequential_alpha
from seedproof.stats.summary import cohens_d, effect_size, percent_change, reaches, summarize
from seedproof.verdict.comparability import wall_time_withheld
from seedproof.verdict.confirmation import confirm
from seedproof.verdict.plausibility import Cap, caps_on

__all__ = ["judge"]


def judge(
    baseline: Baseline,
    arm: Arm,
    confirmation: Confirmation | None = None,
    accepted: tuple[Difference, ...] = (),
) -> Comparison:
    """The protocol's verdict; a pure function of the runs.

    Args:
        baseline: What the experiment is compared with.
        arm: The experiment.
        confirmation: What the fresh seeds were found to say, as it was written down; evaluated here if None.
        accepted: What differs besides the experiment, and is accepted; the headline says so.

    Raises:
        ArmFailed: A seed failed for good.
        ExperimentIncomplete: The seeds of the first look are not all done.
        MoreSeedsNeeded: The mean is within the winner's distance and the extra seeds are missing.
    """
    look = next_look(arm, baseline, baseline.rules)
    if look.diverged:
        return _diverged(baseline, arm, look, accepted)
    _require_complete(baseline, arm, look)
    return _compare(baseline, arm, confirmation, accepted)


def _require_complete(baseline: Baseline, arm: Arm, look: Look) -> None:
    name = arm.experiment
    if look.failed:
        raise ArmFailed(f"{name}: seed {_listed(look.failed)} failed for good; the arm ends without a verdict.")
    if not look.first_look_done:
        first = baseline.rules.experiment_seeds
        done = sum(seed in arm.counted for seed in first)
        raise ExperimentIncomplete(f"{name} has {done} of {len(first)} seeds; missing: {_listed(look.due)}.")
    if look.due:
        count, seeds = len(baseline.rules.experiment_seeds), _listed(look.due)
        if baseline.rules.design == "sequential":
            raise MoreSeedsNeeded(f"the look after {count} seeds of {name} is open; seeds {seeds} are needed as well.")
        raise MoreSeedsNeeded(
            f"after {count} seeds the mean of {name} is less than {baseline.rules.winner_sigma:g} sigma from the "
            f"baseline's; seeds {seeds} are needed as well."
        )


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(str(seed) for seed in seeds)


def _diverged(baseline: Baseline, arm: Arm, look: Look, accepted: tuple[Difference, ...]) -> Comparison:
    seeds = f"{len(look.diverged)} of {len(arm.counted)} seeds"
    metric = baseline.rules.metric.name
    return Comparison(
        baseline=baseline,
        arm=arm,
        verdict=Verdict.LOSER,
        headline=f"LOSER{_brackets(f'diverged: {seeds}', *_accepted(accepted))}",
        reason=f"The last {metric} of seed {_listed(look.diverged)} is not finite; a diverged seed decides.",
        delta=None,
        improvement_sigma=None,
        change_percent=None,
        cohens_d=None,
        effect_size=None,
        significant=None,
        wall_time_change_percent=None,
        accepted=accepted,
    )


def _compare(baseline: Baseline, arm: Arm, said: Confirmation | None, accepted: tuple[Difference, ...]) -> Comparison:
    rules = baseline.rules
    exp = list(arm.finite(rules.metric.name).values())
    delta = summarize(exp).mean - baseline.mean
    sigma = rules.metric.sign * delta / baseline.std + 0.0  # never -0.0
    d = cohens_d(baseline.values, exp)
    is_sequential = rules.design == "sequential"
    ruling = _sequential(baseline, arm, exp, sigma) if is_sequential else _protocol(sigma, rules)
    if ruling.verdict is Verdict.WINNER:
        ruling = _capped(ruling, caps_on(baseline, arm))
    confirmation = (said or confirm(baseline, arm)) if ruling.verdict is Verdict.WINNER else None
    return Comparison(
        baseline=baseline,
        arm=arm,
        verdict=ruling.verdict,
        headline=_headline(ruling, sigma, rules, confirmation, accepted),
        reason=ruling.reason,
        delta=delta,
        improvement_sigma=sigma,
        change_percent=percent_change(baseline.mean, baseline.mean + delta),
        cohens_d=d,
        effect_size=None if d is None else effect_size(d),
        significant=reaches(abs(sigma), rules.winner_sigma),
        wall_time_change_percent=_wall_time_change(baseline, arm),
        confirmation=confirmation,
        accepted=accepted,
        caps=ruling.caps,
    )


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What the design of the rules decides."""

    verdict: Verdict
    reason: str
    by: str = ""
    """What stands behind the word where the protocol's own rule did not decide."""
    caps: tuple[str, ...] = ()
    """What made NEUTRAL of a WINNER."""


def _capped(ruling: _Ruling, caps: tuple[Cap, ...]) -> _Ruling:
    """A WINNER as far as its runs can be trusted; no other word is ever changed."""
    if not caps:
        return ruling
    told = " ".join(f"{cap.word[0].upper()}{cap.word[1:]}: {cap.sentence}" for cap in caps)
    reason = f"{ruling.reason} That distance is not trusted, so the verdict is capped at NEUTRAL. {told}"
    return replace(ruling, verdict=Verdict.NEUTRAL, reason=reason, caps=tuple(cap.word for cap in caps))


def _protocol(sigma: float, rules: Rules) -> _Ruling:
    verdict = _word(sigma, rules.winner_sigma)
    return _Ruling(verdict, _reason(verdict, sigma, reaches(sigma, rules.suggestive_sigma), rules))


def _sequential(baseline: Baseline, arm: Arm, exp: Sequence[float], sigma: float) -> _Ruling:
    """The test at the last look; the protocol's own word stands beside it."""
    rules = baseline.rules
    is_last = len(exp) > len(rules.experiment_seeds) or not rules.extra_seeds
    p_better = look_p(baseline.values, exp, rules.metric.sign, arm.prior)
    alpha = sequential_alpha(rules.sizes, arm.prior.df if arm.prior else 0)
    word = Verdict(decide(p_better, is_last=is_last, alpha=alpha))
    reason = (
        f"One-sided p that the experiment is better: {p_better:.4f} after {len(exp)} seeds, with the variance pooled; "
        f"at most {alpha:.4f} is a WINNER, at least {1 - alpha:.4f} a LOSER"
        f"{'.' if is_last else f', more than {FUTILITY_P:g} after the first look ends it.'}"
    )
    return _Ruling(word, reason, f" (sequential design; protocol rule: {_protocol_word(baseline, arm)})")


def _protocol_word(baseline: Baseline, arm: Arm) -> str:
    """What the protocol's own rule says of the same runs: its first look decides if it is clear."""
    rules = baseline.rules
    values = arm.finite(rules.metric.name)
    first = {seed: values[seed] for seed in rules.experiment_seeds}
    for looked_at in (first, values):
        distance = rules.metric.sign * (summarize(list(looked_at.values())).mean - baseline.mean) / baseline.std
        word = _word(distance, rules.winner_sigma)
        if word is not Verdict.NEUTRAL:
            return str(word)
    is_open = len(values) == len(first) and bool(rules.extra_seeds)
    return f"undecided at {len(first)} seeds" if is_open else str(Verdict.NEUTRAL)


_CONFIRMED = {
    "open": "unconfirmed",
    "confirmed": "confirmed on {n} fresh seeds",
    "not_confirmed": "NOT confirmed on {n} fresh seeds",
    "incomplete": "confirmation incomplete",
    "unavailable": "unconfirmed",
}


def _headline(
    ruling: _Ruling,
    sigma: float,
    rules: Rules,
    confirmation: Confirmation | None,
    accepted: tuple[Difference, ...],
) -> str:
    side = " better" if sigma > 0 else " worse" if sigma < 0 else ", no difference"
    tail = ""
    if ruling.verdict is Verdict.NEUTRAL and not ruling.by and not ruling.caps and sigma:
        tail = ", suggestive but inconclusive" if reaches(sigma, rules.suggestive_sigma) else ", noise"
    words = []
    if confirmation is not None:
        words.append(_CONFIRMED[confirmation.state].format(n=len(rules.confirm_seeds)))
        time = confirmation.wall_time
        if time is not None and time.claim == "slowdown":
            tail = f"; slower by {time.change_percent:.1f} % in alternated runs"
    capped = f" (capped: {', '.join(ruling.caps)})" if ruling.caps else ""
    brackets = _brackets(*words, *_accepted(accepted))
    return f"{ruling.verdict}{capped}{ruling.by}{brackets}: {_distance(sigma, rules)} sigma{side}{tail}"


def _brackets(*words: str) -> str:
    """What qualifies a verdict, behind its word; empty where nothing does."""
    return f" ({'; '.join(words)})" if words else ""


def _accepted(accepted: tuple[Difference, ...]) -> list[str]:
    """What differs although it should not, by kind: no headline without it."""
    kinds = list(dict.fromkeys(one.kind for one in accepted))
    return [f"accepted: other {' and '.join(kinds)}"] if kinds else []


def _word(sigma: float, threshold: float) -> Verdict:
    if reaches(sigma, threshold):
        return Verdict.WINNER
    return Verdict.LOSER if reaches(-sigma, threshold) else Verdict.NEUTRAL


def _distance(sigma: float, rules: Rules) -> str:
    """The distance with two decimals, or as many as show on which side of a threshold it lies."""
    thresholds = (rules.suggestive_sigma, rules.winner_sigma)

    def sides(value: float) -> list[bool]:
        return [reaches(value, threshold) for threshold in thresholds]

    texts = (f"{abs(sigma):.{decimals}f}" for decimals in range(2, 10))
    return next((text for text in texts if sides(float(text)) == sides(abs(sigma))), repr(abs(sigma)))


def _reason(verdict: Verdict, sigma: float, suggestive: bool, rules: Rules) -> str:
    winner, least = f"{rules.winner_sigma:g}", f"{rules.suggestive_sigma:g}"
    side = "better" if sigma >= 0 else "worse"
    said = f"The mean is {_distance(sigma, rules)} sigma {side} than the baseline's" if sigma else "The means are equal"
    if verdict is not Verdict.NEUTRAL:
        return f"{said}; {winner} sigma decide."
    if suggestive:
        return f"{said}: at least {least} but less than {winner} sigma is suggestive, not conclusive."
    return f"{said}; an improvement of less than {least} sigma is noise, a loss of less than {winner} too."


def _wall_time_change(baseline: Baseline, arm: Arm) -> float | None:
    if wall_time_withheld(baseline.arm.counted.values(), arm.counted.values()) is not None:
        return None
    base = list(baseline.arm.finite("wall_time_s").values())
    exp = list(arm.finite("wall_time_s").values())
    return percent_change(summarize(base).mean, summarize(exp).mean) if base and exp else None
