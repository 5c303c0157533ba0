"""The supervisor, seen from the files it leaves and the processes it does not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from seedproof_mcp.supervisor.observation import BOOTSTRAP
from seedproof_mcp.supervisor.processes import mark, marker_of, marking, sweep
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import slot_lock

from tests.support.supervised import LocalRuns, Run, eventually, is_gone

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a subreaper")

# A main process with a child that ignores SIGTERM and a daemon that left session, parent and
# environment behind, so that neither the group nor the marker leads to it.
TREE = """
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("stubborn", os.getpid())
    while True:
        signal.pause()
def body():
    say("daemon", os.getpid())
    os.execve("/bin/sleep", ["sleep", "600"], {})
daemon(body)
await_file("stubborn")
await_file("daemon")
say("main", os.getpid())
signal.pause()
"""


def supervise(run: Run) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", "-m", "seedproof_mcp.supervisor.supervise", run.handle]
    return subprocess.run(command, capture_output=True, timeout=30, check=False)


def tree_pids(local: LocalRuns) -> list[int]:
    return [int(local.read(name)) for name in ("main", "stubborn", "daemon")]


def test_a_normal_exit_is_published_with_code_log_and_times(local: LocalRuns) -> None:
    run = local.submit("print('val_loss: 4.1'); print('warning', file=sys.stderr)")
    result = local.result(run)
    assert result["wall_time_s"] > 0
    assert result["started_at"] <= result["ended_at"]
    assert result["load"] >= 0
    assert (run.started["host"], run.started["cpu_count"]) == (os.uname().nodename, os.cpu_count())
    assert run.started["load"] >= 0
    assert result["cpu_s"] > 0 and (result["waited_s"] or 0) >= 0
    for name in ("wall_time_s", "started_at", "ended_at", "load", "cpu_s", "waited_s"):
        del result[name]
    assert result == {
        "end": "exited",
        "exit_code": 0,
        "signal": None,
        "log_bytes": len(b"val_loss: 4.1\nwarning\n"),
        "stopped_s": 0.0,
        "error": None,
        "killed_leftovers": 0,
        "slept_s": 0.0,
        "disk_was_full": False,
        "metric_faults": {},
        "place": None,
    }
    assert run.log == b"val_loss: 4.1\nwarning\n"
    assert run.paths.supervisor_log.read_bytes() == b""


def test_a_non_zero_exit_keeps_its_code(local: LocalRuns) -> None:
    result = local.result(local.submit("sys.exit(7)"))
    assert (result["end"], result["exit_code"], result["signal"]) == ("exited", 7, None)


def test_an_exit_by_signal_names_the_signal(local: LocalRuns) -> None:
    result = local.result(local.submit("os.kill(os.getpid(), signal.SIGKILL)"))
    assert (result["end"], result["exit_code"], result["signal"]) == ("exited", None, "SIGKILL")


def test_the_training_sees_its_environment_its_folder_and_an_empty_stdin(local: LocalRuns) -> None:
    code = "print(sorted(os.environ.items()), os.getcwd(), sys.stdin.read() == '')"
    run = local.submit(code, env={"PATH": "/bin", "LC_ALL": "C.UTF-8"})
    local.result(run)
    environment = [
        ("LC_ALL", "C.UTF-8"),
        ("PATH", "/bin"),
        ("PYTHONPATH", BOOTSTRAP),
        ("PYTHONUNBUFFERED", "1"),
        ("SEEDPROOF_RUN", marker_of(run.paths)),
    ]
    assert run.log.decode() == f"{environment} {local.work} True\n"


def test_a_missing_interpreter_is_not_started_and_says_why(local: LocalRuns) -> None:
    result = local.result(local.submit(argv=["/nowhere/python", "train.py"]))
    assert result["end"] == "not_started"
    assert result["error"] == "python: No such file or directory"
    assert (result["exit_code"], result["wall_time_s"], result["started_at"]) == (None, None, None)


def test_a_missing_folder_is_not_started_and_says_why(local: LocalRuns) -> None:
    result = local.result(local.submit(cwd="/nowhere/project"))
    assert result["end"] == "not_started"
    assert result["error"] == "project: No such file or directory"


def test_an_unreadable_spec_is_not_started_and_says_why(local: LocalRuns) -> None:
    run = local.prepare()
    run.paths.spec.write_text("{")
    local.engine.submit(run.paths.folder)
    result = local.result(run)
    assert result["end"] == "not_started"
    assert "Expecting property name" in result["error"]
    assert b"Traceback" in run.paths.supervisor_log.read_bytes()


@linux_only
def test_the_time_limit_ends_the_whole_tree(local: LocalRuns) -> None:
    run = local.submit(TREE, timeout_s=2.0)
    pids = tree_pids(local)
    result = local.result(run)
    assert (result["end"], result["signal"]) == ("timed_out", "SIGTERM")
    assert result["killed_leftovers"] == 2
    assert [pid for pid in pids if not is_gone(pid)] == []


@linux_only
def test_cancelling_a_running_training_ends_the_whole_tree(local: LocalRuns) -> None:
    run = local.submit(TREE)
    pids = tree_pids(local)
    local.engine.cancel(run.handle, "the user said so")
    result = local.result(run)
    assert (result["end"], result["signal"]) == ("cancelled", "SIGTERM")
    assert [pid for pid in pids if not is_gone(pid)] == []


@linux_only
def test_a_stopped_process_is_ended_too(local: LocalRuns) -> None:
    run = local.submit("os.kill(os.getpid(), signal.SIGSTOP)", grace_s=30.0)
    pid = run.started["pid"]
    eventually(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    local.engine.cancel(run.handle, "it hangs")
    # SIGTERM and not SIGKILL after 30 s: it was continued, so that it could see it.
    assert local.result(run)["signal"] == "SIGTERM"


@linux_only
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_to_the_supervisor_ends_the_tree_and_is_named(local: LocalRuns, name: str) -> None:
    run = local.submit(TREE)
    pids = tree_pids(local)
    os.kill(run.started["supervisor_pid"], signal.Signals[name])
    result = local.result(run)
    assert result["end"] == "interrupted"
    assert result["error"] == f"the supervisor received {name}"
    assert [pid for pid in pids if not is_gone(pid)] == []


def test_cancelling_a_run_that_waits_for_its_slot_never_starts_it(local: LocalRuns) -> None:
    with _slot("default"):
        run = local.submit("say('started')")
        assert local.poll(run) == "queued"
        local.engine.cancel(run.handle, "not needed")
        result = local.result(run)
    assert (result["end"], result["wall_time_s"]) == ("cancelled", None)
    assert not (local.work / "started").exists()
    assert not run.paths.started.exists()


def test_two_runs_on_one_slot_never_overlap(local: LocalRuns) -> None:
    code = """
