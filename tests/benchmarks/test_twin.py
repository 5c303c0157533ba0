"""The twin of the calibration study decides as the product does: verdict by verdict, runs included."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from seedproof.model.arms import Arm, Baseline, FreshPlan
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS
from seedproof.model.metric_rule import MetricRule
from seedproof.model.results import Comparison, Verdict
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.phases.baseline import establish_baseline
from seedproof.phases.confirmation import Step, confirm_look
from seedproof.phases.looks import next_look
from seedproof.verdict.judge import judge

from tests.support.amounts import amount
from tests.support.arms import run_key
from tests.support.places import ROOT
from tests.support.seeds import FRESH_SIX

sys.path.append(str(ROOT / "benchmarks"))

import calibrate_today
import twin
from calibrate_checks import PROGRAMS, real_pool

STUDIES = amount(sample=1_000, whole=10_000, soak=10_000)
MAXIMIZE = MetricRule(name="val_loss", direction="maximize", pattern=DEFAULT_VAL_LOSS)


def arm(name: str | None, seeds: Sequence[int], values: Sequence[float], step: float, **more: object) -> Arm:
    runs = tuple(one_run(name, seed, value, step) for seed, value in zip(seeds, values, strict=True))
    return Arm(generation=1, experiment=name, runs=runs, **more)


def one_run(
    name: str | None, seed: int, value: float, step: float, role: Role = Role.MEASURE, is_control: bool = False
) -> Run:
    text = f"{value:.2f}" if step else repr(value)
    return Run(
        run_id=f"{name}-{seed}",
        key=run_key(name, seed, role=role, is_control=is_control),
        state=RunState.SUCCEEDED,
        metrics=MappingProxyType({"val_loss": MetricValue(float(text), text)}),
    )


def product_says(
    drawn: twin.Campaigns, place: int, rules: Rules, step: float = 0.0
) -> tuple[Baseline, Arm, Comparison]:
    """The product's verdict, on the seeds that it asks for."""
    base = establish_baseline(arm(None, rules.baseline_seeds, drawn.baseline[place].tolist(), step), rules)
    values = dict(zip(rules.experiment_seeds + rules.extra_seeds, drawn.experiments[place, 0].tolist(), strict=True))
    judged = arm("idea", (), (), step)
    while due := next_look(judged, base, rules).due:
        runs = (one_run("idea", seed, values[seed], step) for seed in due)
        judged = replace(judged, runs=(*judged.runs, *runs))
    return base, judged, judge(base, judged)


def word(decided: twin.Decided, place: int, rules: Rules) -> tuple[Verdict, int]:
    neither = Verdict.DROPPED if rules.design == "screening" else Verdict.NEUTRAL
    winner, loser = decided.winner[place, 0], decided.loser[place, 0]
    return Verdict.WINNER if winner else Verdict.LOSER if loser else neither, int(decided.runs[place, 0])


def studies(count: int, seed: int, rules: Rules, step: float = 0.0) -> twin.Campaigns:
    """Random effects, units and spreads; in half of them the seed moves both arms together."""
    rng = np.random.default_rng(seed)
    n = len(rules.experiment_seeds) + len(rules.extra_seeds)

    def values(*shape: int) -> np.ndarray:
        return rng.standard_normal((count, *shape))

    shared, effects = 3 * rng.integers(0, 2, (count, 1, 1)), rng.uniform(-2, 4, (count, 1))
    spread = rng.choice([1.0, 1.0, 2.0, 5.0], (count, 1, 1))
    of_seed, of_fresh = shared * values(1, max(n, len(rules.baseline_seeds))), shared * values(1, twin.PAIRS)
    base = values(len(rules.baseline_seeds)) + of_seed[:, 0, : len(rules.baseline_seeds)]
    parts = twin.Campaigns(
        base,
        spread * values(1, n) + of_seed[..., :n],
        values(1, twin.PAIRS) + of_fresh,
        spread * values(1, twin.PAIRS) + of_fresh,
    ).improved(-rules.metric.sign * effects)
    scale, level = 10.0 ** rng.uniform(-4, 2, (count, 1, 1)), rng.uniform(-5, 5, (count, 1, 1))
    if step:
        scale, level = step * rng.choice([0.2, 0.5, 2.0], (count, 1, 1)), np.zeros_like(level)

    def placed(each: np.ndarray) -> np.ndarray:
        found = each * scale + level
        return np.round(found, 2) if step else found

    base = placed(base[:, None])[:, 0]
    if step:
        base[np.ptp(base, axis=-1) == 0, 0] += step
    return twin.Campaigns(base, placed(parts.experiments), placed(parts.control), placed(parts.fresh))


