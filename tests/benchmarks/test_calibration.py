"""The calibration study finds what is known of the rules, and its page says what it found."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from seedproof.model.rules import Rules
from seedproof.stats.power import at_least_one_winner, protocol_power

from tests.support.amounts import amount
from tests.support.places import ROOT

sys.path.append(str(ROOT / "benchmarks"))

import calibrate
import calibrate_page
from calibrate_checks import PROGRAMS, real_pool
from calibrate_draws import NORMAL, SAME_SEED, Estimate, Noise, draw
from calibrate_goals import DOUBLED, DRIFT, Findings, Goal, goals

SMALL = calibrate_page.Settings(campaigns=amount(sample=1_000, whole=5_000, soak=20_000), studies=40_000, seed=7)
# Standard errors that a simulated figure may lie from a known one: a chance of 6 in 100,000 for each comparison.
ERRORS = 4.0


@pytest.fixture(scope="module")
def found() -> Findings:
    return calibrate.measure(SMALL)


def agrees(one: Estimate, expected: float, rounding: float = 0.0, other_error: float = 0.0) -> bool:
    error = (one.error**2 + other_error**2) ** 0.5
    return abs(one.value - expected) <= ERRORS * max(error, 1e-9) + rounding


# --- against exact chances --------------------------------------------------------------------


@pytest.mark.sampled
def test_the_protocols_simulated_chances_are_the_exact_ones(found: Findings) -> None:
    protocol, exact = found.campaigns[NORMAL.name]["protocol"], protocol_power(0.0, Rules().sizes)
    assert agrees(protocol.false_winner, exact.p_winner)
    assert agrees(protocol.runs, exact.expected_runs)
    for length in (10, 20, 50):
        assert agrees(protocol.any_false[length], at_least_one_winner(length, Rules().sizes))
    for (spread, effect), rules in found.power.items():
        if spread == 1:
            assert agrees(rules["protocol"].found, protocol_power(effect, Rules().sizes).p_winner)


@pytest.mark.sampled
def test_a_single_run_fools_all_campaigns_but_one_in_their_length(found: Findings) -> None:
    for length, chance in found.campaigns[NORMAL.name]["single"].any_false.items():
        assert agrees(chance, length / (length + 1))


# --- against an independent simulation ----------------------------------------------------------

# Figures of another simulation of the same rules, of 10^5 to 4 * 10^6 draws: percent as printed there. The number of
# decimals is the rounding.
T3, LUCKY, OUTLIERS = (
    "heavy tails: t with 3 degrees of freedom",
    "lucky outliers: exponential, far values are better",
    "5 % outliers: one run in 20 spreads five times as much",
)
SPREAD_3, SPREAD_10 = "experiments spread 3 times as much", "experiments spread 10 times as much"

SOME_FALSE = {
    (NORMAL.name, "before"): {10: "3.4", 20: "6.0", 50: "10.8", 100: "15.3"},
    (NORMAL.name, "plain"): {10: "1.0", 20: "1.9", 50: "4.2", 100: "7.1"},
    (NORMAL.name, "confirmed"): {50: "3.7"},
    (NORMAL.name, "screening_plain"): {50: "4.5"},
    (DOUBLED, "before"): {50: "38.0"},
    (DOUBLED, "plain"): {50: "13"},
    (DOUBLED, "confirmed"): {50: "10.4"},
    (DOUBLED, "screening_plain"): {50: "10.2"},
    (SPREAD_3, "plain"): {50: "23.5"},
    (SPREAD_3, "confirmed"): {50: "16.6"},
    (SPREAD_10, "plain"): {50: "51"},
    (SPREAD_10, "confirmed"): {50: "14.4"},
    (T3, "before"): {50: "12.9"},
    (T3, "plain"): {50: "2.9"},
    (T3, "screening_plain"): {50: "2.8"},
    (LUCKY, "before"): {50: "23.4"},
    (LUCKY, "plain"): {50: "6.3"},
    (LUCKY, "screening_plain"): {50: "4.0"},
    (OUTLIERS, "before"): {50: "11.9"},
    (OUTLIERS, "plain"): {50: "3.4"},
    (OUTLIERS, "screening_plain"): {50: "3.4"},
    (DRIFT, "before"): {50: "25.0"},
    (DRIFT, "plain"): {50: "11.6"},
    (DRIFT, "screening_plain"): {50: "15.1"},
    (SAME_SEED.name, "protocol"): {50: "1.0"},
}
FALSE_WINNERS = {
    (NORMAL.name, "screening"): "3.0",
    (DOUBLED, "protocol"): "10.8",
    (SPREAD_3, "protocol"): "19.4",
    (SPREAD_10, "protocol"): "43.5",
    (DRIFT, "protocol"): "9.5",
    (LUCKY, "protocol"): "11",
}
POWER = {
    "before": ("11.5", "53.9", "89.4"),
    "plain": ("7.8", "53.8", "90.1"),
    "screening": ("29", "77", "98"),
}


def comparisons(found: Findings) -> Iterator[tuple[str, Estimate, str]]:
    """What is compared, what was simulated here, and what the other simulation printed."""
    null = found.campaigns[NORMAL.name]
    for (noise, rule), by_length in SOME_FALSE.items():
        for length, printed in by_length.items():
            yield f"{noise}, {rule}, some in {length}", found.campaigns[noise][rule].any_false[length], printed
    for (noise, rule), printed in FALSE_WINNERS.items():
        yield f"{noise}, {rule}, false WINNER", found.campaigns[noise][rule].false_winner, printed
    for rule, powers in POWER.items():
        for effect, printed in zip((1.0, 2.0, 3.0), powers, strict=True):
            yield f"{rule} at {effect}", found.power[1.0, effect][rule].found, printed
    yield "confirmed at 2", found.power[1.0, 2.0]["confirmed"].found, "51.7"
    yield "confirmed at 3", found.power[1.0, 3.0]["confirmed"].found, "89.3"
    for rule, printed in (("before", "13.6"), ("plain", "3.3")):
        given = null[rule].given_winner
        assert given is not None
        yield f"{rule}, given a false WINNER", given, printed
    covered = {"welch_of_winner": {0.0: "62", 1.0: "89.5"}, "before_holds_zero": {2.0: "26"}}
    covered |= {"before_of_confirmed": {0.0: "66", 0.5: "86", 1.0: "93", 2.0: "96"}}
    for kind, by_effect in covered.items():
        for effect, printed in by_effect.items():
            yield f"{kind} at {effect}", getattr(found.intervals[effect], kind), printed
    yield "5 of 5 in 50", found.pairs[NORMAL.name, 0.0].better_in_all, "44"
    yield "pairs at 1 sigma", found.pairs[SAME_SEED.name, 1.0].pairs_alone, "81"
    yield "false pairs", found.pairs[NORMAL.name, 0.0].pairs_alone, "0.02"
    for share, printed in ((0.001, "0.3"), (0.01, "7"), (1.0, "82")):
        yield f"seed not seen at {share}", found.signs.seed_unseen[share], printed
    yield "outlier", found.signs.outlier, "0.5"


@pytest.mark.sampled
def test_each_figure_agrees_with_an_independent_simulation_within_its_error(found: Findings) -> None:
    for words, one, printed in comparisons(found):
        rounding = 0.5 * 10.0 ** -len(printed.partition(".")[2])
        assert agrees(one, float(printed) / 100, rounding / 100), (words, one, printed)
    assert agrees(found.portfolio["protocol"].runs_per_correct, 5.37, 0.005)
    assert agrees(found.portfolio["screening"].runs_per_correct, 2.59, 0.005)
    runs = found.power[1.0, 2.0]["plain"].confirmation_runs
    assert runs is not None and agrees(runs, 8.9, 0.05)


@pytest.mark.sampled
def test_a_confirmation_passes_more_false_winners_than_its_level_where_the_baselines_spread_is_pooled(
    found: Findings,
) -> None:
    passed = found.campaigns[NORMAL.name]["before"].given_winner
    assert passed is not None and passed.value - ERRORS * passed.error > 0.10


# --- the draws --------------------------------------------------------------------------------


def test_correlated_seeds_are_drawn_with_that_correlation() -> None:
    drawn = draw(np.random.default_rng(1), 20_000, 1, Noise("", correlation=0.6))
    pairs = (drawn.baseline, drawn.experiments[:, 0]), (drawn.control[:, 0], drawn.fresh[:, 0])
    for one, other in pairs:
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(0.6, abs=0.02)


def test_real_values_are_those_of_the_logs_less_the_mean_of_their_arm() -> None:
    pools = {program: real_pool(program) for program in PROGRAMS}
    assert {program: len(pool) for program, pool in pools.items()} == {"makemore": 15, "llm-research-kit": 10}
    assert all(pool.mean() == pytest.approx(0, abs=1e-12) for pool in pools.values())
    # The baseline of llm-research-kit: 3.76919 on average, 3.7265625 at seed 137.
    assert pools["llm-research-kit"].min() == pytest.approx(3.7265625 - 3.7691875)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_page_and_figures(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        calibrate.main(["--campaigns", "1000", "--studies", "20000", "--seed", "3", "--docs", str(folder)])
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*.*"))
    assert [str(path) for path in files if path.suffix == ".svg"] == [
        f"calibration/{name}.svg" for name in ("false-winners", "power", "runs")
    ]
    assert all((folders[0] / path).read_bytes() == (folders[1] / path).read_bytes() for path in files)


# --- the page ---------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "calibration.md"
LAST_ROW = "*standard error, at most*"


def tables(text: str) -> list[list[list[str]]]:
    """Every table of a page: rows of cells, the heads first."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    split = [[[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()] for block in blocks]
    return [[rows[0], *rows[2:]] for rows in split]


