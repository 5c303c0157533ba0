"""Changes one table of a TOML text, and leaves every other byte as its author wrote it, comments included."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from seedproof_mcp.setup.hosts.untouched import CannotEdit, rest_of
from seedproof_mcp.setup.written import toml_list, toml_table, toml_text

__all__ = ["remove_table", "set_table", "table", "table_text"]


def table(text: str, path: Sequence[str]) -> Any:
    """The value at a path of keys; None where there is none.

    Raises:
        CannotEdit: The text is not valid TOML.
    """
    value: Any = _read(text)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def table_text(path: Sequence[str], values: Mapping[str, Any]) -> str:
    """The lines of a table."""
    return "".join([f"[{'.'.join(path)}]\n", *(_line(key, value) for key, value in values.items())])


def set_table(text: str, path: Sequence[str], values: Mapping[str, Any]) -> str:
    """The text with these values in a table; its other keys stay.

    Raises:
        CannotEdit: The text is not valid TOML, or the table is written in a form that cannot be changed line by line.
    """
    old = table(text, path)
    if isinstance(old, dict) and {**old, **values} == old:
        return text
    if old is None:
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return _checked(text + gap + table_text(path, values), text, path, dict(values))
    if not isinstance(old, dict):
        raise CannotEdit(f"has {'.'.join(path)}, which is not a table")
    lines = text.splitlines(keepends=True)
    start, end = _span(lines, path, with_children=False)
    while end - 1 > start and not lines[end - 1].strip():
        end -= 1
    if end > start and not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    for key, value in values.items():
        if old.get(key) == value:
            continue
        at = next((at for at in range(start + 1, end) if re.match(rf"\s*\"?{key}\"?\s*=", lines[at])), None)
        if at is None:
            lines.insert(end, _line(key, value))
            end += 1
        else:
            lines[at] = _line(key, value)
    return _checked("".join(lines), text, path, {**old, **values})


def remove_table(text: str, path: Sequence[str]) -> str:
    """The text without a table, the tables in it, and the empty line above.

    Raises:
        CannotEdit: The text is not valid TOML, or the table is written in a form that cannot be cut out.
    """
    if table(text, path) is None:
        return text
    lines = text.splitlines(keepends=True)
    start, end = _span(lines, path, with_children=True)
    # Comments and empty lines above the next table belong to that one.
    while end - 1 > start and re.match(r"\s*(#|$)", lines[end - 1]):
        end -= 1
    if start and not lines[start - 1].strip():
        start -= 1
    return _checked("".join(lines[:start] + lines[end:]), text, path, None)


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotEdit(f"is not valid TOML ({error})") from None


def _line(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"{key} = {str(value).lower()}\n"
    if isinstance(value, int | float):
        return f"{key} = {value}\n"
    if isinstance(value, dict):
        return f"{key} = {toml_table(value)}\n"
    return f"{key} = {toml_text(value) if isinstance(value, str) else toml_list(value)}\n"


def _span(lines: Sequence[str], path: Sequence[str], *, with_children: bool) -> tuple[int, int]:
    """The lines from a table's header to the next one's."""
    dotted = r"\s*\.\s*".join(rf"[\"']?{re.escape(key)}[\"']?" for key in path)
    own = re.compile(rf"\s*\[\s*{dotted}\s*\]")
    inside = re.compile(rf"\s*\[+\s*{dotted}\s*[.\]]")
    start = next((at for at, line in enumerate(lines) if own.match(line)), None)
    if start is None:
        raise CannotEdit(f"has {'.'.join(path)} in another form than a table of its own")
    end = start + 1
    while end < len(lines) and not (_is_header(lines[end]) and not (with_children and inside.match(lines[end]))):
        end += 1
    return start, end


def _is_header(line: str) -> bool:
    return re.match(r"\s*\[{1,2}\s*[\w\"'][^=]*\]{1,2}\s*(#.*)?$", line) is not None


def _checked(text: str, before: str, path: Sequence[str], wanted: Mapping[str, Any] | None) -> str:
    """The new text, if the table is as wanted and nothing else differs; else lines were taken for what they are not."""
    try:
        is_right = table(text, path) == wanted and rest_of(_read(text), path) == rest_of(_read(before), path)
    except CannotEdit:
        is_right = False
    if not is_right:
        raise CannotEdit(f"has {'.'.join(path)} in a form that cannot be changed line by line")
    return text
