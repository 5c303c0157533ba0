"""Renders the table of threats as docs/threats.md."""

from collections.abc import Iterator
from pathlib import Path

from tests.threats.rows import Detected, Disclosed, InVain, Refused, Row
from tests.threats.table import GROUPS, LIMITS

__all__ = ["PAGE", "text"]

PAGE = Path(__file__).parents[2] / "docs" / "threats.md"

_TOP = """\
# Threats

What an agent may try, and what becomes of it.
This page is written by `make threats` from the table in `tests/threats`.
`tests/test_threats.py` and `tests/journeys/test_threats_of_processes.py` carry out every row.

How far this goes depends on the agent.
A *cooperative* one cannot fool itself.
A *careless or over-eager* one finds every shortcut through the tools refused or disclosed.
An *adversarial* one, with a shell under the same user, cannot be prevented from rewriting files; it is made evident.

| Outcome | Meaning |
| --- | --- |
| refused | The call is answered with this [code](tools.md#refusals); nothing trains, and no verdict is given. |
| detected | Whoever looks is told, with this code or in these words, and nothing is decided on it. |
| disclosed | It works, and the reader is told, by this [notice](tools.md#notices) or in these words. |
| in vain | It changes nothing that counts, for the reason given. |
"""

_END = """\
## What cannot be prevented

Nothing here stops these, and no test pretends to.
"""


def text() -> str:
    """The page."""
    return "\n".join([_TOP, *_groups(), _END, *_limits()]) + "\n"


def _groups() -> Iterator[str]:
    for group in GROUPS:
        rows = [row for row in group.rows if row.refused is None and row.waits_for is None]
        if rows:
            yield f"## {group.title}\n"
            yield from _table(("What the agent does", "Outcome"), ((row.manoeuvre, _outcome(row)) for row in rows))
            yield ""


def _outcome(row: Row) -> str:
    match row.outcome:
        case Refused(code=code):
            return f"refused: `{code}`"
        case Detected(words, by):
            return f"detected by {by}: {_quoted(words)}"
        case Disclosed(words, where):
            return f"disclosed in {where}: {_quoted(words)}"
        case InVain(because):
            return f"in vain: {because}"


def _quoted(words: str) -> str:
    # Words that hold a backquote, as a file name in a report does, need two of them around.
    return f"`` {words} ``" if "`" in words else f"`{words}`"


def _limits() -> Iterator[str]:
    head = ("What the agent does", "Why nothing prevents it", "What makes it evident")
    yield from _table(head, ((limit.manoeuvre, limit.why, limit.evident) for limit in LIMITS))


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
