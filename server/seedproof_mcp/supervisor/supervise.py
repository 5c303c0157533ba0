"""Runs one training under supervision: `python -P -m seedproof_mcp.supervisor.supervise RUN_DIR`.

Over 300 lines, because the order of everything from the start of a training to its result is decided here.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from seedproof_mcp.supervisor import machine
from seedproof_mcp.supervisor.capped_log import CappedLog
from seedproof_mcp.supervisor.idle import IdleWatch
from seedproof_mcp.supervisor.metric_copies import MetricCopies
from seedproof_mcp.supervisor.observation import Observation, give_up
from seedproof_mcp.supervisor.processes import (
    KILL_BOUND_S,
    become_subreaper,
    cpu_s,
    die_with_parent,
    live_of,
    mark,
    marking,
    send,
    sweep,
)
from seedproof_mcp.supervisor.run_contract import (
    End,
    Result,
    Spec,
    describe_error,
    log_problem,
    publish,
    read_place,
    read_spec,
)
from seedproof_mcp.supervisor.signals import Wakeups, signal_name
from seedproof_mcp.supervisor.usage import Usage
from seedproof_mcp.system import files, locks, spawn
from seedproof_mcp.system.paths import RunPaths, slot_lock

__all__ = ["main"]

# How late the end of a process that is no child of ours may be noticed, and how often a long log is shortened.
_TICK_S = 0.1
# How much later than the training we may hear of a shutdown, which tells us one by one.
_SHUTDOWN_S = 0.5
# Exit codes of a training that SIGTERM or SIGHUP ended: as we see it, and as a shell in between says it.
_ENDED_BY_SHUTDOWN = (-signal.SIGTERM, -signal.SIGHUP, 128 + signal.SIGTERM, 128 + signal.SIGHUP)
# Variables that a scheduler sets for the job alone: without them a training would take the GPU of another job.
_OF_THE_JOB = ("CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "TMPDIR", "ZE_AFFINITY_MASK")
_SCHEDULER = "SLURM"
_EXIT_USAGE = 2
_EXIT_ALREADY_SUPERVISED = 3


_Watches = tuple[Observation, Usage]


@dataclass(frozen=True)
class _Exit:
    """The end of the main training process."""

    code: int
    """The exit code, or minus the number of the signal."""
    wall_time_s: float
    log_bytes: int
    at: str


class _Training:
    """The main training process, and the reaping of all that were orphaned below it."""

    def __init__(self, process: subprocess.Popen[bytes], log: CappedLog, started_s: float, marker: str) -> None:
        self.pid = process.pid
        self.marker = marker
        self.started_s = started_s
        self.exit: _Exit | None = None
        self.at_exit: Callable[[], None] = lambda: None
        """Called once, when it has ended and nothing that it left has been ended yet."""
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
                wall_time_s, code = time.monotonic() - self.started_s, os.waitstatus_to_exitcode(status)
                self.exit = _Exit(code, wall_time_s, self.log.size, machine.now())
                self.log.settle(self.exit.log_bytes)
                self._process.returncode = code  # or Popen would ask for the status that is now gone
                self.at_exit()


def main(arguments: Sequence[str]) -> int:
    """Supervise the run that `RUN_DIR [--placed | --lock-fd N [--slot-fd M]]` names, and return the exit code.

    Args:
        arguments: The run's folder, and inherited descriptors: N holds its alive.lock, M the slot that it is to take.
            `--placed`: a scheduler has given it its place, so it takes no slot of the machine.
            Or `--fork-server N ROOM`: N is the socket that runs are asked for through.
    """
    slot: locks.Lock | None = None
    placed = False
    match arguments:  # argparse would take longer to import than all the rest of the start
        case [folder]:
            run = RunPaths(Path(folder).absolute())
            alive = locks.try_lock(run.alive)
        case [folder, "--placed"]:
            run, placed = RunPaths(Path(folder).absolute()), True
            alive = locks.try_lock(run.alive)
        case [folder, "--lock-fd", number, *rest] if not rest or (rest[0], len(rest)) == ("--slot-fd", 2):
            run = RunPaths(Path(folder).absolute())
            alive = locks.adopt_lock(int(number))
            slot = locks.adopt_lock(int(rest[1])) if rest else None
        case ["--fork-server", number, _]:
            from seedproof_mcp.supervisor.fork_server import next_run  # what supervisors do not need themselves

            asked = next_run(int(number))
            return 0 if asked is None else main(asked)
        case _:
            usage = "RUN_DIR [--placed | --lock-fd N [--slot-fd M]]"
            print(f"usage: seedproof_mcp.supervisor.supervise {usage}", file=sys.stderr)
            return _EXIT_USAGE
    if alive is None:
        return _EXIT_ALREADY_SUPERVISED
    with alive:
        if not run.result.exists():
            place = read_place(run.place) if placed else None  # before the training could write there
            with slot or nullcontext():  # given up before the result is published, whatever has happened
                result = replace(_result_in_any_case(run, slot, placed), place=place)
            publish(run, alive, replace(result, ended_at=result.ended_at or machine.now(), load=machine.load_average()))
    return 0


def _result_in_any_case(run: RunPaths, slot: locks.Lock | None, placed: bool) -> Result:
    """Return how the run ended, also if this program is what failed."""
    try:
        return _supervise(run, slot, placed)
    except Exception as problem:  # the edge of the program: the run must not end without a result
        log_problem(traceback.format_exc())
        return Result("interrupted" if run.started.exists() else "not_started", error=describe_error(problem))


def _supervise(run: RunPaths, handed: locks.Lock | None, placed: bool) -> Result:
    spec = read_spec(run.spec)
    if run.started.exists():
        # A training that began once must not begin again unseen, whatever is submitted twice.
        result = Result(
            "interrupted", error="an earlier supervisor of this run died", killed_leftovers=sweep(run.folder)
        )
        give_up(run)
        return result
    wakeups = Wakeups()
    wakeups.files.follow(folders=[run.folder])
    become_subreaper()
    if placed:
        wakeups.end_with_parent()
        spec = replace(spec, env=_in_the_job(spec.env))
    slot = None if placed else _take_slot(spec, run, wakeups, handed)
    if slot is None and (not placed or _asked_to_stop(run, wakeups) is not None):
        end, error_or_none = _asked_to_stop(run, wakeups) or ("cancelled", None)
        return Result(end, error=error_or_none)
    with slot or nullcontext():  # given up before the result is published, or the next start would see it busy
        return _train(spec, run, wakeups, slot)


def _in_the_job(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a training within a job: what the scheduler says of that job is this process's own."""
    of_the_job = {name: value for name, value in os.environ.items() if name.startswith(_SCHEDULER)}
    of_the_job |= {name: os.environ[name] for name in _OF_THE_JOB if name in os.environ}
    return {**{name: value for name, value in env.items() if not name.startswith(_SCHEDULER)}, **of_the_job}


