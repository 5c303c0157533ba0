"""Reading metrics from logs and documents: real output first, then everything that looks like it."""

import hashlib
import math
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seedproof.metrics.find import Place
from seedproof.metrics.line_reader import LineReader, SameLine
from seedproof.metrics.lines import BLOCK_BYTES, SEGMENT_LIMIT, clean_line
from seedproof.metrics.literals import required_literals
from seedproof.metrics.numbers import parse_number, printed_resolution
from seedproof.metrics.scanner import FirstValues, LogReading, LogScanner, first_values
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS, check_pattern
from seedproof.model.metric_rule import MetricRule
from seedproof.model.presets import PRESETS
from seedproof.model.runs import MetricValue
from seedproof.sources.json_file import read_document

from tests.support.places import REAL_LOGS as REAL

UNHURRIED = settings(deadline=None)  # a busy machine is no failure
KIT, MAKEMORE = REAL / "llm-research-kit", REAL / "makemore"
VAL_LOSS = MetricRule(name="val_loss", pattern=DEFAULT_VAL_LOSS)
STREAMS = sorted(KIT.glob("*.stdout")) + sorted(KIT.glob("*.merged"))


def scan(log: bytes | Iterable[bytes], rule: MetricRule = VAL_LOSS) -> LogReading:
    scanner = LogScanner([rule])
    for chunk in [log] if isinstance(log, bytes) else log:
        scanner.feed(chunk)
    return scanner.finish()


def read(log: bytes | str, rule: MetricRule = VAL_LOSS) -> str | None:
    """Return the last value as printed."""
    found = scan(log.encode() if isinstance(log, str) else log, rule).metrics.get(rule.name)
    return found.text if found else None


def preset(name: str) -> MetricRule:
    return MetricRule.model_validate(dict(PRESETS[name][0]))


def chunks(log: bytes, size: int) -> list[bytes]:
    return [log[start : start + size] for start in range(0, len(log), size)]


# --- real logs -------------------------------------------------------------------------------


def test_the_real_logs_are_there() -> None:
    assert len(STREAMS) == 12  # eleven runs, and one with both streams in one file
    assert len(list(MAKEMORE.glob("*.stdout"))) == 15


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.name)
def test_the_default_reads_the_final_value_of_a_real_log_and_not_the_last_step(path: Path) -> None:
    log = path.read_bytes()
    (exact,) = read_document(path.with_suffix(".metrics.json").read_bytes(), "final_metrics.val_loss")
    last_step = re.findall(rb"^Step \d+: Val Loss: ([0-9.]+)", log, re.MULTILINE)[-1].decode()
    got = scan(log).metrics["val_loss"]
    assert isinstance(exact, MetricValue) and exact.value is not None and got.value is not None
    assert abs(got.value - exact.value) <= 0.5e-4 + 1e-12
    assert got.text != last_step
    assert got.matched.startswith("Final Val Loss: ")
    assert got.line is not None and b"Final Val Loss" in log.split(b"\n")[got.line - 1]


@pytest.mark.parametrize("path", sorted(KIT.glob("*.stderr")), ids=lambda path: path.name)
def test_the_progress_bar_of_a_real_run_gives_the_step(path: Path) -> None:
    got = scan(path.read_bytes())
    assert (got.step, dict(got.metrics)) == (350, {})


@pytest.mark.parametrize("path", sorted(MAKEMORE.glob("*.stdout")), ids=lambda path: path.name)
def test_the_makemore_preset_reads_every_real_log(path: Path) -> None:
    log = path.read_bytes()
    expected = re.findall(rb"^step \d+ train loss: \S+ test loss: (\S+)$", log, re.MULTILINE)[-1]
    got = scan(log, preset("makemore"))
    assert got.metrics["test_loss"].text == expected.decode()
    assert got.step == 1000


@pytest.mark.parametrize("path", [*STREAMS, *sorted(KIT.glob("*seed42.stderr"))], ids=lambda path: path.name)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_real_log_in_pieces_reads_the_same(path: Path, size: int) -> None:
    log = path.read_bytes()
    assert scan(chunks(log, size)) == scan(log)


# --- what is read and what is not ------------------------------------------------------------