@pytest.mark.sampled
def test_the_page_says_what_a_small_run_finds(found: Findings) -> None:
    printed, small = (tables(text) for text in (PAGE.read_text("utf-8"), calibrate_page.page(found, SMALL)))
    measured = [pair for pair in zip(printed, small, strict=True) if pair[0][-1][0] == LAST_ROW]
    assert len(measured) == 10
    for one, other in measured:
        assert [row[0] for row in one] == [row[0] for row in other]
        assert one[0] == other[0]
        for row, again in zip(one[1:-1], other[1:-1], strict=True):
            for cell, value, error, its_error in zip(row[1:], again[1:], one[-1][1:], other[-1][1:], strict=True):
                assert (cell == "–") == (value == "–")
                if cell == "–":
                    continue
                # Both cells and both errors are rounded, by half a unit of their last place.
                unit = 10.0 ** -len(cell.partition(".")[2])
                allowed = 1.25 * ERRORS * (float(error) ** 2 + float(its_error) ** 2) ** 0.5 + 1.1 * unit
                assert abs(float(cell) - float(value)) <= allowed, (one[0][0], row[0], cell, value)


@pytest.mark.sampled
def test_the_page_tells_honestly_which_goals_are_reached(found: Findings) -> None:
    (rows,) = [rows for rows in tables(PAGE.read_text("utf-8")) if rows[0][0] == "Figure"]
    for row, goal in zip(rows[1:], goals(found), strict=True):
        assert row[:2] == [goal.words, goal.limit]
        scale = 100 if goal.is_share else 1
        measured, error = (float(cell.removesuffix(" %")) / scale for cell in row[2:4])
        assert agrees(goal.measured, measured, other_error=error), goal
    missed = Goal("", "", Estimate(0.06, 0.001), excess=0.01)
    assert missed.result == "missed by 1.00 points"
    assert Goal("", "", Estimate(0.06, 0.01), excess=0.01).result == "missed by 1.00 points, within the error"
    assert Goal("", "", Estimate(0.06, 0.01), excess=0.0).result == "reached"


def test_every_figure_of_the_page_exists() -> None:
    names = re.findall(r"!\[[^\]]+\]\((calibration/[a-z-]+\.svg)\)", PAGE.read_text("utf-8"))
    assert sorted(names) == sorted(f"calibration/{path.name}" for path in (PAGE.parent / "calibration").iterdir())


def test_the_pages_command_is_the_one_of_make_with_its_defaults() -> None:
    text, makefile = PAGE.read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    ((campaigns, studies_, seed),) = re.findall(
        r"`python benchmarks/calibrate.py --campaigns (\d+) --studies (\d+) --seed (\d+)`", text
    )
    assert calibrate_page.Settings(int(campaigns), int(studies_), int(seed)) == calibrate.DEFAULTS
    assert "`make calibrate`" in text
    assert re.search(r"^calibrate: .*\n\t@\S+ benchmarks/calibrate\.py$", makefile, flags=re.MULTILINE)
