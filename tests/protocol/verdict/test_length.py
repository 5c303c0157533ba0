"""Whether two arms trained as long: steps, tokens and epochs, the trainings' own ends, and a budget of time."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from seedproof.model.arms import Arm, Baseline, FreshPlan
from seedproof.model.lengths import Lengths
from seedproof.model.results import Verdict
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run
from seedproof.notices.runs import bracket_sentences, comparison_notices
from seedproof.phases.baseline import establish_baseline
from seedproof.report.provenance import LedgerFacts
from seedproof.report.report import experiment_report
from seedproof.verdict.judge import judge
from seedproof.verdict.length import length_of, length_remark
from seedproof.verdict.plausibility import caps_on
from seedproof.verdict.signs import brackets_on

from tests.support.arms import RULES, baseline_arm, experiment_arm, make_run, measured
from tests.support.seeds import SEEDS

from .test_plausibility import BETTER, arm_of, base_of

BY_TIME = Rules(budget="time")
BY_NONE = Rules(budget="none")
OWN_END = Lengths(reached_end=True)
FACTS = LedgerFacts(head="#41 9f2c04a1b7d3", records=41, began="2026-01-01T00:00:00.000Z", reason=None, earlier=())


def codes(baseline: Baseline, arm: Arm) -> list[str]:
    """Codes of the notices; the values here are whole numbers, which others tell."""
    coarse = ("ties_expected", "coarse_resolution")
    return [one.code for one in comparison_notices(judge(baseline, arm)) if one.code not in coarse]


# --- a budget of steps ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "exp_step", "caps"),
    [
        ((100,) * 5, 90, ()),  # exactly 90 %
        ((100,) * 5, 89, ("stopped early",)),
        ((97, 100, 103, 99, 101), 94, ()),  # runs that are ended by time
        ((97, 100, 103, 99, 101), 87, ("stopped early",)),  # 90 % of the smallest is 87.3
        ((100,) * 5, 110, ()),
        ((100,) * 5, 111, ("trained longer",)),
        ((97, 100, 103, 99, 101), 113, ()),
        ((100,) * 5, 300, ("trained longer",)),
        ((100,) * 5, None, ()),
        ((None, 100, 100, 100, 100), 10, ()),  # that one might have been the smallest
        ((None,) * 5, 10, ()),
        ((0,) * 5, 0, ()),
    ],
)
def test_a_tenth_either_way_is_tolerated_and_unknown_steps_say_nothing(
    steps: Sequence[int | None], exp_step: int | None, caps: tuple[str, ...]
) -> None:
    assert judge(base_of(steps), arm_of(step=exp_step, wall_time_s=8.0)).caps == caps


def test_a_winner_that_trained_longer_is_neutral_and_says_what_lifts_the_cap() -> None:
    comparison = judge(base_of(), arm_of(step=300, wall_time_s=30.0))
    assert (comparison.verdict, comparison.confirmation) == (Verdict.NEUTRAL, None)
    assert comparison.headline == "NEUTRAL (capped: trained longer): 3.00 sigma better"
    assert "Trained longer: it ended at step 300 (mean of 3 seeds), more than 1.1 times" in comparison.reason
    assert 'run_seed(new_baseline="the same length")' in comparison.reason
    assert "trained_longer" in codes(base_of(), arm_of(step=300))


def test_shorter_is_a_bracket_and_caps_only_where_it_took_less_time_as_well() -> None:
    as_long = judge(base_of(), arm_of(step=50, wall_time_s=10.0))
    assert as_long.headline == "WINNER (unconfirmed; trained shorter): 3.00 sigma better"
    assert (as_long.caps, as_long.brackets) == ((), ("trained shorter",))
    assert "trained_shorter" in codes(base_of(), arm_of(step=50, wall_time_s=10.0))
    ((name, sentence),) = bracket_sentences(as_long)
    assert (name, sentence[:18]) == ("trained shorter", "seed 42 at step 50")
    in_less_time = judge(base_of(), arm_of(step=50, wall_time_s=8.9))
    assert in_less_time.headline == "NEUTRAL (capped: stopped early): 3.00 sigma better"
    assert "seed 42 at step 50, seed 137 at step 50" in in_less_time.reason
    assert judge(base_of(), arm_of(step=50, wall_time_s=None)).brackets == ("trained shorter",)


def test_the_mean_of_the_seeds_decides_and_the_short_ones_are_named() -> None:
    arm = experiment_arm(*measured(BETTER[:2], step=100, wall_time_s=8.0), make_run(256, 1.1, step=10, wall_time_s=1.0))
    comparison = judge(base_of(walls=(9.0,) * 5), arm)
    assert comparison.caps == ("stopped early", "did not train")
    assert "seed 256 at step 10: below 90 %" in comparison.reason and "seed 42 at" not in comparison.reason
    slightly = experiment_arm(*measured(BETTER[:2], step=100), make_run(256, 1.1, step=80))
    assert length_of(base_of().arm, slightly, RULES) is None


def test_an_own_end_as_the_baselines_is_told_and_neither_cap_nor_bracket() -> None:
    """Training for a fixed time, or with early stopping: fewer steps, and all the same a whole training."""
    baseline, arm = base_of(lengths=OWN_END), arm_of(step=50, lengths=OWN_END, wall_time_s=5.0)
    assert judge(baseline, arm).headline == "WINNER (unconfirmed): 3.00 sigma better"
    assert codes(baseline, arm) == ["fewer_steps"]


@pytest.mark.parametrize(
    ("base_end", "end", "is_capped"),
    [
        (Lengths(), OWN_END, True),  # the baseline says nothing of its end: then these may be the experiment's words
        (OWN_END, Lengths(), True),
        (OWN_END, Lengths(reached_end=False), True),
        (Lengths(steps=100, reached_end=True), Lengths(steps=50, reached_end=True), False),  # told to take fewer
    ],
)
def test_only_a_run_that_did_not_come_to_its_own_end_stopped_early(
    base_end: Lengths, end: Lengths, is_capped: bool
) -> None:
    comparison = judge(base_of(lengths=base_end), arm_of(step=50, wall_time_s=5.0, lengths=end))
    assert comparison.caps == (("stopped early",) if is_capped else ())
    assert comparison.brackets == (() if is_capped else ("trained shorter",))


@pytest.mark.parametrize("what", ["tokens", "samples", "epoch"])
def test_a_larger_batch_at_equal_tokens_is_as_long(what: str) -> None:
    baseline, arm = base_of(lengths=Lengths(**{what: 1000})), arm_of(step=50, lengths=Lengths(**{what: 1000}))
    comparison = judge(baseline, arm)
    assert comparison.headline == "WINNER (unconfirmed): 3.00 sigma better"
    assert codes(comparison.baseline, comparison.arm) == []
    more = judge(baseline, arm_of(step=100, lengths=Lengths(**{what: 3000})))
    assert more.caps == ("trained longer",) and f"{what} 3000" in more.reason


@pytest.mark.parametrize(
    ("flags", "wall_s", "brackets", "caps"),
    [
        (("--batch_size", "8"), 10.0, (), ()),
        (("data.batch_size=8",), 10.0, (), ()),
        (("--accumulate=2",), 10.0, (), ()),
        (("--batch_size", "8"), 5.0, ("trained shorter",), ()),
        (("--batch_size", "8"), None, ("trained shorter",), ()),
        (("--lr", "batch"), 10.0, ("trained shorter",), ()),
        (("--lr", "8"), 5.0, (), ("stopped early",)),
    ],
)
def test_flags_that_name_a_batch_take_fewer_steps_where_the_command_tells_both_their_tokens(
    flags: tuple[str, ...], wall_s: float | None, brackets: tuple[str, ...], caps: tuple[str, ...]
) -> None:
    arm = replace(arm_of(step=50, wall_time_s=wall_s), flags=flags)
    comparison = judge(base_of(), arm)
    assert (comparison.brackets, comparison.caps) == (brackets, caps)


def test_without_tokens_in_the_command_a_batch_explains_nothing() -> None:
    rules = Rules(command=("{python}", "train.py", "--seed", "{seed}", "{flags}", "--out", "{output_dir}"))
    arm = replace(arm_of(step=50, wall_time_s=10.0), flags=("--batch_size", "8"))
    assert judge(base_of(rules=rules), arm).brackets == ("trained shorter",)
    by_variable = rules.model_copy(update={"env": {"TOKENS": "{train_tokens}"}})
    assert judge(base_of(rules=by_variable), arm).brackets == ()


def test_tokens_that_one_run_does_not_print_and_a_single_epoch_leave_steps_as_the_budget() -> None:
    silent = experiment_arm(*measured(BETTER[:2], step=300, lengths=Lengths(tokens=1000)), make_run(256, 1.1, step=300))
    assert judge(base_of(lengths=Lengths(tokens=1000)), silent).caps == ("trained longer",)
    one_epoch = arm_of(step=300, lengths=Lengths(epoch=1))
    assert judge(base_of(lengths=Lengths(epoch=1)), one_epoch).caps == ("trained longer",)


# --- other budgets --------------------------------------------------------------------------------


def confirmed_arm(control_s: float, exp_s: float, **more: object) -> Arm:
    seeds = (100_001, 100_002, 100_003, 100_004, 100_005, 100_006)
    runs: list[Run] = []
    for place, seed in enumerate(seeds[:3]):
        for value, wall_s in ((4.0, control_s), (1.0, exp_s)):
            side = {"is_control": value == 4.0, "role": Role.CONFIRM}
            runs.append(make_run(seed, value + 0.01 * place, wall_time_s=wall_s, **side))
    plan = FreshPlan(seeds, "winner")
    return experiment_arm(*measured(BETTER, step=100, **more), fresh=tuple(runs), fresh_plan=plan)


def test_within_a_budget_of_time_steps_may_differ() -> None:
    for step in (20, 300):
        comparison = judge(base_of(rules=BY_TIME), arm_of(step=step))
        assert comparison.headline == "WINNER (unconfirmed): 3.00 sigma better"
        assert codes(comparison.baseline, comparison.arm) == []


def test_more_time_caps_until_a_confirmation_whose_pairs_alone_count_then() -> None:
    baseline = base_of(rules=BY_TIME)
    first = judge(baseline, arm_of(wall_time_s=11.1))
    assert first.headline == "NEUTRAL (capped: took longer) (unconfirmed): 3.00 sigma better"
    assert 'run_seed(experiment="muon", role="confirm")' in first.reason
    assert first.confirmation is not None and first.confirmation.state == "open"
    lifted = judge(baseline, confirmed_arm(11.0, 11.2, wall_time_s=11.1))
    assert lifted.headline.startswith("WINNER (confirmed on 3 fresh seeds): 3.00 sigma better")
    stays = judge(baseline, confirmed_arm(10.0, 12.0, wall_time_s=11.1))
    assert stays.headline.startswith("NEUTRAL (capped: took longer) (confirmed on 3 fresh seeds): ")
    only_there = judge(baseline, confirmed_arm(10.0, 12.0, wall_time_s=10.0))
    assert only_there.caps == ("took longer",)


@pytest.mark.parametrize(("beside", "caps"), [(0, ("took longer",)), (3, ())])
def test_a_budget_of_time_is_compared_in_like_company_only(beside: int, caps: tuple[str, ...]) -> None:
    found = judge(base_of(rules=BY_TIME), arm_of(wall_time_s=11.1, neighbours=beside))
    assert found.caps == caps
    assert found.brackets == (("several at once",) if beside else ())


@pytest.mark.parametrize("wall", [11.0, None])
def test_a_tenth_of_time_is_tolerated_and_an_unknown_time_says_nothing(wall: float | None) -> None:
    assert judge(base_of(rules=BY_TIME), arm_of(wall_time_s=wall)).caps == ()


def test_less_than_half_a_second_is_the_machines() -> None:
    assert judge(base_of(walls=(1.0,) * 5, rules=BY_TIME), arm_of(wall_time_s=1.4)).caps == ()


def test_without_a_budget_only_the_report_tells() -> None:
    baseline, arm = base_of(rules=BY_NONE), arm_of(step=300, wall_time_s=30.0)
    comparison = judge(baseline, arm)
    assert comparison.headline == "WINNER (unconfirmed): 3.00 sigma better"
    assert codes(comparison.baseline, comparison.arm) == []
    remark = (
        'muon ended at step 300 (mean), the baseline at 100 to 100; rules.budget is "none", so that is part of the '
        "method."
    )
    assert length_remark(baseline, arm) == remark
    report = experiment_report(comparison, FACTS, None, None, "experiment_muon_1M")
    assert f"\n\n{remark}\n\n## Confirmation\n" in report
    as_long = experiment_report(judge(baseline, arm_of()), FACTS, None, None, "experiment_muon_1M")
    assert "rules.budget is" not in as_long
    assert length_remark(baseline, arm_of()) is None and length_remark(base_of(), arm) is None


def test_a_scale_in_seconds_is_a_budget_of_time() -> None:
    rules = Rules(command=("python", "train.py", "--seed", "{seed}", "{flags}"), scale="300 s")
    baseline, faster = base_of(rules=rules), arm_of(step=300)
    assert judge(baseline, faster).caps == ()
    assert (length_remark(baseline, faster) or "").endswith('rules.scale is "300 s", so that is part of the method.')
    assert judge(baseline, arm_of(step=300, wall_time_s=30.0)).caps == ("took longer",)


# --- honest studies -------------------------------------------------------------------------------

STUDIES = 200
EXPERIMENTS = 10
LARGER_BATCH = Lengths(tokens=1_000_000)
ENDS_EARLY = range(700, 1000)

# Step, lengths and seconds of a run; an experiment takes two batches at once, or its model is as much slower.
KINDS: dict[str, tuple[Rules, Callable[[random.Random, int], tuple[int, Lengths, float]]]] = {
    "a number of steps": (RULES, lambda rng, slower: (1000, Lengths(), 10.0 * slower)),
    "early stopping": (RULES, lambda rng, slower: (end := rng.choice(ENDS_EARLY), OWN_END, end / 100)),
    "early stopping, no final line": (RULES, lambda rng, slower: (end := rng.choice(ENDS_EARLY), Lengths(), end / 100)),
    "a larger batch at equal tokens": (RULES, lambda rng, slower: (1000 // slower, LARGER_BATCH, 10.0 / slower)),
    "a budget of time": (BY_TIME, lambda rng, slower: (rng.randrange(800, 1000) // slower, OWN_END, 10.0)),
}


@pytest.mark.parametrize("name", KINDS)
def test_at_most_one_in_twenty_honest_studies_of_ten_experiments_has_a_word_on_its_length(name: str) -> None:
    rules, length = KINDS[name]

    def run(rng: random.Random, seed: int, experiment: str | None, slower: int) -> Run:
        step, lengths, wall = length(rng, slower)
        wall *= rng.gauss(1, 0.03)  # the machine
        value = rng.gauss(4, 0.01)
        return make_run(seed, value, experiment=experiment, step=step, lengths=lengths, wall_time_s=wall)

    told = 0
    for number in range(STUDIES):
        rng = random.Random(f"{number} {name}")
        baseline = establish_baseline(baseline_arm(*(run(rng, seed, None, 1) for seed in SEEDS)), rules)
        found: list[str] = []
        for _ in range(EXPERIMENTS):
            slower = rng.choice((1, 2))
            arm = experiment_arm(*(run(rng, seed, "muon", slower) for seed in SEEDS[:3]))
            found += [one.name for one in (*caps_on(baseline, arm), *brackets_on(baseline, arm))]
        told += bool(found)
    assert told <= 0.05 * STUDIES + 2 * math.sqrt(0.05 * 0.95 * STUDIES), told
