"""Whole runs of a project through an engine, with the conductor in the test, so that it can be left at any point."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seedproof.admission.request import RunRequest
from seedproof.model.refusals import Refusal
from seedproof_mcp.runner import conductor_status
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.runner.engines import Engine
from seedproof_mcp.service.service import Service
from seedproof_mcp.system.file_watch import FileWatch
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.places import FAKE
from tests.support.studies import records
from tests.support.waiting import PATIENCE_S

__all__ = ["FIRST", "Project"]

FIRST = "g1-baseline-s42-a1"


class Project:
    """A project whose runs an engine takes; its conductor works only while something is waited for."""

    def __init__(self, folder: Path, make: Callable[[], Engine], settings: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        shutil.copy(FAKE, folder / "train_llm.py")
        self.write(settings)
        self.paths = ProjectPaths(folder)
        self.make = make
        self.service = Service(folder, make(), start_conductor=lambda _paths: None)
        self.conductor = Conductor(self.paths, make())
        self.problem: str | None = None

    def write(self, settings: str) -> None:
        """Write settings, whose first lines are of [settings]."""
        (self.folder / "seedproof.toml").write_text(f'[settings]\ngrace_s = 0.2\nengine = "slurm"\n{settings}')

    def request(self, **request: Any) -> str:
        """Request a run and return its id."""
        return self.service.request_run(RunRequest(**request))

    def replace_conductor(self) -> None:
        """Go on with another conductor, which knows nothing but the files."""
        self.conductor = Conductor(self.paths, self.make())

    def step(self) -> None:
        """One step of the conductor; what it cannot do is published, as by a real one."""
        self.problem = None
        try:
            self.conductor.step()
        except (Refusal, OSError) as problem:
            self.problem = conductor_status.describe_problem(self.paths, problem)
        conductor_status.publish_problem(self.paths, self.problem, is_new=False)

    def until(self, condition: Callable[[], Any]) -> Any:
        """Let the conductor work until something holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        with FileWatch() as watch:
            while not (found := condition()):
                assert time.monotonic() < deadline_s, f"waited in vain; the conductor says: {self.problem}"
                self.step()
                self.conductor.wait(watch, 0.2, 0.05)
        return found

    def until_ended(self, run_id: str = FIRST) -> dict[str, Any]:
        """Let the conductor work until a run has ended; return the record of its end."""
        return dict(self.until(lambda: next(iter(self.ends(run_id)), None)))

    def until_running(self, run_id: str = FIRST) -> None:
        """Let the conductor work until a run trains."""
        log = self.paths.run(run_id).log
        self.until(lambda: log.exists() and b"Step 1" in log.read_bytes())

    def ends(self, run_id: str = FIRST) -> list[dict[str, Any]]:
        """The records of the end of a run."""
        kinds = ("run_finished", "run_interrupted", "run_cancelled")
        return [one for kind in kinds for one in records(self.folder, kind) if one["run_id"] == run_id]

    def starts(self, run_id: str = FIRST) -> list[dict[str, Any]]:
        return [one for one in records(self.folder, "run_started") if one["run_id"] == run_id]

    def state(self, run_id: str = FIRST) -> tuple[str, str | None]:
        """What a server says of a run: its state, and why."""
        seen = self.service.observe(run_id)
        return seen.state, seen.reason
