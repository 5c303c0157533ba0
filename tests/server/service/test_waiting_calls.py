"""Calls that wait for a stubborn training or for a ledger that somebody holds: who is answered, and who may leave."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.ledger import file
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner import conductor_status
from seedproof_mcp.runner.launcher import ensure_conductor
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths

from tests.server.ledger.test_faults import is_open_in
from tests.support.callers import tools
from tests.support.real_runs import FIRST, records, started
from tests.support.servers import (
    INITIALIZE,
    INITIALIZED,
    SEEDPROOF,
    ask,
    bare_environment,
    call_of,
    hang_up,
    raw_server,
    tell,
)
from tests.support.supervised import is_gone
from tests.support.waiting import PATIENCE_S, wait_until

# It outlives every test, so that only what the server does by itself ends a wait.
VERY_LONG_S = 600
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("val_loss: 9.5", flush=True)
time.sleep(600)
"""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def with_patience(folder: Path, patience_s: float) -> str:
    """A PYTHONPATH with which server and conductor wait so long for the ledger's lock."""
    folder.mkdir()
    text = f"from seedproof_mcp.ledger import file\nfile.LOCK_PATIENCE_S = {patience_s}\n"
    (folder / "sitecustomize.py").write_text(text)
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture
def held(project: Path) -> Iterator[locks.Lock]:
    """The ledger's lock, held by this process."""
    paths = ProjectPaths(project)
    files.make_folder(paths.state)
    with locks.lock(paths.ledger_lock) as lock:
        yield lock


# --- the end of stdin -----------------------------------------------------------------------------


@pytest.mark.slow
@linux_only
def test_the_end_of_stdin_ends_a_server_that_waits_for_a_training_which_will_not_stop(project: Path) -> None:
    (project / "train_llm.py").write_text(STUBBORN)
    (project / "seedproof.toml").write_text(f"[settings]\ngrace_s = {VERY_LONG_S}\n")
    folder = ProjectPaths(project).run(FIRST)
    with raw_server(project) as process:
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        ask(process, call_of(2, "run_seed", wait_s=0))
        training = started(project)["pid"]
        wait_until(lambda: b"val_loss" in folder.log.read_bytes())
        tell(process, call_of(3, "stop_run", run_id=FIRST, reason="it is stubborn"))
        wait_until(folder.cancel.exists)
        try:
            said, errors = hang_up(process)
            assert (process.returncode, said, errors) == (0, b"", b"")
            assert not is_gone(training)
        finally:
            os.kill(training, signal.SIGKILL)
    service = Service(project)
    wait_until(lambda: service.observe(FIRST).state == "cancelled")


@linux_only
def test_the_end_of_stdin_ends_a_server_that_waits_for_the_ledger_and_what_it_asked_for_is_not_written(
    project: Path, held: locks.Lock, tmp_path: Path
) -> None:
    paths = ProjectPaths(project)
    with raw_server(project, PYTHONPATH=with_patience(tmp_path / "patient", VERY_LONG_S)) as process:
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        tell(process, call_of(2, "run_seed", wait_s=0))
        wait_until(lambda: is_open_in(process.pid, paths.ledger_lock))
        for number, tool in enumerate(("check_baseline", "list_experiments"), 3):
            assert "refusal" not in ask(process, call_of(number, tool))["result"]["structuredContent"]
        refused = ask(process, call_of(5, "compare", experiment="a"))  # a refusal is worded by the same loop
        said, errors = hang_up(process)
        assert (process.returncode, said, errors) == (0, b"", b"")
    assert refused["result"]["structuredContent"]["refusal"]["code"] == "baseline_missing"
    held.release()
    assert Ledger(paths).refresh().seq == 0


@pytest.mark.slow
@linux_only
def test_the_end_of_stdin_ends_a_server_all_of_whose_threads_wait(
    project: Path, held: locks.Lock, tmp_path: Path
) -> None:
    with raw_server(project, PYTHONPATH=with_patience(tmp_path / "patient", VERY_LONG_S)) as process:
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        for number in range(100):  # more than it has threads: none is left to read the end of stdin
            tell(process, call_of(2 + number, "run_seed", wait_s=0))
        said, errors = hang_up(process)
        assert (process.returncode, said, errors) == (0, b"", b"")


