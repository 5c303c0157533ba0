"""The rule of the confirmation: worked by hand first, then what must hold for any numbers."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from seedproof.model.arms import Arm
from seedproof.model.metric_rule import MetricRule
from seedproof.model.results import Confirmation
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.phases.looks import Step, confirm_look, confirm_steps
from seedproof.verdict.confirmation import confirm, pairs_of
from seedproof.verdict.judge import judge

from tests.support.arms import MAXIMIZE, RULES, as_attempt, experiment_arm, make_baseline, make_run, measured

FRESH = RULES.confirm_seeds
# Sums of squared distances from the mean: 10, 2, 2 and 2, so s = sqrt(16 / 10) with 4 + 2 + 2 + 2 = 10 degrees.
BASE, EXP = (100.0, 101.0, 99.0, 102.0, 98.0), (90.0, 91.0, 92.0)
CONTROL, FLAGS = (100.0, 102.0, 101.0), (93.0, 95.0, 94.0)
S = math.sqrt(1.6)
# Student's t with 10 degrees of freedom, from printed tables: one-sided .90 and two-sided .95.
T_90, T_95 = 1.3721836, 2.2281389
THRESHOLD = T_90 * S * math.sqrt(2 / 3)


def fresh_run(seed: int, value: float | None, *, is_control: bool, **more: Any) -> Run:
    return make_run(seed, value, role=Role.CONFIRM, is_control=is_control, **more)


def fresh(control: Sequence[float], flags: Sequence[float]) -> tuple[Run, ...]:
    """Both runs of each pair."""
    pairs = zip(FRESH, control, flags, strict=True)
    return tuple(
        fresh_run(seed, value, is_control=is_control)
        for seed, without, with_flags in pairs
        for value, is_control in ((without, True), (with_flags, False))
    )


def winner(*runs: Run, exp: Sequence[float] = EXP) -> Arm:
    return experiment_arm(*measured(exp), fresh=runs)


def confirmed(control: Sequence[float], flags: Sequence[float], rules: Rules = RULES) -> Confirmation:
    return confirm(make_baseline(BASE, rules), winner(*fresh(control, flags)))


def headline(arm: Arm) -> str:
    return judge(make_baseline(BASE), arm).headline


# --- by hand ------------------------------------------------------------------------------------


def test_the_rule_is_the_one_worked_by_hand() -> None:
    found = confirmed(CONTROL, FLAGS)
    assert (found.state, found.done, found.needed, found.df) == ("confirmed", 6, 6, 10)
    assert found.std == pytest.approx(S)
    assert found.threshold == pytest.approx(THRESHOLD, rel=1e-7)
    assert (found.difference, found.improvement) == (pytest.approx(-7), pytest.approx(7))
    half = T_95 * S * math.sqrt(2 / 3)
    assert (found.low, found.high) == (pytest.approx(-7 - half), pytest.approx(-7 + half))
    assert found.reason == "On 3 fresh seeds the experiment is 7 better; at least 1.417 better confirms."
    assert found.wall_time is None


@pytest.mark.parametrize(("improvement", "state"), [(1.001, "confirmed"), (0.999, "not_confirmed"), (-1.001, None)])
def test_a_thousandth_of_the_threshold_decides_and_only_better_counts(improvement: float, state: str | None) -> None:
    flags = [value - improvement * THRESHOLD for value in CONTROL]
    assert confirmed(CONTROL, flags).state == (state or "not_confirmed")


def test_with_maximize_a_higher_metric_confirms_and_a_lower_one_does_not() -> None:
    up = [value + 7 for value in CONTROL]
    assert confirmed(CONTROL, up, MAXIMIZE).state == "confirmed"
    assert confirmed(CONTROL, up, MAXIMIZE).improvement == pytest.approx(7)
    assert confirmed(CONTROL, FLAGS, MAXIMIZE).state == "not_confirmed"


@pytest.mark.parametrize(
    ("control", "flags", "said"),
    [
        (CONTROL, FLAGS, "WINNER (confirmed on 3 fresh seeds): 5.69 sigma better"),
        (CONTROL, CONTROL, "WINNER (NOT confirmed on 3 fresh seeds): 5.69 sigma better"),
    ],
)
def test_the_headline_says_what_the_fresh_seeds_say(
    control: Sequence[float], flags: Sequence[float], said: str
) -> None:
    assert headline(winner(*fresh(control, flags))) == said


# --- what stands in for numbers -----------------------------------------------------------------


def with_run(place: int, run: Run) -> Arm:
    """A WINNER whose six fresh runs are those above, but for one."""
    runs = list(fresh(CONTROL, FLAGS))
    runs[place] = run
    return winner(*runs)


DIVERGED = {"state": RunState.DIVERGED, "metrics": {"val_loss": MetricValue(None, "nan")}}


def test_a_diverged_experiment_run_is_not_confirmed_and_has_no_numbers() -> None:
    arm = with_run(3, fresh_run(FRESH[1], None, is_control=False, **DIVERGED))
    found = confirm(make_baseline(BASE), arm)
    assert (found.state, found.done) == ("not_confirmed", 6)
    assert found.reason == "The last val_loss of the experiment at fresh seed 100019 is not finite."
    assert (found.difference, found.low, found.high, found.improvement, found.threshold) == (None,) * 5
    assert headline(arm).startswith("WINNER (NOT confirmed on 3 fresh seeds): ")


def test_a_diverged_control_leaves_the_confirmation_incomplete() -> None:
    arm = with_run(0, fresh_run(FRESH[0], None, is_control=True, **DIVERGED))
    found = confirm(make_baseline(BASE), arm)
    assert (found.state, found.difference) == ("incomplete", None)
    assert found.reason == "The control run at fresh seed 100003 diverged, so nothing can be said."
    assert headline(arm) == "WINNER (confirmation incomplete): 5.69 sigma better"


def test_a_diverged_experiment_run_decides_even_beside_a_diverged_control() -> None:
    runs = list(fresh(CONTROL, FLAGS))
    runs[0] = fresh_run(FRESH[0], None, is_control=True, **DIVERGED)
    runs[5] = fresh_run(FRESH[2], None, is_control=False, **DIVERGED)
    assert confirm(make_baseline(BASE), winner(*runs)).state == "not_confirmed"


def test_a_run_that_failed_for_good_leaves_the_confirmation_incomplete() -> None:
    runs = [run for run in fresh(CONTROL, FLAGS) if (run.seed, run.is_control) != (FRESH[1], False)]
    failures = [
        fresh_run(FRESH[1], 4.0, is_control=False, state=RunState.FAILED, attempt=attempt) for attempt in (1, 2)
    ]
    once = winner(*runs, failures[0])
    assert confirm_look(once, RULES).due == (Step(FRESH[1], False),)
    assert confirm(make_baseline(BASE), once).state == "open"
    found = confirm(make_baseline(BASE), winner(*runs, *failures))
    assert (found.state, found.reason) == ("incomplete", "The run at fresh seed 100019 failed for good.")


@pytest.mark.parametrize("done", range(6))
def test_until_all_six_have_ended_only_their_number_is_said(done: int) -> None:
    found = confirm(make_baseline(BASE), winner(*fresh(CONTROL, FLAGS)[:done]))
    assert found == Confirmation("open", done, 6, f"{done} of 6 runs on fresh seeds.")
    assert headline(winner(*fresh(CONTROL, FLAGS)[:done])) == "WINNER (unconfirmed): 5.69 sigma better"


@pytest.mark.parametrize("value", [100.0, 98.1, 110.0])
def test_a_neutral_or_losing_arm_has_no_confirmation(value: float) -> None:
    arm = experiment_arm(*measured((value,) * 4 + (value + 0.1,)))
    assert judge(make_baseline(BASE), arm).confirmation is None


# --- which runs, in which order -----------------------------------------------------------------


def test_each_side_goes_first_in_turn() -> None:
    first, second, third = FRESH
    control, flags = True, False
    assert [(step.seed, step.is_control) for step in confirm_steps(RULES)] == [
        *((first, control), (first, flags)),
        *((second, flags), (second, control)),
        *((third, control), (third, flags)),
    ]


def test_the_fresh_seeds_are_documented_and_no_seed_of_anything_else() -> None:
    assert FRESH == (100_003, 100_019, 100_043)
    assert not set(FRESH) & set(RULES.all_seeds)
    for more in (
        {"baseline_seeds": (1, 2, 100_003)},
        {"extra_seeds": (100_019,)},
        {"experiment_seeds": (1, 2, 100_043)},
    ):
        with pytest.raises(ValidationError, match="confirm_seeds are fresh"):
            Rules(**more)


def test_two_or_four_pairs_are_rules_too() -> None:
    rules = Rules(confirm_seeds=(1, 2, 3, 4))
    runs = [
        fresh_run(seed, 100.0 + seed - (0 if is_control else 7), is_control=is_control)
        for seed in rules.confirm_seeds
        for is_control in (True, False)
    ]
    found = confirm(make_baseline(BASE, rules), winner(*runs))
    # Squares 10 + 2 + 5 + 5 over 4 + 2 + 3 + 3 degrees; t(.90, 12) = 1.356217.
    assert found.threshold == pytest.approx(1.356217 * math.sqrt(22 / 12) * math.sqrt(2 / 4), rel=1e-6)
    assert (found.needed, found.reason[:16]) == (8, "On 4 fresh seeds")


def test_the_newest_attempt_stands_for_its_side_of_the_pair() -> None:
    runs = fresh(CONTROL, FLAGS)
    lost = replace(runs[0], state=RunState.FAILED, metrics={})
    again = as_attempt(runs[0], 2, run_id="again")
    arm = winner(lost, *runs[1:], again)
    assert pairs_of(arm, RULES)[0].control == again
    assert confirm(make_baseline(BASE), arm) == confirmed(CONTROL, FLAGS)
    assert pairs_of(winner(), RULES) == ()


# --- wall time ------------------------------------------------------------------------------------


def timed(ratios: Sequence[float], hosts: Sequence[str | None] = ("lab",) * 6) -> Arm:
    """A confirmed WINNER whose runs with flags last this many times as long as their controls."""
    walls = [
        seconds
        for control, ratio in zip((10.0, 20.0, 30.0), ratios, strict=True)
        for seconds in (control, control * ratio)
    ]
    return winner(
        *(
            replace(run, wall_time_s=wall, surroundings={} if host is None else {"host": host})
            for run, wall, host in zip(fresh(CONTROL, FLAGS), walls, hosts, strict=True)
        )
    )


def test_the_change_of_wall_time_is_the_paired_one_on_logarithms() -> None:
    found = confirm(make_baseline(BASE), timed((1.1, 1.1**2, 1.1**3))).wall_time
    assert found is not None
    # Logs 1, 2, 3 times ln 1.1: mean 2, sd 1; t(.975, 2) = 4.302653, so 2 give or take 4.302653 / sqrt(3).
    half = 4.302653 / math.sqrt(3)
    assert found.change_percent == pytest.approx(21)
    assert found.low_percent == pytest.approx(100 * (1.1 ** (2 - half) - 1), rel=1e-5)
    assert found.high_percent == pytest.approx(100 * (1.1 ** (2 + half) - 1), rel=1e-5)
    assert found.claim == "none"


@pytest.mark.parametrize(
    ("ratios", "claim", "tail"),
    [
        ((1.20, 1.21, 1.22), "slowdown", "; slower by 21.0 % in alternated runs"),
        ((0.80, 0.81, 0.82), "speedup", ""),
        ((0.90, 1.00, 1.10), "none", ""),
    ],
)
def test_a_slowdown_is_said_in_the_headline_and_claimed_only_where_the_interval_leaves_zero_out(
    ratios: Sequence[float], claim: str, tail: str
) -> None:
    arm = timed(ratios)
    found = confirm(make_baseline(BASE), arm).wall_time
    assert found is not None
    assert found.claim == claim
    assert headline(arm) == f"WINNER (confirmed on 3 fresh seeds): 5.69 sigma better{tail}"


@pytest.mark.parametrize(("mean", "claim"), [(1.0, "slowdown"), (0.999, "none")])
def test_trainings_of_less_than_a_second_claim_nothing_about_wall_time(mean: float, claim: str) -> None:
    arm = timed((1.20, 1.21, 1.22))  # the controls last 20 s in the mean
    runs = [replace(run, wall_time_s=(run.wall_time_s or 0) * mean / 20) for run in arm.fresh]
    found = confirm(make_baseline(BASE), replace(arm, fresh=tuple(runs))).wall_time
    assert found is not None
    assert (found.claim, found.change_percent) == (claim, pytest.approx(21.0, abs=0.01))


@pytest.mark.parametrize("hosts", [("lab",) * 5 + ("other",), ("lab",) * 5 + (None,), (None,) * 6])
def test_runs_of_several_or_unknown_machines_claim_nothing_about_wall_time(hosts: Sequence[str | None]) -> None:
    found = confirm(make_baseline(BASE), timed((1.20, 1.21, 1.22), hosts))
    assert (found.state, found.wall_time) == ("confirmed", None)


@pytest.mark.parametrize(
    ("broken", "state"),
    [({"state": RunState.FAILED}, "incomplete"), (DIVERGED, "not_confirmed")],
    ids=["failed", "diverged"],
)
def test_runs_that_ended_early_are_no_speedup(broken: dict[str, Any], state: str) -> None:
    runs = [
        run if run.is_control else replace(run, wall_time_s=wall, **broken)
        for run, wall in zip(timed((1, 1, 1)).fresh, (0, 0.1, 0, 0.2, 0, 0.3), strict=True)
    ]
    again = [as_attempt(run, 2, run_id=f"{run.run_id}-again") for run in runs if not run.is_control]
    found = confirm(make_baseline(BASE), winner(*runs, *again))
    assert (found.state, found.wall_time) == (state, None)


# --- for any numbers ------------------------------------------------------------------------------

shifts = st.floats(-50, 0)
values = st.lists(st.integers(80, 120).map(float), min_size=6, max_size=6)


@given(shifts, values)
def test_the_old_means_never_enter(shift: float, fresh_values: list[float]) -> None:
    runs = fresh(fresh_values[:3], fresh_values[3:])
    before = confirm(make_baseline(BASE), winner(*runs))
    after = confirm(
        make_baseline([value - shift for value in BASE]), winner(*runs, exp=[value + shift for value in EXP])
    )
    assert after.state == before.state
    numbers = ("difference", "low", "high", "improvement", "threshold", "std")
    assert [getattr(after, name) for name in numbers] == pytest.approx([getattr(before, name) for name in numbers])


@given(values, st.permutations(range(6)))
def test_the_order_in_which_the_runs_ended_does_not_matter(fresh_values: list[float], order: list[int]) -> None:
    runs = fresh(fresh_values[:3], fresh_values[3:])
    shuffled = [runs[place] for place in order]
    assert confirm(make_baseline(BASE), winner(*shuffled)) == confirm(make_baseline(BASE), winner(*runs))


@given(values)
def test_turning_sign_and_direction_changes_nothing(fresh_values: list[float]) -> None:
    mirrored = Rules(metric=MetricRule(name="val_loss", direction="maximize", pattern=RULES.metric.pattern))
    here = confirmed(fresh_values[:3], fresh_values[3:])
    arm = winner(*fresh([-v for v in fresh_values[:3]], [-v for v in fresh_values[3:]]), exp=[-v for v in EXP])
    there = confirm(make_baseline([-v for v in BASE], mirrored), arm)
    assert (there.state, there.improvement, there.threshold) == (here.state, here.improvement, here.threshold)