BAR = "Epoch 0: 100%|████| 2/2 [00:00<00:00, 150.1it/s, v_num=0, train_loss=2.31, val_loss=2.29]"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("Step 100 | val_loss: 4.1234 | val_acc: 0.2", "4.1234"),
        ("Step 50: Val Loss: 4.7525, Val Acc: 0.0937, Val PPL: 115.87, LR: 0.02400", "4.7525"),
        ("Final Val Loss:                  3.7538", "3.7538"),
        ("step:1490/1490 val_loss:3.2781 train_time:88324ms step_avg:59.28ms", "3.2781"),
        ("step:13780/20000 val_loss:2.0606 val_bpb:1.2172", "2.0606"),
        ("469/469 - 2s - loss: 0.31 - val_loss: 0.2766", "0.2766"),
        ("\x1b[1m469/469\x1b[0m \x1b[32m━━━━\x1b[0m\x1b[37m\x1b[0m - loss: 0.31 - val_loss: 0.2766", "0.2766"),
        (BAR, "2.29"),
        ("val_loss: 4.12", "4.12"),
        ("  val_loss: 4.12", "4.12"),
        ("VAL_LOSS: 4.12", "4.12"),
        ("val_loss=4.12", "4.12"),
        ("2026-11-23 04:53:53 | INFO | root | val_loss: 4.12", "4.12"),
        ("INFO val_loss: 4.12", "4.12"),
        ("Epoch 3 val_loss: 4.12", "4.12"),
        ("epoch=3 val_loss=4.12 lr=0.1", "4.12"),
        ("train loss: 3.1s val_loss: 4.12;", "4.12"),
        ("train_loss: nan val_loss: nan", "nan"),
        ("📊 val_loss: -INF", "-INF"),
        ("[rank0]: val_loss: 4.12", "4.12"),
        ("val_loss: 1e-3", "1e-3"),
        ("val_loss: .5", ".5"),
        ("val_loss: -2.", "-2."),
        ("(epoch 3, val_loss: 4.12)", "4.12"),
        ("Step 1 | val_loss: 4.1 | best_val_loss: 0.1", "4.1"),
        ("lr=0.02400]Step 300: Val Loss: 3.8734, Val Acc: 0.1", "3.8734"),
        ("val_loss: 4.3 | val_loss: 4.2", "4.2"),
        ("Step 1 | val_loss: 4.1 | best | val_loss: 0.1 | val_loss: 0.2", "4.1"),
        ("Step 1 | val_loss: 4.1 | saving checkpoint", "4.1"),
        ("step 5 | best_acc: 0.5 | load_time=0.1 val_loss=4.1", "4.1"),
        ("Step 5: val_loss=4.1, acc=0.3", "4.1"),
        ("Epoch 3, val_loss: 4.1", "4.1"),
        ("loss(train)=3.1 | val_loss: 4.1", "4.1"),
        ("checkpoint.py:12 | INFO | val_loss: 4.1", "4.1"),
    ],
)
def test_the_default_reads(line: str, value: str) -> None:
    assert read(line) == value


