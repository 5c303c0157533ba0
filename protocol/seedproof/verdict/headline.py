"""Words of a verdict: its headline, and its reason under the protocol's rule."""

import re
from dataclasses import dataclass

from seedproof.model.arms import Arm, Baseline
from seedproof.model.results import Confirmation, Difference, SeedPairs, Verdict
from seedproof.model.rules import Rules
from seedproof.stats.summary import reaches

__all__ = [
    "UNSEEDED",
    "Ruling",
    "always_said",
    "accepted_kinds",
    "format_distance",
    "in_brackets",
    "pairs_reason",
    "protocol_reason",
    "shown_brackets",
    "shown_p",
    "worst_first",
    "write_headline",
]


@dataclass(frozen=True, slots=True)
class Ruling:
    """The verdict under the rules, before the confirmation."""

    verdict: Verdict
    """The verdict, caps included."""
    reason: str
    """The rule that decided; one sentence or more."""
    caps: tuple[str, ...] = ()
    """Names of the caps that turned a WINNER into NEUTRAL."""


# The brackets by how much they take from a verdict, the most first: another result, another draw, another training,
# another noise.
_WORST = (
    r"unseeded$",
    r"same values as ",
    r"inputs differ",
    r"script outside the project changed",
    r"variables differ",
    r"[0-9]+ discarded attempt",
    r"declared without effect",
    r"seed not seen",
    r"trained shorter",
    r"same flags ",
    r"spread ",
    r"code held ",
    r"inputs not observed",
    r"several at once",
)
_SHOWN = 2
UNSEEDED = "unseeded"
"""The bracket of every verdict on runs without a seed; a headline names it beside the worst two others."""


def worst_first(brackets: tuple[str, ...]) -> tuple[str, ...]:
    """Brackets in the order in which headline and report name them."""

    def place(name: str) -> int:
        return next((at for at, words in enumerate(_WORST) if re.match(words, name)), len(_WORST))

    return tuple(sorted(brackets, key=place))


def shown_brackets(brackets: tuple[str, ...]) -> tuple[str, ...]:
    """The worst two, and how many more the report names."""
    shown = _SHOWN + (UNSEEDED in brackets)
    more = len(brackets) - shown
    return (*worst_first(brackets)[:shown], *([f"+{more} more, see report"] if more > 0 else ()))


def always_said(rules: Rules) -> list[str]:
    """What every headline under these rules says in brackets."""
    return [UNSEEDED] if rules.seed == "unseeded" else []


_CONFIRMED = {
    "open": "unconfirmed",
    "confirmed": "confirmed on {seeds}",
    "not_confirmed": "NOT confirmed on {seeds}",
    "incomplete": "confirmation incomplete",
    "unavailable": "unconfirmed",
}


def _fresh_seeds(arm: Arm, confirmation: Confirmation) -> str:
    """The seeds behind the end of a confirmation: `3 fresh seeds`."""
    n = confirmation.pairs or (confirmation.done + 1) // 2
    kind = "given" if arm.fresh_plan is not None and arm.fresh_plan.is_given else "fresh"
    return f"{n} {kind} seed{'' if n == 1 else 's'}"


def write_headline(
    ruling: Ruling,
    baseline: Baseline,
    arm: Arm,
    sigma: float,
    pairs: SeedPairs | None,
    confirmation: Confirmation | None,
    remarks: tuple[str, ...],
) -> str:
    """Verdict and reason in one line.

    Args:
        sigma: Distance of the means; positive is better.
        pairs: The same-seed pairs of a NEUTRAL, where they say more than the means.
        remarks: What else stands in the brackets.
    """
    rules = baseline.rules
    if ruling.verdict is Verdict.DROPPED:
        n = len(arm.counted)
        said = "; ".join(["screening", "no verdict", *always_said(rules)])
        return f"DROPPED after {n} seed{'' if n == 1 else 's'} ({said})"
    side = " better" if sigma > 0 else " worse" if sigma < 0 else ", no difference"
    distance = f"{format_distance(sigma, rules)} sigma{side}"
    if pairs is not None and pairs.is_offered:
        return _pairs_headline(baseline, arm, distance, pairs, confirmation, remarks)
    tail = ""
    is_protocol = rules.design == "protocol"
    if ruling.verdict is Verdict.NEUTRAL and is_protocol and not ruling.caps and sigma and pairs is None:
        tail = ", suggestive but inconclusive" if reaches(sigma, rules.suggestive_sigma) else ", noise"
    if confirmation is not None:
        remarks = (_CONFIRMED[confirmation.state].format(seeds=_fresh_seeds(arm, confirmation)), *remarks)
        time = confirmation.wall_time
        if time is not None and time.claim == "slowdown":
            tail = f"; slower by {time.change_percent:.1f} % in alternated runs"
    remarks = remarks if is_protocol else (*remarks, f"{rules.design} design")
    capped = f" (capped: {', '.join(ruling.caps)})" if ruling.caps else ""
    return f"{ruling.verdict}{capped}{in_brackets(*remarks)}: {distance}{tail}"


