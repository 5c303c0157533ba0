"""The call that was probably meant, where the arguments of a tool are not of its types."""

import json
import shlex
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from seedproof.model.refusals import NextCall

__all__ = ["mended_call"]

# A longer call is not worth repeating in a refusal.
_MOST_BYTES = 1500
_MEANT = {"name": "experiment", "experiment_name": "experiment", "args": "flags", "message": "reason"}
# Arguments that change how much is shown or how long is waited, and not what is done.
_HARMLESS = frozenset({"wait_s", "offset", "limit", "detail"})


def mended_call(tool: str, model: type[BaseModel], arguments: Mapping[str, Any]) -> NextCall | None:
    """The call with misspelt names set right and values read that stand in a string; the caller fills what is left.

    None where something unknown may name an experiment: without it, the call would be for the baseline.

    Args:
        model: The arguments of the tool.
        arguments: What was given.
    """
    fields, found, open_names = model.model_fields, dict[str, Any](), list[str]()
    for given, value in arguments.items():
        name = _nearest(given, arguments, fields)
        if name is None:
            if "experiment" in fields and not isinstance(arguments.get("experiment"), str):
                return None
            continue
        read = next((one for one in _readings(value) if _fits(model, name, one)), None)
        if read is not None:
            found[name] = read
        elif name not in _HARMLESS and value not in (None, "null", "None"):
            open_names.append(name)
    open_names += [name for name, field in fields.items() if field.is_required() and name not in {*found, *open_names}]
    if len(json.dumps(found)) > _MOST_BYTES:
        return None
    return NextCall(tool, "The call as it was probably meant.", found, tuple(open_names))


def _nearest(given: str, arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """The argument that a name means; None for an unknown one, and for one that is given as well."""
    if given in fields:
        return given
    plain = given.strip("-").lower().replace("-", "_")
    close = [plain] if plain in fields else get_close_matches(plain, fields, n=1, cutoff=0.75)
    meant = next(iter(close), _MEANT.get(plain))
    return meant if meant in fields and meant not in arguments else None


def _readings(value: Any) -> Iterator[Any]:
    """What a value may mean, the value itself first."""
    yield value
    if isinstance(value, str):
        yield from _readings_of_text(value)
    elif isinstance(value, float) and value.is_integer():
        yield int(value)
    elif isinstance(value, int):
        yield from (bool(value),) if value in (0, 1) and not isinstance(value, bool) else ()
        yield str(value)
    elif isinstance(value, list):
        yield from value if len(value) == 1 else ()
        yield [str(one) if isinstance(one, int | float) and not isinstance(one, bool) else one for one in value]


def _readings_of_text(text: str) -> Iterator[Any]:
    for one in (text, text.lower()):
        try:
            yield json.loads(one)
        except (ValueError, RecursionError):
            continue
    if text.startswith("-"):
        try:
            yield shlex.split(text)
        except ValueError:
            return


def _fits(model: type[BaseModel], name: str, value: Any) -> bool:
    """Whether a value may be given for an argument; `None` is what leaves it out."""
    if value is None:
        return False
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return all(fault["loc"][0] != name for fault in error.errors(include_url=False, include_input=False))
    return True
