"""The state of a run from how it ended and what it printed: every ending with every kind of last value."""

import pytest
from seedproof.metrics.run_state import Ending, outcome
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, RunState

from tests.support.arms import RULES

S = RunState
FINITE = {"val_loss": MetricValue(3.5, "3.5")}
NAN = {"val_loss": MetricValue(None, "nan")}
INF = {"val_loss": MetricValue(None, "-inf")}

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
