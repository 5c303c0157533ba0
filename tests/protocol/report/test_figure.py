"""Figures, three of them compared whole with tests/golden, and what they show of any values."""

import dataclasses
import itertools
import math
import os
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seedproof.model.arms import Arm, Baseline, Pair
from seedproof.model.code import Change, ChangedFile
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS
from seedproof.model.metric_rule import MetricRule
from seedproof.model.refusals import BaselineVoid
from seedproof.model.results import Comparison, Confirmation, Verdict
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import MetricValue, Run
from seedproof.phases.baseline import establish_baseline
from seedproof.report.axis import EXACT, fit_axis, spread
from seedproof.report.figure import baseline_figure, experiment_figure
from seedproof.report.study_figure import study_figure
from seedproof.report.svg import escape
from seedproof.verdict.judge import judge
from seedproof.verdict.weigh import weigh

from tests.support.arms import (
    MAXIMIZE,
    ROUND_VALUES,
    RULES,
    SEEDS,
    baseline_arm,
    diverged,
    experiment_arm,
    failed,
    make_baseline,
    make_run,
    measured,
)
from tests.support.places import GOLDEN
from tests.support.seeds import FRESH
from tests.support.study_stories import a_study, study_of

LOSSES = (4.1234, 4.1190, 4.1302, 4.1251, 4.1218)
TIMES = (10.2, 10.4, 9.9, 10.8, 10.1)
SVG = "{http://www.w3.org/2000/svg}"


def baseline(values: Sequence[float] = LOSSES, rules: Rules = RULES) -> Baseline:
    seeds = rules.baseline_seeds
    times = [TIMES[place % len(TIMES)] for place in range(len(seeds))]
    runs = [
        make_run(seed, value, experiment=None, wall_time_s=time)
        for seed, value, time in zip(seeds, values, times, strict=True)
    ]
    return establish_baseline(baseline_arm(*runs), rules)


def arm(*values: float, time: float | None = 8.0) -> Arm:
    return experiment_arm(*measured(values, wall_time_s=time))


def pair(seed: int, control: float | None, experiment: float | None) -> Pair:
    """A pair of finished runs; None where a run is not requested yet."""
    runs = [
        None if value is None else make_run(seed, value, role=role, wall_time_s=time)
        for value, role, time in ((control, Role.CONTROL, 10.3), (experiment, Role.CONFIRM, 8.2))
    ]
    return Pair(seed, runs[0], runs[1])


def compared(base: Baseline, side: Arm, headline: str = "NEUTRAL: a headline") -> Comparison:
    """A comparison of any values: its numbers do not enter the figure."""
    return Comparison(base, side, Verdict.NEUTRAL, headline, "", *[None] * 7)


PAIRS = (pair(2048, 4.125, 4.113), pair(4096, 4.119, 4.108), pair(8192, 4.127, 4.1165))
WINNER = judge(baseline(), dataclasses.replace(arm(4.11, 4.108, 4.112), flags=("--lr", "0.02")))
FRESH_PAIRS = Confirmation("confirmed", 6, 6, "", "winner", 3, -0.0112, 0.0112, 0.001, 0.02, 0.004, 0.0072)
CONFIRMED = dataclasses.replace(
    WINNER, confirmation=FRESH_PAIRS, headline="WINNER (confirmed on 3 fresh seeds): 3.33 sigma better"
)
LOST = judge(baseline(), experiment_arm(make_run(42, 4.12), diverged(137, wall_time_s=3.0)))

EVIDENCE = weigh(WINNER)

