"""Judges a finished experiment against its baseline."""

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
        confirmation: The recorded confirmation; evaluated here if None.
        accepted: Accepted differences besides the experiment; the headline names them.

    Raises:
        ArmFailed: A seed failed for good.
        ExperimentIncomplete: The seeds of the first look are not all done.
        MoreSeedsNeeded: The mean is within the winner's distance and the extra seeds are missing.
    """
    look = next_look(arm, baseline, baseline.rules)
    if look.diverged:
        return _diverged_comparison(baseline, arm, look, accepted)
    _require_complete(baseline, arm, look)
    return _compare(baseline, arm, confirmation, accepted)


def _require_complete(baseline: Baseline, arm: Arm, look: Look) -> None:
    name = arm.experiment
    if look.failed:
        raise ArmFailed(f"{name}: seed {_join(look.failed)} failed for good; the arm ends without a verdict.")
    if not look.first_look_done:
        first = baseline.rules.experiment_seeds
        done = sum(seed in arm.counted for seed in first)
        raise ExperimentIncomplete(f"{name} has {done} of {len(first)} seeds; missing: {_join(look.due)}.")
    if look.due:
        count, seeds = len(baseline.rules.experiment_seeds), _join(look.due)
        if baseline.rules.design == "sequential":
            raise MoreSeedsNeeded(f"the look after {count} seeds of {name} is open; seeds {seeds} are needed as well.")
        raise MoreSeedsNeeded(
            f"after {count} seeds the mean of {name} is less than {baseline.rules.winner_sigma:g} sigma from the "
            f"baseline's; seeds {seeds} are needed as well."
        )


def _join(seeds: tuple[int, ...]) -> str:
    return ", ".join(str(seed) for seed in seeds)


def _diverged_comparison(baseline: Baseline, arm: Arm, look: Look, accepted: tuple[Difference, ...]) -> Comparison:
    seeds = f"{len(look.diverged)} of {len(arm.counted)} seeds"
    metric = baseline.rules.metric.name
    return Comparison(
        baseline=baseline,
        arm=arm,
        verdict=Verdict.LOSER,
        headline=f"LOSER{_brackets(f'diverged: {seeds}', *_accepted_kinds(accepted))}",
        reason=f"The last {metric} of seed {_join(look.diverged)} is not finite; a diverged seed decides.",
        delta=None,
        improvement_sigma=None,
        change_percent=None,
        cohens_d=None,
        effect_size=None,
        significant=None,
        wall_time_change_percent=None,
        accepted=accepted,
    )


def _compare(
    baseline: Baseline, arm: Arm, recorded: Confirmation | None, accepted: tuple[Difference, ...]
) -> Comparison:
    rules = baseline.rules
    exp = list(arm.finite(rules.metric.name).values())
    delta = summarize(exp).mean - baseline.mean
    sigma = rules.metric.sign * delta / baseline.std + 0.0  # never -0.0
    d = cohens_d(baseline.values, exp)
    is_sequential = rules.design == "sequential"
    ruling = _sequential_ruling(baseline, arm, exp, sigma) if is_sequential else _protocol_ruling(sigma, rules)
    if ruling.verdict is Verdict.WINNER:
        ruling = _apply_caps(ruling, caps_on(baseline, arm))
    confirmation = (recorded or confirm(baseline, arm)) if ruling.verdict is Verdict.WINNER else None
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
    """The verdict under the rules, before the confirmation."""

    verdict: Verdict
    reason: str
    by: str = ""
    """Names the design in the headline, where it is not the protocol's own rule."""
    caps: tuple[str, ...] = ()
    """Names of the caps that turned a WINNER into NEUTRAL."""


def _apply_caps(ruling: _Ruling, caps: tuple[Cap, ...]) -> _Ruling:
    """Turn a WINNER whose runs are not plausible into NEUTRAL."""
    if not caps:
        return ruling
    reasons = " ".join(f"{cap.name[0].upper()}{cap.name[1:]}: {cap.sentence}" for cap in caps)
    reason = f"{ruling.reason} That distance is not trusted, so the verdict is capped at NEUTRAL. {reasons}"
    return replace(ruling, verdict=Verdict.NEUTRAL, reason=reason, caps=tuple(cap.name for cap in caps))


def _protocol_ruling(sigma: float, rules: Rules) -> _Ruling:
    verdict = _verdict_for(sigma, rules.winner_sigma)
    return _Ruling(verdict, _reason(verdict, sigma, reaches(sigma, rules.suggestive_sigma), rules))


