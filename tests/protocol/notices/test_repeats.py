"""Values and logs that repeat: expected where the metric is coarse, asked about where it is fine."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, Run
from seedproof.notices.repeats import repeat_notices

from tests.support.arms import make_run
from tests.support.seeds import SEEDS

RULES = Rules(metric=MetricRule(name="accuracy", direction="maximize", pattern=r"acc=(?P<value>\S+)"))


def printed(*texts: str, **more: object) -> list[Run]:
    return [
        make_run(seed, metrics={"accuracy": MetricValue(float(text), text)}, **more)
        for seed, text in zip((*SEEDS, *range(5000, 6000)), texts, strict=False)
    ]


def codes(runs: list[Run], beside: Sequence[Run] = ()) -> list[str]:
    return [notice.code for notice in repeat_notices("muon", runs, RULES, beside)]


def test_one_notice_says_that_ties_are_expected() -> None:
    (said,) = repeat_notices(
        "muon", printed("71", "71", "72", "71", "72"), RULES, printed("70", "70", "71", "70", "70")
    )
    assert (said.code, said.message) == (
        "ties_expected",
        "muon: accuracy comes in steps of 1, and sigma is 0.447, so equal values are expected "
        "(seeds 42, 137, 512: 71; seeds 256, 1024: 72).",
    )


# Sigma is 0.447, 5 and 0.02.
COARSE, FINE, LOSSES = (
    printed("70", "70", "71", "70", "70"),
    printed("65", "70", "75"),
    printed("4.1811", "4.2011", "4.2211"),
)


@pytest.mark.parametrize(
    ("texts", "beside", "said"),
    [
        (["71", "72", "73"], COARSE, []),
        (["72", "72", "72"], COARSE, ["ties_expected"]),  # 0.46 of honest ones, at a step of 2.2 sigma
        (["72", "72", "72"], FINE, ["same_values"]),  # a step of a fifth of sigma: no more than 0.4 %
        (["72", "72"], FINE, []),  # 8 %
        (["72", "72", "73"], FINE, []),  # 0.17 of honest ones, and not worth a word
        (["0.842", "0.842", "0.845", "0.839", "0.851"], [], ["ties_expected"]),  # its own spread: 0.0046
        (["0.8420", "0.8420", "0.8450", "0.8390", "0.8510"], [], ["ties_expected"]),  # shares of 1,000 cases
        (["0.8421", "0.8421", "0.8459", "0.8392", "0.8513"], [], []),  # 0.06, by its own spread
        (["0.842137", "0.842137", "0.845921", "0.839214", "0.851313"], [], ["same_values"]),
        (["4.1234", "4.1234", "4.1500"], LOSSES, ["same_values"]),
        (["4.1", "4.1"], [], []),  # two values of two digits, and nothing is known of the spread
        (["4.1", "4.1", "4.1"], [], ["same_values"]),
        (["4.1234", "4.1234"], [], ["same_values"]),
        (["nan"], [], []),
    ],
)
def test_equal_values_are_asked_about_where_they_are_a_surprise(
    texts: list[str], beside: list[Run], said: list[str]
) -> None:
    assert codes(printed(*texts), beside) == said


@pytest.mark.parametrize(
    ("texts", "beside", "said"),
    [
        (["4.1234", "4.1234"], [], []),  # nothing is known of the spread
        (["4.1234", "4.1234", "4.1234"], [], ["same_values"]),
        (["4.1234", "4.1234"], LOSSES, []),  # 0.2 % of honest ones
        (["4.1234", "4.1234", "4.1500"], LOSSES, []),
        (["4.1234", "4.1234", "4.1234"], LOSSES, ["same_values"]),
        (["4.12341", "4.12341", "4.15007"], LOSSES, []),
        (["4.123456", "4.123456", "4.150123"], LOSSES, ["same_values"]),
    ],
)
def test_trainings_that_began_with_other_values_may_end_alike(
    texts: list[str], beside: list[Run], said: list[str]
) -> None:
    runs = [replace(run, early=((2, f"9.{run.seed}"),)) for run in printed(*texts)]
    assert codes(runs, beside) == said


def test_a_beginning_that_two_of_the_equal_ones_share_is_no_evidence_for_them() -> None:
    runs = [replace(run, start_text="9.2103") for run in printed("4.1234", "4.1234", "4.1500")]
    assert codes(runs, LOSSES) == ["same_values"]
    assert codes([replace(run, early=((2, f"8.{run.seed}"),)) for run in runs], LOSSES) == []


def test_one_line_logs_of_equal_values_are_no_copies_and_longer_ones_are() -> None:
    values = ("71", "71", "72", "73", "74")
    bare = printed(*values, bare_log=True)
    same = [
        make_run(run.seed, metrics=run.metrics, bare_log=True, log_sha256=str(run.value("accuracy"))) for run in bare
    ]
    long = [make_run(run.seed, metrics=run.metrics, log_sha256=run.log_sha256) for run in same]
    assert codes(same) == ["ties_expected"]
    assert codes(long) == ["ties_expected", "identical_logs"]


def test_one_line_logs_of_equal_fine_values_are_copies() -> None:
    runs = printed("4.1234", "4.1234", "4.1500", bare_log=True, log_sha256="a")[:2]
    assert codes(runs, LOSSES) == ["same_values", "identical_logs"]


@pytest.mark.parametrize("runs", [3, 5])
@pytest.mark.parametrize(
    ("per_sigma", "narrower"), [(1, 1), *((steps, by) for steps in (5, 10, 20, 50, 100, 1000) for by in (1, 2))]
)
def test_honest_seeds_are_hardly_ever_asked_about_whatever_the_step(per_sigma: int, narrower: int, runs: int) -> None:
    """Values in steps of that part of sigma; those of the arm may spread by half as much as the baseline's."""
    draw, asked, arms = random.Random(0), 0, 1000

    def values(sigma: float, n: int) -> list[Run]:
        return printed(*(f"{400 + round(draw.gauss(0, sigma)) / 10_000:.4f}" for _ in range(n)))

    for _ in range(arms):
        base, arm = values(per_sigma, 5), values(per_sigma / narrower, runs)
        asked += "same_values" in codes(arm, base)
    assert asked <= 0.025 * arms


