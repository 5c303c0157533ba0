"""The calibration study decides as the product does, and its page says what it found."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from seedproof.model.arms import Arm, Baseline
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS
from seedproof.model.metric_rule import MetricRule
from seedproof.model.refusals import MoreSeedsNeeded
from seedproof.model.results import Verdict
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.phases.baseline import establish_baseline
from seedproof.phases.looks import confirm_steps, next_look
from seedproof.stats.power import at_least_one_winner, protocol_power
from seedproof.stats.sequential import sequential_alpha
from seedproof.stats.summary import PriorVariance, summarize
from seedproof.stats.tests import holm, welch
from seedproof.verdict.confirmation import confirm
from seedproof.verdict.judge import judge

from tests.support.amounts import amount
from tests.support.arms import run_key
from tests.support.places import ROOT

sys.path.append(str(ROOT / "benchmarks"))

import calibrate
import calibrate_page
import calibrate_study
import twin
from calibrate_draws import draw

STUDIES = amount(sample=1_000, whole=10_000, soak=10_000)
MAXIMIZE = MetricRule(name="val_loss", direction="maximize", pattern=DEFAULT_VAL_LOSS)
# Enough for a chance of one in a million per comparison.
SIGMAS = 5.0


def arm(
    name: str | None, seeds: Sequence[int], values: Sequence[float], fresh: Sequence[Run] = (), **more: object
) -> Arm:
    runs = tuple(one_run(name, seed, value, Role.MEASURE, False) for seed, value in zip(seeds, values, strict=True))
    return Arm(generation=1, experiment=name, runs=runs, fresh=tuple(fresh), **more)


def one_run(name: str | None, seed: int, value: float, role: Role, is_control: bool) -> Run:
    return Run(
        run_id=f"{name}-{seed}",
        key=run_key(name, seed, role=role, is_control=is_control),
        state=RunState.SUCCEEDED,
        metrics=MappingProxyType({"val_loss": MetricValue(value, repr(value))}),
    )


def baseline(values: Sequence[float], rules: Rules) -> Baseline:
    return establish_baseline(arm(None, rules.baseline_seeds, values), rules)


def product_says(base: Baseline, values: Sequence[float], rules: Rules, **more: object) -> tuple[Verdict, int]:
    """The product's verdict and the runs it asked for: the extra seeds only where it refuses without them."""
    first = rules.experiment_seeds
    try:
        return judge(base, arm("idea", first, values[: len(first)], **more)).verdict, len(first)
    except MoreSeedsNeeded:
        seeds = first + rules.extra_seeds
        return judge(base, arm("idea", seeds, values, **more)).verdict, len(seeds)


def word(decided: twin.Decided, place: int, experiment: int = 0) -> tuple[Verdict, int]:
    at = (place, experiment)
    verdict = Verdict.WINNER if decided.winner[at] else Verdict.LOSER if decided.loser[at] else Verdict.NEUTRAL
    return verdict, int(decided.runs[at])


def studies(count: int, seed: int, rules: Rules, length: int = 1) -> twin.Campaigns:
    """Random effects from -4 to 4 sigma, random units, and seeds that move both arms together in half of them."""
    rng = np.random.default_rng(seed)
    n, pairs = len(rules.experiment_seeds) + len(rules.extra_seeds), len(rules.confirm_seeds)

    def values(*shape: int) -> np.ndarray:
        return rng.standard_normal((count, *shape))

    shared, effects = rng.integers(0, 2, (count, 1, 1)), rng.uniform(-4, 4, (count, length))
    base, of_seed = values(len(rules.baseline_seeds)), values(1, n)
    parts = twin.Campaigns(
        base, values(length, n) + shared * of_seed, values(length, pairs), values(length, pairs)
    ).improved(effects)
    scale, level = 10.0 ** rng.uniform(-4, 2, (count, 1)), rng.uniform(-5, 5, (count, 1))

    def placed(each: np.ndarray) -> np.ndarray:
        return each * scale[..., None] + level[..., None]

    return twin.Campaigns(base * scale + level, placed(parts.experiments), placed(parts.control), placed(parts.fresh))


# --- the twin equals the product --------------------------------------------------------------


