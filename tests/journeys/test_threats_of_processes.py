"""Rows of the table of threats whose trainings are processes: what they read, and what happens while they train."""

from pathlib import Path

import pytest

from tests.threats.agent import an_agent
from tests.threats.rows import Row
from tests.threats.table import SUPERVISED

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("row", SUPERVISED)
async def test_the_manoeuvre_ends_as_its_row_says(quick_project: Path, row: Row) -> None:
    async with an_agent(quick_project, supervised=True) as agent:
        told = await row.act(agent)
        await row.outcome.prove(agent, told)
