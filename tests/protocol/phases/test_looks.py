"""What is due: a table of every kind of arm, then what must hold for any arm."""

from collections.abc import Sequence

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from seedproof.model.arms import Arm
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState
from seedproof.phases.looks import Look, may_retry, next_look
from seedproof.stats.screening import stages

from tests.support.arms import (
    MAXIMIZE,
    RULES,
    baseline_arm,
    diverged,
    experiment_arm,
    failed,
    make_baseline,
    make_run,
    measured,
)

FIRST, EXTRA = RULES.experiment_seeds, RULES.extra_seeds
ALL = (*FIRST, *EXTRA)
BASELINE = make_baseline()  # mean 4, sigma 1: close is above 2 and below 6
S = RunState


def spent(seed: int, **more: object) -> tuple[Run, Run]:
    """Two attempts that both showed a value and failed: the seed is lost for good."""
    return failed(seed, shown=True, **more), failed(seed, shown=True, attempt=2, **more)


def look_at(*runs: Run) -> Look:
    """What the experiment needs."""
    return next_look(experiment_arm(*runs), BASELINE, RULES)


def baseline_look(*runs: Run) -> Look:
    """What the baseline needs."""
    return next_look(baseline_arm(*runs), None, RULES)


# --- the table --------------------------------------------------------------------------------------

NOT_DECIDED = {"failed": (), "diverged": (), "first_look_done": False}
DONE = {"failed": (), "diverged": (), "first_look_done": True}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param((), Look(due=FIRST, allowed=FIRST, **NOT_DECIDED), id="nothing yet"),
        pytest.param(measured([4.0]), Look(due=(137, 256), allowed=FIRST, **NOT_DECIDED), id="one seed"),
        pytest.param(
            measured([4.0, 4.0], seeds=(256, 42)), Look(due=(137,), allowed=FIRST, **NOT_DECIDED), id="out of order"
        ),
        pytest.param(measured([4.0] * 3), Look(due=EXTRA, allowed=ALL, **DONE), id="close"),
        pytest.param(measured([1.0, 1.0, 10.0]), Look(due=EXTRA, allowed=ALL, **DONE), id="the mean decides"),
        pytest.param(measured([2.0] * 3), Look(due=(), allowed=FIRST, **DONE), id="a tie is not close, better"),
        pytest.param(measured([6.0] * 3), Look(due=(), allowed=FIRST, **DONE), id="a tie is not close, worse"),
        pytest.param(measured([6 - 1e-10] * 3), Look(due=(), allowed=FIRST, **DONE), id="a tie to the last bits"),
        pytest.param(measured([6 - 2e-9] * 3), Look(due=EXTRA, allowed=ALL, **DONE), id="just short of a tie"),
        pytest.param(measured([4.0] * 4), Look(due=(1024,), allowed=ALL, **DONE), id="one extra seed"),
        pytest.param(measured([4.0] * 5), Look(due=(), allowed=ALL, **DONE), id="all five"),
        pytest.param(
            measured([4.0, 4.0, 4.0, -99.0, -99.0]), Look(due=(), allowed=ALL, **DONE), id="the first look stays close"
        ),
        pytest.param(
            (diverged(42),),
            Look(due=(), allowed=FIRST, failed=(), diverged=(42,), first_look_done=False),
            id="diverged at once",
        ),
        pytest.param(
            (*measured([4.0] * 3), diverged(512)),
            Look(due=(), allowed=FIRST, failed=(), diverged=(512,), first_look_done=True),
            id="diverged among the extra seeds",
        ),
        pytest.param(
            (*spent(42), diverged(137)),
            Look(due=(), allowed=FIRST, failed=(), diverged=(137,), first_look_done=False),
            id="a diverged seed outranks a failed one",
        ),
        pytest.param(
            (*spent(42), make_run(137, 4.0)),
            Look(due=(), allowed=FIRST, failed=(42,), diverged=(), first_look_done=False),
            id="failed for good",
        ),
        pytest.param(
            (*measured([4.0] * 3), *spent(512)),
            Look(due=(), allowed=ALL, failed=(512,), diverged=(), first_look_done=True),
            id="an extra seed failed for good",
        ),
        pytest.param(
            (failed(42, shown=True),), Look(due=FIRST, allowed=FIRST, **NOT_DECIDED), id="failed, one more attempt left"
        ),
        pytest.param(
            tuple(failed(42, shown=False, attempt=attempt) for attempt in range(1, 9)),
            Look(due=FIRST, allowed=FIRST, **NOT_DECIDED),
            id="failed without a value, as often as it likes",
        ),
        pytest.param(
            (make_run(42, state=S.RUNNING), make_run(137, state=S.QUEUED)),
            Look(due=FIRST, allowed=FIRST, **NOT_DECIDED),
            id="a run in flight has no result",
        ),
        pytest.param(
            (failed(42, shown=True), make_run(42, 4.0, attempt=2)),
            Look(due=(137, 256), allowed=FIRST, **NOT_DECIDED),
            id="the second attempt brought the result",
        ),
    ],
)
def test_an_experiment_needs_what_the_table_says(runs: Sequence[Run], expected: Look) -> None:
    assert look_at(*runs) == expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param((), Look(due=ALL, allowed=ALL, **NOT_DECIDED), id="nothing yet"),
        pytest.param(measured([4.0] * 4), Look(due=(1024,), allowed=ALL, **NOT_DECIDED), id="four of five"),
        pytest.param(measured([4.0] * 5), Look(due=(), allowed=ALL, **DONE), id="all five"),
        pytest.param(
            (*measured([4.0] * 3), diverged(512)),
            Look(due=(), allowed=ALL, failed=(), diverged=(512,), first_look_done=False),
            id="a diverged seed stops it",
        ),
        pytest.param(
            spent(137),
            Look(due=(), allowed=ALL, failed=(137,), diverged=(), first_look_done=False),
            id="a seed that failed for good stops it",
        ),
    ],
)
def test_a_baseline_needs_all_five_seeds_at_once(runs: Sequence[Run], expected: Look) -> None:
    assert baseline_look(*runs) == expected