@pytest.mark.sampled
def test_the_twin_decides_thousands_of_random_studies_as_the_product_does() -> None:
    rules = Rules()
    drawn = studies(STUDIES, 1, rules)
    decided = twin.protocol(drawn, rules)
    expected = [
        product_says(baseline(base.tolist(), rules), exp[0].tolist(), rules)
        for base, exp in zip(drawn.baseline, drawn.experiments, strict=True)
    ]
    assert [word(decided, place) for place in range(STUDIES)] == expected
    assert {verdict for verdict, _ in expected} == set(Verdict)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(metric=MAXIMIZE),
        Rules(winner_sigma=1.3, experiment_seeds=(1, 2, 3, 4), extra_seeds=(5,)),
        Rules(extra_seeds=(), baseline_seeds=(1, 2, 3, 4, 5, 6, 7)),
        Rules(design="sequential"),
        Rules(design="sequential", metric=MAXIMIZE),
        Rules(design="sequential", extra_seeds=()),
    ],
    ids=["maximize", "other numbers", "one look", "sequential", "sequential, maximize", "sequential, one look"],
)
def test_the_twin_decides_as_the_product_under_other_rules(rules: Rules) -> None:
    count = 1000
    drawn = studies(count, 2, rules)
    decided = (twin.sequential if rules.design == "sequential" else twin.protocol)(drawn, rules)
    expected = [
        product_says(baseline(base.tolist(), rules), exp[0].tolist(), rules)
        for base, exp in zip(drawn.baseline, drawn.experiments, strict=True)
    ]
    assert [word(decided, place) for place in range(count)] == expected


def earlier_spread(arms: Sequence[Sequence[float]]) -> PriorVariance | None:
    found = [summarize(values) for values in arms]
    df = sum(one.n - 1 for one in found)
    return PriorVariance(sum((one.std or 0.0) ** 2 * (one.n - 1) for one in found), df) if df else None


def test_the_twin_pools_the_earlier_experiments_of_a_campaign_as_the_product_does() -> None:
    rules = Rules(design="sequential", sequential_variance="ledger")
    count, length = 100, 6
    drawn = studies(count, 3, rules, length)
    decided = twin.ledger_sequential(drawn, rules)
    for place in range(count):
        base, earlier = baseline(drawn.baseline[place].tolist(), rules), []
        for experiment in range(length):
            values = drawn.experiments[place, experiment].tolist()
            expected = product_says(base, values, rules, prior=earlier_spread(earlier))
            assert word(decided, place, experiment) == expected
            earlier.append(values[: expected[1]])


@pytest.mark.parametrize("rules", [Rules(), Rules(metric=MAXIMIZE)], ids=["minimize", "maximize"])
def test_the_twin_confirms_what_the_product_confirms(rules: Rules) -> None:
    count = 1000
    drawn = studies(count, 4, rules)
    decided = twin.protocol(drawn, rules)
    confirmed = twin.confirmed(drawn, decided, rules)
    states = []
    for place in np.flatnonzero(decided.winner[:, 0]):
        base, n = baseline(drawn.baseline[place].tolist(), rules), int(decided.runs[place, 0])
        seeds = (rules.experiment_seeds + rules.extra_seeds)[:n]
        judged = arm("idea", seeds, drawn.experiments[place, 0, :n].tolist(), tuple(fresh_runs(drawn, place, rules)))
        assert next_look(judged, base, rules).is_complete
        states.append(confirm(base, judged).state)
        assert (states[-1] == "confirmed") == bool(confirmed.winner[place, 0])
        assert confirmed.runs[place, 0] == n + 2 * len(rules.confirm_seeds)
    assert set(states) == {"confirmed", "not_confirmed"}


def fresh_runs(drawn: twin.Campaigns, place: int, rules: Rules) -> Iterator[Run]:
    for step in confirm_steps(rules):
        side = drawn.control if step.is_control else drawn.fresh
        value = float(side[place, 0, rules.confirm_seeds.index(step.seed)])
        yield one_run("idea", step.seed, value, Role.CONFIRM, step.is_control)


def test_the_twin_adjusts_as_the_product_does() -> None:
    rules = Rules()
    count, length = 50, 8
    drawn = studies(count, 5, rules, length)
    decided = twin.protocol(drawn, rules)
    p = twin.welch_p_better(drawn, decided, rules)
    for place in range(count):
        for experiment in range(length):
            n = int(decided.runs[place, experiment])
            test = welch(drawn.baseline[place].tolist(), drawn.experiments[place, experiment, :n].tolist())
            one_sided = test.p_value / 2 if test.t < 0 else 1 - test.p_value / 2
            assert p[place, experiment] == pytest.approx(one_sided, rel=1e-9)
        assert twin.holm_adjusted(p)[place] == pytest.approx(holm(p[place].tolist()))
    assert np.array_equal(
        twin.corrected_so_far(drawn, decided).winner[:, -1], twin.corrected(drawn, decided).winner[:, -1]
    )


@pytest.mark.parametrize("prior_df", [22, 40, 64, 150])
def test_the_level_of_a_long_campaign_is_the_products_to_a_millionth(prior_df: int) -> None:
    assert twin._alpha(twin.RULES, prior_df) == pytest.approx(sequential_alpha(twin.RULES.sizes, prior_df), abs=1e-6)


