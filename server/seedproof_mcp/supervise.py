"""Runs one training under supervision: `python -P -m seedproof_mcp.supervise RUN_DIR`."""

import ctypes
import json
import math
import os
import re
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Literal

from seedproof_mcp import disk
from seedproof_mcp.paths import RunPaths, slot_lock

__all__ = ["End", "Result", "Spec", "main", "read_spec", "sweep"]

End = Literal["exited", "timed_out", "cancelled", "interrupted", "not_started"]

_IS_LINUX = sys.platform == "linux"
_MARKER = "SEEDPROOF_RUN"
# How late a request to cancel or a free slot may be noticed; an exit wakes us at once.
_TICK_S = 0.1
# SIGKILL takes effect in milliseconds unless a process hangs in a driver; then waiting is no help.
_KILL_BOUND_S = 10.0
# How much later than the training we may hear of a shutdown, which tells us one by one.
_SHUTDOWN_S = 0.5
# Exit codes of a training that SIGTERM or SIGHUP ended: as we see it, and as a shell in between says it.
_ENDED_BY_SHUTDOWN = (-signal.SIGTERM, -signal.SIGHUP, 128 + signal.SIGTERM, 128 + signal.SIGHUP)
# Holes in files are made of whole blocks.
_BLOCK = 4096
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_EXIT_USAGE = 2
_EXIT_ALREADY_SUPERVISED = 3


@dataclass(frozen=True)
class Spec:
    """What to run."""

    run_id: str
    """The run's name; unique in its project only, so it marks no process."""
    argv: tuple[str, ...]
    """The program and its arguments."""
    cwd: str
    """The working folder, absolute."""
    env: Mapping[str, str]
    """The complete environment, to which the supervisor adds its marker and PYTHONUNBUFFERED."""
    timeout_s: float | None
    """The time limit in seconds; None for no limit."""
    grace_s: float
    """Time in seconds between SIGTERM and SIGKILL."""
    slot: str
    """The name of the slot; one training at a time runs on it."""
    log_cap_bytes: int | None = None
    """How much of output.log is kept: the first and the last half of it; None for all."""


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    end: End
    """Why it ended; `exited` says nothing about success."""
    exit_code: int | None = None
    """The training's exit code; None if a signal ended it, or it never ran."""
    signal: str | None = None
    """The name of the signal that ended the training; None if it exited by itself."""
    wall_time_s: float | None = None
    """Time in seconds from just before the start to the exit; None if it never ran."""
    log_bytes: int = 0
    """How much of output.log had been written when the training ended; the rest does not count."""
    started_at: str | None = None
    """When the training was started (ISO 8601, UTC); None if it never was."""
    ended_at: str = ""
    """When the run ended (ISO 8601, UTC)."""
    error: str | None = None
    """What went wrong around the training; None if nothing did."""
    killed_leftovers: int = 0
    """How many of its other processes had to be ended."""
    slept_s: float = 0.0
    """Seconds that the machine slept meanwhile; the wall time does not hold them."""


@dataclass(frozen=True)
class _Exit:
    """The end of the main training process."""

    code: int
    """The exit code, or minus the number of the signal."""
    wall_time_s: float
    log_bytes: int
    at: str


class _Watch:
    """Wakes the supervisor when a child ends or somebody signals the supervisor."""

    def __init__(self) -> None:
        self.interrupted_by: str | None = None
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)
        # A blocked signal would be inherited from whoever started us, and passed on to training.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def wait(self, bound_s: float) -> None:
        """Return after a signal, or when the time is over."""
        select.select([self._reader], [], [], max(0.0, bound_s))
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            return

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD and self.interrupted_by is None:
            self.interrupted_by = signal.Signals(number).name