@pytest.mark.parametrize(
    "line",
    [
        "best_val_loss: 0.1",
        "best val_loss: 0.1",
        "Best Val Loss: 0.1",
        "Epoch 3: lowest val_loss: 0.1",
        "step:1490/1490 val_avg_loss:3.2781",
        "step:1490/1490 val_ema_loss:3.2781",
        "Epoch 3: val_loss did not improve from 0.26629",
        "Epoch 3: val_loss improved from 4.10324 to 4.08165, saving model to m.keras",
        "config: {'val_loss': 0.1, 'lr': 3}",
        '  "val_loss": 3.75375,',
        "val_loss = 0",
        "    val_loss = 0.5",
        "    val_loss=0.0,",
        "def f(val_loss=0):",
        'print(f"step:{step}/{n} val_loss:{val_loss:.4f} train_time:{t}ms")',
        'print(f"val_loss: {x}")',
        'print("val_loss: 4.12")',
        "# val_loss: 3.28 is the target",
        "saved ckpt-val_loss=0.26.pt",
        "saved weights.05-val_loss:0.27.hdf5",
        "saved model_val_loss_0.3.bin",
        "saved out/val_loss=0.26/model.pt",
        "saved epoch=3, val_loss=0.26.ckpt",
        "Plot saved to plots/val_loss_100000_20261123_045434.png",
        "train_loss: 4.12",
        "step 200: train loss 2.6602, val loss 2.7316",
        "| end of epoch   2 | time: 47.56s | valid loss  6.57 | valid ppl   710.24",
        "{'eval_loss': '3.278', 'epoch': 1.0}",
        "iter 100: loss train: 2.1, val: 2.861",
        "validate step:  100  loss:  4.1234",
        "valid on 'valid' subset | loss 6.84 | best_loss 6.84088",
        "[500]\teval-logloss:0.41906\ttrain-logloss:0.160439",
        "val_bpb:          0.997900",
        "Namespace(seed=1, val_loss=0.3)",
        "TrainConfig(lr=0.1, val_loss=0.5, seed=1)",
        "TrainConfig(betas=(0.9, 0.95), val_loss=0.5, seeds=[1])",
        "args: val_loss=0.1 lr=2",
        "args: lr=2 val_loss=0.1",
        "config: lr=1, val_loss=0.4",
        "def f(self, epoch, val_loss=0):",
        "logs = dict(acc=1, val_loss=0.5)",
        "log.info('x', val_loss=3)",
        "print(f'step {n}', val_loss: 3)",
        "Best: val_loss: 0.1",
        "Best epoch: 4 | val_loss: 0.1",
        "Restoring best weights: epoch 3 val_loss: 0.1",
        "| best | val_loss: 0.1 |",
        "loading checkpoint: epoch=3, val_loss=0.26",
        "Loaded ckpt at step 3 | val_loss: 0.26",
        "Resuming from step 100, val_loss: 3.1",
    ],
)
def test_the_default_does_not_read(line: str) -> None:
    assert read(line) is None
    assert read(f"Step 1 | val_loss: 4.5\n{line}\n") == "4.5"


# --- numbers and patterns --------------------------------------------------------------------


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), (".5", 0.5), ("-2.", -2.0), ("+7", 7.0), ("0", 0.0)])
def test_a_number_is_parsed(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "inf", "-Infinity", "INF"])
def test_nan_and_inf_are_numbers_that_are_not_finite(text: str) -> None:
    value = parse_number(text)
    assert value is not None and not math.isfinite(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "4,12",
        "1e999",
        "-1e999",
        "1_000",
        "0x10",
        "4.1.2",
        ".",
        "e5",
        "1e",
        "--1",
        "infin",
        "٣",
        "9" * 101,
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    assert parse_number(text) is None


@UNHURRIED
@given(st.floats())
def test_every_float_that_python_prints_is_parsed_back(value: float) -> None:
    assert repr(parse_number(repr(value))) == repr(value)


@UNHURRIED
@given(st.text())
def test_parsing_never_raises_and_agrees_with_python(text: str) -> None:
    value = parse_number(text)
    assert value is None or repr(float(text)) == repr(value)
    printed_resolution(text)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("3.7538", 1e-4), ("1.5e-3", 1e-4), ("42", 1.0), ("2.", 1.0), (".50", 1e-2), ("1e3", 1e3), ("-3.25E+1", 0.1)],
)
def test_the_resolution_is_the_unit_of_the_last_digit(text: str, unit: float) -> None:
    assert printed_resolution(text) == unit


@pytest.mark.parametrize("text", ["nan", "-inf", "4,12", ""])
def test_what_has_no_last_digit_has_no_resolution(text: str) -> None:
    assert printed_resolution(text) is None


