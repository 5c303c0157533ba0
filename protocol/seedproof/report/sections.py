"""Evidence in words: the lines above a report, its sections, and a paragraph to paste."""

import math
from collections.abc import Sequence

from seedproof.model.arms import Baseline
from seedproof.model.results import Comparison, Confirmation, Verdict
from seedproof.verdict.campaign import Campaign
from seedproof.verdict.evidence import Evidence, Interval

__all__ = [
    "Digits",
    "confirmation_lines",
    "evidence_lines",
    "interval_line",
    "paragraph",
    "summary_lines",
    "tried_line",
]

_CLASSES = ("negligible", "small", "medium", "large")


class Digits:
    """Writes values of the deciding metric with two digits of sigma."""

    def __init__(self, baseline: Baseline) -> None:
        self._decimals = min(12, max(4, 1 - math.floor(math.log10(baseline.std))))

    def __call__(self, value: float) -> str:
        return f"{value:.{self._decimals}f}"

    def signed(self, value: float) -> str:
        """With its sign; never a minus before zeros."""
        return f"{value:+.{self._decimals}f}"


def summary_lines(comparison: Comparison, evidence: Evidence | None, campaign: Campaign | None) -> list[str]:
    """What a reader has to know first, at most five lines."""
    lines = [comparison.headline, interval_line(comparison, evidence)]
    if campaign is not None:
        lines.append(tried_line(campaign))
    if comparison.confirmation is not None:
        lines.append(f"Confirmation: {comparison.confirmation.reason}")
    elif campaign is not None and comparison.caps:
        lines.append(f"Confirmation: none; the difference is not trusted ({', '.join(comparison.caps)}).")
    elif campaign is not None:
        lines.append("Confirmation: only a WINNER is confirmed.")
    if evidence is not None:
        lines.append(_when_and_where(evidence))
    return lines


def interval_line(comparison: Comparison, evidence: Evidence | None) -> str:
    """The difference with its primary interval."""
    name = comparison.baseline.rules.metric.name
    if comparison.delta is None or comparison.improvement_sigma is None:
        return f"Difference in {name}: none can be given, a seed diverged."
    number = Digits(comparison.baseline)
    sigma = comparison.improvement_sigma
    side = "better" if sigma > 0 else "worse" if sigma < 0 else "no difference"
    found = None if evidence is None else evidence.paired if evidence.primary == "paired" else evidence.unpaired
    percent = "" if comparison.change_percent is None else f" ({comparison.change_percent:+.2f} %)"
    said = f"Difference in {name}: {number.signed(comparison.delta)}{percent}, experiment minus baseline: {side}"
    return f"{said}; {_limits(found, number)}." if found is not None else f"{said}."


def _limits(found: Interval, number: Digits) -> str:
    over = f"paired over {found.n} seeds" if found.test == "paired" else "Welch"
    about = f" around {number.signed(found.difference)}" if found.test == "paired" else ""
    return f"95 % interval {number.signed(found.low)} to {number.signed(found.high)}{about} ({over})"


def tried_line(campaign: Campaign) -> str:
    """How many experiments the ledger has, and what that means."""
    nulls = f", {campaign.nulls} of them declared without effect" if campaign.nulls else ""
    said = f"Experiments declared in this ledger so far: {campaign.declared}{nulls}"
    if campaign.false_winner_chance is None:
        return f"{said}; false WINNERs expected among them: {campaign.false_winners_expected:.2f} ({campaign.label})."
    chance = 100 * campaign.false_winner_chance
    return f"{said}; chance of at least one false WINNER among them: {chance:.1f} % ({campaign.label})."


def _when_and_where(evidence: Evidence) -> str:
    hours = "an unknown time" if evidence.hours_between is None else f"{evidence.hours_between:.1f} hours"
    where = {True: "the same machine", False: "different machines", None: "machines that are not known"}
    return f"Between baseline and experiment: {hours}, on {where[evidence.same_machine]}."


# --- the section ------------------------------------------------------------------------------


def evidence_lines(comparison: Comparison, evidence: Evidence, campaign: Campaign | None) -> list[str]:
    """The section `Evidence` of a report."""
    number = Digits(comparison.baseline)
    lines = ["What stands beside the verdict and never decides.", ""]
    lines += _intervals(evidence, number)
    lines += [f"- {line}" for line in _points(comparison, evidence, campaign, number)]
    lines += ["", paragraph(comparison, evidence, campaign)]
    return lines


def _intervals(evidence: Evidence, number: Digits) -> list[str]:
    found = [one for one in (evidence.unpaired, evidence.paired) if one is not None]
    if not found:
        return []
    head = "| Interval (95 %) | Difference | Low | High | Low % | High % | t | df | p (two-sided) | Primary |"
    return [head, "| --- " * 10 + "|", *(_interval_row(one, evidence, number) for one in found), ""]


