"""A result in a few words: in a reply, and as a paragraph to paste."""

from seedproof.model.arms import Baseline
from seedproof.model.results import Comparison, Confirmation, Verdict
from seedproof.model.rules import Rules
from seedproof.notices.control import control_sentence
from seedproof.phases.control import control_look
from seedproof.verdict.campaign import Campaign
from seedproof.verdict.evidence import Evidence, FalseWinner

__all__ = ["WORDS", "Digits", "false_verdicts", "fresh_effect", "paragraph", "scale", "tried_line"]

WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
"""Small numbers in words, by their value."""


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


def tried_line(campaign: Campaign) -> str:
    """How many experiments the ledger has, and what that means."""
    nulls = f", {campaign.nulls} of them declared without effect" if campaign.nulls else ""
    count, elsewhere = campaign.tried, ""
    if campaign.elsewhere:
        elsewhere = f", and {campaign.elsewhere} in other ledgers that began with this code"
    ideas = f"{WORDS[count] if count < len(WORDS) else count} idea{'' if count == 1 else 's'}"
    luck = f"{campaign.false_winners_expected:.2f} WINNERs by luck"
    if campaign.false_winner_chance is not None:
        luck = f"a WINNER by luck at most {100 * campaign.false_winner_chance:.1f} % of the time"
    return (
        f"Experiments declared in this ledger so far: {campaign.declared}{nulls}{elsewhere}; if none helped, {ideas} "
        f"would show {luck} "
        f"({campaign.label})."
    )


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
    return f" at {rules.label} tokens" if any("{train_tokens}" in part for part in rules.command) else ""


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
