"""The sections `Evidence` and `Confirmation` of a report."""

from seedproof.model.results import Comparison, Confirmation, Verdict, WallTimeChange
from seedproof.report.summary import Digits, false_verdicts, fresh_effect
from seedproof.verdict.campaign import Campaign
from seedproof.verdict.evidence import Evidence
from seedproof.verdict.headline import shown_p

__all__ = ["confirmation_lines", "evidence_lines"]

# --- the section of the evidence ----------------------------------------------------------------


def evidence_lines(comparison: Comparison, evidence: Evidence, campaign: Campaign | None) -> list[str]:
    """The section `Evidence` of a report: what stands beside the verdict and never decides, in at most six points."""
    number = Digits(comparison.baseline)
    points = [
        _intervals(comparison, evidence, number),
        _seed_by_seed(evidence, number),
        _errors(evidence),
        _reach(evidence, number),
        _among_many(campaign),
        _surroundings(evidence),
    ]
    return [f"- {point}" for point in points if point]


def _intervals(comparison: Comparison, evidence: Evidence, number: Digits) -> str:
    """The primary interval, the other one, and where they or the verdict disagree."""
    found = [one for one in (evidence.unpaired, evidence.paired) if one is not None]
    if evidence.primary == "paired":
        found.reverse()
    parts = []
    for one in found:
        label = f"paired over {one.n} seeds" if one.test == "paired" else "Welch"
        p = shown_p(one.p_value)
        parts.append(f"{number.signed(one.low)} to {number.signed(one.high)} ({label}, two-sided p {p})")
    head = f"95 % intervals: {' and '.join(parts)}; the {evidence.primary} one is primary {evidence.primary_reason}."
    if not parts:
        head = f"No interval; the {evidence.primary} one would be primary {evidence.primary_reason}."
    return " ".join([head, *(_not_trusted(comparison) or _disagreement(comparison, evidence))])


def _not_trusted(comparison: Comparison) -> list[str]:
    """What a cap means for every number of the section."""
    if not comparison.caps:
        return []
    return ["They rest on runs that do not compare with the baseline's, so they support no claim."]


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


def _seed_by_seed(evidence: Evidence, number: Digits) -> str:
    found = evidence.per_seed
    if found is None:
        return ""
    by_seed = sorted(found.differences.items(), key=lambda item: int(item[0]))
    values = ", ".join(f"{seed}: {number.signed(value)}" for seed, value in by_seed)
    pattern = {
        "consistent": "all of one sign",
        "mixed": "of both signs",
        "one_outlier": f"seed {found.outlier_seed} lies far from the others",
    }[found.pattern]
    return f"Seed by seed: {values}; {pattern}, {found.improved} of {len(found.differences)} better."


def _errors(evidence: Evidence) -> str:
    found = evidence.false_winner
    text = f"Where nothing differs, the rule says {false_verdicts(found)}"
    if found.correlation_06 is None or found.correlation_09 is None:
        return f"{text}."
    rates = [f"{100 * rate:.1f} %" for rate in (found.correlation_06, found.correlation_09)]
    return f"{text}; WINNER in {' and in '.join(rates)} where equal seeds correlate by .6 and .9."


def _reach(evidence: Evidence, number: Digits) -> str:
    seen, needed = evidence.smallest_detectable, evidence.seeds_needed
    counts = ["more than 1,000" if n is None else str(n) for n in (needed.at_estimate, needed.at_upper)]
    return (
        f"With {100 * seen.power:.0f} % probability the rule finds {seen.sigma:.2f} sigma = {number(seen.difference)} "
        f"({number(seen.low)} to {number(seen.high)}, as sigma is an estimate), and a t test finds "
        f"{needed.worthwhile_sigma:g} sigma with {counts[0]} seeds in each arm ({counts[1]} if sigma is large)."
    )


def _among_many(campaign: Campaign | None) -> str:
    if campaign is None:
        return ""
    k, here = campaign.declared, campaign.declared_in_generation
    text = f"Of {k} experiment{'' if k == 1 else 's'} declared, {here} {'is' if here == 1 else 'are'} on this baseline"
    if campaign.p_better is not None and campaign.p_holm is not None:
        text += (
            f"; one-sided p that this one is better: {shown_p(campaign.p_better)}, adjusted for all by Holm's "
            f"method {shown_p(campaign.p_holm)}"
        )
    return f"{text}. {campaign.advice}" if campaign.advice else f"{text}."


def _surroundings(evidence: Evidence) -> str:
    """Time and place between the arms, noise that sigma does not cover, and what could not be computed."""
    hours = "an unknown time" if evidence.hours_between is None else f"{evidence.hours_between:.1f} hours"
    where = {True: "the same machine", False: "different machines", None: "machines that are not known"}
    parts = [f"Between baseline and experiment: {hours}, on {where[evidence.same_machine]}."]
    parts += [evidence.seed_varies] if evidence.seed_varies else []
    parts += [f"Not available: {part.replace('_', ' ')} ({why})." for part, why in evidence.unavailable.items()]
    return " ".join(parts)


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
        *([] if found.difference is None or found.state == "confirmed" else [_fresh(comparison, found)]),
        *([] if found.wall_time is None else [_alternated(found.wall_time)]),
    ]


def _fresh(comparison: Comparison, found: Confirmation) -> str:
    """What fresh seeds measured where they confirm nothing; else the head of the report has it."""
    return fresh_effect(found, Digits(comparison.baseline))


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