def _interval_row(found: Interval, evidence: Evidence, number: Digits) -> str:
    label = "Welch, unpaired" if found.test == "welch" else f"paired, {found.n} seeds"
    primary = "paired" if found.test == "paired" else "unpaired"
    percents = [_percent(value) for value in (found.low_percent, found.high_percent)]
    values = [number.signed(value) for value in (found.difference, found.low, found.high)]
    test = [f"{found.t:.2f}", f"{found.df:.1f}", f"{found.p_value:.4f}"]
    return f"| {' | '.join([label, *values, *percents, *test, 'yes' if evidence.primary == primary else 'no'])} |"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"


def _points(comparison: Comparison, evidence: Evidence, campaign: Campaign | None, number: Digits) -> list[str]:
    points = [
        f"The primary interval is the {evidence.primary} one {evidence.primary_reason}; chosen before the results."
    ]
    points += _not_trusted(comparison) or _disagreement(comparison, evidence)
    points += _effect(evidence)
    points += _seed_by_seed(evidence, number)
    points += _errors(evidence)
    points += _reach(evidence, number)
    points += _shrunk(evidence, number)
    points += [f"{evidence.seed_varies}"] if evidence.seed_varies else []
    points += _among_many(campaign)
    points += [f"Not available: {part.replace('_', ' ')} ({why})." for part, why in evidence.unavailable.items()]
    return points


def _not_trusted(comparison: Comparison) -> list[str]:
    """What a cap means for every number of the section: they describe runs that are not what they seem."""
    if not comparison.caps:
        return []
    return [
        f"The difference is not trusted ({', '.join(comparison.caps)}): what intervals and p values say of it rests on "
        "runs that do not compare with the baseline's. Capped is not inconclusive; more seeds would change nothing."
    ]


def _disagreement(comparison: Comparison, evidence: Evidence) -> list[str]:
    """Where the two views part, or both of them from the verdict: the seeds move both arms together."""
    one, other = evidence.unpaired, evidence.paired
    if one is None or other is None or comparison.improvement_sigma is None:
        return []
    decided = f"{_why_they_differ(other)}The verdict {comparison.verdict} is the protocol's."
    if _holds_zero(one) != _holds_zero(other):
        said, silent = ("paired", "unpaired") if _holds_zero(one) else ("unpaired", "paired")
        return [f"The two intervals disagree: the {said} one leaves zero out, the {silent} one does not. {decided}"]
    if comparison.verdict == Verdict.NEUTRAL and not _holds_zero(other):
        return [
            f"Intervals and verdict disagree: both intervals leave zero out (paired t = {other.t:.1f} over {other.n} "
            f"seeds), while the means lie {abs(comparison.improvement_sigma):.2f} sigma apart. {decided}"
        ]
    return []


def _why_they_differ(by_seed: Interval) -> str:
    if by_seed.correlation is None or by_seed.correlation <= 0:
        return ""
    return (
        f"The same seed moves both arms together (correlation {by_seed.correlation:.2f}): the paired view takes that "
        "common part away, the 2-sigma rule does not. "
    )


def _holds_zero(found: Interval) -> bool:
    return found.low <= 0 <= found.high


def _effect(evidence: Evidence) -> list[str]:
    points = []
    if evidence.hedges_g is not None:
        g = evidence.hedges_g
        points.append(f"Hedges' g: {g.g:.2f} (95 % interval {g.low:.2f} to {g.high:.2f}).")
    share = evidence.class_share_under_no_effect
    if share is not None:
        classes = ", ".join(f"{name} {100 * share[name]:.0f} %" for name in _CLASSES)
        points.append(f"Classes of |d| at these numbers of seeds where nothing differs: {classes}.")
    return points


def _seed_by_seed(evidence: Evidence, number: Digits) -> list[str]:
    found = evidence.per_seed
    if found is None:
        return []
    by_seed = sorted(found.differences.items(), key=lambda item: int(item[0]))
    values = ", ".join(f"{seed}: {number.signed(value)}" for seed, value in by_seed)
    pattern = {
        "consistent": "all of one sign",
        "mixed": "of both signs",
        "one_outlier": f"seed {found.outlier_seed} lies far from the others",
    }[found.pattern]
    n = len(found.differences)
    points = [f"Seed by seed: {values}; {pattern}, {found.improved} of {n} better."]
    if found.smallest_sign_p > 0.05:
        points.append(f"A sign test of {n} seeds cannot go below p = {found.smallest_sign_p:g}, so it is not made.")
    return points


def _errors(evidence: Evidence) -> list[str]:
    found = evidence.false_winner
    rates = [100 * rate for rate in (found.independent, found.correlation_06, found.correlation_09)]
    return [
        f"Where nothing differs, the protocol's rule says WINNER in {rates[0]:.1f} % ({found.label}); "
        f"{rates[1]:.1f} % and {rates[2]:.1f} % where the same seed moves both arms with correlation .6 and .9."
    ]


