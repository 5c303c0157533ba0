"""Judges a finished experiment against its baseline."""

from collections.abc import Sequence
from dataclasses import replace

from seedproof.ledger.study_events import VerdictIssued
from seedproof.metrics.numbers import printed_step
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import ArmFailed, ExperimentIncomplete, MoreSeedsNeeded
from seedproof.model.results import Comparison, Confirmation, Difference, SeedPairs, Verdict
from seedproof.model.rules import Rules
from seedproof.phases.confirmation import other_spread
from seedproof.phases.looks import Look, failure_words, next_look
from seedproof.stats.fresh_pairs import paired_gain
from seedproof.stats.screening import WINNER_P, Stage, look_p, screening_power, stages
from seedproof.stats.summary import cohens_d, effect_size, percent_change, reaches, summarize
from seedproof.verdict.comparability import runs_behind, wall_time_withheld
from seedproof.verdict.confirmation import confirm
from seedproof.verdict.headline import (
    Ruling,
    accepted_kinds,
    always_said,
    in_brackets,
    pairs_reason,
    protocol_reason,
    shown_brackets,
    worst_first,
    write_headline,
)
from seedproof.verdict.plausibility import TOOK_LONGER, Cap, caps_on
from seedproof.verdict.signs import brackets_on

__all__ = ["judge", "wall_time_change"]

# The improvement at which the share that screening misses is told.
_MISSED_SIGMA = 2.0
# From this one-sided p on, same-seed pairs are not called noise; five better ones are said in the headline.
_TELLING_P = 0.01
_LEAST_PAIRS = 3
_OFFERED_PAIRS = 5


def judge(
    baseline: Baseline,
    arm: Arm,
    issued: VerdictIssued | None = None,
    accepted: tuple[Difference, ...] = (),
    remarks: tuple[str, ...] = (),
) -> Comparison:
    """The protocol's verdict; a pure function of the runs and of what was recorded about them.

    A verdict of an earlier version stays as it was given: only its confirmation may go on.

    Args:
        baseline: What the experiment is compared with.
        arm: The experiment.
        issued: Its newest recorded verdict; None before the first.
        accepted: Accepted differences besides the experiment; the headline names them.
        remarks: What the rest of the ledger adds to the headline's brackets.

    Raises:
        ArmFailed: A seed failed for good.
        ExperimentIncomplete: The seeds of the first look are not all done.
        MoreSeedsNeeded: A look leaves the verdict open, and the seeds after it are missing.
    """
    look = next_look(arm, baseline, baseline.rules)
    if look.diverged:
        return _diverged_comparison(baseline, arm, look, accepted)
    _require_complete(baseline, arm, look)
    return _compare(baseline, arm, issued, accepted, remarks)


def _require_complete(baseline: Baseline, arm: Arm, look: Look) -> None:
    name, rules = arm.experiment, baseline.rules
    if look.failed:
        if len(look.failed) > 1:
            raise ArmFailed(f"{name}: seed {_join(look.failed)} failed for good; the arm ends without a verdict.")
        raise ArmFailed(f"{name}: {failure_words(look)}.")
    if not look.due:
        return
    done = sum(seed in arm.counted for seed in look.allowed)
    if rules.design == "protocol" and look.first_look_done:
        needs = f"seed {look.due[0]} is" if len(look.due) == 1 else f"seeds {_join(look.due)} are"
        raise MoreSeedsNeeded(
            f"after {len(rules.experiment_seeds)} seeds the mean of {name} is less than {rules.winner_sigma:g} sigma "
            f"from the baseline's; {needs} needed as well."
        )
    is_at_look = rules.design != "protocol" and any(one.seeds == done for one in _stages(rules))
    if is_at_look and not any(arm.attempts(seed) for seed in look.due):
        after, due = (f"{n} seed{'' if n == 1 else 's'}" for n in (done, len(look.due)))
        raise MoreSeedsNeeded(f"the look after {after} of {name} is open; next: {due}, {_join(look.due)}.")
    raise ExperimentIncomplete(f"{name} has {done} of {len(look.allowed)} seeds; missing: {_join(look.due)}.")


def _stages(rules: Rules) -> tuple[Stage, ...]:
    """The looks of the screening design, or of the sequential one that earlier ledgers have."""
    assert rules.design != "protocol"  # the caller has checked
    return stages(rules.design, rules.sizes.first, rules.sizes.all)


def _join(seeds: tuple[int, ...]) -> str:
    return ", ".join(str(seed) for seed in seeds)


