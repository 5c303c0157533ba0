"""Runs whose processes are told of no change: they look again, and come to the same end."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof_mcp.runner import conductor
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import file_watch

from tests.support.supervised import LocalRuns, eventually
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")

# What a watch is asked to tell of: the unmounting of the file system alone (IN_UNMOUNT), as if all else were lost.
NOTHING = 0x2000
HOW = {
    "every event is lost": f"file_watch._OF_A_FILE = file_watch._OF_A_FOLDER = {NOTHING}",
    "nothing can be watched": "file_watch._libc = None",
}


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_a_supervisor_that_is_told_of_nothing_is_cancelled_and_takes_a_slot_that_becomes_free(
    local: LocalRuns, how: str
) -> None:
    def supervise(code: str) -> "subprocess.Popen[bytes]":
        run = local.prepare(code)
        runs.append(run)
        text = f"import sys; from seedproof_mcp.system import file_watch; {how}; "
        text += "from seedproof_mcp.supervisor.supervise import main; sys.exit(main(sys.argv[1:]))"
        return subprocess.Popen([sys.executable, "-P", "-c", text, str(run.paths.folder)])

    runs: list[Any] = []
    with supervise("say('first'); await_file('never')") as first:
        local.read("first")
        with supervise("say('second')") as second:
            eventually(runs[1].paths.alive.exists)
            local.engine.cancel(runs[0].handle, "a test")
            assert (first.wait(PATIENCE_S), second.wait(PATIENCE_S)) == (0, 0)
    assert local.result(runs[0])["end"] == "cancelled"
    assert local.result(runs[1])["end"] == "exited"


@pytest.mark.parametrize("mask", ["_OF_A_FILE", "_OF_A_FOLDER"])
def test_a_conductor_and_a_call_that_are_told_of_nothing_bring_the_result(
    project: Path, monkeypatch: pytest.MonkeyPatch, mask: str
) -> None:
    monkeypatch.setattr(file_watch, mask, NOTHING)
    monkeypatch.setenv("SEEDPROOF_IDLE_S", "0")
    service = Service(project, start_conductor=lambda paths: None)
    run_id = service.request_run(RunRequest())
    with service.watch() as watch:
        assert conductor.main([str(project)]) == 0
        while (seen := service.observe(run_id)).is_active:
            watch.wait(PATIENCE_S, PATIENCE_S)
    assert seen.state == "succeeded"
