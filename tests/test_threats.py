"""Every row of the table of threats: the manoeuvre ends as the row says, and the page says the same."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof.model.refusals import Refusal

from tests.threats.agent import an_agent
from tests.threats.page import PAGE, text
from tests.threats.rows import Detected, Disclosed, Refused, Row
from tests.threats.table import IN_MEMORY, LIMITS, ROWS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("row", IN_MEMORY)
async def test_the_manoeuvre_ends_as_its_row_says(quick_project: Path, row: Row) -> None:
    async with an_agent(quick_project) as agent:
        told = await row.act(agent)
        await row.outcome.prove(agent, told)


# --- the table itself -------------------------------------------------------------------------


def test_the_page_is_what_the_table_renders() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), "`make threats` writes docs/threats.md"


def test_at_least_sixty_manoeuvres_are_refused_detected_or_disclosed() -> None:
    in_force = [row.outcome for row in ROWS if row.refused is None]
    assert sum(isinstance(outcome, Refused | Detected | Disclosed) for outcome in in_force) >= 60


def test_a_manoeuvre_is_one_sentence_and_stands_once_in_its_group() -> None:
    sentences = [row.manoeuvre for row in ROWS if row.refused is None] + [limit.manoeuvre for limit in LIMITS]
    assert [one for one in sentences if not re.fullmatch(r"[A-Z](?:[^.!?]|\.(?=\S))*\.", one)] == []
    assert [one for one, count in Counter((row.group, row.manoeuvre) for row in ROWS).items() if count > 1] == []
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []


def codes(kind: type[Refusal]) -> Iterator[str]:
    yield from ([kind.code] if "code" in vars(kind) else [])
    for child in kind.__subclasses__():
        yield from codes(child)


def test_every_row_names_a_code_that_the_documents_know() -> None:
    notices = PAGE.with_name("tools.md").read_text().split("## Notices")[1].split("## Refusals")[0]
    for row in (row for row in ROWS if row.waits_for is None):
        if isinstance(row.outcome, Refused):
            assert row.outcome.code in set(codes(Refusal)), row.manoeuvre
        elif isinstance(row.outcome, Disclosed) and row.outcome.is_notice:
            assert f"| `{row.outcome.words}` |" in notices, row.manoeuvre
