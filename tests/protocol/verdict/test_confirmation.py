"""The rules of the confirmation: worked by hand first, then what must hold for any numbers."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats
from seedproof.model.arms import Arm, FreshKind, FreshPlan
from seedproof.model.metric_rule import MetricRule
from seedproof.model.results import Confirmation
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.phases.confirmation import ConfirmLook, Step, confirm_look
from seedproof.verdict.confirmation import confirm, pairs_of, wall_time_reason
from seedproof.verdict.judge import judge

from tests.support.arms import MAXIMIZE, RULES, as_attempt, experiment_arm, make_baseline, make_run, measured
from tests.support.seeds import FRESH, FRESH_SIX, SEEDS

SIX = FreshPlan(FRESH_SIX, "winner")
PAIRS = FreshPlan(FRESH_SIX, "pairs")
# Sums of squared distances from the mean: 10, then 2 for every three values below.
BASE, EXP = (100.0, 101.0, 99.0, 102.0, 98.0), (90.0, 91.0, 92.0)
CONTROL, FLAGS = (100.0, 102.0, 101.0), (93.0, 95.0, 94.0)
# The experiment and three pairs: 2 + 2 + 2 over 2 + 2 + 2 degrees of freedom, so s = 1. With six pairs 10 over 12.
ERROR, S_SIX = math.sqrt(2 / 3), math.sqrt(10 / 12)
ERROR_SIX = S_SIX * math.sqrt(2 / 6)
# Student's t from printed tables, one-sided, with 6 and 12 degrees of freedom.
T_98, T_70, T_98_SIX = 2.612, 0.553, 2.303
# Standard deviation 4.9 against sqrt(2.5): a ratio of 3.1.
WIDE = (86.1, 91.0, 95.9)
SIGMA = "5.69 sigma better"


def fresh_run(seed: int, value: float | None, *, is_control: bool, **more: Any) -> Run:
    return make_run(seed, value, role=Role.CONFIRM, is_control=is_control, **more)


def fresh(control: Sequence[float], flags: Sequence[float], seeds: Sequence[int] = FRESH_SIX) -> tuple[Run, ...]:
    """Both runs of each pair."""
    return tuple(
        fresh_run(seed, value, is_control=is_control)
        for seed, without, with_flags in zip(seeds, control, flags, strict=False)
        for value, is_control in ((without, True), (with_flags, False))
    )


def better_by(gain: float, pairs: int = 3) -> tuple[Run, ...]:
    """Pairs whose runs with flags are that much lower."""
    control = (CONTROL * 2)[:pairs]
    return fresh(control, [value - gain for value in control])


def winner(*runs: Run, exp: Sequence[float] = EXP, plan: FreshPlan = SIX, **more: Any) -> Arm:
    return experiment_arm(*measured(exp), fresh=runs, fresh_plan=plan, **more)


def confirmed(control: Sequence[float], flags: Sequence[float], rules: Rules = RULES) -> Confirmation:
    return confirm(make_baseline(BASE, rules), winner(*fresh(control, flags)))


def confirmed_by(gain: float, pairs: int = 3, exp: Sequence[float] = EXP) -> Confirmation:
    return confirm(make_baseline(BASE), winner(*better_by(gain, pairs), exp=exp))


def look(arm: Arm) -> ConfirmLook:
    return confirm_look(arm, make_baseline(BASE))


def headline(arm: Arm) -> str:
    return judge(make_baseline(BASE), arm).headline


# --- three pairs, and three more ------------------------------------------------------------------


def test_three_pairs_are_tested_with_the_spread_of_the_experiment_and_both_fresh_sides() -> None:
    found = confirmed(CONTROL, FLAGS)
    assert (found.state, found.done, found.needed, found.pairs, found.df) == ("confirmed", 6, 6, 3, 6)
    assert (found.kind, found.limit, found.std) == ("winner", 0.02, pytest.approx(1))
    assert (found.difference, found.improvement) == (pytest.approx(-7), pytest.approx(7))
    assert found.p_better == pytest.approx(float(stats.t.sf(7 / ERROR, 6)))
    assert found.threshold == pytest.approx(T_98 * ERROR, abs=5e-4)
    assert found.at_least == pytest.approx(7 - T_98 * ERROR, abs=5e-4)
    assert found.reason == ("On 3 fresh seeds the experiment is 7 better (one-sided p <0.0001); at most 0.02 confirms.")
    assert found.wall_time is None


@pytest.mark.parametrize(
    ("gain", "state", "needed"),
    [
        (1.001 * T_98 * ERROR, "confirmed", 6),
        (0.999 * T_98 * ERROR, "open", 12),
        (1.003 * T_70 * ERROR, "open", 12),
        (0.997 * T_70 * ERROR, "not_confirmed", 6),
        (-T_98 * ERROR, "not_confirmed", 6),
    ],
)
def test_three_pairs_confirm_or_end_it_or_ask_for_three_more(gain: float, state: str, needed: int) -> None:
    found = confirmed_by(gain)
    assert (found.state, found.done, found.needed) == (state, 6, needed)
    if state == "open":
        assert found == Confirmation("open", 6, 12, "6 of 12 runs on fresh seeds.", "winner")


@pytest.mark.parametrize(("p", "within", "beyond"), [(0.02, "confirmed", "open"), (0.30, "open", "not_confirmed")])
def test_p_limits_within_a_billionth_count_as_reached(p: float, within: str, beyond: str) -> None:
    for past, state in ((-5e-10, within), (5e-10, within), (5e-9, beyond)):
        assert confirmed_by(float(stats.t.isf(p + past, 6)) * ERROR).state == state


@pytest.mark.parametrize(("share", "state"), [(1.001, "confirmed"), (0.999, "not_confirmed")])
def test_six_pairs_are_tested_all_together_and_end_it(share: float, state: str) -> None:
    gain = share * T_98_SIX * ERROR_SIX
    assert confirmed_by(gain).state == "open"
    found = confirmed_by(gain, pairs=6)
    assert (found.state, found.done, found.needed, found.pairs, found.df) == (state, 12, 12, 6, 12)
    assert found.std == pytest.approx(S_SIX)
    assert found.threshold == pytest.approx(T_98_SIX * ERROR_SIX, abs=5e-4)


def test_three_more_pairs_cannot_take_back_what_three_pairs_have_decided() -> None:
    good, bad = better_by(7), better_by(-7, pairs=6)[6:]
    assert confirm(make_baseline(BASE), winner(*good, *bad)) == confirmed_by(7)
    worse, better = better_by(-7), better_by(7, pairs=6)[6:]
    assert confirm(make_baseline(BASE), winner(*worse, *better)).state == "not_confirmed"


def test_five_seeds_of_an_experiment_bring_four_degrees_of_freedom() -> None:
    found = confirm(make_baseline(BASE), winner(*better_by(7), exp=(90.0, 91.0, 92.0, 91.0, 91.0)))
    assert (found.df, found.std) == (8, pytest.approx(math.sqrt(6 / 8)))


@pytest.mark.parametrize("design", ["screening", "sequential"])
def test_under_the_other_designs_only_fresh_values_are_pooled(design: str) -> None:
    # The experiment's own spread took part in the decision.
    baseline = make_baseline(BASE, Rules(winner_sigma=2.0, design=design))
    found = confirm(baseline, winner(*better_by(7)))
    assert (found.df, found.std, found.threshold) == (4, pytest.approx(1), pytest.approx(2.999 * ERROR, abs=5e-4))
    assert confirm(baseline, winner(*better_by(0.998 * 0.569 * ERROR))).state == "not_confirmed"
    six = confirm(baseline, winner(*better_by(1.002 * 0.569 * ERROR, pairs=6)))
    assert (six.df, six.std) == (10, pytest.approx(math.sqrt(8 / 10)))
    assert six.threshold == pytest.approx(2.359 * math.sqrt(8 / 10) * math.sqrt(2 / 6), abs=5e-4)


def test_with_maximize_a_higher_metric_confirms_and_a_lower_one_does_not() -> None:
    up = [value + 7 for value in CONTROL]
    found = confirmed(CONTROL, up, MAXIMIZE)
    assert (found.state, found.improvement, found.difference) == ("confirmed", pytest.approx(7), pytest.approx(7))
    assert confirmed(CONTROL, FLAGS, MAXIMIZE).state == "not_confirmed"


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (better_by(7), f"WINNER (confirmed on 3 fresh seeds): {SIGMA}"),
        (better_by(0), f"WINNER (NOT confirmed on 3 fresh seeds): {SIGMA}"),
        (better_by(1.5), f"WINNER (unconfirmed): {SIGMA}"),
        (better_by(1.5, pairs=6), f"WINNER (confirmed on 6 fresh seeds): {SIGMA}"),
        (better_by(1, pairs=6), f"WINNER (NOT confirmed on 6 fresh seeds): {SIGMA}"),
    ],
)
def test_the_headline_says_what_the_fresh_seeds_say(runs: tuple[Run, ...], said: str) -> None:
    assert headline(winner(*runs)) == said


# --- seeds that the rules give ----------------------------------------------------------------------


def test_three_given_seeds_are_one_stage() -> None:
    plan = FreshPlan(FRESH, "winner", is_given=True)
    confirms, not_yet = better_by(1.001 * T_98 * ERROR), better_by(0.999 * T_98 * ERROR)
    assert headline(winner(*confirms, plan=plan)) == f"WINNER (confirmed on 3 given seeds): {SIGMA}"
    assert headline(winner(*not_yet, plan=plan)) == f"WINNER (NOT confirmed on 3 given seeds): {SIGMA}"
    found = confirm(make_baseline(BASE), winner(*confirms, plan=plan))
    assert found.reason.startswith("On 3 given seeds the experiment is ")


def test_six_given_seeds_are_two_stages() -> None:
    plan = FreshPlan(FRESH_SIX, "winner", is_given=True)
    assert headline(winner(*better_by(7), plan=plan)) == f"WINNER (confirmed on 3 given seeds): {SIGMA}"
    assert look(winner(*better_by(1.5), plan=plan)).needed == 12
    assert headline(winner(*better_by(1.5, pairs=6), plan=plan)) == f"WINNER (confirmed on 6 given seeds): {SIGMA}"


@pytest.mark.parametrize("seeds", [(1,), (1, 2), (1, 2, 3, 4), (1, 2, 3, 4, 5, 6, 7)])
def test_given_seeds_are_three_or_six(seeds: tuple[int, ...]) -> None:
    said = f"confirm_seeds has {len(seeds)} seeds; give 3 or 6, or none: then six are drawn"
    with pytest.raises(ValidationError, match=said):
        Rules(confirm_seeds=seeds)


@pytest.mark.parametrize(
    "more",
    [{"baseline_seeds": (1, 2, 100_003)}, {"extra_seeds": (100_019,)}, {"experiment_seeds": (1, 2, 100_043)}],
)
def test_given_seeds_are_none_of_baseline_or_experiment(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="confirm_seeds are fresh"):
        Rules(confirm_seeds=FRESH, **more)


# --- another spread ---------------------------------------------------------------------------------


def wide(gain: float, pairs: int) -> Arm:
    return winner(*better_by(gain, pairs), exp=WIDE)


# Sums of squares 48.02 + 4 + 4 over 12 degrees of freedom.
WIDE_ERROR = math.sqrt(56.02 / 12) * math.sqrt(2 / 6)


def test_an_experiment_that_spreads_otherwise_is_not_confirmed_early() -> None:
    arm = wide(50, pairs=3)
    assert (look(arm).end, look(arm).needed) == (None, 12)
    assert headline(arm) == f"WINNER (unconfirmed; spread 3.1x the baseline's): {SIGMA}"
    assert headline(wide(0, pairs=3)) == f"WINNER (NOT confirmed on 3 fresh seeds; spread 3.1x the baseline's): {SIGMA}"


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (1.001, "WINNER (confirmed on 6 fresh seeds)"),
        (0.999, "WINNER (NOT confirmed on 6 fresh seeds; spread 3.1x the baseline's)"),
    ],
)
def test_it_needs_a_p_of_two_in_a_thousand_after_six_pairs_and_loses_the_bracket_with_it(
    share: float, said: str
) -> None:
    arm = wide(share * float(stats.t.isf(0.002, 12)) * WIDE_ERROR, pairs=6)
    assert headline(arm) == f"{said}: {SIGMA}"
    found = confirm(make_baseline(BASE), arm)
    assert (found.limit, found.df) == (0.002, 12)
    assert found.reason.endswith("; at most 0.002 confirms.")


@pytest.mark.parametrize(("ratio", "is_other"), [(2.636, True), (2.634, False)])
def test_the_spread_of_three_seeds_is_another_from_2_635_times_that_of_five(ratio: float, is_other: bool) -> None:
    half = ratio * math.sqrt(2.5)
    arm = winner(exp=(91 - half, 91.0, 91 + half))
    arm = replace(arm, runs=tuple(replace(run, metrics=exactly(run)) for run in arm.runs))
    assert ("spread 2.6x the baseline's" in headline(arm)) is is_other


def exactly(run: Run) -> dict[str, MetricValue]:
    value = run.value("val_loss")
    assert value is not None
    return {"val_loss": MetricValue(value, repr(value))}


# --- coarse steps -----------------------------------------------------------------------------------


def printed(value: float, text: str) -> dict[str, MetricValue]:
    return {"val_loss": MetricValue(value, text)}


def flat(control: str, flags: str) -> tuple[Run, ...]:
    """Three pairs whose sides show one text each."""
    return tuple(
        fresh_run(seed, None, is_control=is_control, metrics=printed(100.0 if is_control else 99.9, text))
        for seed in FRESH
        for text, is_control in ((control, True), (flags, False))
    )


def test_values_that_do_not_vary_are_as_good_as_their_printed_step() -> None:
    found = confirm(make_baseline(BASE), winner(*flat("100.0", "99.9"), exp=(90.0, 90.0, 90.0)))
    assert (found.state, found.std) == ("confirmed", pytest.approx(0.1 / math.sqrt(12)))
    # 0.1 over 0.1 / sqrt(12) sqrt(2 / 3) is the root of 18, with 6 degrees of freedom.
    assert found.p_better == pytest.approx(float(stats.t.sf(math.sqrt(18), 6)))


def test_where_neither_a_spread_nor_a_step_is_known_there_is_no_confirmation() -> None:
    arm = winner(*flat("", ""), exp=(90.0, 90.0, 90.0))
    found = confirm(make_baseline(BASE), arm)
    assert (found.state, found.done, found.needed, found.p_better) == ("unavailable", 6, 6, None)
    assert found.reason == "The values on fresh seeds do not vary, so nothing can be tested."
    assert headline(arm) == "WINNER (unconfirmed): 6.32 sigma better"


# --- what stands in for numbers -----------------------------------------------------------------

DIVERGED = {"state": RunState.DIVERGED, "metrics": {"val_loss": MetricValue(None, "nan")}}


def in_turn(*runs: Run) -> list[Run]:
    """The runs in the order in which they are made."""
    steps = look(winner()).steps
    return sorted(runs, key=lambda run: steps.index(Step(run.seed, run.is_control)))


def up_to(place: int, broken: dict[str, Any]) -> Arm:
    """A WINNER whose fresh runs end with a broken one."""
    runs = in_turn(*better_by(7))[: place + 1]
    return winner(*runs[:place], replace(runs[place], **broken))


@pytest.mark.parametrize(("place", "seeds"), [(1, "1 fresh seed"), (2, "2 fresh seeds"), (5, "3 fresh seeds")])
def test_a_diverged_experiment_run_ends_it_at_once(place: int, seeds: str) -> None:
    arm = up_to(place, DIVERGED)
    found = confirm(make_baseline(BASE), arm)
    assert (found.state, found.done, found.needed) == ("not_confirmed", place + 1, place + 1)
    assert found.reason == f"The last val_loss of the experiment at fresh seed {arm.fresh[-1].seed} is not finite."
    assert {found.difference, found.improvement, found.threshold, found.p_better, found.pairs} == {None}
    assert headline(arm) == f"WINNER (NOT confirmed on {seeds}): {SIGMA}"


@pytest.mark.parametrize("place", [0, 3, 4])
def test_a_diverged_control_leaves_it_incomplete_at_once(place: int) -> None:
    arm = up_to(place, DIVERGED)
    found = confirm(make_baseline(BASE), arm)
    assert (found.state, found.done, found.needed, found.difference) == ("incomplete", place + 1, place + 1, None)
    assert (
        found.reason
        == f"The run without the change at fresh seed {arm.fresh[-1].seed} diverged, so nothing can be said."
    )
    assert headline(arm) == f"WINNER (confirmation incomplete): {SIGMA}"


def test_a_diverged_experiment_run_decides_even_beside_a_diverged_control() -> None:
    runs = in_turn(*better_by(7))
    arm = winner(replace(runs[0], **DIVERGED), *runs[1:5], replace(runs[5], **DIVERGED))
    assert confirm(make_baseline(BASE), arm).state == "not_confirmed"


@pytest.mark.parametrize(("place", "side"), [(2, "with"), (3, "without")])
def test_a_run_that_failed_for_good_leaves_it_incomplete_at_once(place: int, side: str) -> None:
    once = up_to(place, {"state": RunState.FAILED})
    seed = once.fresh[-1].seed
    assert look(once).due[0] == Step(seed, side == "without")
    assert confirm(make_baseline(BASE), once).state == "open"
    arm = winner(*once.fresh, as_attempt(once.fresh[-1], 2, run_id="again"))
    found = confirm(make_baseline(BASE), arm)
    assert (found.state, found.reason) == (
        "incomplete",
        f"The run {side} the change at fresh seed {seed} failed for good.",
    )
    assert look(arm).due == ()


def test_a_run_of_the_last_three_pairs_that_diverges_ends_it_too() -> None:
    runs = in_turn(*better_by(1.5, pairs=3))
    arm = winner(*runs, fresh_run(FRESH_SIX[3], None, is_control=False, **DIVERGED))
    found = confirm(make_baseline(BASE), arm)
    assert (found.state, found.done, found.needed) == ("not_confirmed", 7, 7)
    assert headline(arm) == f"WINNER (NOT confirmed on 4 fresh seeds): {SIGMA}"


@pytest.mark.parametrize("done", range(6))
def test_until_three_pairs_have_ended_only_their_number_is_said(done: int) -> None:
    arm = winner(*in_turn(*better_by(7))[:done])
    found = confirm(make_baseline(BASE), arm)
    assert found == Confirmation("open", done, 6, f"{done} of 6 runs on fresh seeds.", "winner")
    assert headline(arm) == f"WINNER (unconfirmed): {SIGMA}"


@pytest.mark.parametrize("value", [100.0, 98.1, 110.0])
def test_a_neutral_or_losing_arm_has_no_confirmation(value: float) -> None:
    arm = experiment_arm(*measured((value,) * 4 + (value + 0.1,)))
    assert judge(make_baseline(BASE), arm).confirmation is None


# --- which runs, in which order -----------------------------------------------------------------

IN_TURN = [
    *((FRESH_SIX[0], True), (FRESH_SIX[0], False)),
    *((FRESH_SIX[1], False), (FRESH_SIX[1], True)),
    *((FRESH_SIX[2], True), (FRESH_SIX[2], False)),
    *((FRESH_SIX[3], False), (FRESH_SIX[3], True)),
    *((FRESH_SIX[4], True), (FRESH_SIX[4], False)),
    *((FRESH_SIX[5], False), (FRESH_SIX[5], True)),
]


def test_each_side_goes_first_in_turn_over_six_pairs() -> None:
    three, six = look(winner()), look(winner(*better_by(1.5)))
    assert [(step.seed, step.is_control) for step in three.steps] == IN_TURN[:6]
    assert [(step.seed, step.is_control) for step in six.steps] == IN_TURN
    assert (three.due, six.due) == (three.steps, six.steps[6:])
    # The pairs of a NEUTRAL are all made at once.
    assert look(winner(plan=PAIRS)).due == six.steps


def test_an_arm_without_seeds_has_no_runs_due() -> None:
    arm = replace(winner(), fresh_plan=None)
    assert look(arm) == ConfirmLook()
    assert confirm(make_baseline(BASE), arm) == Confirmation("open", 0, 6, "0 of 6 runs on fresh seeds.", "winner")
    assert confirm(make_baseline(BASE), arm, "pairs").needed == 12


def test_the_newest_attempt_stands_for_its_side_of_the_pair() -> None:
    runs = fresh(CONTROL, FLAGS)
    lost = replace(runs[0], state=RunState.FAILED, metrics={})
    again = as_attempt(runs[0], 2, run_id="again")
    arm = winner(lost, *runs[1:], again)
    assert pairs_of(arm)[0].control == again
    assert confirm(make_baseline(BASE), arm) == confirmed(CONTROL, FLAGS)
    assert pairs_of(winner()) == ()


# --- controls of another experiment -------------------------------------------------------------


def others(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The same controls as runs of another experiment."""
    keys = (replace(run.key, experiment="lion") for run in runs)
    return tuple(replace(run, key=key, run_id=key.run_id) for run, key in zip(runs, keys, strict=True))


