"""The sections `Evidence` and `Confirmation` of a report."""

from seedproof.model.results import Comparison, Verdict, WallTimeChange
from seedproof.report.summary import Digits, false_verdicts, fresh_effect, paragraph
from seedproof.verdict.campaign import Campaign
from seedproof.verdict.evidence import Evidence

__all__ = ["confirmation_lines", "evidence_lines"]

# --- the section of the evidence ----------------------------------------------------------------


def evidence_lines(comparison: Comparison, evidence: Evidence, campaign: Campaign | None) -> list[str]:
    """The section `Evidence` of a report."""
    number = Digits(comparison.baseline)
    return [
        "What stands beside the verdict and never decides.",
        "",
        *_interval_table(evidence, number),
        *(f"- {point}" for point in _points(comparison, evidence, campaign, number)),
        "",
        paragraph(comparison, evidence, campaign),
    ]


def _interval_table(evidence: Evidence, number: Digits) -> list[str]:
    rows = []
    for found in (evidence.unpaired, evidence.paired):
        if found is None:
            continue
        is_paired = found.test == "paired"
        label = f"paired, {found.n} seeds" if is_paired else "Welch, unpaired"
        values = [number.signed(value) for value in (found.difference, found.low, found.high)]
        percents = ["-" if value is None else f"{value:+.2f}" for value in (found.low_percent, found.high_percent)]
        test = [f"{found.t:.2f}", f"{found.df:.1f}", f"{found.p_value:.4f}"]
        cells = [label, *values, *percents, *test, "yes" if is_paired == (evidence.primary == "paired") else "no"]
        rows.append(f"| {' | '.join(cells)} |")
    head = "| Interval (95 %) | Difference | Low | High | Low % | High % | t | df | p (two-sided) | Primary |"
    return [head, "| --- " * 10 + "|", *rows, ""] if rows else []


def _points(comparison: Comparison, evidence: Evidence, campaign: Campaign | None, number: Digits) -> list[str]:
    return [
        f"The primary interval is the {evidence.primary} one {evidence.primary_reason}; chosen before the results.",
        *(_not_trusted(comparison) or _disagreement(comparison, evidence)),
        *_seed_by_seed(evidence, number),
        _errors(evidence),
        *_reach(evidence, number),
        *([evidence.seed_varies] if evidence.seed_varies else []),
        *_among_many(campaign),
        *(f"Not available: {part.replace('_', ' ')} ({why})." for part, why in evidence.unavailable.items()),
    ]


def _not_trusted(comparison: Comparison) -> list[str]:
    """What a cap means for every number of the section."""
    if not comparison.caps:
        return []
    return [
        f"The difference is not trusted ({', '.join(comparison.caps)}): what intervals and p values say of it rests on "
        "runs that do not compare with the baseline's. Capped is not inconclusive; more seeds would change nothing."
    ]


def _disagreement(comparison: Comparison, evidence: Evidence) -> list[str]:
    """Where one interval holds zero and the other does not, or neither does and the verdict is NEUTRAL."""
    unpaired, paired = evidence.unpaired, evidence.paired
    if unpaired is None or paired is None or comparison.improvement_sigma is None:
        return []
    rules = comparison.baseline.rules
    rule = f"{rules.winner_sigma:g}-sigma rule" if rules.design == "protocol" else f"{rules.design} design"
    decided = f"The verdict {comparison.verdict} is the {'protocol' if rules.design == 'protocol' else rule}'s."
    if comparison.verdict is Verdict.DROPPED:
        decided = f"That the idea was dropped is the {rule}'s decision, and no verdict."
    if paired.correlation is not None and paired.correlation > 0:
        decided = (
            f"The same seed moves both arms together (correlation {paired.correlation:.2f}): the paired view takes "
            f"that common part away, the {rule} does not. {decided}"
        )
    unpaired_holds_zero, paired_holds_zero = (found.low <= 0 <= found.high for found in (unpaired, paired))
    if unpaired_holds_zero != paired_holds_zero:
        without, with_zero = ("paired", "unpaired") if unpaired_holds_zero else ("unpaired", "paired")
        return [
            f"The two intervals disagree: the {without} one leaves zero out, the {with_zero} one does not. {decided}"
        ]
    if comparison.verdict == Verdict.NEUTRAL and not paired_holds_zero:
        return [
            f"Intervals and verdict disagree: both intervals leave zero out (paired t = {paired.t:.1f} over {paired.n} "
            f"seeds), while the means lie {abs(comparison.improvement_sigma):.2f} sigma apart. {decided}"
        ]
    return []


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


