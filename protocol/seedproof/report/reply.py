"""The lines with which a verdict is answered: what was found, what it costs, what to merge, and by how much luck."""

import shlex
from collections.abc import Iterator

from seedproof.model.results import Comparison, Confirmation, Verdict
from seedproof.phases.control import is_moved
from seedproof.report.summary import WORDS, Digits
from seedproof.stats.summary import summarize
from seedproof.verdict.campaign import Campaign, confirmed_by_luck
from seedproof.verdict.confirmation import wall_time_reason
from seedproof.verdict.evidence import Evidence
from seedproof.verdict.headline import format_distance, shown_p

__all__ = ["ideas_line", "reply_lines"]

# Ends of a confirmation after which the campaign's chance is that of a confirmed WINNER.
_ENDED = ("confirmed", "not_confirmed")


def reply_lines(comparison: Comparison, evidence: Evidence | None, campaign: Campaign | None) -> list[str]:
    """The answer to a comparison, one fact a line; notices and the next call come behind it."""
    lines = [_first_line(comparison), *_values(comparison, evidence), *_why(comparison)]
    lines += [*_fresh(comparison), *_cost(comparison), f"Merge: {_merge_words(comparison)}"]
    return [*lines, *([ideas_line(campaign, comparison.confirmation)] if campaign is not None else ())]


def _first_line(comparison: Comparison) -> str:
    """The headline; a WINNER's without the distance, which the next line has."""
    if comparison.verdict is not Verdict.WINNER:
        return comparison.headline
    return comparison.headline.rpartition(": ")[0] or comparison.headline


def _values(comparison: Comparison, evidence: Evidence | None) -> Iterator[str]:
    """Mean before and after, with the difference in sigmas, or with the same-seed pairs where they say more."""
    if comparison.delta is None or comparison.improvement_sigma is None:
        return
    baseline, arm = comparison.baseline, comparison.arm
    metric, number = baseline.rules.metric, Digits(baseline)
    after = summarize(list(arm.finite(metric.name).values())).mean
    means = f"{metric.name} {number(baseline.mean)} -> {number(after)}"
    pairs, found = comparison.pairs, None if evidence is None else evidence.paired
    if pairs is not None and found is not None:
        p, side = min((pairs.p_better, ""), (1 - pairs.p_better, " that they are worse"))
        least, most = sorted((found.low, found.high), key=lambda value: metric.sign * value, reverse=True)
        ends = f"{number.signed(least)} to {number.signed(most)}"
        yield f"{means}; pairs {ends} (n={pairs.n}, p {shown_p(p)}{side})"
        return
    sigma = comparison.improvement_sigma
    distance = format_distance(sigma, baseline.rules, 1 if abs(sigma) >= 1 else 2)
    side = " worse" if sigma < 0 else ""
    seeds = f"{len(baseline.values)} and {len(arm.counted)} seeds"
    yield f"{means} ({number.signed(comparison.delta)}, {distance} sigma{side}; {seeds})"


def _why(comparison: Comparison) -> Iterator[str]:
    """The rule that decided, where the headline does not say it."""
    if comparison.caps or comparison.delta is None or comparison.baseline.rules.design != "protocol":
        yield comparison.reason


def _fresh(comparison: Comparison) -> Iterator[str]:
    """What fresh seeds measured, or why they did not; nothing while they are still due."""
    found, number = comparison.confirmation, Digits(comparison.baseline)
    if found is None or found.state == "open":
        return
    if found.state != "confirmed" or found.difference is None:
        yield found.reason
        return
    bound = ""
    if found.at_least is not None and found.limit is not None:
        bound = f" (at least {number(found.at_least)} better, one-sided {100 * (1 - found.limit):g} %)"
    yield f"Use this effect: {number.signed(found.difference)}{bound}"


def _cost(comparison: Comparison) -> Iterator[str]:
    """The wall time of a confirmed effect; only alternated pairs tell it."""
    found = comparison.confirmation
    if found is None or found.state != "confirmed":
        return
    time = found.wall_time
    if time is None:
        why = wall_time_reason(comparison.arm, found.pairs)
        yield f"Cost: not known{f'; {why}' if why else ''}"
    elif time.claim == "none":
        low, high = f"{time.low_percent:+.1f}", f"{time.high_percent:+.1f}"
        yield f"Cost: {time.change_percent:+.1f} % wall time (alternated pairs; {low} to {high} %, no claim)"
    else:
        yield f"Cost: {time.change_percent:+.1f} % wall time (alternated pairs)"


def _merge_words(comparison: Comparison) -> str:
    """What to take over: flags to paste, the diff that the report writes, or nothing yet."""
    found, arm = comparison.confirmation, comparison.arm
    if comparison.verdict is Verdict.LOSER or arm.is_null or (found is not None and found.state == "not_confirmed"):
        return "nothing"
    if found is None or found.state != "confirmed" or comparison.caps:
        return "nothing yet"
    if comparison.verdict is not Verdict.WINNER:
        return f"nothing by the {comparison.baseline.rules.winner_sigma:g}-sigma rule, though its small effect holds"
    parts = [shlex.join(arm.flags)] if arm.flags else []
    if arm.code_change:
        label = comparison.baseline.rules.label
        parts.insert(0, f"git apply docs/research/experiment_{arm.experiment}_{label}.diff")
    elif is_moved(comparison.baseline.arm, arm):
        parts.append("on its edited code")
    return " with ".join(parts) or "nothing"


def ideas_line(campaign: Campaign, confirmation: Confirmation | None) -> str:
    """How many ideas were tried, and how often luck alone would have done as well.

    Before a confirmation has ended it speaks of any WINNER of the procedure, and then of a confirmed one.
    """
    count = campaign.tried
    more = [f"{campaign.nulls} of them declared without effect"] if campaign.nulls else []
    more += [f"{campaign.elsewhere} in other ledgers that began with this code"] if campaign.elsewhere else []
    line = f"Ideas tried: {', '.join([str(count), *more])}. If none helped"
    if confirmation is not None and confirmation.state in _ENDED:
        return f"{line}: a confirmed WINNER by luck in {100 * confirmed_by_luck(campaign):.1f} % of studies"
    ideas = f"{WORDS[count] if count < len(WORDS) else count} idea{'' if count == 1 else 's'}"
    if campaign.false_winner_chance is None:
        return f"{line}, {ideas} would show {campaign.false_winners_expected:.2f} WINNERs by luck"
    return f"{line}, {ideas} would show a WINNER by luck {100 * campaign.false_winner_chance:.1f} % of the time"