def decide(drawn: twin.Campaigns, rules: Rules) -> twin.Decided:
    return (twin.screening if rules.design == "screening" else twin.protocol)(drawn, rules)


@pytest.mark.sampled
@pytest.mark.parametrize("rules", [Rules(), twin.SCREENING], ids=["protocol", "screening"])
def test_the_twin_decides_thousands_of_random_studies_as_the_product_does(rules: Rules) -> None:
    drawn = studies(STUDIES, 1, rules)
    decided = decide(drawn, rules)
    expected = []
    for place in range(STUDIES):
        _, judged, said = product_says(drawn, place, rules)
        expected.append((said.verdict, len(judged.runs)))
    assert [word(decided, place, rules) for place in range(STUDIES)] == expected
    every = {"protocol": {"WINNER", "NEUTRAL", "LOSER"}, "screening": {"WINNER", "DROPPED"}}
    assert {str(verdict) for verdict, _ in expected} == every[rules.design]
    assert {runs for _, runs in expected} == ({3, 5} if rules.design == "protocol" else {1, 2, 3, 5})


@pytest.mark.parametrize(
    "rules",
    [
        Rules(metric=MAXIMIZE),
        Rules(winner_sigma=1.3, experiment_seeds=(1, 2, 3, 4), extra_seeds=(5,)),
        Rules(extra_seeds=(), baseline_seeds=(1, 2, 3, 4, 5, 6, 7)),
        Rules(design="screening", metric=MAXIMIZE),
        Rules(design="screening", experiment_seeds=(1, 2, 3, 4), extra_seeds=(5, 6, 7)),
        Rules(design="screening", extra_seeds=()),
    ],
    ids=["maximize", "other numbers", "one look", "screening, maximize", "screening, other numbers", "screening, 3"],
)
def test_the_twin_decides_as_the_product_under_other_rules(rules: Rules) -> None:
    drawn = studies(500, 2, rules)
    decided = decide(drawn, rules)
    for place in range(500):
        _, judged, said = product_says(drawn, place, rules)
        assert word(decided, place, rules) == (said.verdict, len(judged.runs))


# --- fresh pairs ------------------------------------------------------------------------------


def with_fresh(
    base: Baseline, judged: Arm, drawn: twin.Campaigns, place: int, step: float, plan: FreshPlan
) -> Iterator[Arm]:
    """The arm after each round of fresh runs that the product asks for."""
    judged = replace(judged, fresh_plan=plan)
    while due := confirm_look(judged, base).due:
        judged = replace(judged, fresh=(*judged.fresh, *(fresh_run(drawn, place, one, step, plan) for one in due)))
        yield judged


def fresh_run(drawn: twin.Campaigns, place: int, step: Step, digit: float, plan: FreshPlan) -> Run:
    side = drawn.control if step.is_control else drawn.fresh
    value = float(side[place, 0, plan.seeds.index(step.seed)])
    return one_run("idea", step.seed, value, digit, Role.CONFIRM, step.is_control)


@pytest.mark.sampled
@pytest.mark.parametrize("step", [0.0, 0.01], ids=["all digits", "two decimals"])
@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        Rules(metric=MAXIMIZE),
        Rules(confirm_seeds=(7, 8, 9)),
        twin.SCREENING,
        Rules(design="screening", metric=MAXIMIZE),
    ],
    ids=["protocol", "maximize", "three given seeds", "screening", "screening, maximize"],
)
def test_the_twin_confirms_what_the_product_confirms_after_as_many_pairs(rules: Rules, step: float) -> None:
    count = STUDIES // 2
    drawn = studies(count, 4, rules, step)
    decided = decide(drawn, rules)
    confirmed = twin.confirmed(drawn, decided, rules, step=step).of(decided)
    plan = FreshPlan(rules.confirm_seeds or FRESH_SIX, "winner", bool(rules.confirm_seeds))
    seen = set()
    for place in np.flatnonzero(decided.winner[:, 0]):
        base, judged, said = product_says(drawn, place, rules, step)
        assert said.verdict is Verdict.WINNER
        *_, ended = with_fresh(base, judged, drawn, place, step, plan)
        confirmation = judge(base, ended).confirmation
        assert confirmation is not None and confirmation.state in ("confirmed", "not_confirmed")
        assert (confirmation.state == "confirmed") == bool(confirmed.winner[place, 0])
        assert confirmed.runs[place, 0] == len(ended.runs) + len(ended.fresh)
        seen.add((confirmation.state, len(ended.fresh), confirmation.limit))
    assert {state for state, _, _ in seen} == {"confirmed", "not_confirmed"}
    assert {runs for _, runs, _ in seen} == ({6} if rules.confirm_seeds else {6, 12})
    # The rule for another spread was in force somewhere.
    assert {limit for _, _, limit in seen} == {0.02, 0.002}


