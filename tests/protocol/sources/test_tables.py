"""Values in CSV and TSV files: the last one of the named column, and never a cell of another one."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seedproof.metrics.numbers import parse_number
from seedproof.model.metric_rule import MetricRule
from seedproof.model.runs import Unread
from seedproof.sources.metric_file import read_file_metric
from seedproof.sources.tables import read_column

RULE = MetricRule(name="val_loss", file="metrics.csv", column="val_loss")
NAMES = ["epoch", "step", "train_loss", "val_loss"]


def result(table: str | bytes, rule: MetricRule = RULE) -> str | None:
    """The last value as written, or `unread: ` and why."""
    got = read_file_metric(table.encode() if isinstance(table, str) else table, rule)
    return f"unread: {got.why}" if isinstance(got, Unread) else got and got.text


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ("epoch,step,train_loss,val_loss\n0,49,2.31,\n0,49,,2.25\n1,99,1.90,\n1,99,,1.85031\n", "1.85031"),
        ("epoch,val_loss,step\n0,2.25,49\n1,1.85,99\n2,,149\n", "1.85"),
        ("\ufeffval_loss,epoch\r\n1.85,0\r\n", "1.85"),
        ("step\tval_loss\n1\t4.5\n2\t3.5\n", "3.5"),
        ("step;val_loss\n1;4.5\n2;3.5\n", "3.5"),
        ("val_loss\n4.5\n3.5\n", "3.5"),
        ('"epoch","val_loss","note"\n"0","4.5","a, b"\n"1","3.5","two\nlines, 9.5"\n', "3.5"),
        ("  epoch,   val_loss\n      1,     4.5\n      2,     3.5\n", "3.5"),
        ("# run 3\nepoch,val_loss\n1,4.5\n# done\n", "4.5"),
        ("epoch,val_loss\n1,4.5\n\nepoch,val_loss\n2,3.5\n", "3.5"),
        ("epoch,val_loss\n1,4.5\nepoch,lr,train_loss,val_loss\n2,0.1,9.5,3.5\n", "3.5"),
        ("epoch,lr,val_loss\n1,0.1,4.5\nval_loss,epoch\n3.5,2\n", "3.5"),
        ("epoch,val_loss,\n1,4.5,\n2,3.5,\n", "3.5"),
        ("epoch,val_loss\n1,4.5\n2,nan\n", "nan"),
        ("epoch,val_loss\n1,4.5\n2,-inf\n", "-inf"),
        ("val_loss,epoch\n1e-7,2", "1e-7"),
        ("step,train_loss\n1,4.5\n", None),
        ("step,best_val_loss,val_loss_ema\n1,4.5,3.5\n", None),
        ("step,metric,value\n1,val_loss,4.5\n2,train_loss,3.5\n", None),
        ("epoch,val_loss\n", None),
        ("epoch,val_loss\n1,\n2,\n", None),
        ("", None),
    ],
)
def test_the_last_value_of_the_column_counts(table: str, value: str | None) -> None:
    assert result(table) == value


OTHER_CELLS = "may stand in a row of {} cells, where the header has 3"


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("epoch,train_loss,val_loss\n0,2.31,2.25\n1,1.90\n", OTHER_CELLS.format(2)),
        ("epoch,train_loss,val_loss\n0,2.31,2.25\n1,0.001,1.90,1.85\n", OTHER_CELLS.format(4)),
        ("epoch,train_loss,val_loss\n0,2.31,2.25\n1,1", OTHER_CELLS.format(2)),
        ("epoch,train_loss,val_loss\n0,2.31,2.25\n1,1.90,1.8", "stands at the end of the file without a line end"),
        ("epoch,train_loss,val_loss\n0,2.31,2.25\n1,1.90,", "stands at the end of the file without a line end"),
        ("epoch,train_loss,val_loss\n0,2.31,2.25\ntraining took 30 s\n", OTHER_CELLS.format(1)),
        ("epoch,val_loss,val_loss\n0,2.31,2.25\n", "cannot be told: 2 columns have that name"),
        ("epoch,val_loss\n0,2.31\nval_loss,val_loss\n1,2\n", "cannot be told: 2 columns have that name"),
        ("epoch,val_loss\n0,2.31\n1,N/A\n", "is no number"),
        ("epoch,val_loss\n0,2.31\n1,--\n", "is no number"),
        ('epoch,val_loss\n0,2.31\n1,"1,012.4"\n', "is no number"),
        ("epoch;val_loss\n0;2,31\n", "is no number"),
        ('epoch,val_loss\n0,2.31\n1,"2.1\n', "may stand in a row that is not valid CSV"),
        ("epoch,val_loss\n0,2.31\n1," + "9" * 200_000 + "\n", "may stand in a row that is not valid CSV"),
        ("epoch,val_loss\n0,2.31\n1,2.1\x002\n", "is no number"),
    ],
)
def test_a_later_row_that_cannot_be_read_is_never_passed_over_for_an_older_one(table: str, why: str) -> None:
    assert str(result(table)).startswith(f"unread: {why}")


def test_a_column_with_spaces_and_brackets_is_read_by_its_name() -> None:
    rule = MetricRule(name="map", file="*/results.csv", column="metrics/mAP50-95(B)")
    table = "                  epoch,      metrics/mAP50(B),   metrics/mAP50-95(B)\n    1,  0.94100,  0.60600\n"
    assert result(table, rule) == "0.60600"


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({}, optional={name: st.floats(allow_nan=False) for name in NAMES}), min_size=1, max_size=9
    ),
    st.permutations(NAMES),
    st.sampled_from([",", "\t", ";"]),
)
def test_a_table_that_python_writes_is_read_back(rows: list[dict[str, float]], order: list[str], comma: str) -> None:
    written = io.StringIO()
    writer = csv.DictWriter(written, order, delimiter=comma)
    writer.writeheader()
    writer.writerows(rows)
    expected = [row["val_loss"] for row in rows if "val_loss" in row]
    got = list(read_column(written.getvalue().encode(), "val_loss"))
    assert [parse_number(one.text) for one in got] == expected


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=5), st.integers(0, 200))
def test_no_cell_of_another_column_is_ever_a_value(rows: list[list[int]], cut: int) -> None:
    # Only cells of the fourth column end in .5; rows have any number of cells, and the file may be cut anywhere.
    lines = [",".join(f"{cell}.5" if place == 3 else str(cell) for place, cell in enumerate(row)) for row in rows]
    table = ",".join(NAMES) + "\n" + "".join(f"{line}\n" for line in lines)
    for one in read_column(table[: len(table) - cut].encode(), "val_loss"):
        assert isinstance(one, Unread) or one.text.endswith(".5")


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_read_without_an_error(junk: bytes) -> None:
    list(read_column(junk, "val_loss"))
    list(read_column(b"val_loss,a\n" + junk, "val_loss"))
