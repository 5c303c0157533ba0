"""What the contract needs of each engine: to prepare runs of the fake training, to hold them, and to wait for them."""

import json
import os
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedproof_mcp.host.describe import asked_env
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.runner.engines import Engine
from seedproof_mcp.system import files
from seedproof_mcp.system.file_watch import FileWatch
from seedproof_mcp.system.paths import RunPaths

from tests.support.in_process import InProcessEngine
from tests.support.places import FAKE
from tests.support.supervised import eventually
from tests.support.waiting import wait_until

__all__ = ["Runs"]


@dataclass
class Runs:
    """Runs of one engine."""

    make: Callable[[], Engine]
    """Makes the engine; again: what another process has."""
    folder: Path
    """Where all is."""
    settings: Settings = field(default_factory=Settings)
    """The settings that choose it."""

    def __post_init__(self) -> None:
        self.engine = self.make()
        self.root = self.folder / "project"
        self.root.mkdir()
        self._gates: list[Path] = []
        self._ended: RunPaths | None = None
        self.begun: list[RunPaths] = []
        self.engine.configure(self.settings, self.root)

    def prepare(self, *flags: str, seed: int = 42, gated: bool = False, **changes: Any) -> RunPaths:
        """Write the spec of a run; `gated`: it does not end before `open_gate`."""
        run_id = f"run-{uuid.uuid4().hex[:12]}"
        run = RunPaths(self.root / ".seedproof" / "runs" / run_id)
        output = self.root / "checkpoints" / run_id
        self._gates += [self.folder / f"gate-{run_id}"] if gated else []
        gate = ["--gate", str(self._gates[-1])] if gated else []
        argv = [sys.executable, str(FAKE), "--train_tokens", "1", "--seed", str(seed), "--output_dir", str(output)]
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        spec = {"run_id": run_id, "argv": [*argv, *gate, *flags], "cwd": str(self.root), "env": env, "timeout_s": None}
        spec |= {"grace_s": 0.2, "slot": f"slot-{run_id[4:]}", "engine": self.settings.engine}
        if self.settings.engine == "slurm":
            spec |= {"engine_options": self.settings.options_of_engine}
            spec |= {"asks": {"python": sys.executable, "env": asked_env(os.environ), "cwd": str(self.root)}}
        files.make_folder(run.folder)
        files.write_atomic(run.spec, json.dumps({**spec, **changes}).encode())
        return run

    def submit(self, *flags: str, **how: Any) -> RunPaths:
        """Prepare a run and hand it over."""
        run = self.prepare(*flags, **how)
        if isinstance(self.engine, InProcessEngine):
            self.engine.held = bool(how.get("gated"))
        self.engine.submit(run.folder)
        self.begun.append(run)
        return run

    def open_gate(self) -> None:
        """Let every gated run end."""
        for gate in self._gates:
            gate.touch()
        if isinstance(self.engine, InProcessEngine):
            self.engine.release()

    def poll(self, run: RunPaths) -> str:
        return self.engine.poll(str(run.folder))

    def await_start(self, run: RunPaths) -> None:
        eventually(run.started.exists)
        eventually(lambda: b"Step 1" in self.engine.read_log(str(run.folder), 0, 1000))

    def end(self, run: RunPaths) -> dict[str, Any]:
        """Wait for the end of a run; return its result."""
        eventually(lambda: self.poll(run) in ("done", "lost"))
        return dict(json.loads(run.result.read_bytes()))

    @property
    def ended(self) -> RunPaths:
        """A run that ended well; cases that only look share it."""
        if self._ended is None:
            self._ended = self.submit()
            self.end(self._ended)
        return self._ended

    def close(self) -> None:
        """Leave nothing running."""
        for run in self.begun:
            if not run.result.exists() and self.poll(run) in ("queued", "running"):
                self.engine.cancel(str(run.folder), "the test is over")
        for run in self.begun:
            wait_until(lambda run=run: self.poll(run) in ("done", "lost"))  # type: ignore[misc]


def follow(run: RunPaths, look: Callable[[], str]) -> list[str]:
    """Every standing of a run until its end, each once."""
    seen: list[str] = []
    with FileWatch() as watch:
        while not seen or seen[-1] not in ("done", "lost"):
            watch.follow(folders=[run.folder])
            now = look()
            if not seen or seen[-1] != now:
                seen.append(now)
            watch.wait(0.02 if now not in ("done", "lost") else 0.0, 0.02)
    return seen