@pytest.mark.parametrize(("begins", "most"), [(True, 0.002), (False, 0.06)])
def test_an_honest_study_in_four_decimals_is_hardly_ever_asked_about(begins: bool, most: float) -> None:
    """Looked at after every run of a baseline and of an arm of three, as docs/recipes/modded-nanogpt.md is."""
    draw, asked, studies = random.Random(0), 0, 1000

    def values(mean: float, sigma: float, n: int) -> list[Run]:
        runs = printed(*(f"{draw.gauss(mean, sigma):.4f}" for _ in range(n)))
        return [replace(run, early=((2, f"{draw.gauss(403.8, 0.01):.4f}"),)) for run in runs] if begins else runs

    for _ in range(studies):
        base, arm = values(403.13, 0.006, 5), values(403.02, 0.002, 3)
        looks = [codes(base[:n]) for n in range(2, 6)] + [codes(arm[:n], base) for n in (2, 3)]
        asked += any("same_values" in look for look in looks)
    print(f"{asked} of {studies} honest studies are asked about equal values; first values shown: {begins}")
    assert asked <= most * studies


def test_honest_seeds_of_a_coarse_metric_are_hardly_ever_asked_about() -> None:
    """Accuracies over 200 samples, printed in three decimals, that spread by as much as a step."""
    draw, asked, arms = random.Random(0), 0, 1000
    for _ in range(arms):
        base, texts = ([f"{round(draw.gauss(0.84, 0.005) * 200) / 200:.3f}" for _ in range(5)] for _ in range(2))
        asked += "same_values" in codes(printed(*texts), printed(*base))
    assert asked <= 0.05 * arms
