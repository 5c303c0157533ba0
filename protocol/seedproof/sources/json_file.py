"""Reads the values of a metric from a JSON document that the training wrote, or from one JSON object a line."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from seedproof.metrics.numbers import finite_value, parse_number
from seedproof.metrics.scanner import MATCHED_CHARS
from seedproof.model.runs import MetricValue, Unread

__all__ = ["read_document"]


def read_document(data: bytes, path: str) -> Iterator[MetricValue | Unread]:
    """Yield what stands at a dotted path, exactly as it is written there; nothing where the path is missing.

    NaN and Infinity are accepted, and so are strings that hold nothing but a number, as Hugging Face 5.x writes them.
    Anything else is `Unread`, null too: programs write it for nan. A file with one object a line has a value for each
    line that has the path; a line that is no JSON is `Unread`, as nobody knows whether it had one.

    Args:
        data: The document.
        path: Keys joined by dots; an integer picks from a list, negative from its end, and `*` takes every item.

    Raises:
        ValueError: The data is neither valid JSON nor one object a line.
    """
    keys = path.split(".")
    try:
        document = _load(data)
    except ValueError as error:
        lines = [line for line in data.split(b"\n") if line.strip()]
        if len(lines) < 2 or not _is_object(lines[0]):
            raise ValueError(f"The document is not valid JSON: {error}.") from error
        yield from _read_lines(lines, keys)
        return
    yield from (_reading(path, found) for found in _at(document, keys))


def _read_lines(lines: Sequence[bytes], keys: Sequence[str]) -> Iterator[MetricValue | Unread]:
    for line in lines:
        try:
            document = _load(line)
        except ValueError:
            text = line.decode("utf-8", "replace").strip()[:MATCHED_CHARS]
            yield Unread(None, text, "may stand in a line that is not valid JSON")
            continue
        yield from (_reading(".".join(keys), found) for found in _at(document, keys))


def _load(data: bytes) -> Any:
    """A document. Numbers stay text, which keeps their digits and makes them equal to quoted numbers."""
    try:
        return json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(_load(line), dict)
    except ValueError:
        return False


def _at(value: Any, keys: Sequence[str]) -> Iterator[Any]:
    """Yield everything that a path leads to."""
    if not keys:
        yield value
    elif isinstance(value, dict) and keys[0] in value:
        yield from _at(value[keys[0]], keys[1:])
    elif isinstance(value, list) and keys[0] == "*":
        for item in value:
            yield from _at(item, keys[1:])
    elif isinstance(value, list) and re.fullmatch(r"-?[0-9]{1,9}", keys[0]):
        index = int(keys[0])
        if -len(value) <= index < len(value):
            yield from _at(value[index], keys[1:])


def _reading(path: str, found: Any) -> MetricValue | Unread:
    if isinstance(found, str) and parse_number(found) is not None:
        return MetricValue(finite_value(found), found, None, f"{path}: {found}"[-MATCHED_CHARS:])
    if isinstance(found, dict | list):
        shown = "an object" if isinstance(found, dict) else "a list"
    else:
        shown = found if isinstance(found, str) else json.dumps(found)
    return Unread(None, f"{path}: {shown}"[:MATCHED_CHARS], "is no number")