def _sequential_ruling(baseline: Baseline, arm: Arm, exp: Sequence[float], sigma: float) -> _Ruling:
    """The ruling of the sequential test; the headline also names the verdict by the protocol's own rule."""
    rules = baseline.rules
    is_last = len(exp) > len(rules.experiment_seeds) or not rules.extra_seeds
    p_better = look_p(baseline.values, exp, rules.metric.sign, arm.prior)
    alpha = sequential_alpha(rules.sizes, arm.prior.df if arm.prior else 0)
    verdict = Verdict(decide(p_better, is_last=is_last, alpha=alpha))
    reason = (
        f"One-sided p that the experiment is better: {p_better:.4f} after {len(exp)} seeds, with the variance pooled; "
        f"at most {alpha:.4f} is a WINNER, at least {1 - alpha:.4f} a LOSER"
        f"{'.' if is_last else f', more than {FUTILITY_P:g} after the first look ends it.'}"
    )
    return _Ruling(verdict, reason, f" (sequential design; protocol rule: {_protocol_verdict(baseline, arm)})")


def _protocol_verdict(baseline: Baseline, arm: Arm) -> str:
    """The verdict on the same runs by the protocol's own rule, whose first look decides unless it is NEUTRAL."""
    rules = baseline.rules
    values = arm.finite(rules.metric.name)
    first = {seed: values[seed] for seed in rules.experiment_seeds}
    for looked_at in (first, values):
        distance = rules.metric.sign * (summarize(list(looked_at.values())).mean - baseline.mean) / baseline.std
        verdict = _verdict_for(distance, rules.winner_sigma)
        if verdict is not Verdict.NEUTRAL:
            return str(verdict)
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
    remarks = []
    if confirmation is not None:
        remarks.append(_CONFIRMED[confirmation.state].format(n=len(rules.confirm_seeds)))
        time = confirmation.wall_time
        if time is not None and time.claim == "slowdown":
            tail = f"; slower by {time.change_percent:.1f} % in alternated runs"
    capped = f" (capped: {', '.join(ruling.caps)})" if ruling.caps else ""
    brackets = _brackets(*remarks, *_accepted_kinds(accepted))
    return f"{ruling.verdict}{capped}{ruling.by}{brackets}: {_format_distance(sigma, rules)} sigma{side}{tail}"


def _brackets(*remarks: str) -> str:
    """Remarks on a verdict in brackets; empty where there are none."""
    return f" ({'; '.join(remarks)})" if remarks else ""


def _accepted_kinds(accepted: tuple[Difference, ...]) -> list[str]:
    """The remark that names the kinds of accepted differences; empty where there are none."""
    kinds = list(dict.fromkeys(one.kind for one in accepted))
    return [f"accepted: other {' and '.join(kinds)}"] if kinds else []


def _verdict_for(sigma: float, threshold: float) -> Verdict:
    if reaches(sigma, threshold):
        return Verdict.WINNER
    return Verdict.LOSER if reaches(-sigma, threshold) else Verdict.NEUTRAL


def _format_distance(sigma: float, rules: Rules) -> str:
    """The distance with two decimals, or with more where two would put it on the wrong side of a threshold."""
    thresholds = (rules.suggestive_sigma, rules.winner_sigma)

    def sides(value: float) -> list[bool]:
        return [reaches(value, threshold) for threshold in thresholds]

    texts = (f"{abs(sigma):.{decimals}f}" for decimals in range(2, 10))
    return next((text for text in texts if sides(float(text)) == sides(abs(sigma))), repr(abs(sigma)))


def _reason(verdict: Verdict, sigma: float, suggestive: bool, rules: Rules) -> str:
    winner, least = f"{rules.winner_sigma:g}", f"{rules.suggestive_sigma:g}"
    side = "better" if sigma >= 0 else "worse"
    means = "The means are equal"
    if sigma:
        means = f"The mean is {_format_distance(sigma, rules)} sigma {side} than the baseline's"
    if verdict is not Verdict.NEUTRAL:
        return f"{means}; {winner} sigma decide."
    if suggestive:
        return f"{means}: at least {least} but less than {winner} sigma is suggestive, not conclusive."
    return f"{means}; an improvement of less than {least} sigma is noise, a loss of less than {winner} too."


def _wall_time_change(baseline: Baseline, arm: Arm) -> float | None:
    if wall_time_withheld(baseline.arm.counted.values(), arm.counted.values()) is not None:
        return None
    base = list(baseline.arm.finite("wall_time_s").values())
    exp = list(arm.finite("wall_time_s").values())
    return percent_change(summarize(base).mean, summarize(exp).mean) if base and exp else None