def test_shared_controls_stand_for_its_own_and_claim_no_wall_time() -> None:
    controls, flags = timed((1.2, 1.21, 1.22)).fresh[::2], timed((1.2, 1.21, 1.22)).fresh[1::2]
    arm = winner(*flags, shared_controls=others(controls))
    found = confirm(make_baseline(BASE), arm)
    assert replace(found, wall_time=None) == confirmed(CONTROL, FLAGS)
    assert found.wall_time is None
    assert {step.is_control for step in look(winner(shared_controls=others(controls))).due} == {False}


def test_its_own_control_goes_before_a_shared_one() -> None:
    own = fresh(CONTROL, FLAGS)
    elsewhere = others([replace(run, metrics=printed(0.0, "0.0")) for run in own[::2]])
    assert confirm(make_baseline(BASE), winner(*own, shared_controls=elsewhere)) == confirmed(CONTROL, FLAGS)


def test_seeds_of_which_only_the_shared_control_ran_do_not_count_as_tried() -> None:
    controls = others(better_by(7)[::2])
    arm = winner(fresh_run(FRESH[0], None, is_control=False, **DIVERGED), shared_controls=controls)
    assert headline(arm) == f"WINNER (NOT confirmed on 1 fresh seed): {SIGMA}"


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
    assert headline(arm) == f"WINNER (confirmed on 3 fresh seeds): {SIGMA}{tail}"