def _reach(evidence: Evidence, number: Digits) -> list[str]:
    seen, needed = evidence.smallest_detectable, evidence.seeds_needed
    counts = ["more than 1,000" if n is None else str(n) for n in (needed.at_estimate, needed.at_upper)]
    return [
        f"Smallest improvement that the rule in force finds with {100 * seen.power:.0f} % probability: "
        f"{seen.sigma:.2f} sigma = {number(seen.difference)}; between {number(seen.low)} and {number(seen.high)}, as "
        f"sigma itself is known to {seen.sigma_low_factor:.2f} to {seen.sigma_high_factor:.2f} times its value.",
        f"Seeds in each arm with which a t test finds {needed.worthwhile_sigma:g} sigma with 80 % probability: "
        f"{counts[0]} if sigma is as estimated, {counts[1]} if it is at its upper 80 % limit.",
    ]


def _shrunk(evidence: Evidence, number: Digits) -> list[str]:
    claim = evidence.claim
    if claim is None:
        return []
    return [
        f"Freed from the luck of having been selected, the improvement of {claim.observed_sigma:.2f} sigma is "
        f"{claim.shrunk_sigma:.2f} sigma ({number.signed(claim.shrunk_difference)}): {claim.method}."
    ]


def _among_many(campaign: Campaign | None) -> list[str]:
    if campaign is None:
        return []
    k, here = campaign.declared, campaign.declared_in_generation
    points = [
        f"Campaign: {k} experiment{'' if k == 1 else 's'} declared, {here} of them on this baseline; "
        f"{campaign.false_winners_expected:.2f} false WINNERs expected if none had an effect."
    ]
    if campaign.p_better is not None and campaign.p_holm is not None:
        points.append(
            f"One-sided p that it is better: {campaign.p_better:.4f}; adjusted for all {k} by Holm's method: "
            f"{campaign.p_holm:.4f}."
        )
    return [*points, campaign.advice] if campaign.advice else points


# --- confirmation -----------------------------------------------------------------------------


def confirmation_lines(comparison: Comparison) -> list[str]:
    """The section `Confirmation` of a report; empty for anything but a WINNER."""
    found = comparison.confirmation
    if found is None:
        return []
    if found.state == "unavailable":
        return [found.reason]
    number = Digits(comparison.baseline)
    done = f"Runs on fresh seeds: {found.done} of {found.needed}."
    lines = [done if found.state == "open" else f"{done} {found.reason}"]
    lines += [_fresh_effect(found, number)] if found.difference is not None else []
    return [*lines, *([_alternated(found)] if found.wall_time is not None else [])]


def _fresh_effect(found: Confirmation, number: Digits) -> str:
    assert found.difference is not None and found.low is not None and found.high is not None
    word = "The effect" if found.state == "confirmed" else "The difference on fresh seeds"
    return (
        f"{word}: {number.signed(found.difference)}, experiment minus control "
        f"(95 % interval {number.signed(found.low)} to {number.signed(found.high)}); the earlier means do not enter."
    )


def _alternated(found: Confirmation) -> str:
    time = found.wall_time
    assert time is not None
    word = {"speedup": "a speedup", "slowdown": "a slowdown", "none": "no change that could be claimed"}[time.claim]
    if time.claim == "none" and not time.low_percent <= 0 <= time.high_percent:
        word += ", as the controls last less than a second: start-up and the load of the machine make that"
    return (
        f"Wall time in alternated runs on one machine: {time.change_percent:+.1f} % "
        f"(95 % interval {time.low_percent:+.1f} to {time.high_percent:+.1f} %): {word}."
    )


# --- a paragraph to paste ---------------------------------------------------------------------


def paragraph(comparison: Comparison, evidence: Evidence, campaign: Campaign | None) -> str:
    """The result in plain words."""
    rules, arm = comparison.baseline.rules, comparison.arm
    n = [len(rules.baseline_seeds), len(arm.counted)]
    said = [
        f"{arm.experiment} was compared with its baseline over {n[0]} baseline and {n[1]} experiment seeds at "
        f"{rules.label} tokens: {comparison.headline}."
    ]
    if comparison.delta is None:
        said.append("A diverged seed decides, so no difference is given.")
    else:
        said.append(interval_line(comparison, evidence))
        said.append(_how_sure(comparison, evidence))
    said += _fresh_words(comparison)
    if campaign is not None and campaign.declared > 1:
        said.append(f"It is one of {campaign.declared} experiments tried.")
    return " ".join(said)


def _how_sure(comparison: Comparison, evidence: Evidence) -> str:
    if comparison.caps:
        return f"The difference is not trusted ({', '.join(comparison.caps)}) and supports no claim."
    return (
        f"The rule errs in {100 * evidence.false_winner.independent:.1f} % of experiments without effect "
        f"({evidence.false_winner.label}) and misses one in five true improvements of "
        f"{evidence.smallest_detectable.sigma:.1f} sigma."
    )


def _fresh_words(comparison: Comparison) -> Sequence[str]:
    found, number = comparison.confirmation, Digits(comparison.baseline)
    if found is None:
        return []
    if found.difference is None:
        return [f"Confirmation: {found.reason}"]
    return [_fresh_effect(found, number)]