FIGURES = {
    "baseline": lambda: baseline_figure(baseline()),
    "winner_confirmed": lambda: experiment_figure(CONFIRMED, PAIRS, EVIDENCE),
    "loser_diverged": lambda: experiment_figure(LOST),
    "studies": lambda: study_figure(study_of(a_study())),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_figure_is_the_golden_one_byte_for_byte(name: str) -> None:
    golden, text = GOLDEN / f"{name}.svg", FIGURES[name]()
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(text)
        pytest.skip("written anew by `make golden`")
    assert text == golden.read_text()


def test_no_golden_figure_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.svg")} == set(FIGURES)


# --- reading a figure -------------------------------------------------------------------------


def panels(figure: str) -> list[ElementTree.Element]:
    """The groups of the picture: the deciding metric, then the wall time."""
    return ElementTree.fromstring(figure).findall(f"{SVG}g")


def kinds(shape: ElementTree.Element) -> list[str]:
    return shape.get("class", "").split()


def of_kind(panel: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [shape for shape in panel.iter() if kind in kinds(shape)]


def words(panel: ElementTree.Element) -> list[str]:
    return [shape.text or "" for shape in panel.iter(f"{SVG}text")]


def marks(panel: ElementTree.Element) -> dict[str, tuple[float, float]]:
    """Middle of each point, by what it says when pointed at."""
    found = {}
    for shape in [*of_kind(panel, "mark"), *of_kind(panel, "cross")]:
        xs, ys = coordinates(shape)
        found[shape.findtext(f"{SVG}title") or ""] = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
    return found


def coordinates(shape: ElementTree.Element) -> tuple[list[float], list[float]]:
    """Everything that a shape reaches, as far as it is written in its attributes."""
    if "d" in shape.attrib:
        numbers = [float(number) for number in re.findall(r"-?[0-9.]+", shape.attrib["d"])]
        return numbers[::2], numbers[1::2]
    xs, ys = ([float(shape.get(name, 0)) for name in names] for names in (("cx", "x1", "x2"), ("cy", "y1", "y2")))
    if shape.tag == f"{SVG}circle":
        r = float(shape.attrib["r"])
        return [xs[0] - r, xs[0] + r], [ys[0] - r, ys[0] + r]
    if shape.tag == f"{SVG}line":
        return xs[1:], ys[1:]
    if shape.tag == f"{SVG}rect":
        x, y, width, height = (float(shape.attrib[name]) for name in ("x", "y", "width", "height"))
        return [x, x + width], [y, y + height]
    assert shape.tag == f"{SVG}text"
    return reach_of_text(shape), [float(shape.attrib["y"]) - 10, float(shape.attrib["y"]) + 2]


def reach_of_text(shape: ElementTree.Element) -> list[float]:
    """Left and right end of words, at 0.56 em for a letter: what a wide sans serif needs on average."""
    sizes = {"title": 16, "headline": 13, "panel": 13, "small": 9}
    size = next((sizes[kind] for kind in kinds(shape) if kind in sizes), 11)
    width, x = 0.56 * size * len(shape.text or ""), float(shape.attrib["x"])
    left = x - {"start": 0, "middle": width / 2, "end": width}[shape.attrib["text-anchor"]]
    return [left, left + width]


def drawn(figure: str) -> Iterator[ElementTree.Element]:
    root = ElementTree.fromstring(figure)
    tags = {f"{SVG}{name}" for name in ("circle", "line", "path", "rect", "text")}
    return (shape for shape in root.iter() if shape.tag in tags)


def assert_nothing_is_cut_off(figure: str) -> None:
    _, _, width, height = map(float, ElementTree.fromstring(figure).attrib["viewBox"].split())
    for shape in drawn(figure):
        xs, ys = coordinates(shape)
        place = f"{shape.tag} {shape.attrib} {shape.text}"
        assert min(xs) >= 0 and max(xs) <= width, place
        assert min(ys) >= 0 and max(ys) <= height, place


def assert_numbers_are_numbers(figure: str) -> None:
    assert not re.search(r"(?i)(?<![a-z])(nan|inf|infinity)(?![a-z])", figure)


# --- any values -------------------------------------------------------------------------------

ANY = st.floats(-1e150, 1e150)  # what lies beyond has diverged
CLOSE = st.builds(
    lambda middle, steps: [middle + step for step in steps], ANY, st.lists(st.floats(0, 1e-6), min_size=8)
)
VALUES = st.one_of(st.lists(ANY, min_size=8, max_size=18), CLOSE).filter(lambda found: len(set(found[:5])) > 1)


def baseline_of_any_values(values: Sequence[float], rules: Rules) -> Baseline | None:
    """None where the spread of different values is less than a float can hold."""
    try:
        return make_baseline(values, rules)
    except BaselineVoid:
        return None


@given(VALUES, st.sampled_from([RULES, MAXIMIZE]))
@example([0.0, 5e-324, 0.0, 0.0, 0.0, 1.0, 1e150, -1e150], RULES)
@example([-1e150, 1e150, 0.0, 0.0, 0.0, 1e150, 1e150, 1e150], MAXIMIZE)
@example([4.0, math.nextafter(4.0, 5.0), 4.0, 4.0, 4.0, 4.0, 4.0, 4.0], RULES)
def test_a_figure_of_any_finite_values_is_xml_in_which_each_seed_has_a_point_and_nothing_is_cut_off(
    values: list[float], rules: Rules
) -> None:
    base = baseline_of_any_values(values[:5], rules)
    if base is None:
        return
    side = experiment_arm(*measured(values[5:8]))
    fresh = [pair(2048 + number, value, values[0]) for number, value in enumerate(values[8:])]
    figure = experiment_figure(compared(base, side), fresh)
    for text, expected in ((figure, 8 + 2 * len(fresh)), (baseline_figure(base), 5)):
        for panel in panels(text):
            assert len(of_kind(panel, "mark")) == expected
            assert_words_are_apart(panel)
        assert_nothing_is_cut_off(text)
        assert_numbers_are_numbers(text)
    said = marks(panels(figure)[0])
    for seed, value in zip(SEEDS, values[:5], strict=True):
        assert f"baseline, seed {seed}: {value!r}" in said


@given(VALUES)
def test_the_higher_value_stands_higher(values: list[float]) -> None:
    base = baseline_of_any_values(values[:5], RULES)
    if base is None:
        return
    figure = experiment_figure(compared(base, experiment_arm(*measured(values[5:8]))))
    points = sorted((float(said.rsplit(" ", 1)[1]), y) for said, (_, y) in marks(panels(figure)[0]).items())
    heights = [y for _, y in points]
    assert all(low >= high - 0.011 for low, high in itertools.pairwise(heights))


@given(st.text(), st.text())
def test_words_from_outside_stay_words(name: str, headline: str) -> None:
    side = dataclasses.replace(arm(4.0), experiment=name)
    root = ElementTree.fromstring(experiment_figure(compared(baseline(), side, headline)))
    assert {shape.tag.removeprefix(SVG) for shape in root.iter()} <= {
        "svg", "title", "desc", "style", "g", "text", "line", "rect", "circle", "path",
    }  # fmt: skip


def test_markup_and_what_xml_forbids_is_escaped() -> None:
    assert escape("<script>'\"&\n\tx") == "&lt;script&gt;&#39;&quot;&amp; x"
    assert escape("\x00\x1b[31m\ud800\uffff") == "\ufffd\ufffd[31m\ufffd\ufffd"
    headline = "WINNER</text><script>alert('&')</script>"
    figure = experiment_figure(compared(baseline(), arm(4.0), headline))
    assert "<script" not in figure
    assert headline in words(ElementTree.fromstring(figure))


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_values_give_the_same_bytes_whatever_the_precision_around(name: str) -> None:
    first = FIGURES[name]()
    with localcontext() as context:
        context.prec = 2
        assert FIGURES[name]() == first


# --- what can be read from it -----------------------------------------------------------------


def height_of(panel: ElementTree.Element, value: float) -> float:
    """Where a value stands, by the labels of the outer ticks."""
    ticks = [(float(shape.text or ""), float(shape.attrib["y"]) - 4) for shape in of_kind(panel, "tick")]
    (low, bottom), (high, top) = min(ticks), max(ticks)
    return bottom + (value - low) / (high - low) * (top - bottom)


@pytest.mark.parametrize("rules", [RULES, MAXIMIZE, Rules(suggestive_sigma=1.5, winner_sigma=2.5)])
@pytest.mark.parametrize("with_pairs", [False, True])
def test_points_means_and_bands_stand_where_the_axis_says(rules: Rules, with_pairs: bool) -> None:
    base = baseline(ROUND_VALUES, rules)  # mean 4, sigma 1
    pairs = tuple(pair(seed, 4.5, 2.5) for seed in FRESH) if with_pairs else ()
    panel = panels(experiment_figure(compared(base, arm(2.0, 2.5, 3.0)), pairs))[0]
    bands = [coordinates(shape)[1] for shape in of_kind(panel, "band")]
    expected = [
        [height_of(panel, 4 + n), height_of(panel, 4 - n)] for n in (rules.winner_sigma, rules.suggestive_sigma)
    ]
    for found, wanted in zip(bands, expected, strict=True):
        assert found == pytest.approx(wanted, abs=0.03)
    means = [coordinates(shape)[1][0] for shape in of_kind(panel, "mean")]
    assert means == pytest.approx([height_of(panel, mean) for mean in (4, 2.5, 4.5, 2.5)][: len(means)], abs=0.03)
    assert len(means) == (4 if with_pairs else 2)
    for said, (_, y) in marks(panel).items():
        assert y == pytest.approx(height_of(panel, float(said.rsplit(" ", 1)[1])), abs=0.03)


def test_each_common_seed_is_joined_and_the_others_are_not() -> None:
    panel = panels(FIGURES["winner_confirmed"]())[0]
    points = marks(panel)
    ends = {(points[f"{left}, seed {seed}: {a}"], points[f"experiment, seed {seed}: {b}"]) for left, seed, a, b in [
        ("baseline", 42, 4.1234, 4.11), ("baseline", 137, 4.119, 4.108), ("baseline", 256, 4.1302, 4.112),
        ("control", 2048, 4.125, 4.113), ("control", 4096, 4.119, 4.108), ("control", 8192, 4.127, 4.1165),
    ]}  # fmt: skip
    joins = [coordinates(shape) for shape in of_kind(panel, "join")]
    assert len(joins) == len(ends)
    for (xs, ys), ((left, start), (right, end)) in zip(sorted(joins), sorted(ends), strict=True):
        assert [*xs, *ys] == pytest.approx([left, right, start, end], abs=0.02)


@pytest.mark.parametrize(("rules", "words_of_top"), [(RULES, "2 sigma worse"), (MAXIMIZE, "2 sigma better")])
def test_the_better_side_is_marked_in_words_and_by_an_arrow(rules: Rules, words_of_top: str) -> None:
    panel = panels(experiment_figure(compared(baseline(ROUND_VALUES, rules), arm(2.0, 3.0))))[0]
    labels = {shape.text: float(shape.attrib["y"]) for shape in panel.iter(f"{SVG}text")}
    edges = sorted((y, text) for text, y in labels.items() if "sigma" in text)
    assert edges[0][1] == words_of_top
    _, ys = coordinates(of_kind(panel, "arrow")[0])
    points_up = ys[1] < ys[0]
    assert points_up == (rules is MAXIMIZE)
    assert (labels["better"] < edges[0][0]) == points_up


def test_the_arms_differ_by_shape_as_well_as_colour_and_there_is_a_style_for_the_dark() -> None:
    figure = FIGURES["winner_confirmed"]()
    shapes = {(shape.tag, kinds(shape)[1]) for panel in panels(figure) for shape in of_kind(panel, "mark")}
    assert shapes == {(f"{SVG}circle", "baseline"), (f"{SVG}path", "experiment")}
    assert "@media (prefers-color-scheme: dark)" in figure


def test_who_cannot_see_it_is_told_what_it_shows() -> None:
    root = ElementTree.fromstring(FIGURES["winner_confirmed"]())
    assert root.get("role") == "img"
    assert root[0].text == "Experiment muon: WINNER (confirmed on 3 fresh seeds): 3.33 sigma better"
    said = root[1].text or ""
    assert said.startswith("val_loss (lower is better): baseline mean 4.1239 (5 seeds), experiment mean 4.11 (3 seeds)")
    assert "fresh seeds, alternated: control mean 10.3 (3 seeds), experiment mean 8.2 (3 seeds)" in said


def shapes_of(figure: str, kind: str) -> list[ElementTree.Element]:
    """The shapes outside of the panels."""
    return [shape for shape in ElementTree.fromstring(figure) if kind in kinds(shape)]


def test_the_difference_stands_with_its_interval_beside_zero_and_above_what_fresh_pairs_gave() -> None:
    figure, welch = FIGURES["winner_confirmed"](), EVIDENCE.unpaired
    assert welch is not None
    (zero,), (first, second) = shapes_of(figure, "middle"), shapes_of(figure, "mean")
    ticks = {shape.text: float(shape.attrib["x"]) for shape in shapes_of(figure, "tick")}
    unit = (ticks["0"] - ticks["-0.020"]) / 0.020
    assert float(zero.attrib["x1"]) == pytest.approx(ticks["0"], abs=0.02)
    expected = [ticks["0"] + unit * value for value in (welch.low, welch.high)]
    assert [float(first.attrib[name]) for name in ("x1", "x2")] == pytest.approx(expected, abs=0.1)
    # One-sided: at least .0072 better, and no bound on the other side.
    assert float(second.attrib["x2"]) == pytest.approx(ticks["0"] - unit * 0.0072, abs=0.1)
    assert float(second.attrib["x1"]) == pytest.approx(
        min(float(shape.attrib["x"]) for shape in shapes_of(figure, "frame"))
    )
    assert "-0.0112 (< -0.0072)" in words(ElementTree.fromstring(figure))


def test_a_diverged_seed_leaves_no_difference_to_draw() -> None:
    assert "Difference in" not in experiment_figure(LOST)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_numbers_of_a_difference_fit_beside_it(scale: float) -> None:
    found = judge(baseline([scale * value for value in LOSSES]), arm(*(scale * one for one in (4.11, 4.108, 4.112))))
    figure = experiment_figure(found, (), weigh(found))
    assert_nothing_is_cut_off(figure)
    assert_words_are_apart(ElementTree.fromstring(figure))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"flags": ("--lr", "0.02")}, "Tried: --lr 0.02"),
        (
            {"change": Change(tuple(ChangedFile(f"m{n}.py", 3, n) for n in range(4)))},
            "Tried: m0.py (+3 -0), m1.py (+3 -1), 2 more files",
        ),
        ({}, "Tried: no change"),
    ],
)
def test_the_figure_names_what_was_tried(changed: dict[str, Any], said: str) -> None:
    figure = experiment_figure(judge(baseline(), dataclasses.replace(arm(4.11, 4.108, 4.112), **changed)))
    assert said in words(ElementTree.fromstring(figure))