def _diverged_comparison(baseline: Baseline, arm: Arm, look: Look, accepted: tuple[Difference, ...]) -> Comparison:
    said = f"diverged: {len(look.diverged)} of {len(arm.counted)} seeds", *always_said(baseline.rules)
    metric = baseline.rules.metric.name
    return Comparison(
        baseline=baseline,
        arm=arm,
        verdict=Verdict.LOSER,
        headline=f"LOSER{in_brackets(*said, *accepted_kinds(accepted))}",
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
    baseline: Baseline,
    arm: Arm,
    issued: VerdictIssued | None,
    accepted: tuple[Difference, ...],
    remarks: tuple[str, ...],
) -> Comparison:
    rules = baseline.rules
    exp = list(arm.finite(rules.metric.name).values())
    delta = summarize(exp).mean - baseline.mean
    sigma = rules.metric.sign * delta / baseline.std + 0.0  # never -0.0
    d = cohens_d(baseline.values, exp)
    is_known = issued is not None and issued.runs == runs_behind(arm, baseline)
    ruling = _rule(baseline, arm, exp, sigma, issued)
    pairs = None
    # Seeds that were drawn for pairs stay a question, whichever version gave that verdict.
    is_asked = arm.fresh_plan is not None and arm.fresh_plan.kind == "pairs"
    if ruling.verdict is Verdict.NEUTRAL and (issued is None or not issued.is_earlier or is_asked):
        pairs = _telling_pairs(baseline, arm)
    confirmation = None
    is_offered = pairs is not None and pairs.is_offered
    # Its pairs may lift this cap.
    is_on_trial = ruling.caps == (TOOK_LONGER,)
    if ruling.verdict is Verdict.WINNER or is_offered or is_on_trial:
        recorded = issued.confirmation if issued is not None and issued.is_confirmation_ended else None
        confirmation = recorded or confirm(baseline, arm, "pairs" if is_offered else "winner")
    brackets = worst_first((*_brackets_on(baseline, arm, ruling.verdict, confirmation), *remarks))
    if issued is not None and is_known:
        brackets = issued.brackets
    said = (*shown_brackets(brackets), *accepted_kinds(accepted))
    headline = write_headline(ruling, baseline, arm, sigma, pairs, confirmation, said)
    return Comparison(
        baseline=baseline,
        arm=arm,
        verdict=ruling.verdict,
        headline=issued.headline if issued is not None and issued.is_earlier and is_known else headline,
        reason=ruling.reason if pairs is None else pairs_reason(sigma, pairs, rules),
        delta=delta,
        improvement_sigma=sigma,
        change_percent=percent_change(baseline.mean, baseline.mean + delta),
        cohens_d=d,
        effect_size=None if d is None else effect_size(d),
        significant=reaches(abs(sigma), rules.winner_sigma),
        wall_time_change_percent=wall_time_change(baseline, arm),
        confirmation=confirmation,
        accepted=accepted,
        caps=ruling.caps,
        brackets=brackets,
        pairs=pairs,
    )


def _rule(baseline: Baseline, arm: Arm, exp: Sequence[float], sigma: float, issued: VerdictIssued | None) -> Ruling:
    """The verdict by the design of the rules; one of an earlier version as it was given."""
    is_protocol = baseline.rules.design == "protocol"
    ruling = _protocol_ruling(sigma, baseline.rules) if is_protocol else _staged_ruling(baseline, exp)
    if issued is not None and issued.is_earlier:
        return _as_issued(ruling, issued, is_protocol=is_protocol)
    return _apply_caps(ruling, caps_on(baseline, arm)) if ruling.verdict is Verdict.WINNER else ruling


def _as_issued(ruling: Ruling, issued: VerdictIssued, *, is_protocol: bool) -> Ruling:
    """The verdict of an earlier version as it was given, whatever the rules say of its runs today."""
    reason = ruling.reason if is_protocol else "The sequential design of an earlier version decided."
    capped = f" Capped at NEUTRAL: {', '.join(issued.caps)}." if issued.caps else ""
    return Ruling(Verdict(issued.verdict), f"{reason}{capped}", issued.caps)


def _apply_caps(ruling: Ruling, caps: tuple[Cap, ...]) -> Ruling:
    """Turn a WINNER whose runs are not plausible into NEUTRAL."""
    if not caps:
        return ruling
    reasons = " ".join(f"{cap.name[0].upper()}{cap.name[1:]}: {cap.sentence}" for cap in caps)
    reason = f"{ruling.reason} That distance is not trusted, so the verdict is capped at NEUTRAL. {reasons}"
    return replace(ruling, verdict=Verdict.NEUTRAL, reason=reason, caps=tuple(cap.name for cap in caps))


