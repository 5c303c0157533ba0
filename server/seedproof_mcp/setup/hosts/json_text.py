"""Changes one member of a JSON text, and leaves every other byte as its author wrote it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedproof_mcp.setup.hosts.untouched import CannotEdit, rest_of

__all__ = ["member", "remove_member", "set_member"]

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class _Member:
    """Where a member of an object stands in the text: from its key to the end of its value."""

    key: str
    start: int
    value_start: int
    end: int


def member(text: str, path: Sequence[str]) -> Any:
    """The value at a path of keys; None where there is none.

    Raises:
        CannotEdit: The text is no JSON object, or has comments.
    """
    value: Any = _read(text)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def set_member(text: str, path: Sequence[str], value: Any) -> str:
    """The text with a value at a path of keys; objects on the way are added where they are missing.

    Raises:
        CannotEdit: The text is no JSON object, has comments, or has another kind of value on the way.
    """
    if member(text, path) == value:
        return text
    at = _skip(text, 0)
    for depth, key in enumerate(path):
        found = _find(text, at, key)
        if found is None:
            for inner in reversed(path[depth + 1 :]):
                value = {inner: value}
            return _checked(_inserted(text, at, key, value), text, path)
        if depth == len(path) - 1:
            shown = _shown(text, value, _indent_of(text, found.start))
            return _checked(text[: found.value_start] + shown + text[found.end :], text, path)
        at = found.value_start
        if text[at] != "{":
            raise CannotEdit(f'"{key}" in it is not an object')
    raise ValueError("a path has at least one key")


def remove_member(text: str, path: Sequence[str]) -> str:
    """The text without the member at a path, and without objects on the way that are empty then.

    Raises:
        CannotEdit: The text is no JSON object, or has comments.
    """
    if member(text, path) is None:
        return text
    while len(path) > 1 and len(member(text, path[:-1])) == 1:
        path = path[:-1]
    at = _skip(text, 0)
    for key in path[:-1]:
        found = _find(text, at, key)
        assert found is not None
        at = found.value_start
    members, end = _members(text, at)
    place = max(index for index, one in enumerate(members) if one.key == path[-1])
    if len(members) == 1:
        cut = (at + 1, end - 1)
    elif place + 1 < len(members):
        cut = (members[place].start, members[place + 1].start)
    else:
        cut = (members[place - 1].end, members[place].end)
    return _checked(text[: cut[0]] + text[cut[1] :], text, path)


def _read(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        why = "has comments" if re.search(r"(^|\s|[,{[])(//|/\*)", text) else f"is not valid JSON ({error})"
        raise CannotEdit(why) from None
    if not isinstance(value, dict):
        raise CannotEdit("is not a JSON object")
    return value


def _checked(text: str, before: str, path: Sequence[str]) -> str:
    """The new text, if nothing but the member at the path differs."""
    if rest_of(_read(before), path) != rest_of(_read(text), path):
        raise CannotEdit("has a form in which it cannot be changed safely, such as a key that stands twice")
    return text


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None
    return space.end()


def _members(text: str, at: int) -> tuple[list[_Member], int]:
    """The members of the object that begins here, and where it ends; the text is valid JSON."""
    found = []
    at = _skip(text, at + 1)
    while text[at] != "}":
        start = at
        key, at = _DECODER.raw_decode(text, at)
        value_start = _skip(text, _skip(text, at) + 1)  # behind the colon
        _, end = _DECODER.raw_decode(text, value_start)
        found.append(_Member(key, start, value_start, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found, at + 1


def _find(text: str, at: int, key: str) -> _Member | None:
    """The member of this key; the last one where it stands twice, as readers of JSON take that."""
    return next((one for one in reversed(_members(text, at)[0]) if one.key == key), None)


def _inserted(text: str, at: int, key: str, value: Any) -> str:
    """The text with a member behind the others of the object that begins here."""
    members, end = _members(text, at)
    newline = "\r\n" if "\r\n" in text else "\n"
    if not members:
        base = _indent_of(text, at)
        inner = base + _unit(text)
        body = f"{newline}{inner}{json.dumps(key)}: {_shown(text, value, inner)}{newline}{base}"
        return text[: at + 1] + body + text[end - 1 :]
    last = members[-1]
    if _starts_its_line(text, last.start):
        indent = _indent_of(text, last.start)
        body = f",{newline}{indent}{json.dumps(key)}: {_shown(text, value, indent)}"
    else:
        body = f", {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
    return text[: last.end] + body + text[last.end :]


def _shown(text: str, value: Any, indent: str) -> str:
    """A value as the author of the text would write it on lines of this indentation."""
    newline = "\r\n" if "\r\n" in text else "\n"
    return json.dumps(value, ensure_ascii=False, indent=_unit(text)).replace("\n", newline + indent)


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _indent_of(text: str, at: int) -> str:
    """The white space that the line of this place begins with."""
    found = re.compile(r"[ \t]*").match(text, _line_start(text, at))
    assert found is not None
    return found[0]


def _starts_its_line(text: str, at: int) -> bool:
    return _line_start(text, at) > 0 and not text[_line_start(text, at) : at].strip()


def _unit(text: str) -> str:
    """How far the author indents one level."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else "  "