def _take_slot(spec: Spec, run: RunPaths, wakeups: Wakeups, handed: locks.Lock | None) -> locks.Lock | None:
    """The slot, handed over or as soon as it is free; None if the run is not wanted any more."""
    path = slot_lock(spec.slot)
    files.make_folder(path.parent)
    while _asked_to_stop(run, wakeups) is None:
        # Trying a lock opens its file for writing, which would wake everybody else who waits for it.
        slot = handed or (None if locks.is_locked(path) else locks.try_lock(path))
        if slot is not None:
            wakeups.files.follow(folders=[run.folder])
            return slot
        if not wakeups.files.follow(files=[path], folders=[run.folder]):
            wakeups.wait(math.inf)
    return None


def _asked_to_stop(run: RunPaths, wakeups: Wakeups) -> tuple[End, str | None] | None:
    if wakeups.interrupted_by is not None:
        return "interrupted", f"the supervisor received {wakeups.interrupted_by}"
    return ("cancelled", None) if run.cancel.exists() else None


def _train(spec: Spec, run: RunPaths, wakeups: Wakeups, slot: locks.Lock | None) -> Result:
    log = files.open_output(run.log, truncate=True)
    try:
        marker = mark(run)
        observation = Observation(run, marker, spec)
        started_at, started_s, asleep_s = machine.now(), time.monotonic(), machine.asleep_s()
        try:
            process = _start(spec, {**observation.environment(), **marking(marker)}, log, slot)
        except (OSError, ValueError, subprocess.SubprocessError) as problem:
            observation.end()
            return Result("not_started", error=describe_error(problem))
        training = _Training(process, CappedLog(log, spec.log_cap_bytes), started_s, marker)
        copies = MetricCopies(run, spec.metric_files)
        training.at_exit = copies.take
        usage = Usage(process.pid, lambda: live_of(marker, process.pid))
        observation.begin(training.pid)
        end, error = _record_start_and_wait(spec, run, wakeups, training, (observation, usage), started_at)
        leftovers, survivors = _end_tree(spec, wakeups, training)
        observation.end()
        if survivors:
            error = f"processes that SIGKILL did not end: {sorted(survivors)}"
        # Clocks that are read one after the other differ by microseconds, a sleep lasts seconds.
        slept_s = round(machine.asleep_s() - asleep_s, 1)
        result = Result(end, started_at=started_at, error=error, killed_leftovers=leftovers, slept_s=max(0.0, slept_s))
        return _with_exit(replace(result, metric_faults=copies.faults, **usage.measured()), training.exit)
    finally:
        os.close(log)