# --- diverged, missing, unfinished ------------------------------------------------------------


@pytest.mark.parametrize("rules", [RULES, MAXIMIZE])
def test_diverged_seeds_stand_apart_at_the_worse_end_and_leave_no_mean(rules: Rules) -> None:
    side = experiment_arm(make_run(42, 3.0), diverged(137), diverged(256, "inf"))
    figure = experiment_figure(judge(baseline(ROUND_VALUES, rules), side))
    panel, time = panels(figure)
    lost = [y for said, (_, y) in marks(panel).items() if said.endswith("diverged")]
    finite = [y for said, (_, y) in marks(panel).items() if not said.endswith("diverged")]
    assert len(set(lost)) == 2
    assert min(finite) > max(lost) if rules is RULES else max(finite) < min(lost)
    assert {"diverged", "no mean", "2 of 3 diverged"} <= set(words(panel))
    assert len(of_kind(panel, "mean")) == 1
    assert len(of_kind(time, "mean")) == 2
    assert {"experiment, seed 137: 10.0 (diverged)", "experiment, seed 42: 10.0"} <= set(marks(time))
    assert_numbers_are_numbers(figure)


def test_without_a_confirmation_there_is_no_block_of_fresh_seeds() -> None:
    assert "fresh" not in experiment_figure(WINNER)