@pytest.mark.parametrize(
    ("control_share", "exp_share", "is_claimed"),
    [(0.0, 0.0, True), (0.3, 0.3, True), (0.04, 0.0, True), (0.06, 0.0, False), (0.0, 0.06, False), (0.5, 0.0, False)],
)
def test_no_time_is_told_where_one_side_was_held_up_for_over_a_twentieth_of_it(
    control_share: float, exp_share: float, is_claimed: bool
) -> None:
    arm = timed((0.80, 0.81, 0.82))
    runs = [
        replace(run, held_up_s=(run.wall_time_s or 0) * (control_share if run.is_control else exp_share))
        for run in arm.fresh
    ]
    arm = replace(arm, fresh=tuple(runs))
    found = confirm(make_baseline(BASE), arm)
    assert (found.wall_time is not None) == is_claimed
    why = wall_time_reason(arm, found.pairs)
    assert (why is None) == is_claimed
    if control_share == 0.5:
        assert why == (
            "the runs without the change were stopped or waited for a processor 50 % of their time, those with it 0 %"
        )


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


# --- same-seed pairs ------------------------------------------------------------------------------

# Standard deviation .0061 times that of 0, 1, -1, 2, -2, which is .009645; the pairs gain .0084 in the mean.
EVEN = (4.0000, 4.0061, 3.9939, 4.0122, 3.9878)
GAINS = (0.0084, 0.0080, 0.0088, 0.0082, 0.0086)
TOLD = "NEUTRAL: 0.87 sigma better, below the 2-sigma rule; same-seed pairs -0.0084"


