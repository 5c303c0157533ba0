"""Reading a run's log from its end gives what reading all of it gives."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seedproof.metrics import last_value, scanner, tracker
from seedproof.metrics.scanner import FirstValues, LogReading, LogScanner
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, Unread
from seedproof_mcp.runner import log_reader
from seedproof_mcp.runner.log_reader import START_BYTES, read_first_values, read_log

RULES = Rules()
PIECES = (
    *(b"val_loss: 3.25", b"val_loss: 4.", b"125", b"val_loss: nan", b"step 7/9", b"iter 8", b" | ", b"x" * 30),
    *(b"val_loss: 4,1", b"val_loss: --", b"[rank0]: ", b"[rank1]: ", b"[a] val_loss: 1.5", b"[b] val_loss: 2.5"),
)
LOGS = st.lists(st.sampled_from([*PIECES, b"\n", b"\n", b"\r", b"\r\n"]), max_size=80).map(b"".join)


def whole(log: bytes) -> LogReading:
    reader = LogScanner(RULES.metrics)
    reader.feed(log)
    return reader.finish()


@given(LOGS, st.integers(0, 20))
@settings(deadline=None)
def test_a_log_that_is_read_from_its_end_says_the_same(log: bytes, beyond: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_reader, "_END_BYTES", (16, 90, 400))
        patch.setattr(log_reader, "BLOCK_BYTES", 16)
        patch.setattr(tracker, "HORIZON_LINES", 3)
        patch.setattr(scanner, "HORIZON_LINES", 3)
        patch.setattr(last_value, "HORIZON_LINES", 3)
        path = Path(folder, "output.log")
        path.write_bytes(log + b"val_loss: 0.5\n" * beyond)
        assert read_log(path, len(log), RULES) == whole(log)


def test_a_value_near_the_end_is_found_without_matching_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[int] = []
    feed = LogScanner.feed

    def counted(self: LogScanner, chunk: bytes) -> None:
        fed.append(len(chunk))
        feed(self, chunk)

    monkeypatch.setattr(LogScanner, "feed", counted)
    log = b"step 1 | val_loss: 4.5\n" * 200_000 + b"step 2 | val_loss: 3.5\n"
    path = tmp_path / "output.log"
    path.write_bytes(log)
    found = read_log(path, len(log), RULES)
    assert (found.metrics["val_loss"].text, found.metrics["val_loss"].line, found.step) == ("3.5", 200_001, 2)
    assert 0 < sum(fed) <= log_reader._END_BYTES[0] < len(log)


def test_a_later_value_that_cannot_be_read_is_found_beside_an_older_one_far_before(tmp_path: Path) -> None:
    log = b"step 1 | val_loss: 4.5\n" + b"x" * 99 + b"\n" * 300_000 + b"step 2 | val_loss: --\n" + b"bye\n" * 300_000
    path = tmp_path / "output.log"
    path.write_bytes(log)
    found = read_log(path, len(log), RULES)
    assert dict(found.metrics) == {}
    assert (found.unread["val_loss"].line, found.unread["val_loss"].text) == (300_002, "step 2 | val_loss: --")
    assert found.last_numbers["val_loss"].line == 1


def test_what_a_training_prints_while_its_log_is_read_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(b"val_loss: 4.5\nval_loss: 3.5\n")
    size = len(b"val_loss: 4.5\n")
    found = read_log(path, size, RULES)
    assert (found.metrics["val_loss"].text, found.size) == ("4.5", size)


def test_of_a_long_line_that_the_log_cap_cut_nothing_is_read(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    block = 1 << 20
    with path.open("wb") as log:
        log.write(b"val_loss: 4.5\n")
        log.seek(block)  # a hole: then the end of a line that is longer than any that is kept
        log.write(b"9" * 200_000 + b" val_loss: 1.5" + b"9" * 200_000 + b"\nstep 3\n")
        size = log.tell()
    if path.stat().st_blocks * 512 >= size:
        pytest.skip("this file system keeps no holes")
    found = read_log(path, size, RULES)
    assert (found.metrics["val_loss"].text, found.step) == ("4.5", 3)


# --- results that need more than the last match -----------------------------------------------

LOSSES = b"step 1\nloss 4.5\nloss 2.5\nstep 2\nloss 3.5\n"


def rules_of(**fields: Any) -> Rules:
    return Rules(metric=MetricRule.model_validate({"name": "loss", "pattern": r"^loss (?P<value>\S+)", **fields}))


def test_a_statistic_of_a_log_stands_beside_what_the_rest_of_it_says(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_bytes(LOSSES)
    last, best, mean = (
        read_log(tmp_path / "output.log", len(LOSSES), rules_of(**fields))
        for fields in ({}, {"statistic": "best"}, {"statistic": "mean_of_last_n", "n": 2})
    )
    assert last.metrics["loss"] == MetricValue(3.5, "3.5", 5, "loss 3.5")
    assert best.metrics["loss"] == MetricValue(2.5, "2.5", 3, "best of 3 values: loss 2.5")
    assert mean.metrics["loss"] == MetricValue(3.0, "3.0", 5, "mean of the last 2 values")
    assert (best.step, best.lines, best.sha256) == (mean.step, mean.lines, mean.sha256) == (2, 5, last.sha256)


def test_too_few_values_for_a_mean_leave_the_metric_unread(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_bytes(LOSSES)
    found = read_log(tmp_path / "output.log", len(LOSSES), rules_of(statistic="mean_of_last_n", n=4))
    assert found.metrics == {}
    assert found.unread["loss"].why == "is the mean of the last 4 values, and there are 3"


def test_a_value_under_another_name_is_never_read_nor_shown_as_the_first(tmp_path: Path) -> None:
    log = b"Step 0\ntask: a\nStep 0 | loss 4.5\ntask: b\nStep 0 | loss 2.5\n"
    (tmp_path / "output.log").write_bytes(log)
    pattern = r"task: (?P<name>\w+)|loss (?P<value>\S+)"
    for task, text in (("a", "4.5"), ("b", "2.5"), ("c", None)):
        rules = rules_of(pattern=pattern, select=task)
        got = read_log(tmp_path / "output.log", len(log), rules).metrics.get("loss")
        assert (got and got.text) == text
        assert read_first_values(tmp_path / "output.log", START_BYTES, rules) == FirstValues()


def test_what_the_log_cap_left_out_may_have_held_the_best_value_or_a_name(tmp_path: Path) -> None:
    path, block = tmp_path / "output.log", 1 << 20
    with path.open("wb") as log:
        log.write(b"task: a\nloss 1.5\n")
        log.seek(block)
        log.write(b"cut\n" + LOSSES)
        size = log.tell()
    if path.stat().st_blocks * 512 >= size:
        pytest.skip("this file system keeps no holes")
    best = read_log(path, size, rules_of(statistic="best")).unread["loss"]
    assert isinstance(best, Unread)
    assert best.why.startswith("is the best of all values, and the log cap left out ")
    mean = read_log(path, size, rules_of(statistic="mean_of_last_n", n=3))
    last = read_log(path, size, rules_of())
    assert mean.metrics["loss"].value == 3.5
    assert mean.metrics["loss"].line == last.metrics["loss"].line
    assert "loss" in read_log(path, size, rules_of(statistic="mean_of_last_n", n=4)).unread
    named = rules_of(pattern=r"task: (?P<name>\w+)|loss (?P<value>\S+)", select="a")
    assert read_log(path, size, named).metrics == {}


def test_values_that_do_not_end_in_the_last_one_give_no_statistic(tmp_path: Path) -> None:
    # One line of the launcher's own, then those of a rank that prints alone: the last value is its.
    path = tmp_path / "output.log"
    path.write_text("loss 4.5\n" + "".join(f"[rank1]: loss 2.{number}\n" for number in range(10, 30)))
    last, best = (read_log(path, path.stat().st_size, rules_of(**one)) for one in ({}, {"statistic": "best"}))
    assert last.metrics["loss"].text == "2.29"
    why = "is 2.29 at the end of the log, and the values found end in 4.5 from its beginning"
    assert best.unread["loss"].why == why


@given(LOGS, st.sampled_from([{"statistic": "best"}, {"statistic": "mean_of_last_n", "n": 2}]))
@settings(deadline=None)
def test_a_statistic_of_values_that_cannot_be_read_is_none(log: bytes, fields: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "output.log")
        path.write_bytes(log)
        rules = rules_of(pattern=r"val_loss: (?P<value>\S+)")
        last = read_log(path, len(log), rules)
        found = read_log(path, len(log), rules_of(pattern=r"val_loss: (?P<value>\S+)", **fields))
        assert last.metrics.keys() <= found.metrics.keys() | found.unread.keys()
        assert found.metrics.keys() <= last.metrics.keys()