os.close(os.open("busy", os.O_CREAT | os.O_EXCL))
with open("order", "a") as order:
    order.write("in\\n")
    order.flush()
    await_file("go")
    order.write("out\\n")
os.unlink("busy")
"""
    runs = [local.submit(code) for _ in range(3)]
    local.read("order")
    eventually(lambda: sorted(map(local.poll, runs)) == ["queued", "queued", "running"])
    (local.work / "go").touch()
    assert [local.result(run)["exit_code"] for run in runs] == [0, 0, 0]
    assert local.read("order") == "in\nout\n" * 3


def test_two_slots_run_side_by_side(local: LocalRuns) -> None:
    # Each waits for the other: one after the other, neither would ever end.
    first = local.submit("say('one'); await_file('two')", slot="gpu0")
    second = local.submit("say('two'); await_file('one')", slot="gpu1")
    assert [local.result(run)["exit_code"] for run in (first, second)] == [0, 0]


@linux_only
def test_output_after_the_main_process_does_not_count_and_its_daemon_is_ended(
    local: LocalRuns,
) -> None:
    code = """
def body():
    def late(number, frame):
        os.write(1, b"val_loss: 0.0\\n")
    signal.signal(signal.SIGTERM, late)
    say("daemon", os.getpid())
    while True:
        signal.pause()