def test_an_arm_is_complete_when_it_diverged_or_has_nothing_due_and_nothing_lost() -> None:
    complete = {
        "nothing": look_at().is_complete,
        "close": look_at(*measured([4.0] * 3)).is_complete,
        "far": look_at(*measured([1.0] * 3)).is_complete,
        "five": look_at(*measured([4.0] * 5)).is_complete,
        "diverged": look_at(diverged(42)).is_complete,
        "failed": look_at(*spent(42)).is_complete,
    }
    assert [name for name, is_complete in complete.items() if is_complete] == ["far", "five", "diverged"]


def test_with_maximize_a_high_mean_is_as_far_away_as_a_low_one() -> None:
    baseline = make_baseline(rules=MAXIMIZE)
    looks = [next_look(experiment_arm(*measured([mean] * 3)), baseline, MAXIMIZE) for mean in (1.0, 4.0, 7.0)]
    assert [look.due for look in looks] == [(), EXTRA, ()]


def test_rules_without_extra_seeds_never_ask_for_more() -> None:
    rules = Rules(extra_seeds=())
    look = next_look(experiment_arm(*measured([4.0] * 3)), make_baseline(rules=rules), rules)
    assert (look.due, look.is_complete) == ((), True)


# --- the screening design ---------------------------------------------------------------------------

SCREENING = Rules(design="screening")
SEQUENTIAL = Rules(design="sequential")


def look_under(rules: Rules, *runs: Run, **more: object) -> Look:
    """What the experiment needs under a design with more looks."""
    return next_look(experiment_arm(*runs, **more), make_baseline(rules=rules), rules)


# The baseline has mean 4 and sigma 1; lower is better. t of one seed x is (4 - x) / sqrt(1.2), of two equal ones
# (4 - x) / sqrt(.56): sums of squares 4 and 0 over five degrees of freedom.
@pytest.mark.parametrize(
    ("values", "due", "allowed"),
    [
        pytest.param([], (42,), (42,), id="nothing yet"),
        pytest.param([3.9], (137,), (42, 137), id="one seed is better"),
        pytest.param([4.0], (137,), (42, 137), id="a tie with the mean goes on"),
        pytest.param([4.0 + 2e-8], (), (42,), id="one seed is worse"),
        pytest.param([-100.0], (137,), (42, 137), id="however good one seed is"),
        pytest.param([3.9, 3.9], (), (42, 137), id="two seeds are hardly better"),
        pytest.param([3.5, 3.5], (256,), (42, 137, 256), id="two seeds are better"),
        pytest.param([-100.0, -100.1], (256,), (42, 137, 256), id="however good two seeds are"),
        pytest.param([3.5, 3.5, 3.5], (), FIRST, id="three seeds are hardly better"),
        pytest.param([3.0, 3.0, 3.0], (512, 1024), ALL, id="three seeds leave it open"),
        pytest.param([1.0, 1.0, 1.0], (), FIRST, id="three seeds win"),
        pytest.param([3.0, 3.0, 3.0, 3.0], (1024,), ALL, id="four seeds"),
        pytest.param([3.0, 3.0, 3.0, 9.0, 9.0], (), ALL, id="five seeds decide"),
    ],
)
def test_under_screening_an_experiment_needs_the_seeds_of_the_look_that_is_open(
    values: list[float], due: tuple[int, ...], allowed: tuple[int, ...]
) -> None:
    look = look_under(SCREENING, *measured(values))
    assert (look.due, look.allowed) == (due, allowed)
    assert look.is_complete is (not due)
    assert look.first_look_done is (len(values) >= 3)


