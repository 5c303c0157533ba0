"""Words for what is wrong with a file of settings, and for what may stand there."""

import difflib
import re
from collections.abc import Sequence
from typing import Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

__all__ = ["allowed_words", "explain"]


def explain(error: ValidationError, text: str, whole: type[BaseModel]) -> str:
    """What is wrong in words: every name that is not known, as one mistake is seldom alone; else the first thing.

    Args:
        error: What the models say.
        text: The file, in which lines are looked up.
        whole: The model of the file.
    """
    errors = error.errors(include_url=False, include_input=False)
    unknown = [[str(part) for part in one["loc"]] for one in errors if one["type"] == "extra_forbidden"]
    if unknown:
        return f"seedproof.toml, {'; '.join(_unknown_name(parts, text, whole) for parts in unknown)}."
    first = errors[0]
    parts = [str(part) for part in first["loc"]]
    _, field = _find_field(parts, whole)
    message = first["msg"].removeprefix("Value error, ")
    if field is not None and first["type"] != "value_error":
        message = f"allowed is {allowed_words(field)}"
    return f"seedproof.toml{_line_of(parts, text)}: {'.'.join(parts) or 'file'}: {message}."


def _unknown_name(parts: Sequence[str], text: str, whole: type[BaseModel]) -> str:
    """Where a name stands that is not known, with the one that is most alike, else with all that are allowed there."""
    *table, name = parts
    known = list(_find_field(parts, whole)[0].model_fields)
    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean {'.'.join([*table, *close])}?" if close else f"allowed here: {', '.join(known)}"
    where = _line_of(list(parts), text).removeprefix(", ")
    return f"{where}{': ' if where else ''}{'.'.join(parts)} is not known ({meant})"


def _find_field(parts: Sequence[str], whole: type[BaseModel]) -> tuple[type[BaseModel], FieldInfo | None]:
    """The field that a path leads to or into, and the model that has it; no field for a key that is none of ours."""
    model = whole
    field = None
    for part in parts:
        if part.isdigit():
            continue
        found = model.model_fields.get(part)
        if found is None:
            break
        field = found
        # The value of `extra_metrics` is a tuple of tables.
        inner = [one for one in (field.annotation, *get_args(field.annotation)) if isinstance(one, type)]
        models = [one for one in inner if issubclass(one, BaseModel)]
        if not models:
            break
        model = models[0]
    return model, field


def allowed_words(field: FieldInfo) -> str:
    """What a person may write for a rule or setting."""
    if field.json_schema_extra is None and get_origin(field.annotation) is Literal:
        *others, last = [f'"{one}"' for one in get_args(field.annotation)]
        return f"{', '.join(others)} or {last}" if others else last
    assert isinstance(field.json_schema_extra, dict)
    return str(field.json_schema_extra["allowed"])


def _line_of(parts: list[str], text: str) -> str:
    """`, line 7` where the key stands in the file; empty if it cannot be told."""
    names = [re.escape(part) for part in reversed(parts) if not part.isdigit()]
    for name in names:
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(rf"\s*(?:{name}\s*=|\[+.*\b{name}\s*\]+)", line):
                return f", line {number}"
    return ""