def test_an_unfinished_confirmation_shows_its_runs_and_no_mean() -> None:
    broken = failed(8192, shown=True, role=Role.CONTROL)
    pairs = (PAIRS[0], pair(4096, 4.119, None), Pair(8192, broken, None))
    panel = panels(experiment_figure(WINNER, pairs))[0]
    assert {"2 of 3 seeds", "1 of 3 seeds", "fresh seeds"} <= set(words(panel))
    assert {said for said in marks(panel) if "2048" in said or "4096" in said or "8192" in said} == {
        "control, seed 2048: 4.125",
        "control, seed 4096: 4.119",
        "experiment, seed 2048: 4.113",
    }
    assert len(of_kind(panel, "mean")) == 2


def test_pairs_that_are_only_planned_are_an_empty_block() -> None:
    panel = panels(experiment_figure(WINNER, [Pair(seed, None, None) for seed in FRESH]))[0]
    assert words(panel).count("0 of 3 seeds") == 2


def test_a_diverged_fresh_run_is_a_cross() -> None:
    pairs = (*PAIRS[:2], Pair(8192, make_run(8192, 4.12), diverged(8192)))
    figure = experiment_figure(WINNER, pairs)
    panel = panels(figure)[0]
    assert "experiment, seed 8192: diverged" in marks(panel)
    assert "1 of 3 diverged" in words(panel)
    assert_nothing_is_cut_off(figure)


