"""The tasks extension: who gets a handle, what it leads to, and that no client ends a run by it."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import MCPError, StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
)
from seedproof_mcp.surface import tools as mcp_tools
from seedproof_mcp.surface.board_app import APPS
from seedproof_mcp.surface.tasks.extension import TASKS
from seedproof_mcp.surface.tools import build_server
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import tools
from tests.support.in_process import InProcessEngine, Training, in_process_service, quick_tools
from tests.support.real_runs import FIRST, records
from tests.support.servers import SEEDPROOF, bare_environment
from tests.support.task_client import Declares, TaskCaller, task_tools, tell
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine() -> InProcessEngine:
    """Runs end when the test releases them."""
    engine = InProcessEngine()
    engine.held = True
    return engine


def caller(project: Path, engine: InProcessEngine) -> Any:
    return task_tools(project, in_process_service(project, engine))


async def code_of(asking: Any) -> int:
    with pytest.raises(MCPError) as refused:
        await asking
    return refused.value.error.code


async def test_a_run_that_goes_on_is_a_task_that_ends_with_the_tools_own_answer(
    quick_project: Path, engine: InProcessEngine
) -> None:
    async with caller(quick_project, engine) as call:
        handle = await call("run_seed", wait_s=0)
        working = await call.get(FIRST)
        engine.release()
        done = await call.outcome(FIRST)
        again = await call("run_seed", seed=42)
    requested, finished = records(quick_project, "run_requested")[0], records(quick_project, "run_finished")[0]
    times = {"createdAt": requested["time"], "lastUpdatedAt": records(quick_project, "run_started")[0]["time"]}
    task = {"taskId": FIRST, "status": "working", **times, "ttlMs": None, "pollIntervalMs": 5000}
    assert handle == {"resultType": "task", **task, "statusMessage": handle["statusMessage"]}
    assert working == {**handle, "resultType": "complete", "statusMessage": working["statusMessage"]}
    assert "val_loss" in working["statusMessage"]
    assert (done["status"], done["createdAt"], done["lastUpdatedAt"]) == (
        "completed",
        requested["time"],
        finished["time"],
    )
    assert done["result"] == again
    assert again["structuredContent"]["state"] == "succeeded"
    assert done["statusMessage"] == again["content"][0]["text"].splitlines()[0]


async def test_a_queued_run_is_a_task_and_its_message_says_what_it_waits_for(
    quick_project: Path, engine: InProcessEngine
) -> None:
    async with caller(quick_project, engine) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        handle = await call("run_seed", seed=137, wait_s=0)
    assert handle["taskId"] == "g1-baseline-s137-a1"
    assert handle["statusMessage"] == "waiting, position 2 in the queue"
    assert handle["lastUpdatedAt"] == handle["createdAt"]


async def test_a_handle_comes_soon_however_long_the_call_may_wait(
    quick_project: Path, engine: InProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_tools, "HANDLE_AFTER_S", 0.05)
    async with caller(quick_project, engine) as call:
        with anyio.fail_after(PATIENCE_S):
            handle = await call("run_seed", wait_s=3600)
    assert handle["resultType"] == "task"


async def test_a_run_that_has_ended_and_other_tools_are_answered_at_once(quick_project: Path) -> None:
    async with caller(quick_project, InProcessEngine()) as call:
        ended = await call("run_seed")
        status = await call("check_baseline")
    assert (ended["resultType"], ended["structuredContent"]["state"]) == ("complete", "succeeded")
    assert (status["resultType"], status["structuredContent"]["phase"]) == ("complete", "measuring")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"wait_s": 3601.0}, "bad_arguments"),
        ({"wait_s": "1"}, "bad_arguments"),
        ({"unknown": 1}, "bad_arguments"),
        ({"seed": 7}, "seed_unknown"),
        ({"experiment": "a", "flags": ["--lr", "7"], "hypothesis": "x"}, "baseline_missing"),
    ],
)
async def test_what_is_refused_is_refused_in_the_same_words_and_makes_no_task(
    quick_project: Path, engine: InProcessEngine, arguments: dict[str, Any], code: str
) -> None:
    async with caller(quick_project, engine) as call:
        refused = await call("run_seed", **arguments)
    async with quick_tools(quick_project, engine) as plain:
        without = await plain("run_seed", **arguments)
    assert (refused["isError"], refused["structuredContent"]["refusal"]["code"]) == (True, code)
    assert (refused["content"][0]["text"], refused["structuredContent"]) == (without.text, without.data)
    assert not ProjectPaths(quick_project).ledger.exists()


async def test_a_task_survives_a_restart_of_the_server(quick_project: Path, engine: InProcessEngine) -> None:
    async with caller(quick_project, engine) as call:
        handle = await call("run_seed", wait_s=0)
    async with caller(quick_project, engine) as call:
        working = await call.get(handle["taskId"])
        engine.release()
        done = await call.outcome(handle["taskId"])
    async with caller(quick_project, engine) as call:
        assert await call.get(handle["taskId"]) == done
    assert (working["status"], done["status"]) == ("working", "completed")
    assert working["createdAt"] == done["createdAt"] == handle["createdAt"]


@pytest.mark.slow
async def test_a_task_outlives_the_process_that_gave_its_handle(project: Path, gate: Path) -> None:
    command = StdioServerParameters(
        command=str(SEEDPROOF), args=["serve", "--project", str(project)], env=bare_environment()
    )
    async with Client(stdio_client(command), extensions=[Declares()]) as client:
        handle = await TaskCaller(client)("run_seed", wait_s=0)
    gate.touch()
    async with Client(stdio_client(command), extensions=[Declares()]) as client:
        done = await TaskCaller(client).outcome(handle["taskId"])
    assert (handle["status"], done["status"]) == ("working", "completed")
    assert done["result"]["structuredContent"]["state"] == "succeeded"


async def test_a_cancelled_task_is_acknowledged_and_its_run_goes_on(
    quick_project: Path, engine: InProcessEngine
) -> None:
    async with caller(quick_project, engine) as call:
        await call("run_seed", wait_s=0)
        cancelled = await tell(call.client, "tasks/cancel", FIRST)
        updated = await tell(call.client, "tasks/update", FIRST, inputResponses={"any": {}})
        working = await call.get(FIRST)
        engine.release()
        done = await call.outcome(FIRST)
        after = await tell(call.client, "tasks/cancel", FIRST)
    assert cancelled == updated == after == {"resultType": "complete"}
    assert working["status"] == "working"
    assert done["result"]["structuredContent"]["state"] == "succeeded"
    assert records(quick_project, "run_cancelled") == []


@pytest.mark.parametrize(
    ("does", "state"),
    [(Training("Traceback: no such package\n", 1), "failed"), (Training("val_loss: nan\n"), "diverged")],
    ids=["failed", "diverged"],
)
async def test_a_run_that_brings_no_value_completes_its_task_with_that_answer(
    quick_project: Path, does: Training, state: str
) -> None:
    engine = InProcessEngine(lambda _: does)
    engine.held = True
    async with caller(quick_project, engine) as call:
        await call("run_seed", wait_s=0)
        engine.release()
        done = await call.outcome(FIRST)
        assert done["result"] == await call("run_seed", seed=42)
    assert (done["status"], done["result"]["structuredContent"]["state"]) == ("completed", state)


async def test_a_run_stopped_by_its_own_tool_completes_its_task(quick_project: Path, engine: InProcessEngine) -> None:
    async with caller(quick_project, engine) as call:
        await call("run_seed", wait_s=0)
        await call("stop_run", run_id=FIRST, reason="wrong data")
        done = await call.get(FIRST)
    assert done["status"] == "completed"
    assert done["result"]["structuredContent"]["state"] == "cancelled"


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_a_task_that_no_ledger_holds_is_unknown(quick_project: Path, method: str) -> None:
    async with caller(quick_project, InProcessEngine()) as call:
        await call("run_seed")
        for unknown in ("g9-baseline-s42-a1", "../runs", "try"):
            assert await code_of(tell(call.client, method, unknown)) == INVALID_PARAMS


async def test_a_ledger_that_cannot_be_read_at_present_ends_no_task(
    quick_project: Path, engine: InProcessEngine
) -> None:
    settings = quick_project / "seedproof.toml"
    async with caller(quick_project, engine) as call:
        await call("run_seed", wait_s=0)
        settings.write_text("half a line = ")
        assert await code_of(call.get(FIRST)) == INTERNAL_ERROR
        settings.unlink()
        assert (await call.get(FIRST))["status"] == "working"


async def test_methods_of_earlier_drafts_are_not_there(quick_project: Path, engine: InProcessEngine) -> None:
    async with caller(quick_project, engine) as call:
        await call("run_seed", wait_s=0)
        for method in ("tasks/result", "tasks/list"):
            assert await code_of(tell(call.client, method, FIRST)) == METHOD_NOT_FOUND


# --- clients that do not declare it ---------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_does_not_declare_it_is_answered_as_ever(
    quick_project: Path, engine: InProcessEngine, mode: str
) -> None:
    async with tools(quick_project, mode, in_process_service(quick_project, engine)) as call:
        answer = await call("run_seed", wait_s=0)
        missing = METHOD_NOT_FOUND if mode == "legacy" else MISSING_REQUIRED_CLIENT_CAPABILITY
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            assert await code_of(tell(call.client, method, FIRST)) == missing
    assert (answer.data["state"], answer.data["run_id"]) == ("running", FIRST)


async def test_the_older_protocol_knows_nothing_of_it_even_where_a_client_declares_it(
    quick_project: Path, engine: InProcessEngine
) -> None:
    server = build_server(quick_project, in_process_service(quick_project, engine))
    async with Client(server, mode="legacy", extensions=[Declares()]) as client:
        assert client.server_capabilities.extensions is None
        answer = await TaskCaller(client)("run_seed", wait_s=0)
        assert await code_of(tell(client, "tasks/get", FIRST)) == METHOD_NOT_FOUND
    assert answer["structuredContent"]["state"] == "running"


async def test_it_is_advertised_to_clients_that_may_declare_it_and_changes_no_tool(quick_project: Path) -> None:
    async with caller(quick_project, InProcessEngine()) as call:
        assert call.client.server_capabilities.extensions == {TASKS: {}, APPS: {}}
        declared = await call.client.list_tools()
    async with quick_tools(quick_project) as plain:
        assert await plain.client.list_tools() == declared
