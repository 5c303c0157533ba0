"""Finds the numbers of a small file: the columns of a table, the keys of a JSON document or of one object a line."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from seedproof.metrics.numbers import parse_number
from seedproof.sources.tables import DELIMITERS

__all__ = ["is_table", "numbers_of"]

_TABLES = (".csv", ".tsv")
_DEEPEST = 8


def is_table(path: str) -> bool:
    """Whether a file is read by its columns."""
    return path.lower().endswith(_TABLES)


def numbers_of(path: str, data: bytes) -> dict[str, str]:
    """The last number of each column or key, as it stands there; nothing where the file cannot be read."""
    return _cells(data) if is_table(path) else _numbers(data)


def _cells(data: bytes) -> dict[str, str]:
    """The last number of each column of a table with a header; the first delimiter that makes columns counts."""
    tables = [_table(data, one) for one in DELIMITERS]
    return next((found for found in tables if len(found) > 1), tables[0])


def _table(data: bytes, delimiter: str) -> dict[str, str]:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(data.decode().splitlines(), delimiter=delimiter)]
    except (UnicodeDecodeError, csv.Error):
        return {}
    if not rows or len(set(rows[0])) != len(rows[0]) or any(len(row) != len(rows[0]) for row in rows if row):
        return {}
    found = {}
    for place, name in enumerate(rows[0]):
        texts = [row[place] for row in rows[1:] if row and row[place].strip()]
        if name and texts and parse_number(texts[-1]) is not None:
            found[name] = texts[-1]
    return found


def _numbers(data: bytes) -> dict[str, str]:
    """The numbers of a JSON document by their path; of one object a line, the last of each path."""
    try:
        return dict(_leaves(_load(data), ()))
    except ValueError:
        pass
    found: dict[str, str] = {}
    try:
        for line in filter(None, (line.strip() for line in data.splitlines())):
            found |= dict(_leaves(_load(line), ()))
    except ValueError:
        return {}
    return found


def _load(data: bytes) -> Any:
    try:
        return json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if path and parse_number(value) is not None:
            yield ".".join(path), value
    elif len(path) >= _DEEPEST:
        return
    elif isinstance(value, dict):
        for key, child in value.items():
            if key and "." not in key and "*" not in key:
                yield from _leaves(child, (*path, key))
    elif isinstance(value, list) and value:
        yield from _leaves(value[-1], (*path, "-1"))
