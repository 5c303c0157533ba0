"""What the supervision tests share: real runs in a temporary folder, and bounded waiting."""

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedproof_mcp.runner.engines import local as local_engine
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.supervisor.processes import sweep
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import RunPaths

# Far longer than anything here takes; only a hang reaches it.
BOUND_S = 30.0

# In front of each training: a file appears complete or not at all, and waiting is for a file.
PRELUDE = """
import os, signal, sys, time
def say(name, text=""):
    with open(name + ".part", "w") as stream:
        stream.write(str(text))
    os.rename(name + ".part", name)
def await_file(name):
    while not os.path.exists(name):
        time.sleep(0.01)
def daemon(body):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            body()
        os._exit(0)
"""


def eventually(predicate: Callable[[], Any]) -> Any:
    """Return the first true value of the predicate, or fail."""
    deadline_s = time.monotonic() + BOUND_S
    while not (value := predicate()):
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.005)
    return value


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, whoever has yet to reap it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


def stop_forking() -> None:
    """Let go of the process that forks supervisors: with its environment, it would serve the tests after this one."""
    if local_engine._fork_server is not None:
        local_engine._fork_server.close()
        local_engine._fork_server = None


@dataclass(frozen=True)
class Run:
    """One run."""

    run_id: str
    paths: RunPaths

    @property
    def handle(self) -> str:
        return str(self.paths.folder)

    @property
    def log(self) -> bytes:
        return self.paths.log.read_bytes()

    @property
    def started(self) -> dict[str, Any]:
        eventually(self.paths.started.exists)
        return dict(json.loads(self.paths.started.read_bytes()))


class LocalRuns:
    """Prepares and submits runs through the local engine."""

    def __init__(self, folder: Path) -> None:
        self.engine = LocalEngine()
        self.work = folder / "work"
        self.work.mkdir()
        self._runs_folder = folder / "runs"
        self._runs: list[Run] = []

    def prepare(self, code: str = "", **changes: Any) -> Run:
        """Write the spec of a run of Python code in the work folder."""
        run_id = uuid.uuid4().hex
        run = Run(run_id, RunPaths(self._runs_folder / run_id))
        spec = {
            "run_id": run_id,
            "argv": [sys.executable, "-c", PRELUDE + code],
            "cwd": str(self.work),
            "env": {"PATH": os.defpath},
            "timeout_s": None,
            "grace_s": 0.2,
            "slot": "default",
        }
        files.make_folder(run.paths.folder)
        files.write_atomic(run.paths.spec, json.dumps(spec | changes).encode())
        self._runs.append(run)
        return run

    def submit(self, code: str = "", **changes: Any) -> Run:
        """Prepare a run and hand it to the engine."""
        run = self.prepare(code, **changes)
        self.engine.submit(run.paths.folder)
        return run

    def poll(self, run: Run) -> str:
        return self.engine.poll(run.handle)

    def result(self, run: Run) -> dict[str, Any]:
        """Wait for the end of a run."""
        eventually(lambda: self.poll(run) in ("done", "lost"))
        return dict(json.loads(run.paths.result.read_bytes()))

    def read(self, name: str) -> str:
        """Wait for a file that a training writes."""
        path = self.work / name
        eventually(path.exists)
        return path.read_text()

    def close(self) -> None:
        """Leave nothing behind, also after a failed test."""
        for run in self._runs:
            self._end(run)

    def _end(self, run: Run) -> None:
        if self.poll(run) in ("queued", "running"):
            self.engine.cancel(run.handle, "the test is over")
        eventually(lambda: self.poll(run) in ("done", "lost"))
        sweep(run.paths.folder)
        eventually(lambda: not locks.is_locked(run.paths.alive))
        self.poll(run)