def _errors(evidence: Evidence) -> str:
    found = evidence.false_winner
    text = f"Where nothing differs, the rule says {false_verdicts(found)}"
    if found.correlation_06 is None or found.correlation_09 is None:
        return f"{text}."
    rates = [f"{100 * rate:.1f} %" for rate in (found.correlation_06, found.correlation_09)]
    return f"{text}; WINNER in {' and in '.join(rates)} where the same seed moves both arms with correlation .6 and .9."


def _reach(evidence: Evidence, number: Digits) -> list[str]:
    seen, needed = evidence.smallest_detectable, evidence.seeds_needed
    counts = ["more than 1,000" if n is None else str(n) for n in (needed.at_estimate, needed.at_upper)]
    return [
        f"Smallest improvement that the rule in force finds with {100 * seen.power:.0f} % probability: "
        f"{seen.sigma:.2f} sigma = {number(seen.difference)}; between {number(seen.low)} and {number(seen.high)}, as "
        f"sigma itself is known to {seen.sigma_low_factor:.2f} to {seen.sigma_high_factor:.2f} times its value.",
        f"Seeds in each arm with which a t test finds {needed.worthwhile_sigma:g} sigma with "
        f"{100 * seen.power:.0f} % probability: {counts[0]} if sigma is as estimated, "
        f"{counts[1]} if it is at its upper 80 % limit.",
    ]


def _among_many(campaign: Campaign | None) -> list[str]:
    if campaign is None:
        return []
    k, here = campaign.declared, campaign.declared_in_generation
    points = [
        f"Campaign: {k} experiment{'' if k == 1 else 's'} declared, {here} of them on this baseline; "
        f"if none had an effect, {campaign.false_winners_expected:.2f} WINNERs would be expected by luck."
    ]
    if campaign.p_better is not None and campaign.p_holm is not None:
        points.append(
            f"One-sided p that it is better: {campaign.p_better:.4f}; adjusted for all {k} by Holm's method: "
            f"{campaign.p_holm:.4f}."
        )
    return [*points, campaign.advice] if campaign.advice else points


# --- the section of the confirmation ------------------------------------------------------------


def confirmation_lines(comparison: Comparison) -> list[str]:
    """The section `Confirmation` of a report; empty where nothing is confirmed."""
    found = comparison.confirmation
    if found is None:
        return []
    if found.state == "unavailable":
        return [found.reason]
    done = f"Runs on fresh seeds: {found.done} of {found.needed}."
    return [
        done if found.state == "open" else f"{done} {found.reason}",
        *([] if found.difference is None else [fresh_effect(found, Digits(comparison.baseline))]),
        *([] if found.wall_time is None else [_alternated(found.wall_time)]),
    ]


def _alternated(time: WallTimeChange) -> str:
    claim = {"speedup": "a speedup", "slowdown": "a slowdown", "none": "no change that could be claimed"}[time.claim]
    if time.claim == "none" and not time.low_percent <= 0 <= time.high_percent:
        claim += (
            ", as the runs without the change last less than a second: start-up and the load of the machine make that"
        )
    return (
        f"Wall time in alternated runs on one machine: {time.change_percent:+.1f} % "
        f"(95 % interval {time.low_percent:+.1f} to {time.high_percent:+.1f} %): {claim}."
    )
