"""What kept a training from running: stops by a signal, and the wait for a processor."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from seedproof_mcp.supervisor.processes import fields_of, read_proc
from seedproof_mcp.supervisor.usage import Usage

from tests.support.supervised import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        with suppress(ProcessLookupError):
            process.kill()


def is_stopped(pid: int) -> bool:
    return fields_of(read_proc(pid, "stat"))[0] == b"T"


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: is_stopped(pid))


def resume(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: not is_stopped(pid))


def test_the_time_for_which_it_is_seen_stopped_is_counted(sleeper: int) -> None:
    usage = Usage(sleeper, lambda: ())
    usage.look(1.0)
    assert usage.measured()["stopped_s"] == 0.0
    stop(sleeper)
    usage.look(1.5)
    usage.look(3.0)
    resume(sleeper)
    usage.look(4.0)
    assert usage.measured()["stopped_s"] == 2.0


def test_a_stopped_process_below_the_main_one_counts_once_it_is_found(sleeper: int) -> None:
    usage = Usage(os.getpid(), lambda: [sleeper])
    stop(sleeper)
    usage.look(0.2)  # too early to look for others
    usage.look(0.4)
    usage.look(0.9)
    resume(sleeper)
    assert usage.measured()["stopped_s"] == 0.7


def test_the_wait_for_a_processor_is_the_systems_own_number(sleeper: int) -> None:
    usage = Usage(sleeper, lambda: ())
    usage.look(1.0)
    path = Path(f"/proc/{sleeper}/schedstat")
    if not path.exists():
        assert usage.measured()["waited_s"] is None
        return
    assert usage.measured()["waited_s"] == pytest.approx(int(path.read_text().split()[1]) / 1e9, abs=0.01)


def test_of_a_process_that_is_gone_nothing_is_said() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    usage = Usage(process.pid, lambda: ())
    usage.look(1.0)
    measured = usage.measured()
    assert (measured["stopped_s"], measured["waited_s"]) == (0.0, None)
    assert measured["cpu_s"] >= 0
