"""Near misses: what may be the metric, and settings that read exactly that."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.metrics.scanner import LogScanner
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.sources.near_misses import MOST_HINTS, SHOWN_CHARS, NearMiss, like_value, likely_metrics, near_misses

LOSS = Rules().metric
ACCURACY = MetricRule(name="test_accuracy", direction="maximize", pattern="never: (?P<value>.)")


def rule_of(hint: NearMiss, metric: MetricRule = LOSS) -> MetricRule:
    """The metric that the settings of a hint make, as a settings file would."""
    fields = tomllib.loads("\n".join(hint.settings))
    return MetricRule.model_validate({"name": metric.name, "direction": metric.direction, **fields})


def read_by(hint: NearMiss, log: bytes, metric: MetricRule = LOSS) -> str:
    scanner = LogScanner([rule_of(hint, metric)])
    scanner.feed(log)
    return scanner.finish().metrics[metric.name].text


@pytest.mark.parametrize(
    ("log", "values"),
    [
        (b"Validation Loss = 0.31\n", ["0.31"]),
        (b"{'valid/loss': '0.31', 'epoch': 2}\n", ["0.31"]),
        (b"val_lss: 0.31\n", ["0.31"]),
        (b"epoch 3 | dev loss 0.31 | acc 0.9\n", ["0.31"]),
        (b"val_loss: 0.4\nval_loss: 0.31\nval_loss: --\n", []),
        (b"eval_loss=0.5\rloss=0.7\r", ["0.5", "0.7"]),
        (b"train_loss: 0.2\nbest val_loss: 0.1\nlr: 0.3\nval_time: 3\n", []),
        (b"nothing\n", []),
        (b"", []),
    ],
)
def test_labels_like_the_name_are_found_and_others_are_not(log: bytes, values: list[str]) -> None:
    found = near_misses(LOSS, log, {})
    if b"--" in log:  # an older value may be named only where the settings read it
        assert all(read_by(hint, log) == hint.value for hint in found)
        return
    assert [hint.value for hint in found] == values
    assert [read_by(hint, log) for hint in found] == values


def test_the_likeliest_come_first_and_at_most_five() -> None:
    log = b"".join(b"loss_%c: 0.%d\n" % (97 + number, number + 1) for number in range(8)) + b"valid_loss: 0.9\n"
    found = near_misses(LOSS, log, {})
    assert (found[0].value, len(found)) == ("0.9", MOST_HINTS)


def test_numbers_of_files_are_found_by_their_path_and_their_file() -> None:
    files = {
        "final.json": b'{"results": {"test_acc": "0.91", "acc": [0.1, 0.93]}, "lr": 0.1, "ok": true}',
        "test_accuracy.json": b'{"value": 0.92}',
        "broken.json": b'{"test_accuracy": ',
        "deep.json": b"[" * 100_000,
        "binary.json": b"\xff\xfe\x00",
    }
    found = near_misses(ACCURACY, b"", files)
    assert [(hint.where, hint.value, hint.settings) for hint in found] == [
        ("final.json", "0.91", ("file = 'final.json'", "path = 'results.test_acc'")),
        ("test_accuracy.json", "0.92", ("file = 'test_accuracy.json'", "path = 'value'")),
        ("final.json", "0.93", ("file = 'final.json'", "path = 'results.acc.-1'")),
    ]


def test_text_of_the_training_is_masked_escaped_and_cut() -> None:
    log = b"\x1b[31mpassword=hunter22 \xe2\x80\xae" + b"x" * 500 + b" val loss is: 1; val_loss = 0.31\n"
    (hint,) = [one for one in near_misses(LOSS, log, {}) if one.value == "0.31"]
    assert "hunter22" not in hint.text
    assert hint.text.isprintable()
    assert len(hint.text) == SHOWN_CHARS + 1


@given(st.lists(st.text("val_os: =.,0123456789-eE|'\"()[]{}\n\r", max_size=60), max_size=8).map("\n".join))
def test_whatever_the_log_is_the_settings_read_the_value_that_is_named(text: str) -> None:
    log = text.encode()
    for hint in near_misses(LOSS, log, {}):
        assert read_by(hint, log) == hint.value


# --- what counts as shown ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "value"),
    [
        (b"eval/loss 3.98\n", "3.98"),
        (b"loss = 3.9\n", "3.9"),
        (b"step 10\nthe loss is 3.9 now\n", "3.9"),
        (b"valid_loss: 4.1\nvalid_loss: 4.0\nbye\n", "4.0"),
        (b"iter 0: loss 10.98, time 3 ms\n", "10.98"),
        (b"", None),
        (b"loading\nModuleNotFoundError: No module named 'torch'\n", None),
        (b"val_batch_size: 64\neval_interval = 500\nval_loss_weight: 0.5\n", None),
        (b"train loss: 4.0\ntarget_loss: 3.0\n", None),
        (b"RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB\n", None),
        (b"loss: nan\n", None),
    ],
)
def test_a_number_under_a_label_of_the_metric_s_kind_counts_as_shown(log: bytes, value: str | None) -> None:
    found = like_value(MetricRule(name="val_loss", pattern=DEFAULT_VAL_LOSS), log)
    assert (found and found[1]) == value


def test_the_kind_of_another_metric_is_its_own_last_word_and_a_loss() -> None:
    metric = MetricRule(name="val_accuracy", direction="maximize", file="m.json", path="acc")
    found = [like_value(metric, log) for log in (b"acc: 0.9\n", b"iter 2 | Loss: 3.9\n", b"lr: 0.1\n")]
    assert found == [("acc", "0.9"), ("Loss", "3.9"), None]


# --- another quantity, and the best value so far -----------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "epoch 3: train_loss 1.10 val_acc: 70.64%",
        "train_loss: 1.10 val_acc: 70.64%",
        "train_loss 1.10, val_acc 70.64",
        "loss 1.10 test_accuracy: 70.64",
        "| train loss 1.10 | dev/f1 70.64 |",
    ],
)
def test_an_accuracy_beside_a_loss_is_offered_by_its_own_name_and_direction(line: str) -> None:
    log = f"{line}\n".encode()
    for hint in (*near_misses(LOSS, log, {}), *likely_metrics(log, {})):
        rule = rule_of(hint, MetricRule(name=hint.name, direction=hint.direction, pattern="(?P<value>.)"))
        if hint.value == "70.64":
            assert rule.direction == "maximize" and "loss" not in rule.name
        else:
            assert rule.direction == "minimize" and rule.name in ("loss", "train_loss")
    assert likely_metrics(log, {})[0].value == "70.64"
    first = next(one for one in near_misses(LOSS, b"val_acc: 70.64\n", {}))
    assert first.settings[:2] == ('name = "val_acc"', 'direction = "maximize"')
    assert near_misses(ACCURACY, b"test_loss: 0.5\n", {})[0].settings[0] == 'name = "test_loss"'


def test_a_column_of_a_file_contradicts_as_a_label_does() -> None:
    table = b"epoch,train_loss,val_acc\n1,1.1,0.7\n"
    assert [hint.name for hint in near_misses(LOSS, b"", {"m.csv": table})] == ["val_acc"]


@pytest.mark.parametrize(
    "best", ["Best val_acc: 79.13%", "best epoch 3, val_acc: 79.13%", "BEST RESULT val_acc: 79.13"]
)
def test_a_pattern_passes_over_the_best_value_so_far(best: str) -> None:
    log = f"epoch 1 val_acc: 79.13%\nepoch 2 val_acc: 77.78%\n{best}\n".encode()
    (hint,) = likely_metrics(log, {})
    assert (hint.value, hint.line) == ("77.78", 2)
    metric = MetricRule(name="val_acc", direction="maximize", pattern="never (?P<value>.)")
    assert read_by(hint, log, metric) == "77.78"
    # Also where the first run that was looked at had no such line.
    (early,) = likely_metrics(log[: log.index(best.encode())], {})
    assert read_by(early, log, metric) == "77.78"


def test_a_label_that_stands_behind_best_alone_is_read_there() -> None:
    (hint,) = likely_metrics(b"epoch 2 (best 80.1) val_acc: 77.78\n", {})
    assert hint.value == "77.78"


def test_columns_that_may_be_a_metric_are_offered_by_their_own_names_evaluations_first() -> None:
    table = b"epoch;loss;test acc;train_mse;val_mse;lr\n1;0.5;0.8;2.5;2.25;0.1\n"
    hints = likely_metrics(b"", {"log/m.csv": table, "broken.json": b"{", "n.json": b'{"a": {"Dev/F1": 0.7}}'})
    assert [(one.where, one.value) for one in hints] == [
        ("log/m.csv", "2.25"),
        ("n.json", "0.7"),
        ("log/m.csv", "0.8"),
        ("log/m.csv", "0.5"),
    ]
    assert (hints[1].name, hints[1].direction) == ("dev_f1", "maximize")
    assert hints[1].settings == ("file = 'n.json'", "path = 'a.Dev/F1'")