def test_without_wall_times_the_second_panel_says_so() -> None:
    runs = measured(LOSSES, experiment=None, wall_time_s=None)
    base = establish_baseline(baseline_arm(*runs), RULES)
    time = panels(experiment_figure(judge(base, arm(4.0, 4.01, 4.02, time=None))))[1]
    assert words(time) == ["wall_time_s (separate blocks of runs, not tested)", "not measured"]
    assert "not measured" in words(panels(baseline_figure(base))[1])


def test_a_wall_time_missing_on_one_side_leaves_the_other() -> None:
    time = panels(experiment_figure(judge(baseline(), arm(4.0, 4.01, 4.02, time=None))))[1]
    assert len(of_kind(time, "mark")) == 5
    assert {"no mean", "0 seeds"} <= set(words(time))


def test_wall_times_without_spread_have_no_bands() -> None:
    panel, time = panels(experiment_figure(judge(make_baseline(LOSSES), arm(4.0, 4.01, 4.02))))
    assert len(of_kind(panel, "band")) == 2
    assert of_kind(time, "band") == []


# --- room for words ---------------------------------------------------------------------------

TEN = Rules(
    baseline_seeds=tuple(range(4294967286, 4294967296)),
    experiment_seeds=(4294967286, 4294967287, 4294967288),
    extra_seeds=(4294967289, 4294967290),
    confirm_seeds=(3000000001, 3000000002, 3000000003),
    metric=MetricRule(name="a" * 64, pattern=DEFAULT_VAL_LOSS),
)


