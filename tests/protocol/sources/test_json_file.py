"""Values in JSON: as they are written, from documents and from one object a line, and never a value beside them."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seedproof.model.metric_rule import MetricRule
from seedproof.model.runs import MetricValue, Unread
from seedproof.sources.json_file import read_document
from seedproof.sources.metric_file import read_file_metric

UNHURRIED = settings(deadline=None)  # a busy machine is no failure


def result(document: str | bytes, path: str) -> str | None:
    """The last value as written, or `unread: ` and why."""
    data = document.encode() if isinstance(document, str) else document
    got = read_file_metric(data, MetricRule(name="loss", file="m.json", path=path))
    return f"unread: {got.why}" if isinstance(got, Unread) else got and got.text


@pytest.mark.parametrize(
    ("document", "path", "text", "value"),
    [
        ('{"a": {"b": 3.27800}}', "a.b", "3.27800", 3.278),
        ('{"a": [1, {"b": 5}]}', "a.1.b", "5", 5.0),
        ('{"log_history": [{"x": 1}, {"x": 2}]}', "log_history.-1.x", "2", 2.0),
        ('{"a": "3.278"}', "a", "3.278", 3.278),
        ('{"a": NaN}', "a", "NaN", None),
        ('{"a": -Infinity}', "a", "-Infinity", None),
        ('{"a": "nan"}', "a", "nan", None),
        ('{"a": 1E-7}', "a", "1E-7", 1e-7),
        ("\ufeff[0.5]", "0", "0.5", 0.5),
        ('{"bbox/AP": 37.798, "bbox/AP50": 57.0}', "bbox/AP", "37.798", 37.798),
    ],
)
def test_a_document_gives_the_number_as_it_is_written(document: str, path: str, text: str, value: float | None) -> None:
    (got,) = read_document(document.encode(), path)
    assert isinstance(got, MetricValue)
    assert (got.text, got.value, got.line) == (text, value, None)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ('{"a": 1}', "b"),
        ('{"a": 1}', "a.b"),
        ('{"a": [1]}', "a.1"),
        ('{"a": [1]}', "a.-2"),
        ('{"a": [1]}', "a.x"),
        ("3.5", "a"),
        ('{"a": 1}\n{"a": 2}', "b"),
        ('{"a.b": 1}', "a.b"),
    ],
)
def test_a_path_that_is_not_there_gives_nothing(document: str, path: str) -> None:
    assert result(document, path) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("true", "true"),
        ("null", "null"),
        ("{}", "an object"),
        ("[1]", "a list"),
        ('"about 3"', "about 3"),
        ('""', ""),
        ("1e999", "1e999"),
        ('"1,012.4"', "1,012.4"),
    ],
)
def test_what_is_no_number_is_unread_also_behind_one(value: str, shown: str) -> None:
    (got,) = read_document(f'{{"a": {value}}}'.encode(), "a")
    assert got == Unread(None, f"a: {shown}", "is no number")
    assert result(f'{{"a": 4.5}}\n{{"a": {value}}}\n', "a") == "unread: is no number"


@pytest.mark.parametrize("data", [b"", b"{", b"{'a': 1}", b"\xff\xfe\xff", b"[" * 100_000])
def test_an_invalid_document_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^The document is not valid JSON: .*\.$"):
        list(read_document(data, "a"))


@UNHURRIED
@given(st.floats(), st.binary())
def test_a_document_that_python_writes_is_read_back_exactly(value: float, junk: bytes) -> None:
    (got,) = read_document(json.dumps({"a": [value]}).encode(), "a.0")
    assert isinstance(got, MetricValue)
    assert got.value == value if abs(value) <= 1e150 else got.value is None
    with contextlib.suppress(ValueError):
        list(read_document(junk, "a"))


# --- one object a line -----------------------------------------------------------------------

LINES = """\
{"iteration": 19, "total_loss": 1.5525}
{"bbox/AP": 36.1, "bbox/AP50": 55.2, "iteration": 99, "segm/AP": 32.0}
{"iteration": 119, "total_loss": 1.3025}
{"bbox/AP": 37.798, "bbox/AP50": 57.0, "iteration": 199, "segm/AP": 33.399}
{"iteration": 219, "total_loss": 1.0525}
"""


def test_of_one_object_a_line_the_last_one_with_the_path_counts() -> None:
    assert result(LINES, "bbox/AP") == "37.798"
    assert result(LINES.replace("\n", "\r\n"), "segm/AP") == "33.399"
    assert result(LINES.rstrip(), "total_loss") == "1.0525"
    assert result(LINES, "bbox/APs") is None


@pytest.mark.parametrize("cut", ['{"bbox/AP": 38.', '{"bbox', "{", '{"bbox/AP": 38.1}garbage', "\x00\x00"])
def test_a_line_that_is_cut_or_broken_may_hold_a_later_value(cut: str) -> None:
    assert result(LINES + cut, "bbox/AP") == "unread: may stand in a line that is not valid JSON"


def test_a_broken_line_before_the_last_value_changes_nothing() -> None:
    assert result("""{"a": 1}\n{"a": 2, "b\n{"a": 3}\n""", "a") == "3"


@pytest.mark.parametrize(
    "document",
    ['{\n  "a": 4.5,\n  "b": ', '[\n  {"a": 4.5},\n  {"a": 4.', "[1, 2]\n[3, 4]", "epoch,a\n1,4.5\n", "", "\n\n"],
)
def test_a_document_that_is_still_being_written_is_unread(document: str) -> None:
    assert str(result(document, "a")).startswith("unread: cannot be read from m.json: The document is not valid JSON")


def test_a_star_takes_every_item_of_a_list_and_the_last_one_counts() -> None:
    history = [{"loss": 2.5}, {"eval_loss": 1.25}, {"loss": 2.0}, {"eval_loss": 1.125}, {"train_loss": 2.25}]
    document = json.dumps({"best_metric": 0.5, "log_history": history})
    assert result(document, "log_history.*.eval_loss") == "1.125"
    assert [one.text for one in read_document(document.encode(), "log_history.*.eval_loss")] == ["1.25", "1.125"]
    assert result('{"*": 3, "a": {"b": 4}}', "*") == "3"