def _start(spec: Spec, more: Mapping[str, str], log: int, slot: locks.Lock | None) -> subprocess.Popen[bytes]:
    return spawn.start(
        spec.argv,
        cwd=Path(spec.cwd),
        env={**spec.env, "PYTHONUNBUFFERED": "1", **more},
        stdout=log,
        stderr=log,
        # Inheriting it, training keeps the slot even if we are killed.
        pass_fds=() if slot is None else (slot.fd,),
        new_session=True,
        before_exec=die_with_parent(),
    )


def _record_start_and_wait(
    spec: Spec, run: RunPaths, wakeups: Wakeups, training: _Training, watches: _Watches, started_at: str
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
            # Only here is it sure which machine an engine has chosen; the monotonic clock is of this one.
            **machine.description(),
        }
        files.write_atomic(run.started, json.dumps(started).encode())
        return _await_end(spec, run, wakeups, training, watches)
    except Exception as problem:  # whatever fails here, the training must not run on unwatched
        log_problem(traceback.format_exc())
        return "interrupted", describe_error(problem)


def _await_end(
    spec: Spec, run: RunPaths, wakeups: Wakeups, training: _Training, watches: _Watches
) -> tuple[End, str | None]:
    timeout_s = math.inf if spec.timeout_s is None else spec.timeout_s
    deadline_s = training.started_s + timeout_s
    idle = IdleWatch(run, cpu_s)
    while True:
        for watch in watches:  # also at what has just ended, before it is gone
            watch.look(time.monotonic() - training.started_s)
        training.reap()
        if training.exit is not None:
            return _why_it_exited(training.exit, wakeups)
        asked = _asked_to_stop(run, wakeups)
        if asked is not None:
            return asked
        training.log.trim()
        idle.look(time.monotonic() - training.started_s, training.log.size)
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return "timed_out", None
        due_s = training.started_s + min(watch.next_s for watch in watches) - time.monotonic()
        wakeups.wait(min(left_s, due_s, _TICK_S if training.log.is_long else math.inf))


def _why_it_exited(end: _Exit, wakeups: Wakeups) -> tuple[End, str | None]:
    """Return whether a machine that shuts down has ended it: that tells everyone at once, in any order."""
    deadline_s = time.monotonic() + (_SHUTDOWN_S if end.code in _ENDED_BY_SHUTDOWN else 0.0)
    while wakeups.interrupted_by is None and (left_s := deadline_s - time.monotonic()) > 0:
        wakeups.wait(left_s)
    if end.code != 0 and wakeups.interrupted_by is not None:
        return "interrupted", f"the supervisor received {wakeups.interrupted_by}"
    return "exited", None


def _end_tree(spec: Spec, wakeups: Wakeups, training: _Training) -> tuple[int, set[int]]:
    """End all processes of the run; return how many besides the main one, and which are left."""
    ended: set[int] = set()
    left: set[int] = set()
    for number, bound_s in ((signal.SIGTERM, spec.grace_s), (signal.SIGKILL, KILL_BOUND_S)):
        deadline_s = time.monotonic() + bound_s
        signalled: set[int] = set()
        while True:
            training.reap()
            left = live_of(training.marker, training.pid)
            training.log.trim()
            # The main process may have ended between the two lines above: its status is due first.
            if not left and training.exit is not None:
                return len(ended - {training.pid}), left
            for pid in left - signalled:
                send(pid, number)
            signalled |= left
            ended |= left
            if time.monotonic() >= deadline_s:
                break
            wakeups.wait(min(_TICK_S, deadline_s - time.monotonic()))
    return len(ended - {training.pid}), left


def _with_exit(result: Result, end: _Exit | None) -> Result:
    if end is None:
        return result
    has_exited = end.code >= 0
    return replace(
        result,
        exit_code=end.code if has_exited else None,
        signal=None if has_exited else signal_name(-end.code),
        wall_time_s=end.wall_time_s,
        log_bytes=end.log_bytes,
        ended_at=end.at,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
