"""How long a call waits that leaves `wait_s` out: what the environment says, else what the client's host allows."""

from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp_types import Implementation
from seedproof_mcp.surface.tools import build_server
from seedproof_mcp.surface.wait_s import TIMEOUT_VARIABLE

from tests.support.clock import Clock
from tests.support.in_process import InProcessEngine, in_process_service

pytestmark = pytest.mark.anyio

TOKEN = {"progressToken": 7}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock.of_the_tools(monkeypatch)


async def waited_s(project: Path, clock: Clock, name: str, mode: str, **call: Any) -> float:
    engine = InProcessEngine()
    engine.held = True
    server = build_server(project, in_process_service(project, engine))
    sender = Implementation(name=name, version="1")
    async with Client(server, mode=mode, client_info=sender) as client:
        before = clock.now_s
        answer = await client.call_tool("run_seed", call.pop("arguments", {}), **call)
    assert answer.structured_content["state"] == "running"
    return clock.now_s - before


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("claude-code", 1500),
        ("codex-mcp-client", 270),
        ("gemini-cli-mcp-client", 540),
        ("continue-cli-client", 45),
        ("@cline/core", 45),
        ("anybody", 45),
    ],
)
async def test_a_call_waits_as_long_as_its_client_is_known_to_allow(
    quick_project: Path, clock: Clock, name: str, mode: str, seconds: float
) -> None:
    assert await waited_s(quick_project, clock, name, mode) == seconds
    assert await waited_s(quick_project, clock, name, mode, arguments={"wait_s": 10}) == 10


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("name", ["opencode", "copilot-cli"])
async def test_a_limit_that_progress_extends_counts_only_where_progress_was_asked_for(
    quick_project: Path, clock: Clock, name: str, mode: str
) -> None:
    assert await waited_s(quick_project, clock, name, mode) == 45
    assert await waited_s(quick_project, clock, name, mode, meta=TOKEN) == 3600
    assert await waited_s(quick_project, clock, "anybody", mode, meta=TOKEN) == 45


@pytest.mark.parametrize(("told", "seconds"), [("300", 270), ("60", 54), ("3660", 3600), ("1e9", 3600), ("0.5", 0.45)])
async def test_the_environment_knows_better_less_a_tenth_and_at_most_a_minute(
    quick_project: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, told: str, seconds: float
) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, told)
    assert await waited_s(quick_project, clock, "claude-code", "auto") == pytest.approx(seconds)


@pytest.mark.parametrize("told", ["soon", "0", "-5", "nan", "inf", " "])
async def test_what_is_no_positive_number_is_ignored_and_told_once(
    quick_project: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    told: str,
) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, told)
    for _ in range(2):
        assert await waited_s(quick_project, clock, "codex-mcp-client", "auto") == 270
    (line,) = [one for one in caplog.messages if TIMEOUT_VARIABLE in one]
    assert line == f"{TIMEOUT_VARIABLE} is {told!r}, which is no positive number of seconds; it is ignored"