def test_the_rules_of_today_on_a_session_worked_by_hand() -> None:
    base = np.array([[4.0, 4.0, 4.6, 9.0, 9.0]])
    # Single runs: 4.1, 3.9, 3.5 and 3.4 after the baseline's 4.0.
    firsts = np.array([4.1, 3.9, 3.5, 3.4])
    values = np.repeat(firsts[:, None], 5, axis=1)[None]
    drawn = twin.Campaigns(base, values, np.zeros((1, 4, 3)), np.zeros((1, 4, 3)))
    assert twin.single_run(drawn).winner.tolist() == [[False, True, True, True]]
    assert twin.mean_of_three(drawn).winner.tolist() == [[True, True, True, True]]
    # Medians 4.0, 3.95, 3.9; MADs 0.1, 0.1, 0.2; improvements 0.1, 0.5, 0.6 over them: 1, 5 and 3.
    assert twin.best_over_mad(drawn).winner.tolist() == [[False, False, True, True]]


# --- the study --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes() -> dict[str, calibrate_study.Outcome]:
    return calibrate_study.run(campaigns=2000, seed=7)


def agrees(found: calibrate_study.Estimate, exact: float, other_error: float = 0.0) -> bool:
    return abs(found.value - exact) <= SIGMAS * max((found.error**2 + other_error**2) ** 0.5, 1e-9)


def test_the_protocols_simulated_chances_are_the_exact_ones(outcomes: dict[str, calibrate_study.Outcome]) -> None:
    found, exact = outcomes["protocol"], protocol_power(0.0, Rules().sizes)
    assert agrees(found.false_winner, exact.p_winner)
    assert agrees(found.null_runs, exact.expected_runs)
    for length in (10, 20, 50):
        assert agrees(found.curve[length], at_least_one_winner(length, Rules().sizes))
    for effect, chance in found.power.items():
        point = protocol_power(effect, Rules().sizes)
        assert agrees(chance, point.p_winner if effect > 0 else point.p_loser)


def test_the_sequential_design_errs_as_often_as_the_protocol(outcomes: dict[str, calibrate_study.Outcome]) -> None:
    assert agrees(outcomes["sequential"].false_winner, protocol_power(0.0, Rules().sizes).p_winner)


def test_a_single_run_fools_all_campaigns_but_one_in_their_length(outcomes: dict[str, calibrate_study.Outcome]) -> None:
    for length, chance in outcomes["single"].curve.items():
        assert agrees(chance, length / (length + 1))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_page_and_figures(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        calibrate.main(["--campaigns", "1000", "--studies", "500", "--seed", "3", "--docs", str(folder)])
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*.*"))
    assert [str(path) for path in files if path.suffix == ".svg"] == [
        f"calibration/{name}.svg" for name in ("false-winners", "power", "runs")
    ]
    assert all((folders[0] / path).read_bytes() == (folders[1] / path).read_bytes() for path in files)


def test_correlated_seeds_are_drawn_with_that_correlation() -> None:
    noise = next(each for each in calibrate_study.NOISES if each.correlation == 0.6)
    drawn = draw(np.random.default_rng(1), 20_000, 1, noise)
    pairs = (drawn.baseline, drawn.experiments[:, 0]), (drawn.control[:, 0], drawn.fresh[:, 0])
    for one, other in pairs:
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(0.6, abs=0.02)


# --- the page ---------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "calibration.md"


def table(title: str) -> dict[str, list[str]]:
    """Cells by first cell, of the first table of numbers after a title."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^\| .*$", section, flags=re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_the_page_says_what_a_small_run_finds(outcomes: dict[str, calibrate_study.Outcome]) -> None:
    printed = table("How often they err, and what they find")
    errors = printed["*standard error, at most*"]
    assert len(printed["Rule"]) == len(calibrate_page.MAIN)
    for one in outcomes.values():
        for cell, error, (name, estimate, _) in zip(
            printed[one.contender.name], errors, calibrate_page.MAIN, strict=True
        ):
            found = estimate(one)
            if found is None:
                assert cell == "–"
                continue
            unit = 1 if name.startswith("runs") else 100
            # What is printed is rounded, by half a unit of its last place.
            rounding = 0.05 / unit
            assert agrees(found, float(cell) / unit, float(error) / unit + rounding), (one.contender.name, name)


def test_the_page_has_each_kind_of_noise_and_each_rule_of_the_portfolio() -> None:
    noises = {each.name for each in calibrate_study.NOISES}
    assert noises < set(table("When the noise is of another kind"))
    assert {each.name for each in calibrate_study.CONTENDERS} < set(table("The reference portfolio"))


def test_the_pages_command_is_the_one_of_make_with_its_defaults() -> None:
    text, makefile = PAGE.read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    ((campaigns, studies_, seed),) = re.findall(
        r"`python benchmarks/calibrate.py --campaigns (\d+) --studies (\d+) --seed (\d+)`", text
    )
    assert calibrate_page.Settings(int(campaigns), int(studies_), int(seed)) == calibrate.DEFAULTS
    assert "`make calibrate`" in text
    assert re.search(r"^calibrate: .*\n\t@\S+ benchmarks/calibrate\.py$", makefile, flags=re.MULTILINE)
