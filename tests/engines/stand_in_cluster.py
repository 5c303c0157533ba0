"""A cluster without daemons: the programs of `stand_in.py`, and the faults that a test sets."""

import fcntl
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.runner.engines.slurm import SlurmEngine

from tests.support.waiting import wait_until

__all__ = ["LIMIT", "LOOK_EVERY_S", "StandInCluster", "engine"]

LIMIT = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
"""What Slurm says of a job that is one too many."""
LOOK_EVERY_S = 0.2
STAND_IN = Path(__file__).parent / "stand_in.py"


def engine() -> SlurmEngine:
    """An engine that asks the stand-ins often."""
    return SlurmEngine(LOOK_EVERY_S)


class StandInCluster:
    """Two nodes, n1 with feature a and n2 with feature b."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        (folder / "jobs").mkdir(parents=True)
        programs = folder / "bin"
        programs.mkdir()
        for name in ("sbatch", "squeue", "scontrol", "scancel"):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {STAND_IN} {name} "$@"\n')
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))

    def set(self, name: str, text: str = "") -> None:
        """Set a fault or a condition."""
        (self.folder / name).write_text(text)

    def clear(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def taken(self, node: str) -> Iterator[None]:
        """Let other users' jobs have a node, as soon as it is free."""
        with (self.folder / f"{node}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def jobs(self, name: str | None = None) -> list[dict[str, Any]]:
        """What the cluster knows of its jobs, or of those of one name."""
        found = [json.loads(path.read_text()) for path in (self.folder / "jobs").glob("*.json")]
        return sorted((one for one in found if name in (None, one["name"])), key=lambda one: int(one["number"]))

    def end(self, name: str, state: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End the running job of a name."""
        wait_until(lambda: any(one["state"] == "RUNNING" for one in self.jobs(name)))
        (job,) = (one for one in self.jobs(name) if one["state"] == "RUNNING")
        code = f"import sys; sys.path.insert(0, {str(STAND_IN.parent)!r}); import stand_in; "
        code += f"stand_in.end({job['number']!r}, {state!r}, {int(number)})"
        assert os.spawnvp(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0

    def remove(self, name: str) -> None:
        """Let a waiting job be cancelled by somebody else."""
        (job,) = self.jobs(name)
        assert job["state"] == "PENDING"
        path = self.folder / "jobs" / f"{job['number']}.json"
        path.write_text(json.dumps({**job, "state": "CANCELLED"}))

    def close(self) -> None:
        """Leave no process behind."""
        for hold in self.folder.glob("hold*"):
            hold.unlink()
        for job in self.jobs():
            if job["state"] == "PENDING" and len(self.jobs(job["name"])) == 1:
                with suppress(AssertionError):  # it has started meanwhile
                    self.remove(job["name"])
        wait_until(self._end_all)

    def _end_all(self) -> bool:
        running = [job for job in self.jobs() if job["state"] == "RUNNING" and not _is_gone(job["pid"])]
        for job in running:
            with suppress(ProcessLookupError):
                os.killpg(job["pid"], signal.SIGTERM)
        return not running


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