def _pairs_headline(
    baseline: Baseline,
    arm: Arm,
    distance: str,
    pairs: SeedPairs,
    confirmation: Confirmation | None,
    remarks: tuple[str, ...],
) -> str:
    """The headline of a NEUTRAL whose same-seed pairs say more than its means, before and after fresh pairs."""

    def number(value: float) -> str:
        return f"{value:+.{baseline.decimals}f}"

    rule = f"{baseline.rules.winner_sigma:g}-sigma rule"
    if confirmation is None or confirmation.difference is None:
        ended = "; fresh pairs incomplete" if confirmation is not None and confirmation.state == "incomplete" else ""
        if confirmation is not None and confirmation.state == "not_confirmed":
            ended = "; an experiment run on a fresh seed diverged"
        told = f"{distance}, below the {rule}; same-seed pairs {number(pairs.difference)}{ended}"
        return f"NEUTRAL{in_brackets(*remarks)}: {told}"
    holds = "hold" if confirmation.state == "confirmed" else "do NOT hold"
    seeds, value = _fresh_seeds(arm, confirmation), number(confirmation.difference)
    return f"NEUTRAL{in_brackets(rule, *remarks)}; pairs {holds} on {seeds}: {value}"


def in_brackets(*remarks: str) -> str:
    """Remarks on a verdict in brackets; empty where there are none."""
    return f" ({'; '.join(remarks)})" if remarks else ""


def accepted_kinds(accepted: tuple[Difference, ...]) -> list[str]:
    """The remark that names the kinds of accepted differences; empty where there are none."""
    kinds = list(dict.fromkeys(one.kind for one in accepted))
    return [f"accepted: other {' and '.join(kinds)}"] if kinds else []


def format_distance(sigma: float, rules: Rules, least: int = 2) -> str:
    """The distance with two decimals, or with more where they would put it on the wrong side of a threshold.

    Args:
        least: Decimals to begin with.
    """
    thresholds = (rules.suggestive_sigma, rules.winner_sigma)

    def sides(value: float) -> list[bool]:
        return [reaches(value, threshold) for threshold in thresholds]

    texts = (f"{abs(sigma):.{decimals}f}" for decimals in range(least, 10))
    return next((text for text in texts if sides(float(text)) == sides(abs(sigma))), repr(abs(sigma)))


def protocol_reason(verdict: Verdict, sigma: float, rules: Rules) -> str:
    """Why the protocol's rule gives a verdict at this distance of the means, in one sentence."""
    winner, least = f"{rules.winner_sigma:g}", f"{rules.suggestive_sigma:g}"
    means = _means(sigma, rules)
    if verdict is not Verdict.NEUTRAL:
        return f"{means}; {winner} sigma decide."
    if reaches(sigma, rules.suggestive_sigma):
        return f"{means}: at least {least} but less than {winner} sigma is suggestive, not conclusive."
    return f"{means}; an improvement of less than {least} sigma is noise, a loss of less than {winner} too."


def pairs_reason(sigma: float, pairs: SeedPairs, rules: Rules) -> str:
    """The reason of a NEUTRAL whose same-seed pairs tell: the rule does not see it, so it is not called noise."""
    p, side = min((pairs.p_better, "better"), (1 - pairs.p_better, "worse"))
    return (
        f"{_means(sigma, rules)}; {rules.winner_sigma:g} sigma decide. The same-seed pairs, which that rule does not "
        f"see, are {side}: one-sided paired p {shown_p(p)} over {pairs.n} seeds."
    )


def shown_p(p: float) -> str:
    """A p value with four decimals, or that it is smaller."""
    return "<0.0001" if p < 1e-4 else f"{p:.4f}"


def _means(sigma: float, rules: Rules) -> str:
    if not sigma:
        return "The means are equal"
    return f"The mean is {format_distance(sigma, rules)} sigma {'better' if sigma > 0 else 'worse'} than the baseline's"