@pytest.mark.parametrize("pattern", [DEFAULT_VAL_LOSS, r"loss (?P<value>\S+)"])
def test_a_usable_pattern_is_accepted(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "not a valid regular expression"),
        (r"(?P<value>a)(?P<value>b)", "not a valid regular expression"),
        (r"loss (\S+)", "no group named 'value'"),
        (r"(?P<value>\d*)", "empty line"),
    ],
)
def test_an_unusable_pattern_is_refused_with_the_reason(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (DEFAULT_VAL_LOSS, {b" loss", b"_loss", b"/loss"}),
        (r"val_loss: (?P<value>\S+)", {b"val_loss: "}),
        (r"val\.loss=(?P<value>\S+)", {b"val.loss="}),
        (r"losses?: (?P<value>\S+)", {b"losse"[:4] + b"e"}),
        (r"loss{2}x (?P<value>\S+)", {b"los"}),
        (r"los+ (?P<value>\S+)", {b"los"}),
        (r"loss|(?P<value>\S+)", set()),
        (r"(?x) loss (?P<value>\S+)", set()),
        (r"(?:eval_)?loss\s(?P<value>\S+)", {b"loss"}),
        (r"\x41bcd(?P<value>\S+)", set()),
    ],
)
def test_the_fixed_text_of_a_pattern_is_found(pattern: str, texts: set[bytes]) -> None:
    assert set(required_literals(pattern).texts) == texts


# --- how a log is read -----------------------------------------------------------------------

RESOLVED = MetricRule(name="loss", pattern=r"loss[ :=]+(?P<value>\S+)")


def test_a_reading_names_line_text_and_match() -> None:
    got = scan(b"start\nStep 1 | val_loss: 4.50 | x\nend\n").metrics["val_loss"]
    assert (got.value, got.text, got.line, got.matched) == (4.5, "4.50", 2, "| val_loss: 4.50")


@pytest.mark.parametrize("text", ["nan", "-inf", "Infinity", "1e151", "-1e300"])
def test_a_diverged_value_is_a_reading_without_a_number(text: str) -> None:
    got = scan(f"val_loss: 4.1\nval_loss: {text}\n".encode()).metrics["val_loss"]
    assert (got.value, got.text) == (None, text)


@pytest.mark.parametrize("pattern", [r"loss: (?P<value>\d+\.\d\d)", r"loss: (?P<value>\d+)", r".*(?P<value>\d\.\d+)"])
def test_a_pattern_that_takes_a_part_of_a_number_reads_nothing(pattern: str) -> None:
    assert read("loss: 14.125", MetricRule(name="loss", pattern=pattern)) is None


def test_the_matched_text_is_short_and_holds_the_value() -> None:
    rule = MetricRule(name="loss", pattern=r".*loss: (?P<value>[0-9.]+) .*")
    got = scan(b"x" * 1000 + b"loss: 4.5 " + b"y" * 1000, rule).metrics["loss"]
    assert len(got.matched) <= 200
    assert "loss: 4.5" in got.matched


def test_every_redraw_of_a_bar_counts_and_they_share_a_line_number() -> None:
    got = scan(b"start\n\rval_loss: 4.3\rval_loss: 4.2\rdone\nend\n").metrics["val_loss"]
    assert (got.text, got.line) == ("4.2", 2)


def test_the_value_of_a_bar_without_any_newline_is_read() -> None:
    bars = b"".join(b"\r|%s| val_loss=%d.5]" % (b"#" * 200, number) for number in range(5000))
    assert read(bars + b"\r" + b" " * 80) == "4999.5"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_the_end_of_the_last_line_does_not_matter(end: bytes) -> None:
    got = scan(b"a\nval_loss: 4.5" + end)
    assert (got.metrics["val_loss"].text, got.metrics["val_loss"].line, got.lines) == ("4.5", 2, 2)


def test_a_number_that_may_still_grow_does_not_count_before_the_end() -> None:
    scanner = LogScanner([VAL_LOSS])
    scanner.feed(b"val_loss: 5.5\nval_loss: 4")
    assert scanner.reading().metrics["val_loss"].text == "5.5"
    assert scanner.reading().lines == 1
    scanner.feed(b".25")
    assert scanner.finish().metrics["val_loss"].text == "4.25"


def test_size_and_digest_are_those_of_all_bytes() -> None:
    log = b"a\r\n\xff\x00val_loss: 4.5"
    got = scan(chunks(log, 3))
    assert (got.size, got.sha256) == (len(log), hashlib.sha256(log).hexdigest())


def test_an_empty_log_says_nothing() -> None:
    got = scan(b"")
    assert (dict(got.metrics), got.step, got.lines, got.size) == ({}, None, 0, 0)


