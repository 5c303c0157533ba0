"""Who carries the manoeuvres out: an agent with the tools of a project, and with a shell."""

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedproof_mcp.runner.engines import RunState, Slot
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

from tests.support.callers import Answer, Caller
from tests.support.fake_python import fake_python
from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.support.seeds import FRESH_SIX, foreseen
from tests.support.tables import Table
from tests.support.waiting import wait_until

__all__ = ["BETTER", "CLOSE", "CONTROL", "INTERPRETER", "WORSE", "Agent", "Attempt", "an_agent"]

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)  # sigma 0.0158
BETTER = (3.90, 3.91, 3.92)
CLOSE = (3.995, 4.005, 3.985, 4.015, 3.99)
WORSE = (4.10, 4.11, 4.12)
CONTROL = (4.00, 4.02, 4.01)
INTERPRETER = ".venv/bin/python"
HYPOTHESIS = "it helps"
# What a refused call may not add to the ledger.
_DEEDS = ("run_requested", "run_started", "verdict_issued", "report_written")


def the_table() -> Table:
    """Experiments named for what becomes of them; others do as the baseline does."""
    made = Table().arm("baseline", BASE).arm("exp_good", BETTER).arm("exp_close", CLOSE).arm("exp_bad", WORSE)
    made.arm("control_good", CONTROL * 2, FRESH_SIX)
    return made.arm("confirm_good", (3.93, 3.95, 3.94) * 2, FRESH_SIX)


class OpenEngine(InProcessEngine):
    """An engine in which somebody may meddle with a run's files at two moments."""

    cwd: str = ""
    """The working folder of the run that is training."""
    before_end: Callable[[RunPaths], None] | None = None
    after_end: Callable[[RunPaths], None] | None = None

    def __init__(self, trains: Callable[[Sequence[str]], Training]) -> None:
        super().__init__(trains)
        self._lost: set[str] = set()

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        self.cwd = json.loads(RunPaths(run_dir).spec.read_bytes())["cwd"]
        return super().submit(run_dir, slot)

    def lose(self, run_id: str) -> None:
        """Its supervisor is killed, the training with it."""
        self._lost.add(run_id)
        self._waiting = [run for run in self._waiting if run.folder.name != run_id]

    def poll(self, handle: str) -> RunState:
        return "lost" if Path(handle).name in self._lost else super().poll(handle)

    def _publish(self, run: RunPaths, end: str, exit_code: int | None, wall_time_s: float) -> None:
        if self.before_end is not None:
            self.before_end(run)
        super()._publish(run, end, exit_code, wall_time_s)
        if self.after_end is not None:
            self.after_end(run)


class SupervisedEngine(LocalEngine):
    """Trainings are processes under their supervisors; somebody may meddle between their end and its being read."""

    after_end: Callable[[RunPaths], None] | None = None

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        handle = super().submit(run_dir, slot)
        wait_until(lambda: self.poll(handle) in ("done", "lost"))
        if self.after_end is not None:
            self.after_end(RunPaths(run_dir))
        return handle


@dataclass(frozen=True)
class Attempt:
    """One call of a manoeuvre."""

    tool: str
    answer: Answer
    started: list[str]
    """The kinds of deeds that the ledger holds more of since."""


