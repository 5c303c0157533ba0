"""The state of a run from how it ended and what it printed: every ending with every kind of last value."""

import pytest
from seedproof.metrics.run_state import Ending, lacks_value, outcome, outcome_read_again
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, RunState, Unread

from tests.support.arms import RULES, make_run

S = RunState
FINITE = {"val_loss": MetricValue(3.5, "3.5")}
NAN = {"val_loss": MetricValue(None, "nan")}
INF = {"val_loss": MetricValue(None, "-inf")}
UNREAD = {"val_loss": Unread(123, "val_loss: 1,012.4", "has a comma")}
NOT_READ = 'val_loss was printed and could not be read: line 123 "val_loss: 1,012.4" (has a comma)'

ENDINGS = [
    (Ending("exited", exit_code=0), S.SUCCEEDED, None),
    (Ending("exited", exit_code=3), S.FAILED, "exit code 3"),
    (Ending("exited", signal="SIGKILL"), S.FAILED, "killed by SIGKILL"),
    (Ending("exited"), S.FAILED, "exit code None"),
    (Ending("timed_out", signal="SIGTERM", detail="time limit of 60 s"), S.TIMED_OUT, "time limit of 60 s"),
    (Ending("timed_out"), S.TIMED_OUT, "time limit"),
    (Ending("cancelled", detail="wrong data"), S.CANCELLED, "wrong data"),
    (Ending("cancelled", exit_code=0), S.CANCELLED, None),
    (Ending("interrupted", detail="the machine was restarted"), S.INTERRUPTED, "the machine was restarted"),
    (Ending("interrupted"), S.INTERRUPTED, "the supervisor was ended"),
    (
        Ending("not_started", error="No such file: python9"),
        S.FAILED,
        "the training could not be started: No such file: python9",
    ),
]


@pytest.mark.parametrize(("ending", "state", "reason"), ENDINGS)
def test_an_ending_after_a_finite_value_is_what_the_table_says(
    ending: Ending, state: RunState, reason: str | None
) -> None:
    result = outcome(ending, FINITE, RULES)
    assert (result.state, result.reason) == (state, reason)


@pytest.mark.parametrize(("ending", "state", "reason"), ENDINGS)
def test_an_ending_without_a_value_is_the_same_except_that_success_needs_one(
    ending: Ending, state: RunState, reason: str | None
) -> None:
    result = outcome(ending, {}, RULES)
    if state is S.SUCCEEDED:
        state, reason = S.FAILED, "exit code 0, but no val_loss was found in its output"
    assert (result.state, result.reason) == (state, reason)


@pytest.mark.parametrize("ending", [ending for ending, _, _ in ENDINGS])
@pytest.mark.parametrize(("metrics", "text"), [(NAN, "nan"), (INF, "-inf")])
def test_a_last_value_of_nan_or_inf_is_diverged_however_the_run_ended(
    ending: Ending, metrics: dict[str, MetricValue], text: str
) -> None:
    result = outcome(ending, metrics, RULES)
    assert (result.state, result.reason) == (S.DIVERGED, f"the last val_loss is {text}")


def test_a_nan_of_a_metric_that_does_not_decide_is_no_divergence() -> None:
    rules = Rules(extra_metrics=(MetricRule(name="accuracy", pattern="acc=(?P<value>.+)"),))
    metrics = {**FINITE, "accuracy": MetricValue(None, "nan")}
    assert outcome(Ending("exited", exit_code=0), metrics, rules).state is S.SUCCEEDED


def test_a_missing_value_of_a_file_names_the_place_that_was_looked_at() -> None:
    rules = Rules(metric=MetricRule(name="val_loss", file="metrics.json", path="final_metrics.val_loss"))
    assert outcome(Ending("exited", exit_code=0), {}, rules).reason == (
        "exit code 0, but no val_loss was found at final_metrics.val_loss in metrics.json"
    )


@pytest.mark.parametrize(("ending", "state", "reason"), ENDINGS)
def test_a_value_that_could_not_be_read_makes_a_good_run_unread_and_is_said_beside_a_failure(
    ending: Ending, state: RunState, reason: str | None
) -> None:
    result = outcome(ending, {}, RULES, UNREAD)
    if state is S.SUCCEEDED:
        state, reason = S.UNREAD, None
    assert (result.state, result.reason) == (state, f"{reason}; {NOT_READ}" if reason else NOT_READ)


def test_the_line_of_an_unread_value_is_masked_and_cannot_forge_a_line() -> None:
    unread = {"val_loss": Unread(None, "val_loss: x\u202e password=hunter22", "is no\nnumber")}
    reason = outcome(Ending("exited", exit_code=0), {}, RULES, unread).reason
    assert reason is not None
    assert "hunter22" not in reason
    assert reason.isprintable()


@pytest.mark.parametrize(("ending", "state", "reason"), ENDINGS)
def test_reading_an_ended_run_again_gives_what_reading_it_at_once_would_have_given(
    ending: Ending, state: RunState, reason: str | None
) -> None:
    first = outcome(ending, {}, RULES, UNREAD)
    run = make_run(42, state=first.state, reason=first.reason, exit_code=ending.exit_code)
    for metrics, unread in ((FINITE, {}), (NAN, {}), ({}, UNREAD), ({}, {})):
        at_once = outcome(ending, metrics, RULES, unread)
        again = outcome_read_again(run, metrics, RULES, unread)
        assert again.state is at_once.state
        if at_once.state is not S.FAILED or ending.exit_code is not None:
            assert again == at_once


def test_only_a_run_that_ended_well_lacks_nothing_but_its_value() -> None:
    assert lacks_value(make_run(42, state=S.UNREAD), "val_loss")
    assert lacks_value(make_run(42, state=S.FAILED, exit_code=0), "val_loss")
    assert not lacks_value(make_run(42, state=S.FAILED, exit_code=1), "val_loss")
    assert not lacks_value(make_run(42, 4.0), "val_loss")
