"""The state of a run from how it ended and what it printed: every ending with every kind of last value."""

import pytest
from seedproof.metrics.lengths import LengthReading, read_lengths
from seedproof.metrics.run_state import Ending, is_complete, lacks_value, outcome, outcome_read_again
from seedproof.metrics.scanner import LogReading, LogScanner
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


@pytest.mark.parametrize("accepts", ["zero", "value"])
@pytest.mark.parametrize(("ending", "state", "reason"), ENDINGS)
def test_a_bad_end_of_a_complete_training_stays_what_it_was_when_read_again(
    ending: Ending, state: RunState, reason: str | None, accepts: str
) -> None:
    rules = Rules(accept_exit=accepts)
    first = outcome(ending, FINITE, rules, is_training_complete=True)
    run = make_run(42, 3.5, state=first.state, reason=first.reason, exit_code=ending.exit_code, bad_exit=first.bad_exit)
    if ending.end != "not_started" and ending != Ending("exited"):  # these trained nothing, or cannot be
        assert outcome_read_again(run, FINITE, rules, {}) == first


# --- a good training that ends badly ------------------------------------------------------------------

VALUE = Rules(accept_exit="value")
BAD = [(ending, state) for ending, state, _ in ENDINGS if state in (S.FAILED, S.TIMED_OUT)]


@pytest.mark.parametrize(("ending", "state"), BAD)
def test_a_bad_end_of_a_complete_training_is_a_result_where_the_rules_accept_it(
    ending: Ending, state: RunState
) -> None:
    plain = outcome(ending, FINITE, RULES)
    accepted = outcome(ending, FINITE, VALUE, is_training_complete=True)
    assert (accepted.state, accepted.bad_exit) == (S.SUCCEEDED, plain.reason)
    assert accepted.reason == (
        f"{plain.reason}, after its training was complete and its last val_loss printed; "
        'accept_exit = "value" counts it'
    )


@pytest.mark.parametrize(("ending", "state"), BAD)
def test_the_refusal_of_such_a_run_names_the_rule_in_one_sentence(ending: Ending, state: RunState) -> None:
    plain = outcome(ending, FINITE, RULES)
    refused = outcome(ending, FINITE, RULES, is_training_complete=True)
    assert (refused.state, refused.bad_exit) == (state, plain.reason)
    assert str(refused.reason).endswith(
        ', after its training was complete and its last val_loss printed; accept_exit = "value" in [rules] counts such '
        "runs"
    )


@pytest.mark.parametrize(("ending", "state"), BAD)
def test_a_crash_halfway_stays_one_and_says_why_it_does_not_count(ending: Ending, state: RunState) -> None:
    halfway = outcome(ending, FINITE, VALUE)
    assert (halfway.state, halfway.bad_exit) == (state, None)
    assert str(halfway.reason).endswith(
        "; nothing shows that its training was complete, so accept_exit does not count it"
    )


@pytest.mark.parametrize(
    "ending", [ending for ending, state, _ in ENDINGS if state in (S.CANCELLED, S.INTERRUPTED, S.SUCCEEDED)]
)
def test_a_run_that_was_stopped_or_lost_never_counts_and_a_good_end_needs_no_rule(ending: Ending) -> None:
    assert outcome(ending, FINITE, VALUE, is_training_complete=True) == outcome(ending, FINITE, RULES)


@pytest.mark.parametrize("metrics", [NAN, INF, {}])
def test_no_value_is_none_whatever_the_rule_accepts(metrics: dict[str, MetricValue]) -> None:
    ending = Ending("exited", exit_code=1)
    assert outcome(ending, metrics, VALUE, is_training_complete=True) == outcome(ending, metrics, RULES)


def look(*lines: str) -> tuple[LengthReading, LogReading]:
    log = "".join(f"{line}\n" for line in lines).encode()
    scanner = LogScanner(RULES.metrics)
    scanner.feed(log)
    return read_lengths(log), scanner.finish()


@pytest.mark.parametrize(
    ("lines", "usual", "complete"),
    [
        (["step 100/100 | val_loss: 4"], None, True),
        (["step 100 | val_loss: 4", "Training complete"], None, True),
        (["step 50/100 | val_loss: 4"], None, False),
        (["step 40/100 | val_loss: 5", "step 50/100 | val_loss: 4"], 50, False),  # it says itself that it is not done
        (["step 50 | val_loss: 4"], None, False),
        (["step 50 | val_loss: 4"], 50, True),
        (["step 50 | val_loss: 4"], 100, False),
        (["step 90 | val_loss: 4", "step 100/100"], None, False),  # the last evaluation is missing
        (["step 90 | val_loss: 4", "step 100", "Training complete"], None, False),  # likewise
        (["step 100/100", "val_loss: 4"], None, True),
        (["step 100: val_loss: 4", "step 100/100: loss 3"], None, True),
        (["val_loss: 4", "Training complete"], None, True),
        (["Epoch 1/2", "val_loss: 4", "Epoch 2/2", "Training complete"], None, False),
        (["Epoch 2/2", "val_loss: 4", "Training complete"], None, True),
        (["step 100/100 | val_loss: nan"], None, False),
        (["step 100/100"], None, False),
        (["val_loss: 4"], None, False),
    ],
)
def test_a_training_is_complete_that_printed_its_last_value_at_its_own_end(
    lines: list[str], usual: int | None, complete: bool
) -> None:
    lengths, reading = look(*lines)
    assert is_complete(lengths, reading, reading.metrics.get("val_loss"), usual) is complete


def test_a_value_from_a_file_counts_wherever_its_training_ended() -> None:
    lengths, reading = look("step 100/100")
    assert is_complete(lengths, reading, MetricValue(4.0, "4.0"), None)
