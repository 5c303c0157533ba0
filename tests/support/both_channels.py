"""Whether the text of a reply says what its structure says, and the reverse."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.support.callers import Answer

__all__ = ["check_both_channels"]

_WORD = re.compile(r"[^\s(),;:\"'`=\[\]]+")
# Words of the text that name or join fields, and say nothing themselves; the rest has to stand in the structure.
_CONNECTING = re.compile(
    r"""^(Next: |Next brings: |Ledger: |Notice \(|Reason: |Command: |Mend: |Report written: |Training now: |
    Queue, in order: |Do not try again, also under another name: |Missing seeds: |Ideas tried: |Not counted: |- )""",
    re.MULTILINE | re.VERBOSE,
)
_NUMBER = re.compile(r"(?<![\w.#/-])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w/])")


def check_both_channels(answer: Answer) -> None:
    """Each leaf of the structure stands in the text, and each number and sentence of the text in the structure."""
    text = f"{answer.text}\n{answer.more}"
    missing = [(where, leaf) for where, leaf in _leaves(answer.data) if not _stands_in(leaf, text)]
    assert not missing, f"only in the structure: {missing}\n{text}"
    structure = json.dumps(answer.data, ensure_ascii=False)
    numbers = {abs(value) for _, value in _leaves(answer.data) if isinstance(value, int | float)}
    numbers |= {abs(float(one)) for one in _NUMBER.findall(structure)}
    unknown = [one for one in _NUMBER.findall(text) if not _is_known(one, numbers)]
    assert not unknown, f"only in the text: {unknown}\n{text}\n{structure}"


def _leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            if name not in ("you_choose", "arguments"):
                yield from _leaves(one, f"{where}.{name}")
            else:  # the call is written as one
                yield from ((f"{where}.{name}", key) for key in one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, where)
    elif value is not None:
        yield where, value


def _stands_in(leaf: Any, text: str) -> bool:
    if isinstance(leaf, bool):
        return True  # said by a word of its own, which tests of that reply look for
    if isinstance(leaf, int | float):
        return any(_is_known(one, {abs(leaf)}) for one in _NUMBER.findall(text)) or str(leaf) in text
    folded = text.casefold()
    return all(part.strip().rstrip(".").casefold() in folded for part in leaf.split("\n"))


def _is_known(shown: str, numbers: set[float]) -> bool:
    """Whether a number of the text is one of these, as precisely as it is written there, or a percentage of one."""
    value, digits = abs(float(shown)), len(shown.partition(".")[2].partition("e")[0])
    step = 0.5000001 * 10.0**-digits
    return any(abs(value - one) <= step or abs(value - 100 * one) <= step for one in numbers) or "e" in shown