@dataclass
class Agent:
    """Works on a project, honestly or not."""

    project: Path
    call: Caller
    """The tools."""
    engine: OpenEngine
    """What trains; of a supervised row, `supervised` does."""
    table: Table
    supervised: SupervisedEngine | None = None
    tried: list[Attempt] = field(default_factory=list)
    """The calls of the manoeuvre itself."""
    randbelow: Callable[[int], int] = field(default_factory=foreseen)
    """The random source of the system."""
    mend: Callable[[], None] = lambda: None
    """Takes back what would keep the call that a refusal names from being accepted."""

    # --- the honest part ------------------------------------------------------------------------

    async def baseline(self) -> None:
        """Take the baseline through, all seeds in one call."""
        assert (await self.call("run_seed", queue_all=True)).data["state"] == "succeeded"

    async def declare(self, name: str, *flags: str, **more: Any) -> Answer:
        """Declare an experiment, and queue the seeds that it is sure to need."""
        flags = flags or ("--lr", name)
        arguments = {"experiment": name, "flags": list(flags), "hypothesis": HYPOTHESIS, "queue_all": True}
        answer = await self.call("run_seed", **{**arguments, **more})
        assert not answer.is_error, answer.text
        return answer

    async def judge(self, name: str, *flags: str, **more: Any) -> Answer:
        """Take an experiment to its verdict."""
        await self.declare(name, *flags, **more)
        answer = await self.call("compare", experiment=name)
        if answer.code == "more_seeds_needed":
            await self.call("run_seed", experiment=name, queue_all=True)
            answer = await self.call("compare", experiment=name)
        assert not answer.is_error, answer.text
        return answer

    async def report(self, name: str | None = None) -> str:
        """Write a report and read it."""
        answer = await self.call("write_report", experiment=name)
        assert not answer.is_error, answer.text
        return (self.project / answer.data["path"]).read_text()

    async def confirm(self, name: str = "good") -> Answer:
        """All runs of a confirmation, and what they say."""
        await self.call("run_seed", experiment=name, role="confirm", queue_all=True)
        return await self.call("compare", experiment=name)

    # --- the manoeuvre --------------------------------------------------------------------------

    async def cheat(self, tool: str, **arguments: Any) -> Answer:
        """A call of the manoeuvre itself; what it brought about is written down."""
        before = self._deeds()
        answer = await self.call(tool, **arguments)
        after = self._deeds()
        self.tried.append(Attempt(tool, answer, [kind for kind in after if after[kind] > before[kind]]))
        return answer

    def _deeds(self) -> dict[str, int]:
        # Counted in the bytes: the ledger may be a damaged one.
        text = self.paths.ledger.read_text() if self.paths.ledger.exists() else ""
        counts = {kind: text.count(f'"kind":"{kind}"') for kind in _DEEDS}
        return {**counts, "training": len(self.table.argvs)}

    # --- the shell ------------------------------------------------------------------------------

    @property
    def paths(self) -> ProjectPaths:
        """The files of the project."""
        return ProjectPaths(self.project)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project, its folders included."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def log_of(self, run_id: str) -> Path:
        """What a run printed."""
        return self.paths.run(run_id).log

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The records of one kind."""
        lines = self.paths.ledger.read_bytes().splitlines()
        return [record for record in map(json.loads, lines) if record["kind"] == kind]

    def edit_lines(self, edit: Callable[[list[str]], list[str]], path: Path | None = None) -> None:
        """Edit the lines of the ledger, or of its mirror."""
        path = path or self.paths.ledger
        path.write_text("\n".join(edit(path.read_text().splitlines())) + "\n")

    def git(self, *arguments: str) -> str:
        """Run git in the project, without the settings of whoever runs the tests."""
        identity = ("-c", "user.name=agent", "-c", "user.email=agent@example.org")
        env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.project, env=env, check=True, capture_output=True, text=True
        )
        return done.stdout

    @contextmanager
    def environment(self, **variables: str) -> Iterator[None]:
        """Go on with a server that was started with these variables."""
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def keep(self) -> Callable[[], None]:
        """Copy the state folder and the mirror; the answer puts the copies back."""
        kept = self.project.parent / "kept"
        research = self.paths.research
        for folder in (self.paths.state, research):
            if folder.exists():
                shutil.copytree(folder, kept / folder.name)

        def put_back() -> None:
            for folder in (self.paths.state, research):
                shutil.rmtree(folder, ignore_errors=True)
                if (kept / folder.name).exists():
                    shutil.copytree(kept / folder.name, folder)

        return put_back


@asynccontextmanager
async def an_agent(project: Path, mode: str = "auto", *, supervised: bool = False) -> AsyncIterator[Agent]:
    """An agent with the tools of this project."""
    real = SupervisedEngine() if supervised else None
    if real is None:
        # An interpreter that answers at once: a real one takes a quarter of a second to tell its packages.
        fake_python(project / INTERPRETER)
    table = the_table()
    engine = OpenEngine(table)
    agents: list[Agent] = []
    async with quick_tools(project, real or engine, mode, lambda below: agents[0].randbelow(below)) as call:
        agents.append(Agent(project, call, engine, table, real))
        yield agents[0]