def told(gains: Sequence[float] = GAINS, rules: Rules = RULES, **more: Any) -> str:
    """The headline of an experiment that gains so much at each seed."""
    sign = rules.metric.sign
    arm = experiment_arm(*measured([base + sign * gain for base, gain in zip(EVEN, gains, strict=False)]), **more)
    return judge(make_baseline(EVEN, rules), arm).headline


def test_a_neutral_whose_pairs_all_gain_says_so_and_is_not_called_noise() -> None:
    assert told() == TOLD
    assert told(rules=MAXIMIZE) == "NEUTRAL: 0.87 sigma better, below the 2-sigma rule; same-seed pairs +0.0084"


@pytest.mark.parametrize(("t", "is_told"), [(3.75, True), (3.74, False)])
def test_five_pairs_tell_from_a_one_sided_p_of_a_hundredth_on(t: float, is_told: bool) -> None:
    # Printed tables: t(.99) with 4 degrees of freedom is 3.747. Gains g + d (0, 1, -1, 2, -2): d sqrt(2.5 / 5) t = g.
    d = 0.0084 / (t * math.sqrt(2.5 / 5))
    gains = [0.0084 + d * place for place in (0, 1, -1, 2, -2)]
    assert told(gains) == (TOLD if is_told else "NEUTRAL: 0.87 sigma better, noise")


