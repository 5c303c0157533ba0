"""The three figures of docs/calibration.md."""

from collections.abc import Mapping

from calibrate_study import Outcome
from calibrate_svg import Bar, Line, bars, lines

__all__ = ["figures"]

# Colour and stroke of each rule, by its key: a colour for a family, dashes for its stricter sister.
LOOKS = {
    "single": ("grey", "solid"),
    "three": ("grey", "dashed"),
    "mad": ("grey", "dotted"),
    "protocol": ("blue", "solid"),
    "confirmed": ("blue", "dashed"),
    "so_far": ("purple", "dashed"),
    "holm": ("purple", "solid"),
    "sequential": ("vermilion", "solid"),
    "sequential_confirmed": ("vermilion", "dashed"),
    "ledger": ("green", "solid"),
}


def figures(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """SVG text by the file's name."""
    return {
        "false-winners.svg": _false_winners(outcomes),
        "power.svg": _power(outcomes),
        "runs.svg": _runs(outcomes),
    }


def _false_winners(outcomes: Mapping[str, Outcome]) -> str:
    curves = [
        Line(
            one.contender.name,
            [(length, 100 * found.value) for length, found in one.curve.items() if found.value > 0],
            *LOOKS[key],
        )
        for key, one in outcomes.items()
    ]
    return lines(
        "At least one false winner, when no idea has an effect",
        ("experiments in the campaign, which share one baseline", "chance in percent"),
        curves,
        {at: str(at) for at in (1, 10, 20, 30, 40, 50)},
        {0.3: "0.3", 1: "1", 3: "3", 10: "10", 30: "30", 100: "100"},
        log=True,
    )


def _power(outcomes: Mapping[str, Outcome]) -> str:
    curves = [
        Line(
            one.contender.name,
            [
                (0.0, 100 * one.false_winner.value),
                *((effect, 100 * found.value) for effect, found in one.power.items() if effect > 0),
            ],
            *LOOKS[key],
        )
        for key, one in outcomes.items()
    ]
    return lines(
        "What each rule finds",
        ("true improvement in sigmas", "chance of a claim in percent"),
        curves,
        {0: "0", 0.5: "0.5", 1: "1", 1.5: "1.5", 2: "2", 2.5: "2.5", 3: "3"},
        {at: str(at) for at in (0, 20, 40, 60, 80, 100)},
    )


def _runs(outcomes: Mapping[str, Outcome]) -> str:
    rows = [
        Bar(
            one.contender.name,
            one.runs_per_correct.value,
            f"{100 * one.any_false.value:.0f} %",
            LOOKS[key][0],
            is_pale=LOOKS[key][1] != "solid",
        )
        for key, one in outcomes.items()
    ]
    return bars(
        "Runs per correct verdict on the reference portfolio",
        ("runs, those of the shared baseline included", "at least one false winner"),
        rows,
    )
