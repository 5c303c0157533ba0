"""The server as hosts start it: a process on stdin and stdout with a bare environment."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from seedproof_mcp.service.service import Service

from tests.support.places import EXAMPLE
from tests.support.servers import (
    INITIALIZE,
    INITIALIZED,
    ask,
    call_of,
    hang_up,
    raw_server,
    served,
    tell,
)
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.anyio

SCRIPT = EXAMPLE / "train_llm.py"


@pytest.fixture
def real_project(project: Path) -> Path:
    """A project that trains the real example with this interpreter, which has numpy."""
    shutil.copy(SCRIPT, project / "train_llm.py")
    (project / "seedproof.toml").write_text(f"[settings]\npython = {json.dumps(sys.executable)}\n")
    return project


def kinds(project: Path) -> list[str]:
    return [json.loads(line)["kind"] for line in (project / ".seedproof/ledger.jsonl").read_text().splitlines()]


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
    run_id, service = answer["result"]["structuredContent"]["run_id"], Service(project)
    wait_until(lambda: service.observe(run_id).state == "running")
    gate.touch()
    wait_until(lambda: service.observe(run_id).state == "succeeded")


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
