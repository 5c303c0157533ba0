"""Control runs: when one is needed, what it is held against, and what it can and cannot see."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from seedproof.ledger.determinism import Repeats
from seedproof.model.arms import Arm, Baseline
from seedproof.model.code import Change, ChangedFile, Code
from seedproof.model.run_key import Role
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.notices.control import control_notices
from seedproof.phases.baseline import establish_baseline
from seedproof.phases.control import CONFIDENCE, control_look, half_width_sigmas, is_moved, unseen_share
from seedproof.report.code_section import code_lines

from tests.support.arms import (
    MAXIMIZE,
    ROUND_VALUES,
    RULES,
    diverged,
    experiment_arm,
    failed,
    make_baseline,
    make_run,
    measured,
)

OLD, NEW = Code("a" * 64, "snapshot", "1" * 40), Code("b" * 64, "snapshot", "2" * 40)
CHANGE = Change((ChangedFile("train_llm.py", 3, 1), ChangedFile("weights.bin", None, None)), "c" * 64)
HERE = {"host": "here", "interpreter": "python", "packages_sha256": "p", "environment_sha256": "e", "env": {}}


def baseline(rules: Any = RULES, **surroundings: Any) -> Baseline:
    """Mean 4 and sigma 1; seed 42 gave 3."""
    runs = measured(ROUND_VALUES, experiment=None, surroundings={**HERE, **surroundings})
    return establish_baseline(Arm(generation=1, experiment=None, runs=runs, code=OLD), rules)


def control(value: float | None = None, state: RunState = RunState.SUCCEEDED, **more: Any) -> Run:
    """A run without flags on the new code."""
    fields = {"experiment": "muon", "surroundings": {**HERE, "code_sha256": NEW.sha256}, **more}
    return make_run(42, value, state=state, role=Role.CONTROL, is_control=True, **fields)


def moved(*controls: Run, **more: Any) -> Arm:
    """An experiment on the new code."""
    return experiment_arm(**{"code": NEW, "change": CHANGE, "controls": controls, **more})


# --- the numbers ----------------------------------------------------------------------------------


def test_the_interval_for_one_new_run_of_five_is_504_sigma_to_either_side() -> None:
    assert round(half_width_sigmas(5), 2) == 5.04
    assert CONFIDENCE == 0.99


@pytest.mark.parametrize("n", [3, 5, 8, 20])
def test_the_interval_is_the_one_that_scipy_computes(n: int) -> None:
    expected = scipy_stats.t.ppf(0.995, n - 1) * (1 + 1 / n) ** 0.5
    assert half_width_sigmas(n) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("shift", "n"), [(0.0, 5), (2.0, 5), (5.0, 5), (10.0, 5), (3.0, 8)])
def test_the_share_that_goes_unseen_is_the_one_that_simulated_controls_show(shift: float, n: int) -> None:
    draw, trials, passed = random.Random(20260101).gauss, 20_000, 0
    width = half_width_sigmas(n)
    for _ in range(trials):
        sample = [draw(0, 1) for _ in range(n)]
        mean = sum(sample) / n
        std = (sum((value - mean) ** 2 for value in sample) / (n - 1)) ** 0.5
        passed += abs(draw(shift, 1) - mean) <= width * std
    share = unseen_share(shift, n)
    assert passed / trials == pytest.approx(share, abs=4 * (share * (1 - share) / trials) ** 0.5)


def test_code_without_an_effect_is_turned_away_in_one_of_a_hundred_cases() -> None:
    assert unseen_share(0, 5) == pytest.approx(CONFIDENCE, abs=1e-9)
    assert unseen_share(3, 5) == pytest.approx(unseen_share(-3, 5), abs=1e-9)


# --- when one is needed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arm",
    [
        experiment_arm(code=OLD),
        experiment_arm(code=replace(OLD, snapshot="3" * 40)),
        experiment_arm(code=None),
        moved(code_change=True),
        moved(control(99.0), code_change=True),
    ],
    ids=["the same code", "the same code with another note", "not recorded", "declared", "declared after a control"],
)
def test_no_control_is_needed_where_nothing_moved_or_the_change_is_declared(arm: Arm) -> None:
    assert control_look(baseline(), arm).state == "none"
    assert control_notices(baseline(), arm) == []


def test_a_baseline_whose_code_was_never_recorded_asks_for_no_control() -> None:
    assert control_look(make_baseline(), moved()).state == "none"
    assert not is_moved(make_baseline().arm, moved())


@pytest.mark.parametrize(
    ("controls", "state", "decided_by"),
    [
        ((), "due", None),
        ((control(state=RunState.QUEUED),), "open", 0),
        ((control(state=RunState.RUNNING),), "open", 0),
        ((control(state=RunState.NOT_NEEDED),), "due", 0),
        ((control(state=RunState.INTERRUPTED),), "due", 0),
        ((control(state=RunState.FAILED),), "due", 0),
        ((control(state=RunState.FAILED),) * 5, "due", 0),
        ((control(3.0, state=RunState.CANCELLED),), "due", 0),
        ((control(3.0, state=RunState.FAILED),) * 2, "failed", 0),
        ((control(3.0, state=RunState.FAILED), control(3.0, RunState.TIMED_OUT), control(4.0)), "passed", 2),
        ((control(state=RunState.FAILED), control(state=RunState.RUNNING)), "open", 1),
        ((control(state=RunState.INTERRUPTED), control(4.0)), "passed", 1),
        ((control(4.0, experiment="another"),), "passed", 0),
        ((control(99.0, experiment="another"),), "failed", 0),
        ((diverged(42, role=Role.CONTROL, is_control=True),), "failed", 0),
        ((control(4.0), control(state=RunState.QUEUED)), "passed", 0),
    ],
    ids=[
        *("none yet", "queued", "running", "not needed", "lost", "crashed", "crashed often", "cancelled after a value"),
        *("failed twice after a value", "counted after all", "tried again", "lost, then in", "another experiment's in"),
        *("another experiment's off", "diverged", "one is enough"),
    ],
)
def test_a_control_stands_where_its_attempts_say(controls: tuple[Run, ...], state: str, decided_by: int | None) -> None:
    found = control_look(baseline(), moved(*controls))
    assert found.state == state
    assert found.run == (None if decided_by is None else controls[decided_by])


# --- what it is held against ----------------------------------------------------------------------


@pytest.mark.parametrize("rules", [RULES, MAXIMIZE], ids=["lower is better", "higher is better"])
@pytest.mark.parametrize(
    ("value", "state"), [(4.0, "passed"), (9.03, "passed"), (-1.03, "passed"), (9.05, "failed"), (-1.05, "failed")]
)
def test_a_control_lies_within_the_interval_to_either_side_or_not(rules: Any, value: float, state: str) -> None:
    found = control_look(baseline(rules), moved(control(value)))
    assert (found.state, found.expected) == (state, 4.0)
    assert found.half_width == pytest.approx(5.0437, abs=1e-3)


@pytest.mark.parametrize(("value", "state"), [(3.0, "passed"), (3.0000000000000004, "failed"), (4.0, "failed")])
def test_where_training_repeats_itself_the_control_equals_the_same_seed_to_the_last_bit(
    value: float, state: str
) -> None:
    found = control_look(baseline(), moved(control(value, repeats=True)))
    assert (found.state, found.expected, found.half_width) == (state, 3.0, 0.0)


@pytest.mark.parametrize(
    "elsewhere",
    [{"host": "there"}, {"packages_sha256": "q"}, {"environment_sha256": "f"}, {"env": {"OMP_NUM_THREADS": "8"}}],
    ids=["host", "packages", "device", "threads"],
)
def test_a_baseline_from_other_conditions_need_not_be_equalled(elsewhere: dict[str, Any]) -> None:
    found = control_look(baseline(**elsewhere), moved(control(4.5, repeats=True)))
    assert (found.state, found.expected) == ("passed", 4.0)


def test_a_control_that_diverged_agrees_with_nothing() -> None:
    run = diverged(42, role=Role.CONTROL, is_control=True, surroundings=HERE, repeats=True)
    assert control_look(baseline(), moved(run)).state == "failed"
    assert control_look(baseline(), moved(replace(run, repeats=False))).state == "failed"


# --- whether training repeats itself --------------------------------------------------------------


def repeated(*runs: Run) -> Repeats:
    found = Repeats()
    for run in runs:
        found.add(run, "command", "val_loss")
    return found


def ran(value: float | None, seed: int = 42, state: RunState = RunState.SUCCEEDED, **surroundings: Any) -> Run:
    return make_run(seed, value, state=state, surroundings={**HERE, "code_sha256": "a", **surroundings})


def test_one_pair_of_equal_values_shows_that_training_repeats_itself() -> None:
    assert not repeated().were_shown_for(ran(1.0))
    assert not repeated(ran(1.0)).were_shown_for(ran(1.0))
    assert repeated(ran(1.0), ran(1.0)).were_shown_for(ran(9.0))


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 137},
        {"code_sha256": "b"},
        {"code_sha256": None},
        {"host": "there"},
        {"packages_sha256": "q"},
        {"environment_sha256": "f"},
        {"env": {"OMP_NUM_THREADS": "8"}},
        {"state": RunState.FAILED},
    ],
    ids=["seed", "code", "no code", "host", "packages", "device", "threads", "failed"],
)
def test_runs_that_differ_in_anything_else_make_no_pair(other: dict[str, Any]) -> None:
    found = repeated(ran(1.0), ran(1.0, **other), ran(2.0, **other))
    assert not found.were_shown_for(ran(1.0))


def test_what_repeats_itself_on_one_machine_says_nothing_of_another() -> None:
    found = repeated(ran(1.0), ran(1.0))
    for elsewhere in ({"host": "there"}, {"environment_sha256": "f"}, {"env": {"CUDA_VISIBLE_DEVICES": ""}}):
        assert not found.were_shown_for(ran(1.0, **elsewhere))


def test_another_command_makes_no_pair() -> None:
    found = repeated(ran(1.0))
    found.add(ran(1.0), "another command", "val_loss")
    assert not found.were_shown_for(ran(1.0))


def test_a_diverged_run_makes_no_pair() -> None:
    run = diverged(42, surroundings={**HERE, "code_sha256": "a"})
    assert not repeated(run, run).were_shown_for(ran(1.0))


SOME = st.lists(st.tuples(st.sampled_from((42, 137)), st.sampled_from((1.0, 2.0)), st.sampled_from(("here", "there"))))


@given(SOME, st.randoms())
def test_the_order_of_the_runs_does_not_matter_and_one_unequal_pair_is_enough(
    seen: list[tuple[int, float, str]], shuffled: random.Random
) -> None:
    mixed = list(seen)
    shuffled.shuffle(mixed)
    for host in ("here", "there"):
        by_seed = [[value for seed, value, at in seen if (seed, at) == (one, host)] for one in (42, 137)]
        expected = any(len(values) > 1 for values in by_seed) and all(len(set(values)) < 2 for values in by_seed)
        for order in (seen, mixed):
            found = repeated(*(ran(value, seed, host=at) for seed, value, at in order))
            assert found.were_shown_for(ran(9.0, host=host)) == expected


# --- in words -------------------------------------------------------------------------------------


def lines(arm: Arm, controls: tuple[Run, ...] = ()) -> str:
    return "\n".join(code_lines(baseline(), arm, controls, None, "experiment_muon_1M"))


def test_the_report_says_what_changed_what_the_control_gave_and_what_it_can_see() -> None:
    run = control(4.5)
    text = lines(moved(run), (run,))
    assert text.splitlines() == [
        "- Code of the experiment: `bbbbbbbbbbbb` (snapshot 222222222222)",
        "- Files that differ: 2",
        "  - `train_llm.py` (+3 -1)",
        "  - `weights.bin` (not text)",
        "- The text of the change is not beside this report: longer than 1 MB, or not kept here; SHA-256 "
        "`cccccccccccc…`",
        "- The control, seed 42 without flags, gave 4.5 and agrees with the baseline: asked was 4 ± 5.04 "
        "(99 % prediction interval of one baseline run).",
        "- What such a control can see: 5.04 sigma to either side pass. A change that alone moves every result by "
        "2 true sigma passes in 92 % of cases, by 5 in 43 %; one without any effect is turned away in 1 %.",
        f"- Control run `{run.run_id}`: succeeded, val_loss 4.5 on code `bbbbbbbbbbbb`; agrees",
    ]


def test_where_equality_was_asked_the_report_says_so() -> None:
    assert "gave 3 and agrees with the baseline: asked was exactly 3.0" in lines(moved(control(3.0, repeats=True)))


def test_a_change_that_is_declared_asks_for_no_control_and_the_report_says_so() -> None:
    text = lines(moved(code_change=True))
    assert "The change of code is what the experiment declares" in text
    assert "control can see" not in text


SAID: dict[str, tuple[Callable[[], Arm], str]] = {
    "the same code": (lambda: experiment_arm(code=OLD), "- No file that can change a run differs between them."),
    "not recorded": (lambda: experiment_arm(code=None), "- The code of these runs was not recorded."),
    "a clone": (lambda: moved(change=None), "what differs cannot be told, as the baseline's was not kept here."),
    "in place": (lambda: experiment_arm(code=replace(OLD, held="in-place", snapshot=None)), "(held in place)"),
}


@pytest.mark.parametrize("name", SAID)
def test_the_report_says_what_is_known_of_the_code(name: str) -> None:
    arm, words = SAID[name]
    assert words in lines(arm())


def test_a_long_list_of_files_is_cut_and_their_names_are_escaped() -> None:
    files = tuple(ChangedFile(f"a\x1b{number}.py", 1, 0) for number in range(60))
    text = lines(moved(control(4.0), change=Change(files)))
    assert "  - and 20 more, all of them in `experiment_muon_1M.json`" in text
    assert "\x1b" not in text


def test_a_control_that_decided_is_a_notice_with_its_numbers() -> None:
    (passed,) = control_notices(baseline(), moved(control(4.5)))
    (off,) = control_notices(baseline(), moved(control(99.0)))
    assert (passed.code, off.code) == ("control_passed", "control_failed")
    assert off.message.startswith("muon: the control, seed 42 without flags, gave 99 and does not agree")
    (gone,) = control_notices(baseline(), moved(*[failed(42, shown=True, role=Role.CONTROL)] * 2))
    assert gone.message == "muon: the control, seed 42 without flags, failed for good (failed)."
    assert control_notices(None, moved(control(4.5))) == []
    assert control_notices(baseline(), moved(control(state=RunState.RUNNING))) == []


def test_a_control_whose_value_was_no_number_is_told_without_one() -> None:
    run = make_run(42, state=RunState.DIVERGED, metrics={"val_loss": MetricValue(None, "nan")}, role=Role.CONTROL)
    (said,) = control_notices(baseline(), moved(run))
    assert "gave nan and does not agree" in said.message
