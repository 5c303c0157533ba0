"""docs/agents.md is what a recording of the study gives."""

import re

import anyio
import pytest

from tests.agent_study.page import PAGE, STRUCTURE_BYTES, TEXT_BYTES, text
from tests.agent_study.recording import Recording, record
from tests.agent_study.tokens import INSTALLED, count_tokens

HOW = "`make agent-study` writes docs/agents.md"


@pytest.fixture(scope="module")
def recording() -> Recording:
    return anyio.run(record)


def without_tokens(page: str) -> str:
    return re.sub(r"[\d,]+ tokens", "… tokens", page)


def test_the_page_is_what_the_study_gives_but_for_its_tokens(recording: Recording) -> None:
    made = text(recording, lambda texts: [0] * len(texts))
    assert without_tokens(PAGE.read_text(encoding="utf-8")) == without_tokens(made), HOW


@pytest.mark.slow
@pytest.mark.skipif(not (INSTALLED / ".ready").exists(), reason="needs `make conformance-env`")
def test_the_tokens_of_the_page_are_those_of_the_study(recording: Recording) -> None:
    assert PAGE.read_text(encoding="utf-8") == text(recording, count_tokens), HOW


def test_the_study_has_the_calls_that_the_page_says_and_keeps_its_budgets(recording: Recording) -> None:
    for replies, runs in ((recording.by_arm, 3), (recording.by_seed, 5 + 3 + 6)):
        tools = [reply.call.partition("(")[0] for reply in replies]
        assert [tools.count(name) for name in ("run_seed", "compare", "write_report")] == [runs, 2, 2]
        assert sum(len(reply.structure.encode()) for reply in replies) <= STRUCTURE_BYTES
        assert sum(len(reply.whole_text.encode()) for reply in replies) <= TEXT_BYTES
    assert all('"refusal":' in reply.structure for reply in recording.refusals)