def test_a_run_that_was_stopped_after_its_value_is_lost_for_good_and_one_stopped_before_is_not() -> None:
    seen = up_to(2, {"state": RunState.CANCELLED})
    found = confirm(make_baseline(BASE), seen)
    seed = seen.fresh[-1].seed
    assert (found.state, found.reason) == (
        "incomplete",
        f"The run with the change at fresh seed {seed} was stopped after it had shown its val_loss, so nothing can be "
        "said.",
    )
    unseen = up_to(2, {"state": RunState.CANCELLED, "metrics": {}})
    assert confirm(make_baseline(BASE), unseen).state == "open"


def test_pairs_that_are_worse_are_not_called_noise_and_offer_nothing() -> None:
    assert told([-gain for gain in GAINS]) == "NEUTRAL: 0.87 sigma worse"


def test_fewer_than_five_pairs_are_not_called_noise_and_offer_nothing() -> None:
    four = Rules(winner_sigma=2.0, extra_seeds=(512,))
    assert told(GAINS[:4], four).endswith(" sigma better")
    other = Rules(winner_sigma=2.0, extra_seeds=(512, 7))
    arm = experiment_arm(*measured([v - g for v, g in zip(EVEN, GAINS, strict=True)], seeds=(*SEEDS[:4], 7)))
    assert judge(make_baseline(EVEN, other), arm).headline == "NEUTRAL: 0.87 sigma better"


