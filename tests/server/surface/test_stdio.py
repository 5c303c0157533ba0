"""The server as hosts start it: a process on stdin and stdout with a bare environment."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from seedproof_mcp.service.service import Lab

from tests.conftest import PATIENCE_S, Caller, wait_until
from tests.support.places import EXAMPLE

pytestmark = pytest.mark.anyio

SCRIPT = EXAMPLE / "train_llm.py"
SEEDPROOF = Path(sys.executable).with_name("seedproof")
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


def bare_environment(**more: str) -> dict[str, str]:
    """What hosts leave of the environment, and where this test keeps its slots."""
    kept = ("HOME", "PATH", "USER", "XDG_STATE_HOME", "SEEDPROOF_IDLE_S", "PYTHONPATH")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **more}


@asynccontextmanager
async def served(project: Path) -> AsyncIterator[Caller]:
    server = StdioServerParameters(
        command=str(SEEDPROOF), args=["serve", "--project", str(project)], env=bare_environment()
    )
    async with Client(stdio_client(server)) as client:
        yield Caller(client)


@pytest.fixture
def real_project(project: Path) -> Path:
    """A project that trains the real example with this interpreter, which has numpy."""
    shutil.copy(SCRIPT, project / "train_llm.py")
    (project / "seedproof.toml").write_text(f"[settings]\npython = {json.dumps(sys.executable)}\n")
    return project


def kinds(project: Path) -> list[str]:
    return [json.loads(line)["kind"] for line in (project / ".seedproof/ledger.jsonl").read_text().splitlines()]


@contextmanager
def raw_server(project: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [SEEDPROOF, "serve", "--project", project]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=bare_environment(**environment)
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: "subprocess.Popen[bytes]", message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def ask(process: "subprocess.Popen[bytes]", message: dict[str, Any]) -> dict[str, Any]:
    """The next line on stdout, which has to be JSON and the answer to this message."""
    tell(process, message)
    assert process.stdout is not None
    answer = json.loads(process.stdout.readline())
    assert answer["id"] == message["id"]
    return answer


def hang_up(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Close stdin; what still came on stdout, and all of stderr."""
    return process.communicate(timeout=PATIENCE_S)


def call_of(number: int, tool: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def test_real_training_outlives_a_killed_server_and_the_next_one_returns_that_run(real_project: Path) -> None:
    with raw_server(real_project) as process:
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        started = ask(process, call_of(2, "run_seed", wait_s=0))
        wait_until(lambda: "run_started" in kinds(real_project))
        process.kill()
        process.wait()
    async with served(real_project) as call:
        ended = await call("run_seed", seed=42, wait_s=PATIENCE_S)
    assert ended.data["run_id"] == started["result"]["structuredContent"]["run_id"]
    assert (ended.data["state"], ended.data["attempt"]) == ("succeeded", 1)
    # The example learns: a model that guesses evenly among its characters loses more than 4.
    assert 1.0 < ended.data["metrics"]["val_loss"] < 2.5
    assert kinds(real_project) == ["generation_started", "run_requested", "run_started", "run_finished"]


def test_the_end_of_stdin_ends_the_server_and_the_training_goes_on(project: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    (project / "seedproof.toml").write_text(f"[settings.env]\nFAKE_GATE = {json.dumps(str(gate))}\n")
    with raw_server(project) as process:
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        answer = ask(process, call_of(2, "run_seed", wait_s=0))
        hang_up(process)
        assert process.returncode == 0
    run_id, lab = answer["result"]["structuredContent"]["run_id"], Lab(project)
    wait_until(lambda: lab.observe(run_id).state == "running")
    gate.touch()
    wait_until(lambda: lab.observe(run_id).state == "succeeded")


def test_nothing_but_the_protocol_reaches_stdout_whatever_a_library_prints(project: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit\nprint('printed before')\natexit.register(print, 'printed at exit')\n"
    )
    with raw_server(project, PYTHONPATH=str(tmp_path)) as process:
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        ask(process, call_of(2, "check_baseline"))
        rest, errors = hang_up(process)
    assert rest == b""
    assert b"printed before" in errors
    assert b"printed at exit" in errors


def test_a_line_of_junk_is_survived(project: Path) -> None:
    with raw_server(project) as process:
        assert process.stdin is not None
        process.stdin.write(b"\xff\x00 no JSON {\n")
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        answer = ask(process, call_of(2, "check_baseline"))
        _, errors = hang_up(process)
    assert answer["result"]["structuredContent"]["phase"] == "unmeasured"
    assert b"Traceback" not in errors