def test_under_screening_a_diverged_or_lost_seed_stops_the_arm_at_any_look() -> None:
    for runs in ((diverged(42),), (make_run(42, 3.0), diverged(137)), (*measured([3.0] * 4), diverged(1024))):
        look = look_under(SCREENING, *runs)
        assert (look.due, look.diverged, look.is_complete) == ((), (runs[-1].seed,), True)
    look = look_under(SCREENING, make_run(42, 3.0), *spent(137))
    assert (look.due, look.failed, look.is_complete) == ((), (137,), False)


def test_under_screening_a_baseline_needs_all_its_seeds_at_once() -> None:
    assert next_look(baseline_arm(), None, SCREENING).due == ALL


@pytest.mark.parametrize(
    ("rules", "values", "due"),
    [
        pytest.param(Rules(design="screening", extra_seeds=()), [3.0, 3.0], (256,), id="the third"),
        pytest.param(Rules(design="screening", extra_seeds=()), [3.0] * 3, (), id="three end it"),
        pytest.param(Rules(design="screening", experiment_seeds=(1, 2, 3, 4)), [3.0, 3.0], (3, 4), id="two at once"),
        pytest.param(Rules(design="screening", experiment_seeds=(1, 2, 3, 4)), [2.8] * 4, (512, 1024), id="the extra"),
        pytest.param(Rules(design="screening", extra_seeds=(5, 6, 7)), [3.0] * 3, (5, 6, 7), id="three extra ones"),
    ],
)
def test_screening_has_its_looks_with_other_numbers_of_seeds(
    rules: Rules, values: list[float], due: tuple[int, ...]
) -> None:
    seeds = rules.experiment_seeds + rules.extra_seeds
    assert look_under(rules, *measured(values, seeds=seeds)).due == due


def test_with_maximize_screening_drops_what_is_lower() -> None:
    rules = SCREENING.model_copy(update={"metric": MAXIMIZE.metric})
    assert look_under(rules, *measured([3.9])).due == ()
    assert look_under(rules, *measured([4.1])).due == (137,)


def test_an_open_arm_of_the_sequential_design_goes_on_with_its_own_looks() -> None:
    dues = [look_under(SEQUENTIAL, *measured(values)).due for values in ([], [9.0], [3.0] * 3, [4.1] * 3, [1.0] * 3)]
    assert dues == [FIRST, (137, 256), EXTRA, (), ()]


@pytest.mark.parametrize("rules", [RULES, SCREENING, SEQUENTIAL])
@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [3.0] * 3, [4.0] * 4, [9.0] * 5])
def test_a_judged_arm_needs_nothing(rules: Rules, values: list[float]) -> None:
    look = look_under(rules, *measured(values), is_judged=True)
    assert (look.due, look.failed, look.is_complete) == ((), (), True)
    assert look.allowed == ALL[: len(values)]


def test_what_failed_after_the_verdict_does_not_take_it_back() -> None:
    look = look_under(RULES, *measured([1.0] * 3), *spent(512), is_judged=True)
    assert (look.due, look.failed, look.is_complete) == ((), (), True)


@given(st.lists(st.floats(-10, 20), min_size=5, max_size=5), st.sampled_from([SCREENING, SEQUENTIAL]))
def test_seed_by_seed_every_arm_ends_at_a_look_of_its_design(values: list[float], rules: Rules) -> None:
    sizes = [stage.seeds for stage in stages(rules.design, 3, 5)]
    done: list[float] = []
    while due := look_under(rules, *measured(done)).due:
        assert due == ALL[len(done) : len(done) + len(due)]
        done += values[len(done) : len(done) + len(due)]
        assert len(done) in sizes
    event(f"ended after {len(done)}")
    assert done


