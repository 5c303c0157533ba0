"""The engine that runs supervisors as detached processes on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seedproof_mcp.runner.engines import RunState
from seedproof_mcp.system import files, locks, spawn
from seedproof_mcp.system.paths import RunPaths, slot_lock

# Supervisors started by this process, to be reaped. Of the module, because they outlive an engine
# object, and a Popen that is collected while its process runs warns.
_supervisors: list[subprocess.Popen[bytes]] = []


class LocalEngine:
    """Starts one detached supervisor per run; a handle is the run's folder."""

    def __init__(self) -> None:
        self._reserved: locks.Lock | None = None

    @contextmanager
    def reserve(self, slot: str) -> Iterator[bool]:
        """Hold a slot for the run that is submitted meanwhile; whether it is free.

        Raises:
            OSError: The lock of the slot cannot be opened.
        """
        path = slot_lock(slot)
        files.make_folder(path.parent)
        held = locks.try_lock(path)
        if held is None:
            yield False
            return
        with held:
            with suppress(OSError):  # a full disk: then nobody can be named for a moment
                held.sign(str(os.getpid()))
            self._reserved = held
            try:
                yield True
            finally:
                self._reserved = None

    def submit(self, run_dir: Path) -> str:
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
                    _start_supervisor(run, alive, self._reserved)
        return str(run.folder)

    def poll(self, handle: str) -> RunState:
        """Return where the run stands."""
        _reap_supervisors()
        run = RunPaths(Path(handle))
        if run.result.exists():
            return "done"
        if locks.is_locked(run.alive):
            return "running" if run.started.exists() else "queued"
        # The supervisor may have published and left between the two looks above.
        return "done" if run.result.exists() else "lost"

    def cancel(self, handle: str, reason: str) -> None:
        """Ask the run's supervisor to end it.

        Raises:
            OSError: The run folder is missing or cannot be written.
        """
        files.write_atomic(RunPaths(Path(handle)).cancel, json.dumps({"reason": reason}).encode())

    def read_log(self, handle: str, offset: int, limit: int) -> bytes:
        """Return at most `limit` bytes of the training's output from `offset` on; b"" if none."""
        try:
            descriptor = os.open(RunPaths(Path(handle)).log, os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            return os.pread(descriptor, limit, offset)
        finally:
            os.close(descriptor)

    def capabilities(self) -> frozenset[str]:
        """Return what this engine can do beyond placing runs."""
        return frozenset({"cancel", "read_log", "slots"})


def _start_supervisor(run: RunPaths, alive: locks.Lock, slot: locks.Lock | None) -> None:
    if run.result.exists():  # published since the caller looked
        return
    arguments = [str(run.folder), "--lock-fd", str(alive.fd)]
    inherited = [alive.fd]
    if slot is not None:
        arguments += ["--slot-fd", str(slot.fd)]
        inherited.append(slot.fd)
    log = files.open_output(run.supervisor_log)
    try:
        supervisor = spawn.start(
            # -P: a file named json.py in the project must not become the supervisor's json.
            [sys.executable, "-P", "-m", "seedproof_mcp.supervisor.supervise", *arguments],
            stdout=log,
            stderr=log,
            pass_fds=inherited,
            new_session=True,
        )
    finally:
        os.close(log)
    _supervisors.append(supervisor)


def _reap_supervisors() -> None:
    # A supervisor that ended stays a zombie of this process until it is asked for its status.
    _supervisors[:] = [one for one in _supervisors if one.poll() is None]
