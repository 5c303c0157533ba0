"""An engine without processes: what a run prints is a function of its command, at once."""

import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedproof_mcp.host.place import Place, ThisMachine
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.runner.engines import Engine, RunState, Slot
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

from tests.support.callers import Caller, tools
from tests.support.seeds import foreseen

STARTED_AT = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Training:
    """What one training does."""

    log: str
    exit_code: int = 0
    files: dict[str, str] = field(default_factory=dict)
    wall_time_s: float = 2.0


def option(argv: Sequence[str], name: str, default: str = "") -> str:
    """The value of an option of a command; the last one counts."""
    return dict(itertools.pairwise(argv)).get(name, default)


def train(argv: Sequence[str]) -> Training:
    """The same script as fake_train.py, without its process."""
    seed = int(option(argv, "--seed"))
    if "--crash" in argv:
        return Training("Traceback: no such package\n", 1)
    loss = 4.0 + float(option(argv, "--shift", "0"))
    if "--constant" not in argv:
        loss += random.Random(seed).gauss(0, 0.01)
    text = "nan" if option(argv, "--nan_at") == str(seed) else f"{loss:.6f}"
    log = f"Step 1 | val_loss: 9.5000 | warming up\nStep 100 | val_loss: {text} | done\n"
    return Training(log, 1 if "--fail_after" in argv else 0, {"model.bin": "x" * 1000})


def told_by_side(spec: Mapping[str, Any]) -> list[str]:
    """The command of a run; of a confirmation with an output folder that tells the side, as no script sees it."""
    argv, run = list(spec["argv"]), spec["run_id"]
    if "-confirm" in run:
        place = argv.index("--output_dir") + 1
        folder, _, name = argv[place].rpartition("/")
        side = "control" if "-confirm_control-" in run else "confirm"
        argv[place] = f"{folder}/{side}_{name.removeprefix('confirm_').rpartition('_')[0]}"
    return argv


class InProcessEngine(Engine):
    """Runs end when they are submitted, or, while `held`, when they are released."""

    def __init__(self, trains: Callable[[Sequence[str]], Training] = train, where: Place | None = None) -> None:
        self.trains = trains
        self.where = where or ThisMachine()
        self.held = False
        self._waiting: list[RunPaths] = []

    def place(self) -> Place:
        return self.where

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        run = RunPaths(run_dir)
        if not run.started.exists():
            run.started.write_text(json.dumps({"started_at": STARTED_AT}))
            spec = json.loads(run.spec.read_bytes())
            training = self.trains(told_by_side(spec))
            run.log.write_text(training.log)
            folder = Path(spec["cwd"]) / option(spec["argv"], "--output_dir")
            folder.mkdir(parents=True)
            for name, text in training.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
            self._waiting.append(run)
        if not self.held:
            self.release()
        return str(run_dir)

    def release(self) -> None:
        """Let every waiting run end."""
        while self._waiting:
            run = self._waiting[-1]
            training = self.trains(told_by_side(json.loads(run.spec.read_bytes())))
            self._publish(run, "exited", training.exit_code, training.wall_time_s)
            self._waiting.pop()

    def _publish(self, run: RunPaths, end: str, exit_code: int | None, wall_time_s: float) -> None:
        result = {
            "end": end,
            "exit_code": exit_code,
            "signal": None,
            "wall_time_s": wall_time_s,
            "log_bytes": run.log.stat().st_size,
            "started_at": STARTED_AT,
            "ended_at": STARTED_AT,
            "error": None,
            "killed_leftovers": 0,
            "load": self.where.machine().load,
        }
        files.write_atomic(run.result, json.dumps(result).encode())

    def poll(self, handle: str) -> RunState:
        run = RunPaths(Path(handle))
        if run.result.exists():
            return "done"
        return "running" if run.started.exists() else "lost"

    def cancel(self, handle: str, reason: str) -> None:
        super().cancel(handle, reason)
        run = RunPaths(Path(handle))
        self._waiting = [waiting for waiting in self._waiting if waiting.folder != run.folder]
        self._publish(run, "cancelled", None, 1.0)


def in_process_service(folder: Path, engine: Engine | None, randbelow: Callable[[int], int] | None = None) -> Service:
    """A service whose queue is worked off whenever a conductor is asked for.

    Args:
        folder: The project.
        engine: Takes every run; None: the engine that the project's settings choose.
        randbelow: Random source of fresh seeds; None: one that tests can foresee.
    """

    def work_off(paths: ProjectPaths) -> None:
        conductor = Conductor(paths, engine)
        before = None
        while conductor.step() and (now := paths.ledger.stat().st_size) != before:
            before = now

    return Service(folder, engine, work_off, randbelow or foreseen())


def quick_tools(
    folder: Path,
    engine: Engine | None = None,
    mode: str = "auto",
    randbelow: Callable[[int], int] | None = None,
) -> AbstractAsyncContextManager[Caller]:
    """A client on a server of the project whose runs take no time."""
    return tools(folder, mode, in_process_service(folder, engine or InProcessEngine(), randbelow))
