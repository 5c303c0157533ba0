"""The engine that runs supervisors as detached processes on this machine."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from seedproof_mcp.host.place import Place, ThisMachine
from seedproof_mcp.runner.engines import Engine, RunState, Slot, started_of
from seedproof_mcp.supervisor import observation, processes
from seedproof_mcp.supervisor.fork_server import ROOM
from seedproof_mcp.system import files, locks, spawn
from seedproof_mcp.system.paths import RunPaths, slot_lock

__all__ = ["LocalEngine"]

# Supervisors started by this process, to be reaped. Of the module, because they outlive an engine
# object, and a Popen that is collected while its process runs warns.
_supervisors: list[subprocess.Popen[bytes]] = []
# Where a process takes requests to fork supervisors; None without one.
_fork_server: socket.socket | None = None
# From the slot to the training a conductor needs a second; with an interpreter that hangs, several.
_STARTING_S = 30.0


class LocalEngine(Engine):
    """Starts one detached supervisor per run."""

    def place(self) -> Place:
        """Return this machine."""
        return ThisMachine()

    def prepare(self) -> None:
        """Start the process that forks supervisors, unless there is one; it ends with this process."""
        global _fork_server
        if _fork_server is not None or sys.platform != "linux":
            return
        _fork_server, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            _start(["--fork-server", str(theirs.fileno()), ROOM], [theirs.fileno()])

    @contextmanager
    def reserve(self, slot: str) -> Iterator[Slot | None]:
        """Hold the lock of a slot, which all projects of one user share; None if it is taken.

        Raises:
            OSError: The lock of the slot cannot be opened.
        """
        path = slot_lock(slot)
        files.make_folder(path.parent)
        # Trying a lock opens its file for writing, which would wake everybody else who waits for the slot.
        held = None if locks.is_locked(path) else locks.try_lock(path)
        if held is None:
            yield None
            return
        with held:
            with suppress(OSError):  # a full disk: then nobody can be named for a moment
                held.sign(str(os.getpid()))
            yield Slot(slot, held)

    def slot_file(self, slot: str) -> Path:
        """Return the lock of the slot."""
        return slot_lock(slot)

    def slot_holder(self, slot: str, conductor: str | None) -> str | None:
        """Return who holds the lock of the slot: another project, or a process that an earlier run left."""
        path = slot_lock(slot)
        try:
            if not locks.is_locked(path):
                return None
            taken_at_s = path.stat().st_mtime
        except OSError:
            return None
        holder = locks.signature(path)
        if holder is None or holder != conductor:
            return "another training"
        # For a moment the project's own conductor holds it, until the training has it.
        if abs(time.time() - taken_at_s) < _STARTING_S:
            return None
        return "a process that an earlier run left"

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        """Start the run's supervisor unless there is one, or the run has ended.

        Raises:
            OSError: The run folder cannot be written, or no process can be started.
        """
        run = RunPaths(run_dir.absolute())
        if not run.result.exists():
            alive = locks.try_lock(run.alive)
            if alive is not None:
                # The supervisor inherits this very lock: at no moment does the run look lost.
                with alive:
                    _start_supervisor(run, alive, None if slot is None else slot.lock)
        return str(run.folder)

    def poll(self, handle: str) -> RunState:
        """Return where the run stands."""
        # A supervisor that ended stays a zombie of this process until it is asked for its status.
        _supervisors[:] = [one for one in _supervisors if one.poll() is None]
        run = RunPaths(Path(handle))
        if run.result.exists():
            return "done"
        if locks.is_locked(run.alive):
            return "running" if run.started.exists() else "queued"
        # The supervisor may have published and left between the two looks above.
        return "done" if run.result.exists() else "lost"

    def sweep(self, handle: str) -> None:
        """Kill the processes that a lost supervisor left behind."""
        processes.sweep(Path(handle))
        observation.give_up(RunPaths(Path(handle)))

    def elapsed_s(self, handle: str) -> float | None:
        """Return how long the training runs, by the clock that nobody sets."""
        started = started_of(handle)
        # Another machine that shares the file system has another clock, and an earlier Seedproof left none.
        if "started_monotonic_s" not in started or started.get("host", os.uname().nodename) != os.uname().nodename:
            return super().elapsed_s(handle)
        try:
            return max(0.0, time.monotonic() - float(started["started_monotonic_s"]))
        except (TypeError, ValueError):
            return None

    def capabilities(self) -> frozenset[str]:
        """Return what this engine can do beyond placing runs."""
        return super().capabilities() | {"slots"}


def _start_supervisor(run: RunPaths, alive: locks.Lock, slot: locks.Lock | None) -> None:
    if run.result.exists():  # published since the caller looked
        return
    held = [alive.fd, *([] if slot is None else [slot.fd])]
    log = files.open_output(run.supervisor_log)
    try:
        if not _was_forked(run, [log, *held]):
            slots = [] if slot is None else ["--slot-fd", str(slot.fd)]
            _start([str(run.folder), "--lock-fd", str(alive.fd), *slots], held, log)
    finally:
        os.close(log)


def _start(arguments: Sequence[str], inherited: Sequence[int], output: int | None = None) -> None:
    supervisor = spawn.start(
        # -P: a file named json.py in the project must not become the supervisor's json.
        [sys.executable, "-P", "-m", "seedproof_mcp.supervisor.supervise", *arguments],
        stdout=output,
        stderr=output,
        pass_fds=inherited,
        new_session=True,
    )
    _supervisors.append(supervisor)


def _was_forked(run: RunPaths, descriptors: Sequence[int]) -> bool:
    """Whether the process that forks supervisors was asked for one."""
    global _fork_server
    if _fork_server is None:
        return False
    try:
        socket.send_fds(_fork_server, [os.fsencode(run.folder)], descriptors)
    except OSError:  # it has died; the next run has another
        _fork_server.close()
        _fork_server = None
        return False
    return True
