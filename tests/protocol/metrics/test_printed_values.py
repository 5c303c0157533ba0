"""A value is read as it was printed, or the metric is unread: never another number, and never an older one."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seedproof.metrics.scanner import LogReading, LogScanner
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS
from seedproof.model.metric_rule import MetricRule

DIGITS = r"(?P<value>[0-9.]+)"


def scan(log: str, pattern: str) -> LogReading:
    scanner = LogScanner([MetricRule(name="score", pattern=pattern)])
    scanner.feed(log.encode())
    return scanner.finish()


def said(log: str, pattern: str) -> str | None:
    """The value as printed, or why there is none; None where nothing was found."""
    reading = scan(log, pattern)
    if "score" in reading.unread:
        assert "score" not in reading.metrics
        return reading.unread["score"].why
    return reading.metrics["score"].text if "score" in reading.metrics else None


# --- later lines that cannot be read ----------------------------------------------------------


@pytest.mark.parametrize("value", ["nan", "NaN", "-nan", "inf", "-inf", "Infinity", "tensor(nan)", "'nan'", "[nan]"])
def test_what_is_not_finite_is_a_value_though_the_pattern_sees_digits_only(value: str) -> None:
    got = scan(f"epoch 1 | mse: 0.31 | ok\nepoch 2 | mse: {value} | ok\n", rf"\bmse: {DIGITS}").metrics["score"]
    assert (got.value, got.text, got.line) == (None, value.strip("'[]").removeprefix("tensor(").rstrip(")"), 2)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("4.35477e-05", "4.35477e-05"),
        ("-0.549", "-0.549"),
        ("−0.549", "−0.549"),
        ("--", "--"),
        ("N/A", "N/A"),
        ("None", "None"),
        ("null,", "null"),
        ("***", "***"),
        ("1,012.4", "1,012.4"),
        ("7,618", "7,618"),
        ("4,12", "4,12"),
        ("1.012,4", "1.012,4"),
        ("1_012.4", "1_012.4"),
        ("1'012.4", "1'012.4"),
        ("1\u202f012.4", "1\u202f012.4"),
        ("7.6k", "7.6k"),
        ("0x1f", "0x1f"),
        ("1.5D-05", "1.5D-05"),
        ("1.5x10^-5", "1.5x10^-5"),
        ("4.1.2", "4.1.2"),
        ("1e999", "1e999"),
        ("tensor(0.31)", "tensor(0.31)"),
        ("diverged", "diverged"),
    ],
)
def test_a_later_line_whose_value_cannot_be_read_leaves_the_metric_unread(value: str, printed: str) -> None:
    line = f"epoch 2 | mse: {value} | ok"
    unread = scan(f"epoch 1 | mse: 0.31 | ok\n{line}\nbye\n", rf"\bmse: {DIGITS}").unread["score"]
    assert (unread.line, unread.text) == (2, line)
    assert unread.why.startswith(f"was last printed as {printed.split()[0]}")


@pytest.mark.parametrize(
    ("log", "pattern"),
    [
        ("mse 0.31\nmse 0.29\nmse --\n", r"\bmse (?P<value>\S+)"),
        ("2026-01-02 10:00:01 INFO mse:   3.1\n2026-01-02 10:00:02 INFO mse:  -3.1\n", rf"mse:   {DIGITS}"),
        ("step 9 loss 3.1e-01 acc 0.5\nstep 10 loss nan acc n/a\n", rf"acc {DIGITS}"),
        ("r 1.5 and more\nr \n", rf"\br {DIGITS}"),
        ("lr 0.1 mse: 14.125\n", r"mse: (?P<value>\d+)"),
        ("mse: 14.125\n", r".*(?P<value>\d\.\d+)"),
        ("reward: -0.5\n", rf"reward: .*?{DIGITS}"),
        ("mse: N/A\n", r"mse: (?P<value>\S+)"),
        ("mse=0.31,aux_mse=--\n", rf"mse={DIGITS}"),
        ("mse: unknown\n", r"mse: (?P<value>\S+)"),
        ("score: 4.1 and 7,618\n", r"and (?P<value>\d+)"),
        ("score: 7,618\n", r"score: \d+,(?P<value>\d+)x?|score: [0-9,]*?(?P<other>618)"),
    ],
)
def test_no_older_and_no_shorter_number_is_read(log: str, pattern: str) -> None:
    reading = scan(log, pattern)
    found = reading.unread.get("score")
    assert not reading.metrics or pattern.startswith(r"score: \d+,")
    assert found is not None or reading.metrics


@pytest.mark.parametrize(
    ("log", "pattern", "value"),
    [
        ("test loss 2.2 is the best so far\ntest loss did not improve\n", r"test loss (?P<value>\S+)", "2.2"),
        ("loss: 0.31 done in 5\nepoch 3\n", r"loss.*?(?P<value>\d\.\d+)", "0.31"),
        ("val mse: 0.31\nbest val mse: --\n", rf"^val mse: {DIGITS}", "0.31"),
        ("mse: 0.31\nmse target reached: nan\n", rf"\bmse: {DIGITS}", "0.31"),
        ("wandb: mse 0.31\nwandb: mse ▁▂▃▅▇█\n", r"\bmse (?P<value>\S+)", "0.31"),
        ("0.31\n--\n", r"^(?P<value>[0-9.]+)$", "0.31"),
        ("3,0.31,0.42\n4,0.30,0.41\n", rf"^\d+,{DIGITS}", "0.30"),
        ("3,15,7\n", r"^\d+,(?P<value>\d+),", "15"),
        ("logp: -3.5\n", rf"logp: -{DIGITS}", "3.5"),
        ("mse: 0.31\nmse information: none\n", r"mse (?P<value>nan|inf)|mse: (?P<number>\S+)", None),
        ("Mean Reward: -0.489. Std: 0.2\n", r"Reward: (?P<value>[-0-9.]+)", "-0.489"),
        ("acc: 85.2%\n", r"acc: (?P<value>\S+)", "85.2"),
        ("{'mse': '0.31', 'n': 3}\n", r"'mse': (?P<value>\S+)", "0.31"),
        ("[v_num=3, val_loss=2.116, train_loss=0.09]\n", r"\bval_loss=(?P<value>\S+)", "2.116"),
    ],
)
def test_honest_lines_change_nothing(log: str, pattern: str, value: str | None) -> None:
    assert scan(log, pattern).metrics.get("score") is None if value is None else said(log, pattern) == value


@pytest.mark.parametrize(
    ("text", "group", "value"),
    [
        ("1,012.4", r"\S+", 1012.4),
        ("1,234,567", r"\S+", 1234567.0),
        ("-12,345.0,", r"\S+", -12345.0),
        ("7,618", r"[0-9.,]+", 7618.0),
        ("7,618", r"[\d,]+", 7618.0),
        ("7,618", r"\S+", None),
        ("7,618", r"[^,]+", None),
        ("7,618", r"\d{1,3}", None),
        ("0,618", r"[0-9.,]+", None),
        ("12,34.5", r"[0-9.,]+", None),
    ],
)
def test_commas_between_thousands_are_read_where_nothing_else_can_be_meant(
    text: str, group: str, value: float | None
) -> None:
    reading = scan(f"tps: {text} mfu: 3\n", rf"tps: (?P<value>{group})")
    got = reading.metrics.get("score")
    assert (got and got.value) == value
    assert (got is None) == ("score" in reading.unread)


def test_the_quoted_line_is_short_and_holds_the_value() -> None:
    unread = scan(f"{'x' * 900} mse: 0.31\n{'x' * 900} mse: -- {'y' * 900}\n", rf"mse: {DIGITS}").unread["score"]
    assert len(unread.text) <= 200
    assert "mse: --" in unread.text


def test_a_number_that_is_printed_again_later_is_the_value() -> None:
    assert said("mse: 0.31\nmse: --\nmse: 0.29\n", rf"mse: {DIGITS}") == "0.29"


# --- any format -------------------------------------------------------------------------------

Form = Callable[[float], tuple[str, float]]


def form(spec: str) -> Form:
    """A format of Python, and the number that its text means."""

    def printed(value: float) -> tuple[str, float]:
        text = spec.format(value)
        return text, float(text.strip(" '\"*%").replace(",", ""))

    return printed


def changed(spec: str, old: str, new: str) -> Form:
    """The same with other characters, which change nothing of the number."""

    def printed(value: float) -> tuple[str, float]:
        text, number = form(spec)(value)
        return text.replace(old, new), number

    return printed


FORMS: list[Form] = [
    *map(
        form, ["{}", "{:.0f}", "{:.1f}", "{:.2f}", "{:.4f}", "{:.12f}", "{:e}", "{:.3E}", "{:g}", "{:.3g}", "{:#.4g}"]
    ),
    *map(form, ["{:+.3f}", "{: .3f}", "{:8.3f}", "{:>12.4e}", "{:<9.2f}", "{:.8f}", "'{:.3f}'", '"{:.3f}"']),
    *map(form, ["{:,.2f}", "{:,.0f}", "{:,.1f}", "{:.1f}%", "**{:.3f}**"]),
    changed("{:.3f}", "-", "−"),
    changed("{:.3f}", ".", ","),
    changed("{:,.2f}", ",", "_"),
    changed("{:,.2f}", ",", "'"),
    changed("{:,.2f}", ",", "\u202f"),
    changed("{:.3e}", "e", "D"),
    changed("{:.3e}", "e", " x 10^"),
    changed("{:.3e}", "e", "*10**"),
    lambda value: (f"{value / 1000:.1f}" + "k" * math.isfinite(value), 1000 * float(f"{value / 1000:.1f}")),
    lambda value: (value.hex(), value),
    lambda value: (f"tensor({value:.4f}, device='cuda:0')", float(f"{value:.4f}")),
    lambda value: (f"{value:.4f}{{}}".format(" ± 0.02"), float(f"{value:.4f}")),
]
GROUPS = [r"[0-9.]+", r"[-0-9.]+", r"\d+", r"\d+\.\d+", r"-?\d+\.\d{2}", r"\S+", r"[+-]?[\d.]+(?:e-?\d+)?", r"[^|]+?"]
AROUND = [
    ("", ""),
    ("", "."),
    ("", ","),
    ("", " | lr: 0.1"),
    ("", "; next"),
    ("(", ")"),
    ("  ", "  "),
    ("", ", acc: 3"),
]
VALUES = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.5, 4.35e-5, 7618.0, 1012.4, 1234567.0, 12.5]),
    st.floats(-1e7, 1e7),
    st.floats(-1e-3, 1e-3),
)


@settings(deadline=None, max_examples=600)
@given(
    VALUES, st.sampled_from(FORMS), st.sampled_from(GROUPS), st.sampled_from(AROUND), st.sampled_from([": ", "=", " "])
)
def test_any_form_is_read_as_printed_or_not_at_all(
    value: float, shown: Form, group: str, around: tuple[str, str], label: str
) -> None:
    text, meant = shown(value)
    log = f"step 1 | score{label}99.25\nstep 2 | score{label}{around[0]}{text}{around[1]}\n"
    reading = scan(log, rf"\bscore{label}\s*\(?(?P<value>{group})")
    got = reading.metrics.get("score")
    if got is None:
        assert "score" in reading.unread
    else:
        assert got.line == 2
        assert got.value == meant if math.isfinite(meant) else got.value is None


def test_old_values_are_kept_for_ledgers_that_took_them() -> None:
    reading = scan("mse: 0.31\nmse: --\n", rf"mse: {DIGITS}")
    assert reading.last_numbers["score"].text == "0.31"


def test_the_default_reads_no_older_value_either() -> None:
    for value in ("4,12", "1e999", "4.1x", "4.1.2", "1_000", "N/A", "--"):
        assert "was last printed" in (said(f"Step 1 | val_loss: 4.5\nval_loss: {value}\n", DEFAULT_VAL_LOSS) or ""), (
            value
        )