def test_pairs_of_runs_that_would_cap_a_winner_tell_nothing() -> None:
    arm = experiment_arm(
        *measured([v - g for v, g in zip(EVEN, GAINS, strict=True)], step=200),
    )
    baseline = make_baseline(EVEN, step=100)
    found = judge(baseline, arm)
    assert (found.headline, found.pairs, found.confirmation) == ("NEUTRAL: 0.87 sigma better, noise", None, None)
    trained = replace(arm, runs=tuple(replace(run, step=100) for run in arm.runs))
    assert judge(baseline, trained).headline == TOLD


def on_pairs(gains: Sequence[float], plan: FreshPlan = PAIRS, **more: Any) -> tuple[str, Confirmation]:
    """Headline and confirmation of the NEUTRAL whose pairs are tested on fresh seeds with these gains."""
    control = [value + 0.02 * place for place, value in enumerate((*EVEN, 4.0))]
    runs = fresh(control, [value - gain for value, gain in zip(control, gains, strict=False)], plan.seeds)
    arm = experiment_arm(
        *measured([v - g for v, g in zip(EVEN, GAINS, strict=True)]), fresh=runs, fresh_plan=plan, **more
    )
    found = judge(make_baseline(EVEN), arm)
    assert found.confirmation is not None
    return found.headline, found.confirmation