def test_rules_that_read_a_file_are_left_alone() -> None:
    got = scan(b"val_loss: 4.5", MetricRule(name="val_loss", file="metrics.json", path="val_loss"))
    assert dict(got.metrics) == {}


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("Step 100 | val_loss: 4.1", 100),
        ("step:1490/1490 val_loss:3.2781 train_time:1ms", 1490),
        ("Training: 97% | 1/2 [00:36<00:01, 2494.20tokens/s, step=350/390, loss=3.4]", 350),
        (" [Step 0] Loss: 6.3125", 0),
        ("iter 100: loss 2.1, time 8.0ms", 100),
        ("{'loss': 2.1, 'step': 5}", 5),
        ("\x1b[31mvalidate step:  100  loss:  4.1234", 100),
        ("step 990 | loss 2.1966 | step time 10.98ms", 990),
        ("step_avg:59ms", None),
        ("'eval_steps': 50, 'max_steps': 1001, warmup_step 3, step 1.5", None),
    ],
)
def test_the_last_step_is_read(line: str, step: int | None) -> None:
    assert scan(f"{line}\nother output\n".encode()).step == step


def test_the_step_is_found_far_before_the_end() -> None:
    got = scan(b"step 7/9\n" + b"other output\n" * 100_000)
    assert (got.step, got.lines) == (7, 100_001)


def test_a_line_of_200_mb_is_read_at_its_end_in_little_memory() -> None:
    part = b"x" * 1_000_000
    scanner = LogScanner([VAL_LOSS])
    scanner.feed(b"val_loss: 5.5\n")
    for _ in range(200):
        scanner.feed(part)
        assert len(scanner._buffer._pending) <= 2 * BLOCK_BYTES
    scanner.feed(b" | val_loss: 4.5\n")
    got = scanner.finish()
    assert (got.metrics["val_loss"].text, got.metrics["val_loss"].line, got.size) == ("4.5", 2, 200_000_031)


def test_a_line_that_was_cut_does_not_begin_where_it_was_cut() -> None:
    rule = MetricRule(name="loss", pattern=r"^loss: (?P<value>\S+)")
    tail = b"loss: 4.5" + b" " * (SEGMENT_LIMIT - 9)
    assert read(tail, rule) == "4.5"
    assert read(b"best " + tail, rule) is None


@pytest.mark.parametrize("filler", [b"x" * 90 + b"\n", b"\n", b"bar\r", b"train_loss: 3 best_val_loss: 1\n"])
@pytest.mark.parametrize("copies", [0, 1, 40, 30_000])
def test_a_value_is_found_wherever_it_stands(filler: bytes, copies: int) -> None:
    before, after = filler * 20_000, filler * copies
    got = scan(before + b"\nval_loss: 4.5\n" + after).metrics["val_loss"]
    assert (got.text, got.line) == ("4.5", before.count(b"\n") + 2)


@pytest.mark.parametrize(
    "line",
    [
        b":" * SEGMENT_LIMIT,
        b" " * SEGMENT_LIMIT,
        b"1," * 32_000,
        b"|" * SEGMENT_LIMIT,
        b"best " * 12_000,
        b"a(" * 32_000,
        b"args: " * 10_000,
        b"," * SEGMENT_LIMIT,
        b"val_loss best " * 4_000,
    ],
)
def test_a_hostile_line_does_not_stop_the_default(line: bytes) -> None:
    assert read(line[: SEGMENT_LIMIT - 9] + b" val_loss", VAL_LOSS) is None


# --- properties ------------------------------------------------------------------------------

PARTS = st.sampled_from(
    [
        *(
            b"val_loss: 4.5",
            b" | ",
            b"step 3/9",
            b"\x1b[31m",
            b"\x1b[0m",
            b"\x1b]0;t\x07",
            b"\x1b",
            b"\x08",
            b"\n",
            b"\r",
        ),
        *(
            b"\r\n",
            b"Val Loss: nan, ",
            b"best_",
            b"9",
            b".",
            b",",
            b"[rank0]: ",
            b"loss: 4,1",
            b"Val Loss: --",
            b"\xff",
            "🚀".encode(),
            b"loss=1e-3 ",
        ),
        *(b"x" * 70, b"x" * 5000, b"y" * (SEGMENT_LIMIT + 1)),
    ]
)
LOGS = st.one_of(st.lists(PARTS, max_size=40).map(b"".join), st.binary())