@pytest.mark.slow
@linux_only
def test_the_end_of_input_at_a_terminal_ends_a_server_as_well(project: Path, held: locks.Lock, tmp_path: Path) -> None:
    environment = bare_environment(PYTHONPATH=with_patience(tmp_path / "patient", VERY_LONG_S))
    ours, theirs = os.openpty()
    command = [SEEDPROOF, "serve", "--project", project]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, env=environment) as process:
        for message in (INITIALIZE, INITIALIZED, call_of(2, "run_seed", wait_s=0)):
            os.write(ours, json.dumps(message).encode() + b"\n")
        wait_until(lambda: is_open_in(process.pid, ProjectPaths(project).ledger_lock))
        os.write(ours, b"\x04")  # Ctrl-D, which closes nothing
        try:
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
    for descriptor in (ours, theirs):
        os.close(descriptor)


# --- a ledger that somebody holds -----------------------------------------------------------------


@pytest.mark.anyio
async def test_what_has_to_write_is_refused_while_somebody_holds_the_ledger_and_what_reads_is_answered(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ProjectPaths(project)
    async with tools(project) as call:
        await call.measure_baseline()
        monkeypatch.setattr(file, "LOCK_PATIENCE_S", 0.1)
        with locks.lock(paths.ledger_lock):
            seen = [await call(tool) for tool in ("check_baseline", "list_experiments")]
            answers = [await call("run_seed", seed=137), await call("write_report")]
            code = main(["gc", "--yes", "--project", str(project)])
        assert (await call("write_report")).data["path"]
    assert [answer.is_error for answer in seen] == [False, False]
    holder = "another call of this process" if sys.platform == "linux" else "another process"
    for answer in answers:
        assert answer.text.startswith(f"not_writable: ledger.lock was locked for 0.1 s, now by {holder}, so nothing")
        assert "call again" in answer.text
        assert answer.next == "check_baseline()"
    assert (code, "ledger.lock was locked for 0.1 s" in capsys.readouterr().err) == (3, True)


@linux_only
def test_the_process_that_holds_the_ledger_is_named_to_others(project: Path, held: locks.Lock, tmp_path: Path) -> None:
    with raw_server(project, PYTHONPATH=with_patience(tmp_path / "impatient", 0.1)) as process:
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        answer = ask(process, call_of(2, "run_seed", wait_s=0))["result"]["structuredContent"]
    assert answer["refusal"]["code"] == "not_writable"
    assert f"ledger.lock was locked for 0.1 s, now by process {os.getpid()}," in answer["refusal"]["message"]


@pytest.mark.slow
@linux_only
def test_a_conductor_that_does_not_get_the_ledger_says_so_and_writes_the_result_once_it_does(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, paths = tmp_path / "gate", ProjectPaths(project)
    (project / "seedproof.toml").write_text(f"[settings.env]\nFAKE_GATE = {json.dumps(str(gate))}\n")
    monkeypatch.setenv("PYTHONPATH", with_patience(tmp_path / "impatient", 0.1))
    with raw_server(project) as process:
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        ask(process, call_of(2, "run_seed", wait_s=0))
        started(project)
        with locks.lock(paths.ledger_lock):
            gate.touch()
            wait_until(lambda: conductor_status.read_problem(paths) is not None)
            assert (
                conductor_status.read_problem(paths)
                == f".seedproof/ledger.lock: locked for 0.1 s, now by process {os.getpid()}"
            )
        wait_until(lambda: bool(records(project, "run_finished")))
        wait_until(lambda: conductor_status.read_problem(paths) is None)
    assert len(records(project, "run_started")) == 1


@linux_only
def test_a_conductor_without_work_stays_while_somebody_holds_the_ledger(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = ProjectPaths(project)
    monkeypatch.setenv("PYTHONPATH", with_patience(tmp_path / "impatient", 0.01))
    monkeypatch.setenv("SEEDPROOF_IDLE_S", "0")
    files.make_folder(paths.state)
    with locks.lock(paths.ledger_lock):
        ensure_conductor(paths)
        wait_until(lambda: locks.is_locked(paths.conductor_lock))
        pid = int(locks.signature(paths.conductor_lock) or 0)
        for _ in range(3):  # it has come, gone without the ledger, and come again
            wait_until(lambda: is_open_in(pid, paths.ledger_lock))
            wait_until(lambda: not is_open_in(pid, paths.ledger_lock))
        assert locks.is_locked(paths.conductor_lock)
    wait_until(lambda: not locks.is_locked(paths.conductor_lock))
