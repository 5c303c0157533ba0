"""The settings within one value: `{run: {seed: 7}}`, `lr=0.1,seed=7`, `seed: 7`, `--lr 1 --seed 7`."""

import re
from collections.abc import Iterator

__all__ = ["assigned_names", "is_literal_number", "nested_keys", "nested_options"]

_KEY = r"[A-Za-z_][\w.-]*"
_ALONE = r"""['"]?[-+]?\d+(?:\.\d+)?['"]?\s*(?:[,;}]|$)"""
# At the beginning of a text or behind a comma, `key=value`, or a colon with a number alone or a brace behind it; so
# `Question: 7 apples` has no key. In braces any value does, and quotes; a format such as `{val_loss:.2f}` has none.
_PART = re.compile(
    rf"""[{{}}]|(?:^|(?<=[{{,;]))\s*['"]?(?P<key>{_KEY})['"]?"""
    rf"""(?:(?P<outside>=(?![=\s])|\s*:\s*(?:(?=\{{)|(?={_ALONE})))|\s*:(?=[\s'"\[])|(?<=['"])\s*:|\s*=(?!=))"""
)
# `key=value` anywhere in a text: `dict(seed=7)`, `a = 1; seed = 7`; and `--seed 7` and `"--seed", 7`.
_ASSIGNED = re.compile(
    r"""(?:^|[\s,;{(\['"])(?:[-+~]*['"]?(?P<key>[A-Za-z_][\w./@-]*)['"]?\s*=(?!=)"""
    rf"""|--?(?P<option>{_KEY})['"]?[\s,=:]+['"]?[-+]?\d)"""
)
_OPTION = re.compile(rf"(?:^|\s)(--?{_KEY})")
_LITERAL = re.compile(r"""=?[\s(\['"+-]*\d[\da-fA-FxXo_.+-]*[)\]\s'",]*""")


def nested_keys(text: str) -> Iterator[str]:
    """The keys in a text, each with those around it: `{run: {seed: 7}}` has `run` and `run.seed`."""
    around: list[str] = []
    key = ""
    for found in _PART.finditer(text):
        if found["key"] and (around or found["outside"]):
            key = found["key"]
            yield ".".join([*filter(None, around), key])
        elif found[0] == "{":
            around.append(key)
            key = ""
        elif found[0] == "}" and around:
            around.pop()


def nested_options(text: str) -> list[str]:
    """The options in a text that is a list of arguments: it begins with a dash."""
    return _OPTION.findall(text) if text.startswith("-") else []


def assigned_names(text: str) -> Iterator[str]:
    """What is given a value anywhere in a text; with those of sentences that only tell of it."""
    for found in _ASSIGNED.finditer(text):
        yield found["key"] or found["option"]


def is_literal_number(text: str) -> bool:
    """Whether a text is a number as Python writes it, perhaps in quotes or brackets or behind `=`: `0x7`, `(7,)`."""
    return text == "=" or _LITERAL.fullmatch(text) is not None
