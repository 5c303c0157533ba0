"""The three figures of docs/calibration.md."""

from collections.abc import Mapping

from calibrate_draws import NORMAL
from calibrate_goals import Findings
from calibrate_study import EFFECTS, NAMES, CampaignFigures, PortfolioFigures, PowerFigures
from calibrate_svg import Bar, Line, bars, lines

__all__ = ["figures"]

# Colour and stroke of each rule: a colour for a family, dashes for its stricter sister. The confirmation without the
# comparison of spreads lies on top of the one with it.
LOOKS = {
    "single": ("grey", "solid"),
    "three": ("grey", "dashed"),
    "mad": ("grey", "dotted"),
    "protocol": ("blue", "solid"),
    "before": ("blue", "dotted"),
    "confirmed": ("blue", "dashed"),
    "screening": ("vermilion", "solid"),
    "screening_confirmed": ("vermilion", "dashed"),
}


def figures(found: Findings) -> dict[str, str]:
    """SVG text by the file's name."""
    return {
        "false-winners.svg": _false_winners(found.campaigns[NORMAL.name]),
        "power.svg": _power(found.power),
        "runs.svg": _runs(found.portfolio),
    }


def _false_winners(rules: Mapping[str, CampaignFigures]) -> str:
    curves = [
        Line(
            NAMES[name],
            [(length, 100 * one.value) for length, one in rules[name].any_false.items() if one.value >= 0.001],
            *LOOKS[name],
        )
        for name in LOOKS
    ]
    return lines(
        "At least one false claim, when no experiment changes anything",
        ("experiments in the campaign, which share one baseline", "chance in percent"),
        curves,
        {at: str(at) for at in (1, 20, 40, 60, 80, 100)},
        {0.1: "0.1", 0.3: "0.3", 1: "1", 3: "3", 5: "5", 10: "10", 30: "30", 100: "100"},
        log=True,
    )


def _power(power: Mapping[tuple[float, float], Mapping[str, PowerFigures]]) -> str:
    curves = [
        Line(
            NAMES[name],
            [(effect, 100 * power[1.0, effect][name].found.value) for effect in EFFECTS],
            *LOOKS[name],
        )
        for name in LOOKS
        if name not in ("mad", "before")
    ]
    return lines(
        "What each rule finds",
        ("improvement in true sigmas", "chance of a claim in percent"),
        curves,
        {0: "0", 0.5: "0.5", 1: "1", 1.5: "1.5", 2: "2", 2.5: "2.5", 3: "3"},
        {at: str(at) for at in (0, 20, 40, 60, 80, 100)},
    )


def _runs(portfolio: Mapping[str, PortfolioFigures]) -> str:
    rows = [
        Bar(
            NAMES[name],
            portfolio[name].runs_per_correct.value,
            f"{100 * portfolio[name].any_false.value:.0f} %",
            LOOKS[name][0],
            is_pale=LOOKS[name][1] != "solid",
        )
        for name in LOOKS
    ]
    return bars(
        "Runs per correct decision on the reference portfolio",
        ("runs, those of the shared baseline included", "at least one false claim"),
        rows,
    )
