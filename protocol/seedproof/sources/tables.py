"""Reads the values of a metric from a column of a CSV or TSV file that the training wrote."""

import csv
import io
from collections.abc import Iterator, Sequence

from seedproof.metrics.numbers import finite_value, parse_number
from seedproof.metrics.scanner import MATCHED_CHARS
from seedproof.model.runs import MetricValue, Unread

__all__ = ["DELIMITERS", "read_column"]

DELIMITERS = (",", "\t", ";")
"""Tried in this order; the first one with which a row names the column counts."""


def read_column(data: bytes, column: str) -> Iterator[MetricValue | Unread]:
    """Yield the value of each row that has one in a column, top down; nothing where no row names the column.

    A header may be repeated, and another one holds for the rows below it. A row whose cells are not those of its
    header is `Unread`: which cell stands in which column cannot be told, and it may hold a later value.

    Args:
        data: The file.
        column: The column as its header names it.
    """
    text = data.decode("utf-8-sig", "replace")
    delimiter = next((one for one in DELIMITERS if _names(text, one, column)), None)
    if delimiter is None:
        return
    header: list[str] = []
    is_complete = text.endswith(("\n", "\r"))
    rows = _rows(text, delimiter)
    row = next(rows, None)
    while row is not None:
        following = next(rows, None)
        if isinstance(row, str):
            yield Unread(None, row, "may stand in a row that is not valid CSV")
        elif _is_header(row, column):
            header = row
            if header.count(column) > 1:
                yield _unread(row, f"cannot be told: {header.count(column)} columns have that name")
        elif header.count(column) == 1 and any(row):
            yield from _cell(row, header, column, is_whole=is_complete or following is not None)
        row = following


def _cell(row: list[str], header: list[str], column: str, is_whole: bool) -> Iterator[MetricValue | Unread]:
    """The value of one row; nothing where its cell is empty.

    Args:
        is_whole: Whether a line end stands behind the row, so that its last cell is complete.
    """
    place = header.index(column)
    extra = row[len(header) :]
    if len(row) < len(header) or any(extra):
        if len(row) == 1 and row[0].startswith("#"):
            return
        yield _unread(row, f"may stand in a row of {len(row)} cells, where the header has {len(header)}")
    elif not is_whole and place == len(row) - 1:
        yield _unread(row, "stands at the end of the file without a line end, and may be cut")
    elif parse_number(row[place]) is not None:
        matched = f"{column}: {row[place]}"[-MATCHED_CHARS:]
        yield MetricValue(finite_value(row[place]), row[place], None, matched)
    elif row[place]:
        yield _unread(row, "is no number")


def _unread(row: Sequence[str], why: str) -> Unread:
    return Unread(None, ", ".join(row)[:MATCHED_CHARS], why)


def _names(text: str, delimiter: str, column: str) -> bool:
    return any(_is_header(row, column) for row in _rows(text, delimiter) if isinstance(row, list))


def _is_header(row: Sequence[str], column: str) -> bool:
    """Whether a row names the column; one with a number is none: a cell of a row may hold the name of a metric."""
    return column in row and not any(parse_number(cell) is not None for cell in row)


def _rows(text: str, delimiter: str) -> Iterator[list[str] | str]:
    """The cells of each row, without the spaces around them; a text for what is not valid CSV, which ends it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield str(error)
            return
        if row is None:
            return
        yield [cell.strip() for cell in row]