SIX_GAINS = (0.0090, 0.0080, 0.0100, 0.0085, 0.0095, 0.0090)


def test_six_fresh_pairs_hold_by_the_spread_of_their_differences() -> None:
    said, found = on_pairs(SIX_GAINS)
    assert said == "NEUTRAL (2-sigma rule); pairs hold on 6 fresh seeds: -0.0090"
    # Squares of differences from the mean in units of .0005: 0, 4, 4, 1, 1, 0.
    std = 0.0005 * math.sqrt(10 / 5)
    assert (found.kind, found.state, found.pairs, found.df) == ("pairs", "confirmed", 6, 5)
    assert (found.improvement, found.std) == (pytest.approx(0.009), pytest.approx(std))
    assert found.threshold == pytest.approx(2.757 * std / math.sqrt(6), rel=2e-4)


@pytest.mark.parametrize(("share", "word"), [(1.001, "hold"), (0.999, "do NOT hold")])
def test_fresh_pairs_hold_from_a_p_of_two_in_a_hundred_on(share: float, word: str) -> None:
    gain = share * 2.757 * 0.0005 * math.sqrt(10 / 5) / math.sqrt(6)
    said, _ = on_pairs([gain + 0.0005 * place for place in (0, -2, 2, -1, 1, 0)])
    assert said == f"NEUTRAL (2-sigma rule); pairs {word} on 6 fresh seeds: {-gain:.4f}"


@pytest.mark.parametrize("pairs", [0, 3, 5])
def test_all_six_pairs_are_run_whatever_the_first_ones_show(pairs: int) -> None:
    for gains in (SIX_GAINS, [-1.0 - gain for gain in SIX_GAINS]):
        said, found = on_pairs(gains[:pairs])
        assert (said, found.state, found.needed) == (TOLD, "open", 12)
        assert found.reason == f"{2 * pairs} of 12 runs on fresh seeds."


def test_fresh_pairs_with_given_seeds_are_as_many_as_were_given() -> None:
    said, found = on_pairs(SIX_GAINS[:3], FreshPlan(FRESH, "pairs", is_given=True))
    assert (said, found.df) == ("NEUTRAL (2-sigma rule); pairs hold on 3 given seeds: -0.0090", 2)


