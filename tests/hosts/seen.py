"""What a model sees of a reply, and the call that the reply names next."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "Seen", "read"]

# "Next: run_seed(experiment=…, seed=42) - Runs seed 42."; a refusal has it behind its sentence.
_NEXT = re.compile(r"\bNext: (\w+\(.*?\))(?= - |: |$)", re.MULTILINE)
_LEFT_TO_THE_MODEL = "=…"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool."""

    tool: str
    arguments: Mapping[str, Any]
    you_choose: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """One reply, as the host hands it to the model."""

    channels: str
    """`text`, `structure`, `both` or `neither`."""
    next: Call | None
    whole: str


def read(whole: str) -> Seen:
    """Find the structure and the text of a reply in what the host made of it."""
    structures: list[Mapping[str, Any]] = []
    texts: list[str] = []
    for part in _parts(whole):
        _sort(part, structures, texts)
    calls = _NEXT.findall("\n".join(texts))
    names = {(True, True): "both", (True, False): "structure", (False, True): "text", (False, False): "neither"}
    return Seen(
        channels=names[bool(structures), bool(calls)],
        next=_of_structure(structures[-1]) if structures else _of_text(calls[-1]) if calls else None,
        whole=whole,
    )


def _parts(whole: str) -> Iterator[Any]:
    """The JSON objects in a text, and what stands between them."""
    decoder, begin, at = json.JSONDecoder(), 0, 0
    while (at := whole.find("{", at)) >= 0:
        try:
            found, end = decoder.raw_decode(whole, at)
        except ValueError:
            at += 1
            continue
        yield whole[begin:at]
        yield found
        begin = at = end
    yield whole[begin:]


def _sort(value: Any, structures: list[Mapping[str, Any]], texts: list[str]) -> None:
    """Put the replies of this server within a value to the structures, and its other strings to the texts."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, list):
        for one in value:
            _sort(one, structures, texts)
    elif isinstance(value, dict):
        if value.keys() >= {"next", "ledger_head"}:
            structures.append(value)
        else:
            _sort(list(value.values()), structures, texts)


def _of_structure(structure: Mapping[str, Any]) -> Call | None:
    following = structure["next"]
    if following is None:
        return None
    return Call(following["tool"], following.get("arguments", {}), tuple(following.get("you_choose", ())))


def _of_text(call: str) -> Call:
    tree = ast.parse(call.replace(_LEFT_TO_THE_MODEL, "=..."), mode="eval").body
    assert isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name)
    values = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in tree.keywords}
    chosen = tuple(name for name, value in values.items() if value is ...)
    return Call(tree.func.id, {name: value for name, value in values.items() if value is not ...}, chosen)
