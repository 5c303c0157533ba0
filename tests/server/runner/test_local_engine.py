"""The local engine's contract."""

import os
import subprocess
import sys

import pytest
from seedproof_mcp.runner.engines import Engine
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import slot_lock

from tests.support.supervised import LocalRuns, eventually, is_gone


def test_the_local_engine_is_an_engine() -> None:
    engine: Engine = LocalEngine()
    assert engine.capabilities() == {"cancel", "read_log", "slots"}


def test_submitting_again_starts_nothing(local: LocalRuns) -> None:
    run = local.prepare("open('starts', 'a').write('x'); say('up'); await_file('go')")
    handles = {local.engine.submit(run.paths.folder) for _ in range(3)}
    local.read("up")
    handles.add(LocalEngine().submit(run.paths.folder))
    (local.work / "go").touch()
    local.result(run)
    handles.add(local.engine.submit(run.paths.folder))
    assert handles == {run.handle}
    assert local.read("starts") == "x"


def test_a_run_is_never_lost_between_its_submission_and_its_end(local: LocalRuns) -> None:
    run = local.submit()
    seen: list[str] = []
    while not seen or seen[-1] not in ("done", "lost"):
        seen.append(local.poll(run))
    order = ["queued", "running", "done"]
    assert seen == sorted(seen, key=order.index)


def test_a_reserved_slot_passes_to_the_run_that_is_submitted_without_a_gap(local: LocalRuns) -> None:
    with local.engine.reserve("default") as slot, local.engine.reserve("default") as second:
        assert slot is not None and second is None
        run = local.prepare("say('up'); await_file('go')")
        local.engine.submit(run.paths.folder, slot)
    assert locks.is_locked(slot_lock("default")), "whether or not the supervisor has done anything yet"
    local.read("up")
    assert locks.is_locked(slot_lock("default"))
    (local.work / "go").touch()
    local.result(run)
    assert not locks.is_locked(slot_lock("default"))


def test_a_reserved_slot_is_free_again_where_nothing_was_submitted(local: LocalRuns) -> None:
    with local.engine.reserve("default"):
        assert locks.is_locked(slot_lock("default"))
    assert not locks.is_locked(slot_lock("default"))


def test_a_run_that_was_never_submitted_is_lost(local: LocalRuns) -> None:
    assert local.poll(local.prepare()) == "lost"


def test_the_log_is_read_in_pieces_while_the_training_runs(local: LocalRuns) -> None:
    run = local.prepare("print('abcdef'); say('printed'); await_file('go'); print('g')")
    assert local.engine.read_log(run.handle, 0, 10) == b""
    local.engine.submit(run.paths.folder)
    local.read("printed")
    assert local.engine.read_log(run.handle, 2, 3) == b"cde"
    assert local.engine.read_log(run.handle, 7, 10) == b""
    (local.work / "go").touch()
    local.result(run)
    assert local.engine.read_log(run.handle, 7, 10) == b"g\n"


def test_the_end_of_the_submitting_process_changes_nothing(local: LocalRuns) -> None:
    run = local.prepare("say('up'); await_file('go'); print('fine')")
    code = (
        "import sys, pathlib; from seedproof_mcp.runner.engines.local import LocalEngine; "
        "LocalEngine().submit(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, run.handle], timeout=30, check=True)
    local.read("up")
    assert local.poll(run) == "running"
    (local.work / "go").touch()
    assert local.result(run)["exit_code"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_polling_leaves_no_zombie_supervisor(local: LocalRuns) -> None:
    run = local.submit("say('up'); await_file('go')")
    supervisor = run.started["supervisor_pid"]
    (local.work / "go").touch()
    local.result(run)
    eventually(lambda: is_gone(supervisor))
    local.poll(run)
    assert not os.path.exists(f"/proc/{supervisor}")