@pytest.mark.parametrize(
    ("is_control", "ended"),
    [(True, "; fresh pairs incomplete"), (False, "; an experiment run on a fresh seed diverged")],
)
def test_a_diverged_run_ends_the_fresh_pairs_of_a_neutral_at_once(is_control: bool, ended: str) -> None:
    runs = (fresh_run(FRESH[0], None, is_control=is_control, **DIVERGED),)
    arm = experiment_arm(*measured([v - g for v, g in zip(EVEN, GAINS, strict=True)]), fresh=runs, fresh_plan=PAIRS)
    assert judge(make_baseline(EVEN), arm).headline == f"{TOLD}{ended}"


# --- as it was before records of format 2 -----------------------------------------------------------


def test_a_confirmation_that_had_begun_ends_under_its_old_rule() -> None:
    plan = FreshPlan(FRESH, "earlier")
    # Sums of squares 10, 2, 2 and 2 over 4 + 2 + 2 + 2 degrees; t(.90) with 10 of them is 1.372 in printed tables.
    threshold = 1.372 * math.sqrt(1.6) * ERROR
    for share, state in ((1.001, "confirmed"), (0.999, "not_confirmed")):
        found = confirm(make_baseline(BASE), winner(*better_by(share * threshold), plan=plan))
        assert (found.state, found.needed, found.df, found.kind) == (state, 6, 10, "earlier")
        assert found.std == pytest.approx(math.sqrt(1.6))


def test_under_the_old_rule_a_diverged_run_ends_it_only_once_all_six_have_ended() -> None:
    runs = in_turn(*better_by(7))
    plan = FreshPlan(FRESH, "earlier")
    broken = [replace(runs[0], **DIVERGED), *runs[1:]]
    assert confirm(make_baseline(BASE), winner(*broken[:1], plan=plan)).reason == "1 of 6 runs on fresh seeds."
    assert confirm(make_baseline(BASE), winner(*broken, plan=plan)).state == "incomplete"


# --- for any numbers ------------------------------------------------------------------------------

values = st.lists(st.integers(80, 120).map(float), min_size=12, max_size=12)
kinds = st.sampled_from(["winner", "pairs"])
NUMBERS = ("difference", "improvement", "p_better", "threshold", "at_least", "std")


def assert_alike(after: Confirmation, before: Confirmation) -> None:
    assert (after.state, after.done, after.needed) == (before.state, before.done, before.needed)
    for name in NUMBERS:
        one, two = getattr(after, name), getattr(before, name)
        assert two == (None if one is None else pytest.approx(one, rel=1e-6, abs=1e-9))


@given(st.integers(0, 50), st.integers(1, 20), values, kinds)
def test_the_old_means_and_the_spread_of_the_baseline_never_enter(
    shift: int, wider: int, fresh_values: list[float], kind: FreshKind
) -> None:
    runs, plan = fresh(fresh_values[:6], fresh_values[6:]), FreshPlan(FRESH_SIX, kind)
    before = confirm(make_baseline(BASE), winner(*runs, plan=plan))
    moved = make_baseline([wider * value + shift for value in BASE])
    after = confirm(moved, winner(*runs, plan=plan, exp=[value - shift for value in EXP]))
    assert_alike(after, before)


@given(values, st.permutations(range(12)), kinds)
def test_the_order_in_which_the_runs_ended_does_not_matter(
    fresh_values: list[float], order: list[int], kind: FreshKind
) -> None:
    runs, plan = fresh(fresh_values[:6], fresh_values[6:]), FreshPlan(FRESH_SIX, kind)
    shuffled = [runs[place] for place in order]
    baseline = make_baseline(BASE)
    assert confirm(baseline, winner(*shuffled, plan=plan)) == confirm(baseline, winner(*runs, plan=plan))


@given(values)
def test_turning_sign_and_direction_changes_nothing(fresh_values: list[float]) -> None:
    mirrored = Rules(metric=MetricRule(name="val_loss", direction="maximize", pattern=RULES.metric.pattern))
    here = confirmed(fresh_values[:6], fresh_values[6:])
    arm = winner(*fresh([-v for v in fresh_values[:6]], [-v for v in fresh_values[6:]]), exp=[-v for v in EXP])
    there = confirm(make_baseline([-v for v in BASE], mirrored), arm)
    assert (there.state, there.improvement, there.p_better) == (here.state, here.improvement, here.p_better)


@given(values)
def test_a_worse_mean_is_never_confirmed(fresh_values: list[float]) -> None:
    found = confirmed(fresh_values[:6], fresh_values[6:])
    if found.state == "confirmed":
        assert found.improvement is not None and found.improvement > 0