@pytest.mark.sampled
@pytest.mark.parametrize("step", [0.0, 0.01], ids=["all digits", "two decimals"])
def test_the_twin_hears_the_pairs_that_the_product_hears(step: float) -> None:
    rules = Rules()
    drawn = studies(STUDIES, 5, rules, step)
    decided = twin.protocol(drawn, rules)
    heard = twin.pairs(drawn, decided, rules, step)
    holds = dict(zip(heard.at[0].tolist(), heard.holds.tolist(), strict=True))
    states = set()
    for place in np.flatnonzero(~decided.winner[:, 0] & ~decided.loser[:, 0]):
        base, judged, said = product_says(drawn, place, rules, step)
        assert (said.pairs is not None) == (place in holds)
        if said.pairs is None:
            continue
        *_, ended = with_fresh(base, judged, drawn, place, step, FreshPlan(FRESH_SIX, "pairs"))
        confirmation = judge(base, ended).confirmation
        assert confirmation is not None and len(ended.fresh) == 12
        assert (confirmation.state == "confirmed") == holds[place]
        states.add(confirmation.state)
    assert states == {"confirmed", "not_confirmed"}


# --- real values ------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("program", PROGRAMS)
def test_real_values_without_any_difference_are_judged_alike(program: str) -> None:
    """Values of real trainings, less the mean of their arm, drawn with repetition."""
    rules, rng, pool = Rules(), np.random.default_rng(6), real_pool(program)
    count = STUDIES // 2
    shapes = ((count, 5), (count, 1, 5), (count, 1, twin.PAIRS), (count, 1, twin.PAIRS))
    drawn = twin.Campaigns(*(rng.choice(pool, shape) for shape in shapes))
    some = np.ptp(drawn.baseline, axis=-1) > 0
    drawn = twin.Campaigns(*(each[some] for each in (drawn.baseline, drawn.experiments, drawn.control, drawn.fresh)))
    decided = twin.protocol(drawn, rules)
    confirmed = twin.confirmed(drawn, decided, rules).of(decided)
    winners = 0
    for place in range(int(some.sum())):
        base, judged, said = product_says(drawn, place, rules)
        assert word(decided, place, rules) == (said.verdict, len(judged.runs))
        if said.verdict is Verdict.WINNER:
            winners += 1
            *_, ended = with_fresh(base, judged, drawn, place, 0.0, FreshPlan(FRESH_SIX, "winner"))
            confirmation = judge(base, ended).confirmation
            assert confirmation is not None
            assert (confirmation.state == "confirmed") == bool(confirmed.winner[place, 0])
            assert confirmed.runs[place, 0] == len(ended.runs) + len(ended.fresh)
    assert winners > 0


# --- what people do instead -------------------------------------------------------------------


def test_the_rules_of_today_on_a_session_worked_by_hand() -> None:
    base = np.array([[4.0, 4.0, 4.6, 9.0, 9.0]])
    # Single runs: 4.1, 3.9, 3.5 and 3.4 after the baseline's 4.0.
    firsts = np.array([4.1, 3.9, 3.5, 3.4])
    values = np.repeat(firsts[:, None], 5, axis=1)[None]
    drawn = twin.Campaigns(base, values, np.zeros((1, 4, 6)), np.zeros((1, 4, 6)))
    assert calibrate_today.single_run(drawn).winner.tolist() == [[False, True, True, True]]
    assert calibrate_today.mean_of_three(drawn).winner.tolist() == [[True, True, True, True]]
    # Medians 4.0, 3.95, 3.9; MADs 0.1, 0.1, 0.2; improvements 0.1, 0.5, 0.6 over them: 1, 5 and 3.
    assert calibrate_today.best_over_mad(drawn).winner.tolist() == [[False, False, True, True]]
