"""Files that are left out of the code, by the settings or because a run made them: told wherever a result is."""

from pathlib import Path

import pytest
from seedproof.ledger.state import State
from seedproof.notices.declarations import created_notices

from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.studies import declare, records, table, write_settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def project(quick_project: Path) -> Path:
    return quick_project


def told(notices: list[dict[str, str]], code: str) -> list[str]:
    return [notice["message"] for notice in notices if notice["code"] == code]


async def test_the_reply_to_a_declaration_tells_what_the_settings_leave_out_before_anything_has_run(
    project: Path,
) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        engine.held = True
        write_settings(project, settings='not_code = ["*.txt"]')
        declared = await declare(call)
        await call("stop_run", run_id=declared.data["run_id"], reason="enough")
    assert declared.data["state"] in ("queued", "running")
    assert told(declared.data["notices"], "not_code_disclosed") == [
        'settings.not_code is not the same in all runs: nothing in baseline, "*.txt" in this run; '
        "so their codes were not compared by the same files."
    ]


async def test_patterns_are_recorded_with_each_run_and_told_in_the_report_of_the_baseline_too(project: Path) -> None:
    write_settings(project, settings='not_code = ["notes/*", "*.md"]')
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        status = await call("check_baseline")
        written = await call("write_report")
    assert {tuple(one["fingerprint"]["not_code"]) for one in records(project, "run_started")} == {("*.md", "notes/*")}
    (message,) = told(status.data["notices"], "not_code_disclosed")
    assert (
        message
        == 'settings.not_code leaves "*.md", "notes/*" out of the code; changes of such files are no change of code.'
    )
    assert f"- {message}" in (project / written.data["path"]).read_text()


def test_of_the_files_that_runs_created_those_that_look_like_code_are_named_five_of_them() -> None:
    def said(*names: str) -> list[str]:
        return [notice.message.partition(" appeared")[0] for notice in created_notices(State(created=set(names)))]

    assert said() == said("results.txt", "model.bin", "gen.py") == []
    assert said("b.json", "a.yaml", "model.bin", "C.PY") == ["C.PY, a.yaml, b.json"]
    assert said(*(f"{place}\n.json" for place in range(9)))[0].endswith(" and 4 more")