@UNHURRIED
@given(LOGS, st.data())
def test_how_a_log_is_cut_makes_no_difference(log: bytes, data: st.DataObject) -> None:
    scanner, position = LogScanner([VAL_LOSS, RESOLVED]), 0
    for cut in sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=8))):
        scanner.feed(log[position:cut])
        position = cut
        if data.draw(st.booleans()):
            scanner.reading()
    scanner.feed(log[position:])
    whole = LogScanner([VAL_LOSS, RESOLVED])
    whole.feed(log)
    assert scanner.finish() == whole.finish()


def numbered_segments(log: bytes) -> list[tuple[int, str]]:
    """Every segment of a log with the number of its line, counted by newlines."""
    numbered = enumerate(log.split(b"\n"), start=1)
    return [(number, clean_line(part)) for number, line in numbered for part in line.split(b"\r")]


@UNHURRIED
@given(LOGS)
@example(b"val_loss: 4.5\r\nbest_\x1b[31mval_loss: 1")
def test_the_fast_way_reads_what_matching_every_line_reads(log: bytes) -> None:
    for rule in (VAL_LOSS, RESOLVED):
        assert rule.pattern is not None
        reader, same = LineReader(rule.pattern), SameLine()
        last = number = word = None
        for line, text in numbered_segments(log):
            found = reader.read(text, Place(line))
            if found is not None and found.is_word:
                word, found = found, None
            if found is None and number is not None:
                found = same.unread(text, Place(line), number)
            elif found is not None and found.fault is None:
                number = found
            last = found or last
        last = last or word
        reading = scan(log, rule)
        got = reading.metrics.get(rule.name)
        either = got or reading.unread.get(rule.name)
        if last is None:
            assert got is None
        else:
            assert either is not None and either.line == last.place.line
            assert got is None or got.text == last.text


@UNHURRIED
@given(st.binary())
def test_any_bytes_are_read_without_an_error(log: bytes) -> None:
    got = scan(log, MetricRule(name="loss", pattern=r"(?P<value>[0-9]+)"))
    assert got.size == len(log)
    assert got.lines == len(log.split(b"\n")) - (log[-1:] in (b"\n", b""))


# --- first values -----------------------------------------------------------------------------------

VAL_LOSS = MetricRule(name="val_loss", pattern=DEFAULT_VAL_LOSS)


@pytest.mark.parametrize(
    ("log", "start", "early"),
    [
        (b"step 0 val_loss: 9.5\nstep 5 val_loss: 8.5\nstep 10 val_loss: 7\n", "9.5", ((5, "8.5"), (10, "7"))),
        (
            b"val_loss: 9.5\nhello\nval_loss: 8.5\nval_loss: 8\nval_loss: 7\n",
            None,
            ((None, "9.5"), (None, "8.5"), (None, "8")),
        ),
        (b"step 5 val_loss: 8.5\nstep 0 val_loss: 9.5\nstep 10 val_loss: nan\n", None, ((5, "8.5"), (10, "nan"))),
        (b"1/9 val_loss=8.5\r2/9 val_loss=8.5\r3/9 val_loss=8.1\r", None, ((None, "8.5"), (None, "8.1"))),
        (b"step 5 val_loss: 8.5\nstep 10 val_loss: 8.1", None, ((5, "8.5"),)),
        (b"no value\n", None, ()),
    ],
)
def test_the_first_values_stand_with_their_steps_as_printed(
    log: bytes, start: str | None, early: tuple[tuple[int | None, str], ...]
) -> None:
    assert first_values(log, VAL_LOSS) == FirstValues(start, early)


def test_first_values_of_a_metric_file_are_looked_for_with_the_default_pattern() -> None:
    rule = MetricRule(name="val_loss", file="metrics.json", path="val_loss")
    assert first_values(b"step 5 val_loss: 8.5\n", rule).early == ((5, "8.5"),)
    assert first_values(b"epoch done\n", rule) == FirstValues()
