"""The figures that the rules are held to, and whether the simulation reaches them."""

from collections.abc import Sequence
from dataclasses import dataclass

from calibrate_checks import IntervalFigures, SignFigures
from calibrate_draws import NORMAL, Estimate
from calibrate_study import CampaignFigures, PairFigures, PortfolioFigures, PowerFigures
from seedproof.stats.power import protocol_power
from twin import RULES

__all__ = ["DRIFT", "DOUBLED", "Findings", "Goal", "goal_table", "goals"]

DOUBLED = "experiments spread 2 times as much"
DRIFT = "drift: all runs after the baseline are .5 true sigma better"
# Where a goal says "about", one percentage point more still is.
ABOUT = 0.01
# The simulation cannot tell on which side of a number it lies within two standard errors.
ERRORS = 2.0


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that one calibration has measured."""

    campaigns: dict[str, dict[str, CampaignFigures]]
    """By noise and rule."""
    power: dict[tuple[float, float], dict[str, PowerFigures]]
    """By spread, true improvement and rule."""
    portfolio: dict[str, PortfolioFigures]
    """By rule."""
    pairs: dict[tuple[str, float], PairFigures]
    """By noise and true improvement."""
    intervals: dict[float, IntervalFigures]
    """By true improvement."""
    signs: SignFigures
    """Brackets and notices."""
    real: dict[str, dict[str, CampaignFigures]]
    """By program and rule."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure with its limit."""

    words: str
    """What is measured."""
    limit: str
    """The limit in words."""
    measured: Estimate
    """What the simulation found."""
    excess: float
    """How far it lies on the wrong side; 0 or less where it is reached."""
    is_share: bool = True
    """Whether it is printed in percent."""

    @property
    def result(self) -> str:
        """Whether it is reached, and how far it is missed."""
        if self.excess <= 0:
            return "reached"
        missed = f"{100 * self.excess:.2f} points" if self.is_share else f"{self.excess:.3f}"
        return f"missed by {missed}{', within the error' if self.excess <= ERRORS * self.measured.error else ''}"


def goals(found: Findings) -> list[Goal]:
    """All of them, in the order of the page."""

    def some_in_50(words: str, noise: str, rule: str, limit: float, about: bool) -> Goal:
        one = found.campaigns[noise][rule].any_false[50]
        text = f"{'about' if about else 'at most'} {100 * limit:g} %"
        return Goal(
            f"{words}, {rule.split('_')[0].replace('confirmed', 'protocol')}",
            text,
            one,
            one.value - limit - ABOUT * about,
        )

    some = "some false confirmed WINNER in 50 experiments"
    exact = protocol_power(0.0, RULES.sizes).p_winner
    wrong = found.campaigns[NORMAL.name]["protocol"].false_winner
    cost, power = found.portfolio["screening"].runs_per_correct, found.power[1.0, 2.0]["confirmed"].found
    return [
        some_in_50(some, NORMAL.name, "confirmed", 0.05, about=False),
        some_in_50(some, NORMAL.name, "screening_confirmed", 0.05, about=False),
        some_in_50("the same, experiments spread twice as much", DOUBLED, "confirmed", 0.10, about=True),
        some_in_50("the same, drift of half a true sigma", DRIFT, "confirmed", 0.12, about=True),
        some_in_50("the same, drift of half a true sigma", DRIFT, "screening_confirmed", 0.15, about=True),
        Goal(
            "false WINNERs among experiments without effect, protocol",
            f"{100 * exact:.2f} %, the exact share",
            wrong,
            abs(wrong.value - exact) - ERRORS * wrong.error,
        ),
        Goal("runs per correct decision, screening", "at most 2.70", cost, cost.value - 2.7, is_share=False),
        Goal(
            "true improvements of 2 true sigma that are WINNER and confirmed, protocol",
            "at least 51 %",
            power,
            0.51 - power.value,
        ),
    ]


def goal_table(found: Sequence[Goal]) -> str:
    """As Markdown."""
    lines = [
        "| Figure | goal | measured | standard error | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for one in found:
        scale, digits, unit = (100, 2, " %") if one.is_share else (1, 3, "")
        value, error = (f"{scale * each:.{digits}f}{unit}" for each in (one.measured.value, one.measured.error))
        lines.append(f"| {one.words} | {one.limit} | {value} | {error} | {one.result} |")
    return "\n".join(lines) + "\n"
