"""Reads a metric from a JSON document that the training wrote."""

import json
import re
from typing import Any

from seedproof.metrics.numbers import finite_value, parse_number
from seedproof.metrics.scanner import MATCHED_CHARS
from seedproof.model.runs import MetricValue

__all__ = ["read_document"]


def read_document(data: bytes, path: str) -> MetricValue | None:
    """Return the number at a dotted path of a JSON document, exactly as it is written there.

    NaN and Infinity are accepted, and so are strings that hold nothing but a number, as
    Hugging Face 5.x writes them. None when the path is missing or leads to anything else.

    Args:
        data: The document.
        path: Keys joined by dots; an integer picks from a list, negative from its end.

    Raises:
        ValueError: The document is not valid JSON.
    """
    # Numbers stay text, which keeps their digits and makes them equal to quoted numbers.
    try:
        value: Any = json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The document is not valid JSON: {error}.") from error
    for key in path.split("."):
        value = _child(value, key)
    if not isinstance(value, str) or parse_number(value) is None:
        return None
    return MetricValue(finite_value(value), value, None, f"{path}: {value}"[-MATCHED_CHARS:])


def _child(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and re.fullmatch(r"-?[0-9]{1,9}", key):
        index = int(key)
        return value[index] if -len(value) <= index < len(value) else None
    return None
