"""A result in a few words: in a reply, and as a paragraph to paste."""

import shlex
from collections.abc import Iterator

from seedproof.model.arms import Baseline
from seedproof.model.results import Comparison, Confirmation, Verdict
from seedproof.model.rules import Rules
from seedproof.notices.control import control_sentence
from seedproof.phases.control import control_look, is_moved
from seedproof.stats.summary import summarize
from seedproof.verdict.campaign import Campaign, confirmed_by_luck
from seedproof.verdict.confirmation import wall_time_reason
from seedproof.verdict.evidence import Evidence, FalseWinner
from seedproof.verdict.headline import format_distance, shown_p

__all__ = [
    "Digits",
    "false_verdicts",
    "fresh_effect",
    "ideas_line",
    "paragraph",
    "reply_lines",
    "scale",
    "scale_in_title",
    "unmerged_words",
    "without_value_words",
]

_WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


class Digits:
    """Writes values of the deciding metric with two digits of sigma."""

    def __init__(self, baseline: Baseline) -> None:
        self._decimals = baseline.decimals

    def __call__(self, value: float) -> str:
        return f"{value:.{self._decimals}f}"

    def signed(self, value: float) -> str:
        """With its sign; never a minus before zeros."""
        return f"{value:+.{self._decimals}f}"


def _interval_line(comparison: Comparison, evidence: Evidence | None) -> str:
    """The difference with its primary interval."""
    name = comparison.baseline.rules.metric.name
    if comparison.delta is None or comparison.improvement_sigma is None:
        return f"Difference in {name}: none can be given, a seed diverged."
    number, sigma = Digits(comparison.baseline), comparison.improvement_sigma
    side = "better" if sigma > 0 else "worse" if sigma < 0 else "no difference"
    percent = "" if comparison.change_percent is None else f" ({comparison.change_percent:+.2f} %)"
    line = f"Difference in {name}: {number.signed(comparison.delta)}{percent}, experiment minus baseline: {side}"
    found = None if evidence is None else evidence.paired if evidence.primary == "paired" else evidence.unpaired
    if found is None:
        return f"{line}."
    about, test = "", "Welch"
    if found.test == "paired":
        about, test = f" around {number.signed(found.difference)}", f"paired over {found.n} seeds"
    line = f"{line}; 95 % interval {number.signed(found.low)} to {number.signed(found.high)}{about} ({test})."
    if comparison.verdict is not Verdict.WINNER:
        return line
    return f"{line} A WINNER was selected by its size: its interval covers a small true effect less often than 95 %."


def paragraph(comparison: Comparison, evidence: Evidence, campaign: Campaign | None) -> str:
    """The result in a few sentences."""
    rules, arm = comparison.baseline.rules, comparison.arm
    sentences = [
        f"{arm.experiment} was compared with its baseline over {len(rules.baseline_seeds)} baseline and "
        f"{len(arm.counted)} experiment seeds{scale(rules)}: {comparison.headline}."
    ]
    control = control_look(comparison.baseline, arm)
    if control.state == "passed":
        sentences.append(f"Its code is not the baseline's; {control_sentence(control, comparison.baseline)}")
    if comparison.delta is None:
        sentences.append("A diverged seed decides, so no difference is given.")
    else:
        sentences += [_interval_line(comparison, evidence), _how_sure(comparison, evidence)]
    found = comparison.confirmation
    if found is not None:
        effect = None if found.difference is None else fresh_effect(found, Digits(comparison.baseline))
        sentences.append(effect or f"Confirmation: {found.reason}")
    if campaign is not None and campaign.tried > 1:
        sentences.append(f"It is one of {campaign.tried} experiments tried.")
    return " ".join(sentences)


def scale(rules: Rules) -> str:
    """The scale of the trainings; empty where the command does not set it."""
    return f" at {rules.scale_words}" if rules.scale_words else ""


def scale_in_title(rules: Rules) -> str:
    """The same in brackets, for the end of a title."""
    return f" ({rules.scale_words})" if rules.scale_words else ""