daemon(body)
await_file("daemon")
print("val_loss: 4.0")
"""
    run = local.submit(code)
    result = local.result(run)
    assert (result["end"], result["exit_code"], result["killed_leftovers"]) == ("exited", 0, 1)
    counted = result["log_bytes"]
    assert (run.log[:counted], run.log[counted:]) == (b"val_loss: 4.0\n", b"val_loss: 0.0\n")
    assert is_gone(int(local.read("daemon")))


@linux_only
def test_the_slot_is_free_once_the_result_is_visible(local: LocalRuns) -> None:
    # The daemon inherits the slot from the training and would keep it.
    code = "daemon(lambda: (say('daemon'), signal.pause())); await_file('daemon')"
    run = local.submit(code)
    eventually(run.paths.result.exists)
    with _slot("default"):
        assert local.result(run)["killed_leftovers"] == 1


@linux_only
def test_killing_the_supervisor_takes_the_training_down_and_sweep_takes_the_rest(
    local: LocalRuns,
) -> None:
    code = """
daemon(lambda: (say("grandchild", os.getpid()), time.sleep(600)))
await_file("grandchild")
signal.pause()
"""
    run = local.submit(code)
    grandchild = int(local.read("grandchild"))
    started = run.started
    os.kill(started["supervisor_pid"], signal.SIGKILL)
    eventually(lambda: is_gone(started["pid"]))
    eventually(lambda: local.poll(run) == "lost")
    assert not is_gone(grandchild)
    assert sweep(run.paths.folder) == 1
    assert is_gone(grandchild)
    assert sweep(run.paths.folder) == 0


@linux_only
def test_sweep_spares_its_caller_and_other_runs(local: LocalRuns) -> None:
    other = local.submit("say('up'); await_file('go')")
    local.read("up")
    prepared = local.prepare()
    mine = prepared.handle
    code = (
        f"from pathlib import Path; from seedproof_mcp.supervisor.processes import sweep; print(sweep(Path({mine!r})))"
    )
    environment = {**os.environ, **marking(mark(prepared.paths))}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, env=environment, capture_output=True, timeout=30, check=True)
    assert found.stdout == b"0\n"
    (local.work / "go").touch()
    assert local.result(other)["exit_code"] == 0


@linux_only
def test_a_run_that_lost_its_supervisor_is_never_started_again(local: LocalRuns) -> None:
    run = local.submit("open('starts', 'a').write('x'); say('up'); signal.pause()")
    local.read("up")
    os.kill(run.started["supervisor_pid"], signal.SIGKILL)
    eventually(lambda: local.poll(run) == "lost")
    local.engine.submit(run.paths.folder)
    result = local.result(run)
    assert result["end"] == "interrupted"
    assert result["error"] == "an earlier supervisor of this run died"
    assert local.read("starts") == "x"


def test_a_second_supervisor_of_a_live_run_leaves_quietly(local: LocalRuns) -> None:
    run = local.submit("say('up'); await_file('go')")
    local.read("up")
    second = supervise(run)
    assert (second.returncode, second.stdout, second.stderr) == (3, b"", b"")
    (local.work / "go").touch()
    assert local.result(run)["exit_code"] == 0


def test_a_supervisor_of_an_ended_run_changes_nothing(local: LocalRuns) -> None:
    run = local.prepare("print('once')")
    assert supervise(run).returncode == 0
    before = run.paths.result.read_bytes()
    again = supervise(run)
    assert (again.returncode, again.stdout, again.stderr) == (0, b"", b"")
    assert run.paths.result.read_bytes() == before


# A supervisor for whose result, or log, something is done before it is stored.
STORING = """
import errno, os, sys, time
from seedproof_mcp.supervisor import supervise
from seedproof_mcp.system import files
name, what = sys.argv.pop(1), sys.argv.pop(1)
def instead(really):
    def store(path, *data, **options):
        if path.name == name:
            exec(what)
        really(path, *data, **options)
    return store
