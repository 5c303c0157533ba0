"""What holds of every refusal; each of them has its row, with its exact text, in tests/threats."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from seedproof.model.refusals import Refusal

from tests.support.callers import Answer
from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.threats.agent import an_agent
from tests.threats.deeds import BASELINE, Call, compare, edits_line, removes_settings, run, writes_settings
from tests.threats.rows import Refused
from tests.threats.table import ROWS

pytestmark = pytest.mark.anyio

REFUSED = {row.name: row for row in ROWS if isinstance(row.outcome, Refused)}
EVERY_TOOL: tuple[Call, ...] = (
    ("check_baseline", {}),
    run(),
    compare("near"),
    ("write_report", {}),
    ("list_experiments", {}),
    ("stop_run", {"run_id": "g1-baseline-s42-a1", "reason": "it takes too long"}),
)
each_tool = pytest.mark.parametrize(("tool", "arguments"), EVERY_TOOL, ids=[tool for tool, _ in EVERY_TOOL])


def test_every_code_of_the_tree_has_its_manoeuvre() -> None:
    def codes(kind: type[Refusal]) -> Iterator[str]:
        yield from ([kind.code] if "code" in vars(kind) else [])
        for child in kind.__subclasses__():
            yield from codes(child)

    # What is free on a disk is another number each time: tests/server/service/test_guards.py has the refusal for it.
    elsewhere = {"disk_low", "internal_error"}
    assert {row.outcome.code for row in REFUSED.values()} == set(codes(Refusal)) - {Refusal.code} - elsewhere


async def test_a_client_that_checks_answers_against_the_schema_lets_every_tools_refusal_through(
    quick_project: Path,
) -> None:
    async with quick_tools(quick_project) as call:
        listed = {tool.name: tool.output_schema for tool in (await call.client.list_tools()).tools}
        writes_settings("[settings]\nslots = 2\n")(quick_project)
        for tool, arguments in EVERY_TOOL:
            answer = await call(tool, **arguments)
            assert answer.is_error
            jsonschema.validate(answer.data, listed[tool])
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**answer.data, "refusal": None}, listed[tool])


@each_tool
async def test_with_unreadable_settings_every_tool_answers_bad_settings_until_they_are_mended(
    quick_project: Path, tool: str, arguments: dict[str, Any]
) -> None:
    async with quick_tools(quick_project) as call:
        await call("run_seed")
        writes_settings("[settings]\nslots = 2\n")(quick_project)
        assert (await call(tool, **arguments)).code == "bad_settings"
        removes_settings(quick_project)
        assert (await call(tool, **arguments)).code != "bad_settings"


@each_tool
async def test_on_a_damaged_ledger_every_tool_answers_ledger_damaged(
    quick_project: Path, tool: str, arguments: dict[str, Any]
) -> None:
    async with quick_tools(quick_project) as call:
        await call("run_seed")
        edits_line(1, lambda line: line.replace('"seq":1', '"seq":9'))(quick_project)
        answer = await call(tool, **arguments)
    assert answer.code == "ledger_damaged"
    assert "record 1 of .seedproof/ledger.jsonl says it is record 9." in answer.text


async def test_a_refused_call_leaves_no_trace_in_the_project(quick_project: Path) -> None:
    async with an_agent(quick_project) as agent:
        before = list(quick_project.iterdir())
        for name in ("compare first of all", "an experiment first of all", "a lucky seed", "a seed in a string"):
            await REFUSED[name].act(agent)
            assert agent.tried[-1].answer.is_error
    assert list(quick_project.iterdir()) == before


async def test_a_refused_declaration_is_not_recorded(quick_project: Path) -> None:
    async with quick_tools(quick_project) as call:
        before = await call(BASELINE[0], **BASELINE[1])
        for name in ("no hypothesis", "no flags", "the flags --seed 7", "65 flags", "a capital in the name"):
            tool, arguments = REFUSED[name].refused
            assert (await call(tool, **arguments)).data["ledger_head"] == before.data["ledger_head"]
        assert (await call("list_experiments")).data["total"] == 0


def breaks(argv: object) -> Training:
    raise RuntimeError("secret detail")


async def test_a_crash_is_named_without_its_details_and_the_call_it_names_is_accepted(
    quick_project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with quick_tools(quick_project, InProcessEngine(breaks)) as call:
        answer = await call("run_seed")
        following = answer.data["next"]
        assert not (await call(following["tool"], **following["arguments"])).is_error
    assert answer.text == (
        "internal_error: an unexpected error; the server's stderr has the details. Next: check_baseline()"
    )
    assert "secret detail" not in json.dumps(answer.data)
    assert "secret detail" in caplog.text


async def breaking(folder: Path, mode: str) -> Answer:
    async with quick_tools(folder, InProcessEngine(breaks), mode) as call:
        return await call("run_seed")


async def refused(folder: Path, mode: str, name: str) -> Answer:
    async with an_agent(folder, mode) as agent:
        await REFUSED[name].act(agent)
        return agent.tried[-1].answer


@pytest.mark.parametrize("name", ["compare after two baseline seeds", "a seed in a string", None])
async def test_both_eras_of_the_protocol_get_the_same_refusal(quick_project: Path, name: str | None) -> None:
    answers = []
    for mode in ("auto", "legacy"):
        folder = shutil.copytree(quick_project, quick_project.parent / mode)
        answers.append(await (refused(folder, mode, name) if name else breaking(folder, mode)))
    first, second = answers
    # Two ledgers: the number of records is the same, the hash is not.
    numbers = [answer.data.pop("ledger_head").split()[0] for answer in answers]
    assert numbers[0] == numbers[1]
    assert first == second