def _how_sure(comparison: Comparison, evidence: Evidence) -> str:
    if comparison.caps:
        return f"The difference is not trusted ({', '.join(comparison.caps)}) and supports no claim."
    if any(one.startswith("spread ") for one in comparison.brackets):
        return "The rule counts the baseline's spread only and says WINNER too easily of runs that spread more."
    found, wrong = evidence.smallest_detectable, evidence.false_winner
    missed = "one in five" if found.power == 0.8 else f"{100 * (1 - found.power):.0f} % of"
    return (
        f"Where nothing differs, the rule says {false_verdicts(wrong)}; it misses {missed} true improvements of "
        f"{found.sigma:.1f} sigma."
    )


def false_verdicts(found: FalseWinner) -> str:
    """How often the rule says WINNER and LOSER where nothing differs, as the end of a sentence."""
    loser = "" if found.loser is None else f" and LOSER in {100 * found.loser:.1f} %"
    return f"WINNER in {100 * found.independent:.1f} %{loser} of experiments ({found.label})"


def fresh_effect(found: Confirmation, number: Digits) -> str:
    """What the fresh seeds of a confirmation measured, with the one-sided bound of its own test."""
    assert found.difference is not None  # the caller has checked
    if found.state != "confirmed":
        return f"The difference on fresh seeds: {number.signed(found.difference)}, with minus without the change."
    if found.at_least is None or found.limit is None:  # recorded by an earlier version
        return f"Use this effect: {number.signed(found.difference)}, with minus without the change on fresh seeds."
    return (
        f"Use this effect: {number.signed(found.difference)}, with minus without the change on fresh seeds "
        f"(at least {number(found.at_least)} better, one-sided {100 * (1 - found.limit):g} %)."
    )


# --- the reply of a comparison ---------------------------------------------------------------------

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
    if found is None or found.state != "confirmed":
        return unmerged_words(comparison)
    if comparison.caps:
        return "nothing, as its verdict is capped"
    if comparison.verdict is not Verdict.WINNER:
        return f"nothing by the {comparison.baseline.rules.winner_sigma:g}-sigma rule, though its small effect holds"
    parts = [shlex.join(arm.flags)] if arm.flags else []
    if arm.code_change:
        label = comparison.baseline.rules.label
        parts.insert(0, f"git apply docs/research/experiment_{arm.experiment}_{label}.diff")
    elif is_moved(comparison.baseline.arm, arm):
        parts.append("on its edited code")
    return " with ".join(parts) or "nothing"


def unmerged_words(comparison: Comparison) -> str:
    """Why nothing is to be merged where fresh seeds have confirmed nothing: what it waits for, if it waits."""
    found = comparison.confirmation
    if found is not None and found.state == "unavailable" and comparison.verdict is Verdict.WINNER:
        return "nothing yet, it cannot be confirmed"
    if found is not None and found.state in ("open", "incomplete"):
        begun = "its confirmation has begun" if comparison.arm.fresh else "fresh seeds have not confirmed it"
        return f"nothing yet, {begun}"
    return "nothing"


def without_value_words(campaign: Campaign) -> str:
    """How many declared experiments count as no ideas, and why."""
    n = campaign.without_value
    return f"Not counted: {n} experiment{'' if n == 1 else 's'} without any value"


def ideas_line(campaign: Campaign, confirmation: Confirmation | None = None) -> str:
    """How many ideas were tried, and how often luck alone would have done as well.

    Before a confirmation has ended it speaks of any WINNER of the procedure, and then of a confirmed one.
    """
    count = campaign.tried
    more = [f"{campaign.nulls} of them declared without effect"] if campaign.nulls else []
    more += [f"{campaign.elsewhere} in other ledgers that began with this code"] if campaign.elsewhere else []
    line = f"Ideas tried: {', '.join([str(count), *more])}. If none helped"
    if not count:
        return "Ideas tried: 0"
    if confirmation is not None and confirmation.state in _ENDED:
        return f"{line}: a confirmed WINNER by luck in {100 * confirmed_by_luck(campaign):.1f} % of studies"
    ideas = f"{_WORDS[count] if count < len(_WORDS) else count} idea{'' if count == 1 else 's'}"
    if campaign.false_winner_chance is None:
        return f"{line}, {ideas} would show {campaign.false_winners_expected:.2f} WINNERs by luck"
    return f"{line}, {ideas} would show a WINNER by luck {100 * campaign.false_winner_chance:.1f} % of the time"