# --- another attempt --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "allowed"),
    [
        ([], False),
        (["queued"], False),
        (["running"], False),
        (["succeeded, shown"], False),
        (["diverged, shown"], False),
        (["failed"], True),
        (["timed_out"], True),
        (["cancelled"], True),
        (["interrupted"], True),
        (["not_needed"], True),
        (["failed", "failed", "failed"], True),
        (["failed, shown"], True),
        (["timed_out, shown"], True),
        (["cancelled, shown"], True),
        (["failed, shown", "failed, shown"], False),
        (["cancelled, shown", "timed_out, shown"], False),
        (["failed, shown", "failed"], True),
        (["failed, shown", "failed", "failed, shown"], False),
        (["interrupted, shown"] * 4, True),
        (["failed, shown", "interrupted, shown"], True),
        (["failed, shown", "interrupted, shown", "failed, shown"], False),
        (["failed, shown", "running"], False),
        (["failed", "succeeded, shown"], False),
        (["unread"], True),
        (["unread", "unread"], False),
        (["failed, shown", "unread"], False),
        (["unread", "interrupted, shown"], True),
        (["unread", "succeeded, shown"], False),
    ],
)
def test_another_attempt_is_allowed_as_the_table_says(states: Sequence[str], allowed: bool) -> None:
    attempts = []
    for number, words in enumerate(states, 1):
        state, _, shown = words.partition(", ")
        attempts.append(make_run(42, 4.0 if shown else None, state=S(state), attempt=number))
    assert may_retry(attempts, "val_loss") is allowed


def test_a_value_of_another_metric_does_not_use_up_an_attempt() -> None:
    attempts = [failed(42, shown=True), failed(42, shown=True, attempt=2)]
    assert may_retry(attempts, "accuracy")


# --- for any arm ------------------------------------------------------------------------------------

states = st.sampled_from([state for state in S if state is not S.NOT_NEEDED])


@st.composite
def attempts_at(draw: st.DrawFn, seed: int) -> list[Run]:
    """Attempts that follow each other as the protocol lets them: the last one may be anything."""
    runs: list[Run] = []
    while (not runs or may_retry(runs, "val_loss")) and len(runs) < 4 and draw(st.booleans()):
        state = draw(states)
        shows = state is S.SUCCEEDED or (state is not S.UNREAD and draw(st.booleans()))
        value = draw(st.floats(-10, 20)) if shows else None
        attempt = {"experiment": "muon", "attempt": len(runs) + 1}
        runs.append(diverged(seed, **attempt) if state is S.DIVERGED else make_run(seed, value, state=state, **attempt))
    return runs


@st.composite
def experiments(draw: st.DrawFn) -> Arm:
    """Arms of any shape; the extra seeds are usually untouched."""
    seeds = ALL if draw(st.booleans()) else FIRST
    return experiment_arm(*(run for seed in seeds for run in draw(attempts_at(seed))))


@given(experiments())
def test_what_is_due_is_allowed_and_has_no_result_yet(arm: Arm) -> None:
    look = next_look(arm, BASELINE, RULES)
    event(f"due: {len(look.due)}")
    assert not set(look.due) & set(arm.counted)
    assert set(look.due) <= set(look.allowed)
    assert list(look.due) == [seed for seed in ALL if seed in look.due]


@given(experiments())
def test_extra_seeds_are_due_only_after_a_close_first_look(arm: Arm) -> None:
    look = next_look(arm, BASELINE, RULES)
    values = arm.finite("val_loss")
    first = [values[seed] for seed in FIRST if seed in values]
    is_close = len(first) == 3 and abs(sum(first) / 3 - 4) < 2 - 1e-9
    may_go_on = is_close and not arm.diverged_seeds
    event(f"extra seeds: {may_go_on}")
    assert look.allowed == (ALL if may_go_on else FIRST)


@given(experiments())
def test_nothing_is_due_once_a_seed_has_diverged_or_failed_for_good(arm: Arm) -> None:
    look = next_look(arm, BASELINE, RULES)
    if arm.diverged_seeds or look.failed:
        assert look.due == ()
    elif look.first_look_done and look.allowed == FIRST:
        assert (look.due, look.is_complete) == ((), True)
    else:
        assert look.is_complete is (not look.due)


@given(experiments())
def test_a_seed_that_failed_for_good_has_two_draws_and_no_result(arm: Arm) -> None:
    for seed in next_look(arm, BASELINE, RULES).failed:
        drawn = [run for run in arm.attempts(seed) if run.is_draw("val_loss") and run.state is not S.INTERRUPTED]
        assert len(drawn) == 2
        assert seed not in arm.counted
