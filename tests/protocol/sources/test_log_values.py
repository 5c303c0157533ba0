"""Every value of a pattern, the name that each stands under, and the one result that is made of them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seedproof.metrics.scanner import LogScanner
from seedproof.model.metric_rule import LogPattern, MetricRule
from seedproof.model.runs import MetricValue, Unread
from seedproof.sources.log_values import log_values
from seedproof.sources.statistics import result_of

LOSS = r"^loss (?P<value>\S+)"
TASKS = r"copypaste: (?:Task: (?P<name>\w+)|(?P<value>\d[^,]*),)"
TWO_TASKS = """\
d2.evaluation.testing: copypaste: Task: bbox
d2.evaluation.testing: copypaste: AP,AP50
d2.evaluation.testing: copypaste: 37.7980,57.0012
d2.evaluation.testing: copypaste: Task: segm
d2.evaluation.testing: copypaste: AP,AP50
d2.evaluation.testing: copypaste: 33.3990,54.0100
"""


def all_of(log: str | bytes, pattern: str = LOSS, select: str | None = None) -> list[MetricValue | Unread]:
    return list(log_values(LogPattern(pattern, select), [log.encode() if isinstance(log, str) else log]))


def result(log: str, statistic: str, n: int | None = None, direction: str = "minimize") -> str | None:
    rule = MetricRule.model_validate(
        {"name": "loss", "pattern": LOSS, "statistic": statistic, "n": n, "direction": direction}
    )
    got = result_of(rule, all_of(log))
    return f"unread: {got.why}" if isinstance(got, Unread) else got and got.text


# --- values ----------------------------------------------------------------------------------


def test_every_value_is_read_in_order_with_its_line() -> None:
    log = "loss 4.5\nother\n\x1b[1mloss\x1b[0m 3.5\r\nbar\rloss 2.5\rloss 1.5\nloss 0.5"
    assert [(one.line, one.text) for one in all_of(log)] == [
        (1, "4.5"),
        (3, "3.5"),
        (4, "2.5"),
        (4, "1.5"),
        (5, "0.5"),
    ]


@pytest.mark.parametrize("text", ["--", "N/A", "4.1.2", "1e999", "4,12"])
def test_what_is_no_number_is_unread_with_its_line(text: str) -> None:
    why = f"was last printed as {text}, which is no number that can be read"
    assert all_of(f"loss 4.5\nloss {text} of 9\n")[1] == Unread(2, f"loss {text} of 9", why)


def test_numbers_are_read_as_the_scanner_reads_them_and_words_are_no_values() -> None:
    log = "loss 1,012.4\nloss 0.5,\nloss function of 9\nloss '0.25'\n"
    assert [one.value for one in all_of(log) if isinstance(one, MetricValue)] == [1012.4, 0.5, 0.25]
    assert [one.text for one in all_of("loss function\n")] == ["loss function"]


def test_a_later_line_like_the_last_one_is_unread() -> None:
    got = all_of("epoch 1 loss 4.5\nepoch 2 loss --\nepoch 3 other\n", r"loss (?P<value>[0-9]+\.[0-9]+)\s*$")
    assert [type(one) for one in got] == [MetricValue, Unread]


# --- ranks -----------------------------------------------------------------------------------


def by_ranks(*ranks: int, form: str = "[rank{}]: loss {}") -> str:
    return "".join(form.format(rank, f"{rank}.{place}") + "\n" for place, rank in enumerate(ranks))


@pytest.mark.parametrize("form", ["[rank{}]: loss {}", "{}: loss {}", "[1,{}]<stdout>:loss {}"])
def test_of_several_ranks_the_values_of_rank_0_count(form: str) -> None:
    log = by_ranks(1, 0, 1, 0, 2, form=form)
    assert [one.text for one in all_of(log)] == ["0.1", "0.3"]


def test_a_number_before_each_line_that_only_grows_counts_epochs() -> None:
    assert [one.text for one in all_of(by_ranks(0, 1, 1, 2, form="{}: loss {}"))] == ["0.0", "1.1", "1.2", "2.3"]


def test_one_rank_that_prints_alone_counts_and_several_without_rank_0_do_not() -> None:
    assert [one.text for one in all_of(by_ranks(3, 3))] == ["3.0", "3.1"]
    (got,) = all_of(by_ranks(3, 2, 3))
    assert isinstance(got, Unread)
    assert got.why == "differs between processes, and nothing says which is rank 0"


def test_a_redraw_behind_a_carriage_return_is_of_the_rank_that_begins_the_line() -> None:
    log = "[rank0]: loss 4.5\rloss 3.5\n[rank1]: loss 9\rloss 8\n"
    assert [one.text for one in all_of(log)] == ["4.5", "3.5"]


def test_a_part_of_a_number_is_no_number() -> None:
    (got,) = all_of("loss 4.35e-05\n", r"loss (?P<value>[0-9.]+)")
    assert isinstance(got, Unread)


def test_values_that_stand_under_a_name_are_told_apart() -> None:
    bbox, segm = (all_of(TWO_TASKS, TASKS, task) for task in ("bbox", "segm"))
    assert [one.text for one in bbox + segm] == ["37.7980", "33.3990"]
    assert [one.text for one in all_of(TWO_TASKS, TASKS)] == ["37.7980", "33.3990"]
    assert all_of(TWO_TASKS, TASKS, "keypoints") == []
    assert all_of("copypaste: 37.7980,57.0\n" + TWO_TASKS, TASKS, "bbox")[0].line == 4


def test_names_and_values_may_stand_in_one_line() -> None:
    log = "[0]\ttrain-logloss:0.58\teval-logloss:0.60\n[1]\ttrain-logloss:0.48\teval-logloss:0.55\n"
    pattern = r"\t(?P<name>\S+):(?P<value>\S+)"
    assert [one.text for one in all_of(log, pattern, "eval-logloss")] == ["0.60", "0.55"]
    assert [one.text for one in all_of(log, pattern, "train-logloss")] == ["0.58", "0.48"]


LOGS = st.lists(st.sampled_from(["loss 4.5", "loss nan", "x" * 9, "best loss 3", "\n", "\n", "\r"]), max_size=40)


@settings(deadline=None)
@given(LOGS.map("".join), st.integers(1, 20))
def test_the_last_value_is_the_one_that_the_scanner_reads(log: str, size: int) -> None:
    rule = MetricRule(name="loss", pattern=LOSS)
    scanner = LogScanner([rule])
    scanner.feed(log.encode())
    data = log.encode()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    last = next(reversed(list(log_values(LogPattern(LOSS), chunks))), None)
    read = scanner.finish()
    assert last == (read.metrics.get("loss") or read.unread.get("loss"))


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_read_without_an_error(log: bytes) -> None:
    all_of(log, r"(?P<value>[0-9]+)")


# --- statistics ------------------------------------------------------------------------------

UNREAD = "unread: was last printed as --, which is no number that can be read"
VALUES = "loss 4.5\nloss 2.50\nloss 3.25\n"


@pytest.mark.parametrize(
    ("log", "statistic", "n", "direction", "expected"),
    [
        (VALUES, "last", None, "minimize", "3.25"),
        (VALUES, "best", None, "minimize", "2.5"),
        (VALUES, "best", None, "maximize", "4.5"),
        (VALUES, "mean_of_last_n", 2, "minimize", "2.875"),
        (VALUES, "mean_of_last_n", 3, "maximize", repr(10.25 / 3)),
        (VALUES, "mean_of_last_n", 4, "minimize", "unread: is the mean of the last 4 values, and there are 3"),
        ("", "best", None, "minimize", None),
        ("", "mean_of_last_n", 2, "minimize", None),
        ("loss -1.5\nloss -2.5\n", "best", None, "maximize", "-1.5"),
        ("loss nan\n" + VALUES, "best", None, "minimize", "2.5"),
        (VALUES + "loss nan\n", "best", None, "minimize", "nan"),
        (VALUES + "loss inf\nloss 3\n", "mean_of_last_n", 2, "minimize", "inf"),
        ("loss inf\n" + VALUES, "mean_of_last_n", 2, "minimize", "2.875"),
        (VALUES + "loss --\n", "best", None, "minimize", UNREAD),
        ("loss --\n" + VALUES, "best", None, "minimize", UNREAD),
        ("loss --\n" + VALUES, "mean_of_last_n", 3, "minimize", repr(10.25 / 3)),
        ("loss --\n" + VALUES, "mean_of_last_n", 4, "minimize", UNREAD),
    ],
)
def test_a_statistic_is_made_of_the_values_that_it_names(
    log: str, statistic: str, n: int | None, direction: str, expected: str | None
) -> None:
    assert result(log, statistic, n, direction) == expected


def test_a_best_value_says_among_how_many_it_was_chosen_and_where_it_stands() -> None:
    rule = MetricRule(name="loss", pattern=LOSS, statistic="best")
    assert result_of(rule, all_of(VALUES)) == MetricValue(2.5, "2.5", 2, "best of 3 values: loss 2.50")


def test_a_mean_says_of_how_many_values_it_is() -> None:
    rule = MetricRule(name="loss", pattern=LOSS, statistic="mean_of_last_n", n=2)
    assert result_of(rule, all_of(VALUES)) == MetricValue(2.875, "2.875", 3, "mean of the last 2 values")


@settings(deadline=None)
@given(st.lists(st.floats(-1e100, 1e100), min_size=2, max_size=20), st.data())
def test_best_and_mean_are_those_of_python(values: list[float], data: st.DataObject) -> None:
    log = "".join(f"loss {value!r}\n" for value in values)
    n = data.draw(st.integers(2, len(values)))
    assert result(log, "best") == repr(min(values))
    assert result(log, "best", direction="maximize") == repr(max(values))
    assert result(log, "mean_of_last_n", n) == repr(math.fsum(values[-n:]) / n)