def long_run(seed: int, value: float, **more: object) -> Run:
    return make_run(seed, metrics={"a" * 64: MetricValue(value, str(value))}, **more)


@pytest.mark.parametrize(
    "values", [[4.0] * 9 + [4.5], [4.0 + 0.01 * n for n in range(10)], [1e300 * n for n in range(10)]]
)
def test_the_longest_words_fit_and_no_two_of_a_column_touch(values: list[float]) -> None:
    seeds = TEN.baseline_seeds
    runs = [long_run(seed, value, experiment=None) for seed, value in zip(seeds, values, strict=True)]
    base = establish_baseline(baseline_arm(*runs), TEN)
    side = experiment_arm(*(long_run(seed, -values[9]) for seed in seeds[:5]))
    pairs = [Pair(seed, long_run(seed, 4.0), long_run(seed, 4.0)) for seed in TEN.confirm_seeds]
    headline = "WINNER (unconfirmed; spread 3.1x the baseline's; screening design): " + "so many words " * 12
    for figure in (experiment_figure(compared(base, side, headline), pairs), baseline_figure(base)):
        assert_nothing_is_cut_off(figure)
        for panel in panels(figure):
            assert_words_are_apart(panel)


@pytest.mark.parametrize("name", FIGURES)
def test_no_words_of_a_figure_touch(name: str) -> None:
    assert_nothing_is_cut_off(FIGURES[name]())
    for panel in panels(FIGURES[name]()):
        assert_words_are_apart(panel)