class _Log:
    """The file that training writes into by itself, of which only head and tail are kept."""

    def __init__(self, descriptor: int, cap_bytes: int | None) -> None:
        self._descriptor = descriptor
        self._half = None if cap_bytes is None else cap_bytes // 2 // _BLOCK * _BLOCK
        self._end = self._half or 0
        """Where the next hole begins: all before it is a hole already, or stays."""

    @property
    def size(self) -> int:
        """Bytes written."""
        return os.fstat(self._descriptor).st_size

    def trim(self) -> None:
        """Give the middle back to the disk, a piece at a time."""
        # The hole grows by an eighth of what is kept at least, so that this stays rare.
        self._cut(self.size, (self._half or 0) // 4)

    def settle(self, size: int) -> None:
        """The training has ended at this size: trim to it, and leave alone what it holds from now on.

        Where the hole ends follows from the size alone then, so that the same output leaves the same file.
        """
        self._cut(size, 0)
        self._end = max(self._end, -(-size // _BLOCK) * _BLOCK)

    def _cut(self, size: int, least: int) -> None:
        if self._half is None:
            return
        end = (size - self._half) // _BLOCK * _BLOCK
        if end - self._end < max(_BLOCK, least):
            return
        if disk.punch_hole(self._descriptor, self._end, end):
            self._end = end
        else:  # not on this file system: nothing better can be done beside a process that writes
            self._half = None


class _Training:
    """The main training process, and the reaping of all that were orphaned below it."""

    def __init__(self, process: subprocess.Popen[bytes], log: _Log, started_s: float) -> None:
        self.pid = process.pid
        self.started_s = started_s
        self.exit: _Exit | None = None
        self._process = process
        self.log = log

    def reap(self) -> None:
        """Collect every ended child; as the subreaper we are the parent of all orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self._note_exit(os.waitstatus_to_exitcode(status))

    def _note_exit(self, code: int) -> None:
        wall_time_s = time.monotonic() - self.started_s
        self.exit = _Exit(code, wall_time_s, self.log.size, _now())
        self.log.settle(self.exit.log_bytes)
        self._process.returncode = code  # or Popen would ask for the status that is now gone


def main(arguments: Sequence[str]) -> int:
    """Supervise the run that `RUN_DIR [--lock-fd N]` names, and return the exit code.

    Args:
        arguments: The run's folder; N is an inherited descriptor that holds its alive.lock.
    """
    match arguments:  # argparse would take longer to import than all the rest of the start
        case [folder]:
            run = RunPaths(Path(folder).absolute())
            alive = disk.try_lock(run.alive)
        case [folder, "--lock-fd", number]:
            run = RunPaths(Path(folder).absolute())
            alive = disk.adopt_lock(int(number))
        case _:
            print("usage: seedproof_mcp.supervise RUN_DIR [--lock-fd N]", file=sys.stderr)
            return _EXIT_USAGE
    if alive is None:
        return _EXIT_ALREADY_SUPERVISED
    with alive:
        if not run.result.exists():
            result = _result_in_any_case(run)
            result = replace(result, ended_at=result.ended_at or _now())
            # Whoever removed the folder may have begun the run anew, under the same name: that one's end is not ours.
            if not disk.is_open_at(alive.fd, run.alive):
                print("the run's folder was removed; nobody asks for the result", file=sys.stderr)
                return 0
            disk.write_atomic(run.result, json.dumps(asdict(result)).encode())
    return 0


def read_spec(path: Path) -> Spec:
    """Return the content of a spec.json.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not JSON.
        TypeError: Keys are missing or unknown.
    """
    spec = Spec(**json.loads(path.read_bytes()))
    return replace(spec, argv=tuple(spec.argv))


def sweep(folder: Path) -> int:
    """Kill what a dead supervisor left behind of a run, and return how many processes that were.

    Never kills the calling process. Finds nothing on systems without /proc.

    Args:
        folder: The run's folder.
    """
    killed: set[int] = set()
    deadline_s = time.monotonic() + _KILL_BOUND_S
    while time.monotonic() < deadline_s:
        left = _left_of(RunPaths(folder))
        if not left:
            break
        for pid in left:
            _send(pid, signal.SIGKILL)
        killed |= left
        time.sleep(0.005)  # not our children: nothing tells us when they are gone
    return len(killed)


def _result_in_any_case(run: RunPaths) -> Result:
    """Return how the run ended, also if this program is what failed."""
    try:
        return _supervise(run)
    except Exception as problem:  # the edge of the program: the run must not end without a result
        traceback.print_exc()
        return Result("interrupted" if run.started.exists() else "not_started", error=_said(problem))


def _said(problem: BaseException) -> str:
    """What went wrong, without the folders of this machine: it is printed in the report."""
    if isinstance(problem, OSError) and problem.strerror:
        name = os.path.basename(str(problem.filename or ""))
        return f"{name}: {problem.strerror}" if name else problem.strerror
    return str(problem)


def _supervise(run: RunPaths) -> Result:
    spec = read_spec(run.spec)
    if run.started.exists():
        # A training that began once must not begin again unseen, whatever is submitted twice.
        leftovers = sweep(run.folder)
        error = "an earlier supervisor of this run died"
        return Result("interrupted", error=error, killed_leftovers=leftovers)
    watch = _Watch()
    _become_subreaper()
    slot = _wait_for_slot(spec, run, watch)
    if slot is None:
        end, error_or_none = _asked_to_stop(run, watch) or ("cancelled", None)
        return Result(end, error=error_or_none)
    with slot:  # given up before the result is published, or the next start would see it busy
        return _train(spec, run, watch, slot)


def _wait_for_slot(spec: Spec, run: RunPaths, watch: _Watch) -> disk.Lock | None:
    path = slot_lock(spec.slot)
    disk.make_folder(path.parent)
    while _asked_to_stop(run, watch) is None:
        slot = disk.try_lock(path)
        if slot is not None:
            return slot
        watch.wait(_TICK_S)
    return None


def _asked_to_stop(run: RunPaths, watch: _Watch) -> tuple[End, str | None] | None:
    if watch.interrupted_by is not None:
        return "interrupted", f"the supervisor received {watch.interrupted_by}"
    return ("cancelled", None) if run.cancel.exists() else None


def _train(spec: Spec, run: RunPaths, watch: _Watch, slot: disk.Lock) -> Result:
    log = disk.open_output(run.log, truncate=True)
    try:
        started_at, started_s, asleep_s = _now(), time.monotonic(), _asleep_s()
        try:
            process = _start(spec, run, log, slot)
        except (OSError, ValueError, subprocess.SubprocessError) as problem:
            return Result("not_started", error=_said(problem))
        training = _Training(process, _Log(log, spec.log_cap_bytes), started_s)
        end, error = _see_through(spec, run, watch, training, started_at)
        leftovers, survivors = _end_tree(spec, run, watch, training)
        if survivors:
            error = f"processes that SIGKILL did not end: {sorted(survivors)}"
        # Clocks that are read one after the other differ by microseconds, a sleep lasts seconds.
        slept_s = round(_asleep_s() - asleep_s, 1)
        result = Result(end, started_at=started_at, error=error, killed_leftovers=leftovers, slept_s=max(0.0, slept_s))
        return _with_exit(result, training.exit)
    finally:
        os.close(log)


def _start(spec: Spec, run: RunPaths, log: int, slot: disk.Lock) -> subprocess.Popen[bytes]:
    return disk.spawn(
        spec.argv,
        cwd=Path(spec.cwd),
        env={**spec.env, "PYTHONUNBUFFERED": "1", _MARKER: _marker(run.folder)},
        stdout=log,
        stderr=log,
        # Inheriting it, training keeps the slot even if we are killed.
        pass_fds=(slot.fd,),
        new_session=True,
        before_exec=_die_with_supervisor(),
    )


def _see_through(
    spec: Spec, run: RunPaths, watch: _Watch, training: _Training, started_at: str
) -> tuple[End, str | None]:
    """Return why the training ended or has to; it may still run."""
    try:
        started = {
            "pid": training.pid,
            "pgid": training.pid,  # it leads a session of its own
            "supervisor_pid": os.getpid(),
            "started_at": started_at,
            # For who shows how long it runs: people set the clock of the wall.
            "started_monotonic_s": training.started_s,
        }
        disk.write_atomic(run.started, json.dumps(started).encode())
        return _await_end(spec, run, watch, training)
    except Exception as problem:  # whatever fails here, the training must not run on unwatched
        traceback.print_exc()
        return "interrupted", _said(problem)


def _await_end(spec: Spec, run: RunPaths, watch: _Watch, training: _Training) -> tuple[End, str | None]:
    timeout_s = math.inf if spec.timeout_s is None else spec.timeout_s
    deadline_s = training.started_s + timeout_s
    while True:
        training.reap()
        if training.exit is not None:
            return _why_it_exited(training.exit, watch)
        asked = _asked_to_stop(run, watch)
        if asked is not None:
            return asked
        training.log.trim()
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return "timed_out", None
        watch.wait(min(_TICK_S, left_s))


def _why_it_exited(end: _Exit, watch: _Watch) -> tuple[End, str | None]:
    """Return whether a machine that shuts down has ended it: that tells everyone at once, in any order."""
    deadline_s = time.monotonic() + (_SHUTDOWN_S if end.code in _ENDED_BY_SHUTDOWN else 0.0)
    while watch.interrupted_by is None and (left_s := deadline_s - time.monotonic()) > 0:
        watch.wait(left_s)
    if end.code != 0 and watch.interrupted_by is not None:
        return "interrupted", f"the supervisor received {watch.interrupted_by}"
    return "exited", None


def _end_tree(spec: Spec, run: RunPaths, watch: _Watch, training: _Training) -> tuple[int, set[int]]:
    """End all processes of the run; return how many besides the main one, and which are left."""
    marker = _marker(run.folder)
    ended: set[int] = set()
    left: set[int] = set()
    for number, bound_s in ((signal.SIGTERM, spec.grace_s), (signal.SIGKILL, _KILL_BOUND_S)):
        deadline_s = time.monotonic() + bound_s
        told: set[int] = set()
        while True:
            training.reap()
            left = _tree(marker, training)
            training.log.trim()
            # The main process may have ended between the two lines above: its status is due first.
            if not left and training.exit is not None:
                return len(ended - {training.pid}), left
            for pid in left - told:
                _send(pid, number)
            told |= left
            ended |= left
            if time.monotonic() >= deadline_s:
                break
            watch.wait(min(_TICK_S, deadline_s - time.monotonic()))
    return len(ended - {training.pid}), left


def _with_exit(result: Result, end: _Exit | None) -> Result:
    if end is None:
        return result
    has_exited = end.code >= 0
    return replace(
        result,
        exit_code=end.code if has_exited else None,
        signal=None if has_exited else _signal_name(-end.code),
        wall_time_s=end.wall_time_s,
        log_bytes=end.log_bytes,
        ended_at=end.at,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has a number only
        return f"SIG{number}"


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
        if number == signal.SIGTERM:
            os.kill(pid, signal.SIGCONT)  # a stopped process would not see the SIGTERM
    except (ProcessLookupError, PermissionError):
        return  # gone, or it became another user's: nothing we could do


def _marker(folder: Path) -> str:
    """Return what the processes of a run carry in their environment.

    A run id is the same in every project, and a token in the run's files would be copied with them:
    ending the run of one folder must never reach another's.
    """
    return os.path.realpath(folder)


def _tree(marker: str, training: _Training) -> set[int]:
    """Return the live processes of the run: our descendants, and whoever carries the marker."""
    if _IS_LINUX:
        parents = _parents()
        roots = _marked(marker, parents) | {os.getpid()}
        return _family(roots, parents) - {os.getpid()}
    try:
        os.killpg(training.pid, 0)
    except (ProcessLookupError, PermissionError):  # macOS: EPERM if only zombies are left
        return set()
    return {-training.pid}  # a negative number names the process group


def _left_of(run: RunPaths) -> set[int]:
    """Return the live processes of a run whose supervisor, and with it their descent, is gone."""
    if not _IS_LINUX:
        return set()
    parents = _parents()
    # A process may have cleared its environment, or written its title over it; its outputs it keeps.
    roots = _marked(_marker(run.folder), parents) | _writers(run.log, parents)
    return _family(roots, parents)


def _marked(marker: str, pids: Iterable[int]) -> set[int]:
    """Return the other processes whose environment says that they belong to the run."""
    entry = os.fsencode(f"{_MARKER}={marker}")
    marked = {pid for pid in pids if entry in _read_proc(pid, "environ").split(b"\0")}
    return marked - {os.getpid()}


def _writers(path: Path, pids: Iterable[int]) -> set[int]:
    """Return the other processes that have a file open for writing; whoever reads along is none."""
    name = os.path.realpath(path)
    return {pid for pid in pids if pid != os.getpid() and any(_is_writable(pid, fd) for fd in _open_as(pid, name))}


def _open_as(pid: int, name: str) -> list[str]:
    found = []
    with suppress(OSError):  # it ended, or is another user's
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # closed meanwhile
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") == name:
                    found.append(descriptor)
    return found


def _is_writable(pid: int, descriptor: str) -> bool:
    flags = re.search(rb"flags:\s*([0-7]+)", _read_proc(pid, f"fdinfo/{descriptor}"))
    return flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY


def _family(roots: set[int], parents: Mapping[int, int]) -> set[int]:
    """Return the roots and their descendants, never passing through this process."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        if pid != os.getpid():
            children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    rest = list(roots)
    while rest:
        pid = rest.pop()
        if pid not in found:
            found.add(pid)
            rest.extend(children.get(pid, ()))
    return found


def _parents() -> dict[int, int]:
    """Return the parent of each live process."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (status := _read_proc(int(name), "stat")):
            # The command in parentheses may contain anything; the numbered fields follow it.
            fields = status.rpartition(b")")[2].split()
            # A zombie with threads is a live process whose first thread has ended.
            is_dead = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
            if not is_dead:
                parents[int(name)] = int(fields[1])
    return parents


def _read_proc(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as stream:
            return stream.read()
    except OSError:  # it ended, or is another user's
        return b""


def _become_subreaper() -> None:
    # Daemons that leave their session and parent stay our descendants, so that they can be ended.
    if _IS_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _die_with_supervisor() -> Callable[[], None] | None:
    if not _IS_LINUX:
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork
    supervisor = os.getpid()

    def in_the_child() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != supervisor:  # it died before the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return in_the_child


def _asleep_s() -> float:
    """Seconds that the machine has slept since it started: what the monotonic clock left out."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def _now() -> str:
    now_s = time.time()
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
    return f"{seconds}.{int(now_s % 1 * 1000):03d}Z"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
