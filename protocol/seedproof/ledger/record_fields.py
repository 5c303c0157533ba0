"""The fields of a record: from JSON into a class and back, with a type check where a wrong type would pass."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, TypeVar

__all__ = [
    "Readers",
    "as_count",
    "as_mapping",
    "as_seeds",
    "as_step",
    "as_text",
    "as_texts",
    "field_plan",
    "read_fields",
    "read_known",
    "to_json",
]

P = TypeVar("P")
Readers = Mapping[str, Callable[[Any], Any]]
"""By field of a class, the function that converts its JSON; without one, a list becomes a tuple."""


def field_plan(kind: type[Any]) -> "_Fields":
    """Name, whether it is required, and reader of each field of a class, without number, time and hash."""
    found = _FIELDS.get(kind)
    if found is None:
        readers: Readers = getattr(kind, "READERS", {})
        found = _FIELDS[kind] = tuple(
            (one.name, one.default is MISSING and one.default_factory is MISSING, readers.get(one.name))
            for one in fields(kind)
            if one.name not in ("seq", "time", "hash")
        )
    return found


_Fields = tuple[tuple[str, bool, Callable[[Any], Any] | None], ...]
# A cache: every record needs it, and `dataclasses.fields` takes as long as the rest of reading a record.
_FIELDS: dict[type[Any], _Fields] = {}


def read_fields(kind: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a class's fields in a record; raises KeyError where a required one is missing."""
    values: dict[str, Any] = {}
    for name, is_required, reader in field_plan(kind):
        if is_required or name in record:
            value = record[name]
            if reader is not None:
                values[name] = reader(value)
            else:
                values[name] = tuple(value) if isinstance(value, list) else value
    return values


def as_text(document: Any) -> str:
    """The value, if it is a text; else TypeError."""
    if not isinstance(document, str):
        raise TypeError(f"{document!r:.40} is no text")
    return document


def as_texts(document: Any) -> tuple[str, ...]:
    """The values of a list of texts; TypeError for anything else."""
    if not isinstance(document, list):
        raise TypeError(f"{document!r:.40} is no list")
    return tuple(map(as_text, document))


def as_step(document: Any) -> int | None:
    """The value, if it is a whole number or null; else TypeError."""
    if document is not None and type(document) is not int:
        raise TypeError(f"{document!r:.40} is no step")
    return document


def as_count(document: Any) -> int:
    """The value, if it is a whole number from 0; else TypeError or ValueError."""
    if type(document) is not int:
        raise TypeError(f"{document!r:.40} is no whole number")
    if document < 0:
        raise ValueError(f"{document} is no count")
    return document


def as_seeds(document: Any) -> tuple[int, ...]:
    """The seeds of a list of distinct ones, at least one; TypeError or ValueError for anything else."""
    if not isinstance(document, list) or not all(type(seed) is int for seed in document):
        raise TypeError(f"{document!r:.40} is no list of seeds")
    if not document or len(set(document)) < len(document):
        raise ValueError(f"{document!r:.40} are no distinct seeds")
    return tuple(document)


def as_mapping(document: Any) -> Mapping[str, Any]:
    """The value, if it is an object; else TypeError."""
    if not isinstance(document, dict):
        raise TypeError(f"{document!r:.40} is no object")
    return document


def read_known(kind: type[P], document: Any) -> P:
    """A value of a class from the fields that it has: a later minor version may have added some."""
    return kind(**read_fields(kind, as_mapping(document)))


def to_json(value: Any) -> Any:
    """A field's value as a record holds it."""
    if isinstance(value, tuple):
        return [to_json(one) for one in value]
    if hasattr(value, "document"):
        return value.document()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
