"""The local engine's contract."""

import os
import subprocess
import sys

import pytest
from seedproof_mcp.runner.engines import Engine
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import slot_lock

from tests.support.supervised import Bench, eventually, is_gone


def test_the_local_engine_is_an_engine() -> None:
    engine: Engine = LocalEngine()
    assert engine.capabilities() == {"cancel", "read_log", "slots"}


def test_submitting_again_starts_nothing(bench: Bench) -> None:
    run = bench.prepare("open('starts', 'a').write('x'); say('up'); await_file('go')")
    handles = {bench.engine.submit(run.paths.folder) for _ in range(3)}
    bench.read("up")
    handles.add(LocalEngine().submit(run.paths.folder))
    (bench.work / "go").touch()
    bench.result(run)
    handles.add(bench.engine.submit(run.paths.folder))
    assert handles == {run.handle}
    assert bench.read("starts") == "x"


def test_a_run_is_never_lost_between_its_submission_and_its_end(bench: Bench) -> None:
    run = bench.submit()
    seen: list[str] = []
    while not seen or seen[-1] not in ("done", "lost"):
        seen.append(bench.poll(run))
    order = ["queued", "running", "done"]
    assert seen == sorted(seen, key=order.index)


def test_a_reserved_slot_passes_to_the_run_that_is_submitted_without_a_gap(bench: Bench) -> None:
    with bench.engine.reserve("default") as slot, bench.engine.reserve("default") as second:
        assert slot is not None and second is None
        run = bench.prepare("say('up'); await_file('go')")
        bench.engine.submit(run.paths.folder, slot)
    assert locks.is_locked(slot_lock("default")), "whether or not the supervisor has done anything yet"
    bench.read("up")
    assert locks.is_locked(slot_lock("default"))
    (bench.work / "go").touch()
    bench.result(run)
    assert not locks.is_locked(slot_lock("default"))


def test_a_reserved_slot_is_free_again_where_nothing_was_submitted(bench: Bench) -> None:
    with bench.engine.reserve("default"):
        assert locks.is_locked(slot_lock("default"))
    assert not locks.is_locked(slot_lock("default"))


def test_a_run_that_was_never_submitted_is_lost(bench: Bench) -> None:
    assert bench.poll(bench.prepare()) == "lost"


def test_the_log_is_read_in_pieces_while_the_training_runs(bench: Bench) -> None:
    run = bench.prepare("print('abcdef'); say('printed'); await_file('go'); print('g')")
    assert bench.engine.read_log(run.handle, 0, 10) == b""
    bench.engine.submit(run.paths.folder)
    bench.read("printed")
    assert bench.engine.read_log(run.handle, 2, 3) == b"cde"
    assert bench.engine.read_log(run.handle, 7, 10) == b""
    (bench.work / "go").touch()
    bench.result(run)
    assert bench.engine.read_log(run.handle, 7, 10) == b"g\n"


def test_the_end_of_the_submitting_process_changes_nothing(bench: Bench) -> None:
    run = bench.prepare("say('up'); await_file('go'); print('fine')")
    code = (
        "import sys, pathlib; from seedproof_mcp.runner.engines.local import LocalEngine; "
        "LocalEngine().submit(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, run.handle], timeout=30, check=True)
    bench.read("up")
    assert bench.poll(run) == "running"
    (bench.work / "go").touch()
    assert bench.result(run)["exit_code"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_polling_leaves_no_zombie_supervisor(bench: Bench) -> None:
    run = bench.submit("say('up'); await_file('go')")
    supervisor = run.started["supervisor_pid"]
    (bench.work / "go").touch()
    bench.result(run)
    eventually(lambda: is_gone(supervisor))
    bench.poll(run)
    assert not os.path.exists(f"/proc/{supervisor}")