def assert_words_are_apart(panel: ElementTree.Element) -> None:
    texts = list(panel.iter(f"{SVG}text"))
    for place, one in enumerate(texts):
        for other in texts[place + 1 :]:
            (left, right), (start, end) = reach_of_text(one), reach_of_text(other)
            beside = right < start or end < left
            assert beside or abs(float(one.attrib["y"]) - float(other.attrib["y"])) > 8.9, (one.text, other.text)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([4.1155, 4.1323], ["4.115", "4.120", "4.125", "4.130"]),
        ([-1, 1], ["-1.0", "-0.5", "0", "0.5", "1.0"]),
        ([95, 130], ["100", "110", "120", "130"]),
        ([2e-7, 9e-7], ["2e-7", "4e-7", "6e-7", "8e-7"]),
        ([1.05e300, 1.31e300], ["1.05e+300", "1.10e+300", "1.15e+300", "1.20e+300", "1.25e+300", "1.30e+300"]),
        ([4 - 2e-9, 4 + 2e-9], ["-2e-9", "-1e-9", "0", "+1e-9", "+2e-9"]),
        ([7.0, 7.0], ["6.7", "6.8", "6.9", "7.0", "7.1", "7.2", "7.3"]),
        ([0.0, 0.0], ["-1.0", "-0.5", "0", "0.5", "1.0"]),
    ],
)
def test_ticks_are_round_and_their_labels_have_the_digits_they_need(values: list[float], labels: list[str]) -> None:
    with localcontext(EXACT):
        axis = fit_axis(values, 0, 100)
        assert [axis.label(tick) for tick in axis.ticks] == labels
        assert axis.base == (Decimal(4) if labels[-1].startswith("+") else None)


@given(st.lists(st.floats(0, 100), max_size=30), st.floats(0.5, 20))
def test_spread_labels_keep_order_distance_and_bounds(heights: list[float], gap: float) -> None:
    placed = spread(heights, gap, 0, 100)
    least = min(gap, 100 / max(1, len(heights)))
    ordered = [place for _, place in sorted(zip(heights, placed, strict=True))]
    assert all(b - a >= least - 1e-6 for a, b in itertools.pairwise(ordered))
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in placed)


def test_labels_that_have_room_stay_where_they_are() -> None:
    assert spread([50.0, 10.0, 80.0], 12, 0, 100) == [50.0, 10.0, 80.0]
    assert spread([50.0, 50.0], 12, 0, 100) == [44.0, 56.0]
