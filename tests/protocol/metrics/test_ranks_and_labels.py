"""Whose value counts: launchers' prefixes, ranks, and labels of the default pattern."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seedproof.metrics.line_reader import also_matches
from seedproof.metrics.prefixes import split_prefix
from seedproof.metrics.scanner import LogReading, LogScanner
from seedproof.model.metric_patterns import DEFAULT_TEXTS, DEFAULT_VAL_LOSS, is_default_pattern
from seedproof.model.metric_rule import MetricRule
from seedproof.model.presets import PRESETS
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue

CE = r"\bCE=(?P<value>\S+)"


def scan(log: str, pattern: str = DEFAULT_VAL_LOSS) -> LogReading:
    scanner = LogScanner([MetricRule(name="loss", pattern=pattern)])
    scanner.feed(log.encode())
    return scanner.finish()


def read(log: str, pattern: str = DEFAULT_VAL_LOSS) -> str | None:
    found = scan(log, pattern).metrics.get("loss")
    return found.text if found else None


def why(log: str, pattern: str = DEFAULT_VAL_LOSS) -> str:
    return scan(log, pattern).unread["loss"].why


# --- launchers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "[rank0]:",
        "[rank0]: ",
        "[default0]:[rank0]: ",
        "[1,0]<stdout>:",
        "[1,mpirank:0,algo-1]<stdout>:",
        "0: ",
        " 0: ",
        "(RayTrainWorker pid=123, ip=10.0.0.4) ",
        "(train_fn pid=123) ",
        "trainer-1  | ",
        "llm_trainer_1 | ",
        "[pod/trainer-0/pytorch] ",
        "trainer-0 pytorch ",
        "trainer-7d9f8c6b5-x2vbq pytorch ",
        "2026-01-02T03:04:05Z stdout F ",
        "2026-01-02T03:04:05.123456789Z [rank0]: ",
    ],
)
def test_a_launchers_prefix_is_taken_out(prefix: str) -> None:
    rule = MetricRule.model_validate(dict(PRESETS["autoresearch"][0]))
    assert rule.pattern is not None
    assert read(f"{prefix}---\n{prefix}val_bpb:          0.997900\n{prefix}seconds: 300\n", rule.pattern) == "0.997900"


@pytest.mark.parametrize(
    "line",
    [
        "Step 100 | val_loss: 4.1",
        "best | val_loss: 0.1",
        "epoch-3 | val_loss: 0.1",
        "[500]\teval-logloss:0.41906",
        "resnet-50 train loss 3",
        "(epoch 3, val_loss: 4.12)",
    ],
)
def test_what_only_looks_like_a_prefix_stays(line: str) -> None:
    assert split_prefix(line) == (line, None)


def test_a_pattern_may_ask_for_a_rank() -> None:
    log = "[rank0]:  CE=2.1\n[rank1]:  CE=0.03\n[rank0]:  CE=2.0\n"
    assert read(log, r"^\[rank1\]:.*CE=(?P<value>[0-9.]+)") == "0.03"
    assert read(log, r"^\[rank0\]:.*CE=(?P<value>[0-9.]+)") == "2.0"


@pytest.mark.parametrize("form", ["[rank{}]: ", "[default{}]:", "[1,{}]<stdout>:", "[1,mpirank:{},algo-2]<stdout>:"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 2, 1), (1, 2, 3, 0)])
def test_rank_0_counts_wherever_its_line_stands(form: str, order: tuple[int, ...]) -> None:
    lines = [f"{form.format(rank)}CE={step}.{rank}" for step in (9, 8, 7) for rank in order]
    assert read("\n".join(lines), CE) == "7.0"


def test_rank_0_is_found_far_before_the_lines_of_others() -> None:
    log = "[rank0]: CE=2.5\n" + "[rank1]: CE=0.1\n" * 50_000
    assert read(log, CE) == "2.5"


def test_what_rank_0_prints_last_counts_also_where_it_cannot_be_read() -> None:
    assert why("[rank0]: CE=2.5\n[rank0]: CE=--\n[rank1]: CE=2.4\n", CE).startswith("was last printed as --")
    assert read("[rank0]: CE=2.5\n[rank1]: CE=nan\n", CE) == "2.5"


def test_srun_numbers_are_ranks_where_they_do_not_only_grow() -> None:
    assert read("0: CE=2.5\n1: CE=0.1\n1: CE=0.2\n0: CE=2.4\n1: CE=0.3\n", CE) == "2.4"
    assert read("0: CE=2.5\n1: CE=2.4\n2: CE=2.3\n", CE) == "2.3"  # epochs


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("[rank2]: ", "[rank1]: "),
        ("(W pid=7) ", "(W pid=8) "),
        ("trainer-1  | ", "trainer-2  | "),
        ("[pod/t-0/pt] ", "[pod/t-1/pt] "),
    ],
)
def test_processes_that_differ_without_a_rank_0_leave_the_metric_unread(first: str, second: str) -> None:
    log = f"{first}CE=2.5\n{second}CE={{}}\n"
    assert why(log.format("2.4"), CE).startswith("differs between processes, and nothing says which is rank 0: ")
    assert read(log.format("2.5"), CE) == "2.5"


def test_ranks_without_a_prefix_leave_the_metric_unread_where_they_differ() -> None:
    log = "".join(
        f"2026 INFO [step={step}/30]\n    train/CE={value}\n"
        for step in (10, 20, 30)
        for value in (f"0.0{step}", f"2.{step}", f"0.1{step}")
    )
    assert why(log, CE).endswith("nothing says which is rank 0: 0.030, 2.30, 0.130")
    assert why("step 3 CE=2.5\nstep 3 CE=2.4\n", CE).startswith("differs between lines of the same step")


@pytest.mark.parametrize(
    "log",
    [
        "step 3 CE=2.5\nstep 4 CE=2.4\n",
        "Epoch 1\nstep 9 CE=2.5\nEpoch 2\nstep 9 CE=2.4\n",
        "resumed at step 9\nCE=2.5\nCE=2.4\n",
        "Epoch 1 CE=2.5\nEpoch 1 CE=2.4\n",
        "step 3\rstep 3 CE=2.5\rstep 3 CE=2.4\n",
        "100%|###| 9/9 [00:01, 9.1it/s, step=9, CE=2.5]\n100%|###| 9/9 [00:01, 9.1it/s, step=9, CE=2.4]\n",
    ],
)
def test_one_process_that_prints_again_is_no_rank(log: str) -> None:
    assert read(log, CE) == "2.4"


def test_the_prefix_of_a_line_holds_for_the_bar_behind_it() -> None:
    bar = "[1,mpirank:{},algo-1]<stdout>:\rEpoch 2: 100% 2/2 [00:00<00:00, 12.1it/s, v_num=0, val_loss={}]\n"
    assert read(bar.format(0, "2.116") + bar.format(1, "2.5")) == "2.116"


PARTS = ["[rank0]: ", "[rank1]: ", "0: ", "1: ", "W-1 | ", "CE=1.5", "CE=2.5", "CE=--", "CE=n ", "x" * 90, "step 3 "]
ENDS = ["\n", "\n", "\n", "\r", "\r\n"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PARTS + ENDS), max_size=60), st.data())
def test_how_a_log_of_ranks_is_cut_makes_no_difference(parts: list[str], data: st.DataObject) -> None:
    log = "".join(parts).encode()
    scanner, position = LogScanner([MetricRule(name="loss", pattern=CE)]), 0
    for cut in sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=8))):
        scanner.feed(log[position:cut])
        scanner.reading()
        position = cut
    scanner.feed(log[position:])
    assert scanner.finish() == scan(log.decode(), CE)


# --- the default pattern ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("val_loss = 0.31", "0.31"),
        ("epoch 3 | val_loss = 4.0", "4.0"),
        ("Validation Loss: 0.31", "0.31"),
        ("Epoch [3/10], Train Loss: 0.5, Validation Loss: 0.31", "0.31"),
        ("Epoch 3 Validation loss = 0.31.", "0.31"),
        ("step 100 val/loss: 0.31 val/acc: 0.9", "0.31"),
        ("epoch 001 | valid_loss: 0.31 | valid_ppl: 1.3", "0.31"),
        ("new best! val_loss: 0.31", "0.31"),
        ("New best val_loss: 0.31", "0.31"),
        ("checkpoint saved | val_loss: 0.31", "0.31"),
        ("Saved checkpoint to out/ckpt.pt | val_loss: 0.31", "0.31"),
        ("final_int8_zlib_roundtrip_exact val_loss:2.07269931 val_bpb:1.22436570", "2.07269931"),
        ("# Epoch 3 | val_loss: 0.31", "0.31"),
        ("trial #3 | val_loss: 0.31", "0.31"),
    ],
)
def test_the_default_reads_other_common_labels(line: str, value: str) -> None:
    assert read(line) == value
    assert read(f"Epoch 1 | loss: 3\n{line}\n") == value
    assert any(text in line.lower().encode() for text in DEFAULT_TEXTS)


@pytest.mark.parametrize(
    "line",
    [
        "# example: val_loss: 0.001",
        "x = 3  # e.g. | val_loss: 0.001",
        "// prints | val_loss: 0.001",
        "val_loss = 0",
        "val_loss = 0.0",
        "val_loss = 1e9",
        "val_loss = 0.5  # so far",
        "    val_loss = 0.5",
        "lowest | val_loss: 0.1",
        "Best so far: val_loss: 0.1",
        "saved best checkpoint | val_loss: 0.1",
        "target: val_loss: 0.1",
        "checkpoint: epoch=3, val_loss: 0.1",
        "config: {'val_loss': 0.1}",
        "config: lr=1, valid_loss=0.4",
        "Epoch 9: val_loss did not improve from 0.26",
        "wandb: val_loss █▆▅▃▁",
        "wandb:      val/loss 0.31",
        "eval_loss: 0.31",
        "interval/loss: 0.31",
    ],
)
def test_the_default_passes_over(line: str) -> None:
    assert read(line) is None
    assert read(f"Step 1 | val_loss: 4.5\n{line}\n") == "4.5"


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        (
            "[task A] val_loss: 0.31\n[task B] val_loss: 0.45\n",
            "`[task A] val_loss: 0.31` and `[task B] val_loss: 0.45`",
        ),
        (
            "cola: val_loss: 0.3\nsst: val_loss: 0.4\ncola: val_loss: 0.2\nsst: val_loss: 0.5\n",
            "`cola: val_loss: 0.2` and `sst: val_loss: 0.5`",
        ),
        ("Epoch 1 | val_loss: 0.3 | valid_loss: 0.4\n", "`Epoch 1 | val_loss: 0.3` and `valid_loss: 0.4`"),
        ("epoch 1 | val_loss: 0.5\ncheckpoint saved | val_loss: 0.3\n", "`epoch 1 | val_loss: 0.5` and"),
    ],
)
def test_two_labels_that_differ_are_both_named(log: str, shown: str) -> None:
    assert shown in why(log)


@pytest.mark.parametrize(
    ("log", "value"),
    [
        ("Step 50: Val Loss: 4.7, Val Acc: 0.1\nFinal Val Loss:     3.75\n", "3.75"),
        ("epoch 1 | val_loss: 0.31\nnew best! val_loss: 0.31\nepoch 2 | val_loss: 0.4\n", "0.4"),
        ("epoch 1 | val_loss: 0.31\ncheckpoint saved | val_loss: 0.31\n", "0.31"),
        ("warmup | val_loss: 5\nwarmup | val_loss: 4\nmain | val_loss: 3\n", "3"),
        ("Mon 10:00 | val_loss: 5\nTue 10:00 | val_loss: 4\n", "4"),
        ("INFO | val_loss: 5\nWARNING | val_loss: 4\n", "4"),
        ("step 1 | val_loss: 5\nstep 2 | val_loss: 4\nstep 2 | Validation Loss: 3.9\n", "3.9"),
        ("val_loss: 4.3 | val_loss: 4.2", "4.2"),
    ],
)
def test_lines_that_follow_each_other_are_no_two_labels(log: str, value: str) -> None:
    assert read(log) == value


# --- other names, other versions --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "line", "shown"),
    [
        ("val_loss", "[v_num=3, val_loss=2.1, train_loss=0.09]", "val_loss=2.1, train_loss=0.09"),
        ("val_loss", "[train_loss=0.09, val_loss=2.1]", "train_loss=0.09, val_loss=2.1"),
        ("loss", "val_loss=2.1", "val_loss=2.1"),
        ("val_loss", "val_loss=2.1", None),
        ("loss", "step 3 loss=2.1", None),
        ("loss", "train/loss=2.1", None),
    ],
)
def test_a_pattern_that_matches_within_another_name_is_told(name: str, line: str, shown: str | None) -> None:
    rule = MetricRule(name=name, pattern=r"loss=(?P<value>[0-9.]+)")
    value = scan(line, r"loss=(?P<value>[0-9.]+)").metrics["loss"]
    assert also_matches(rule, value) == shown


def test_the_default_and_a_file_match_no_other_name() -> None:
    assert also_matches(Rules().metric, scan("Step 1 | val_loss: 3.1").metrics["loss"]) is None
    file = MetricRule(name="loss", file="metrics.json", path="loss")
    assert also_matches(file, MetricValue(3.1, "3.1", None, "train_loss=3.1")) is None


def test_an_earlier_default_pattern_is_no_change_of_rules() -> None:
    ledger = Path(__file__).parents[2] / "old_ledgers/record_format_1/protocol/docs/research/ledger.jsonl"
    lines = ledger.read_text().splitlines()

    begun = Rules.from_document(json.loads(next(line for line in lines if "generation_started" in line))["rules"])
    assert begun.metric.pattern != DEFAULT_VAL_LOSS and is_default_pattern(begun.metric.pattern)
    assert begun.differing(Rules()) == []
    assert "metric" not in [name for name, _, _ in begun.differences()]
    own = Rules(metric=MetricRule(name="val_loss", pattern=r"x (?P<value>\S+)"))
    assert begun.differing(own) == ["metric"]