def _protocol_ruling(sigma: float, rules: Rules) -> Ruling:
    verdict = _verdict_for(sigma, rules.winner_sigma)
    return Ruling(verdict, protocol_reason(verdict, sigma, rules))


def _staged_ruling(baseline: Baseline, exp: Sequence[float]) -> Ruling:
    """The ruling of a design with more looks than the protocol's."""
    rules, n = baseline.rules, len(exp)
    looks = _stages(rules)
    stage = next(one for one in looks if one.seeds >= n)
    p_better = look_p(baseline.values, exp, rules.metric.sign)
    decided = stage.decide(p_better)
    seen = f"One-sided p that the experiment is better: {p_better:.4f} after {n} {'seed' if n == 1 else 'seeds'}"
    if decided == "WINNER":
        return Ruling(Verdict.WINNER, f"{seen}; at most {WINNER_P:g} is a WINNER.")
    if rules.design == "sequential":
        verdict = Verdict.LOSER if decided == "LOSER" else Verdict.NEUTRAL
        return Ruling(verdict, f"{seen}; at most {WINNER_P:g} is a WINNER, at least {1 - WINNER_P:g} a LOSER.")
    missed = 1 - screening_power(_MISSED_SIGMA, rules.sizes).p_winner
    is_last = n == looks[-1].seeds
    limit = f"at most {WINNER_P:g} is a WINNER" if is_last else f"more than {stage.dropped_above:g} drops it"
    return Ruling(
        Verdict.DROPPED,
        f"{seen}; {limit}. That is no verdict: screening saves runs and misses {100 * missed:.0f} % of "
        f"{_MISSED_SIGMA:g}-sigma improvements.",
    )


def _telling_pairs(baseline: Baseline, arm: Arm) -> SeedPairs | None:
    """The same-seed pairs of a NEUTRAL by the protocol's rule, where they show what the means do not.

    In nearly half of campaigns of 50 ideas without effect one is better at all five, so only their p tells
    (docs/calibration.md).
    """
    rules = baseline.rules
    base, exp = baseline.arm.finite(rules.metric.name), arm.finite(rules.metric.name)
    seeds = [seed for seed in base if seed in exp]
    is_none = rules.design != "protocol" or rules.seed == "unseeded"
    if is_none or len(seeds) < _LEAST_PAIRS or caps_on(baseline, arm):
        return None
    step = printed_step(
        one.counted[seed].metrics[rules.metric.name].text for one in (baseline.arm, arm) for seed in seeds
    )
    test = paired_gain([base[one] for one in seeds], [exp[one] for one in seeds], rules.metric.sign, step)
    if test is None or not (reaches(_TELLING_P, test.p) or reaches(_TELLING_P, 1 - test.p)):
        return None
    is_offered = len(seeds) >= _OFFERED_PAIRS and reaches(_TELLING_P, test.p)
    return SeedPairs(test.pairs, rules.metric.sign * test.gain, test.p, is_offered)


def _brackets_on(baseline: Baseline, arm: Arm, verdict: Verdict, confirmation: Confirmation | None) -> tuple[str, ...]:
    """What the headline says of the runs; another spread no longer matters once a WINNER is confirmed."""
    signs = tuple(one.name for one in brackets_on(baseline, arm))
    is_confirmed = confirmation is not None and confirmation.state == "confirmed"
    if verdict is Verdict.WINNER and arm.tells_null:
        signs = (*signs, "declared without effect")
    times = None if verdict is not Verdict.WINNER or is_confirmed else other_spread(baseline, arm)
    return signs if times is None else (*signs, f"spread {times:.1f}x the baseline's")


def _verdict_for(sigma: float, threshold: float) -> Verdict:
    if reaches(sigma, threshold):
        return Verdict.WINNER
    return Verdict.LOSER if reaches(-sigma, threshold) else Verdict.NEUTRAL


def wall_time_change(baseline: Baseline, arm: Arm) -> float | None:
    """Change of the mean wall time in percent, from separate blocks of runs; None where they are not comparable."""
    if wall_time_withheld(baseline.arm.counted.values(), arm.counted.values()) is not None:
        return None
    base = list(baseline.arm.finite("wall_time_s").values())
    exp = list(arm.finite("wall_time_s").values())
    return percent_change(summarize(base).mean, summarize(exp).mean) if base and exp else None