files.write_atomic, files.sync_file = instead(files.write_atomic), instead(files.sync_file)
sys.exit(supervise.main(sys.argv[1:]))
"""
NO_ROOM = "if not os.path.exists('room'): raise OSError(errno.ENOSPC, 'No space left on device', str(path))"
READ_ONLY = "if not os.path.exists('room'): raise OSError(errno.EROFS, 'Read-only file system', str(path))"
BROKEN = "raise OSError(errno.EIO, 'Input/output error', str(path))"
SLOW = "open('storing', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.005)"


def storing(local: LocalRuns, run: Run, name: str, what: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-c", STORING, name, what, run.handle]
    return subprocess.Popen(command, cwd=local.work, stderr=subprocess.PIPE)


def on_a_full_disk(local: LocalRuns, run: Run, name: str = "result.json") -> subprocess.Popen[bytes]:
    """A supervisor that has told that its result waits."""
    waiting = storing(local, run, name, NO_ROOM)
    assert waiting.stderr is not None
    assert b"the result waits for room on the disk" in waiting.stderr.readline()
    return waiting


@pytest.mark.parametrize("name", ["result.json", "output.log"])
def test_the_result_of_a_training_that_filled_the_disk_waits_for_room(local: LocalRuns, name: str) -> None:
    run = local.prepare("print('val_loss: 4.1')")
    with on_a_full_disk(local, run, name) as waiting:
        assert local.poll(run) == "running"
        assert not locks.is_locked(slot_lock("default")), "others may train meanwhile"
        (local.work / "room").touch()
        assert waiting.wait(30) == 0
    assert (local.result(run)["end"], run.log) == ("exited", b"val_loss: 4.1\n")


def test_a_result_that_cannot_be_written_is_tried_again(local: LocalRuns) -> None:
    run = local.prepare("print('val_loss: 4.1')")
    with storing(local, run, "result.json", READ_ONLY) as waiting:
        assert waiting.stderr is not None
        assert b"the result cannot be written, and is tried again: [Errno 30]" in waiting.stderr.readline()
        assert local.poll(run) == "running"
        (local.work / "room").touch()
        assert waiting.wait(30) == 0
    result = local.result(run)
    assert (result["end"], result["disk_was_full"], run.log) == ("exited", False, b"val_loss: 4.1\n")


def test_a_log_that_the_disk_does_not_keep_is_no_result_and_what_it_showed_is_still_read(local: LocalRuns) -> None:
    run = local.prepare("print('val_loss: nan')")
    with storing(local, run, "output.log", BROKEN) as supervisor:
        assert supervisor.wait(30) == 0
    result = local.result(run)
    assert (result["end"], result["error"]) == ("interrupted", "output.log: Input/output error")
    assert (result["exit_code"], result["log_bytes"]) == (0, len(b"val_loss: nan\n"))


def test_a_shutdown_while_the_result_is_written_takes_nothing_from_it(local: LocalRuns) -> None:
    run = local.prepare("print('val_loss: 4.1')")
    with storing(local, run, "result.json", SLOW) as supervisor:
        local.read("storing")
        supervisor.terminate()
        (local.work / "go").touch()
        assert supervisor.wait(30) == 0
    assert (local.result(run)["end"], local.result(run)["exit_code"]) == ("exited", 0)


def test_a_shutdown_ends_a_supervisor_whose_result_waits_for_room(local: LocalRuns) -> None:
    run = local.prepare()
    with on_a_full_disk(local, run) as waiting:
        waiting.terminate()
        assert waiting.wait(30) == -signal.SIGTERM
    assert local.poll(run) == "lost"


@linux_only
def test_the_training_inherits_the_slot_but_not_the_life_sign(local: LocalRuns) -> None:
    code = """
for number in os.listdir("/proc/self/fd"):
    try:
        print(os.readlink(f"/proc/self/fd/{number}"))
    except FileNotFoundError:
        pass
"""
    run = local.submit(code)
    local.result(run)
    names = {os.path.basename(line) for line in run.log.decode().splitlines()}
    assert "default.lock" in names
    assert "alive.lock" not in names


@linux_only
def test_a_bare_environment_is_enough(local: LocalRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - {"PATH", "PYTHONPATH"}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    run = local.submit("print('fine')")
    assert local.result(run)["exit_code"] == 0
    assert (tmp_path / "home/.local/state/seedproof/slots/default.lock").exists()


def _slot(name: str) -> locks.Lock:
    path = slot_lock(name)
    files.make_folder(path.parent)
    held = locks.try_lock(path)
    assert held is not None
    return held
