"""What a run costs beyond its training: through the server over stdio, beside the same command in a shell."""

import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
from figures import Figure, median, show
from mcp import StdioServerParameters
from mcp.client.client import Client
from seedproof_mcp.host.fingerprint import Surroundings
from seedproof_mcp.host.place import ThisMachine
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["SPANS", "Run", "fresh_project", "measure", "run_once", "server_of", "spans"]

ROUNDS = 7
# The product's baseline seeds: the first meets no conductor, the others one that is at work.
FIRST, FOLLOWING = 42, (137, 256, 512)
# A first run starts the conductor, whose interpreter is all that its limit allows for.
FIRST_LIMIT_S, LIMIT_S = 0.5, 0.15
WAIT_S = 60.0
TRAINING = Path(__file__).with_name("short_train.py")
SPANS = ("request", "conductor", "supervisor", "training", "noticed", "answer")


@dataclass(frozen=True)
class Run:
    """One run through the server, and the same command in a shell."""

    spans_s: dict[str, float]
    """Where the time went; keys are SPANS."""
    server_s: float
    """Time from the call of run_seed to its answer."""
    shell_s: float
    """Time of the command in a shell."""

    @property
    def overhead_s(self) -> float:
        """What the server adds."""
        return self.server_s - self.shell_s


@contextmanager
def fresh_project(training: Path = TRAINING, rules: str = "") -> Iterator[ProjectPaths]:
    """A project of its own with a training script, the short one by default; nothing of it runs afterwards.

    Args:
        rules: Lines of the table [rules] in its seedproof.toml.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = ProjectPaths(Path(folder).resolve() / "project")
        paths.root.mkdir()
        shutil.copy(training, paths.root / "train_llm.py")
        paths.settings.write_text(f"[rules]\n{rules}\n[settings]\npython = {json.dumps(sys.executable)}\n")
        yield paths
        with anyio.from_thread.start_blocking_portal() as portal:
            portal.call(_conductor_gone, paths)


async def _conductor_gone(paths: ProjectPaths) -> None:
    with anyio.fail_after(WAIT_S):
        while locks.is_locked(paths.conductor_lock):
            await anyio.sleep(0.05)


def server_of(paths: ProjectPaths, idle_s: float = 1) -> StdioServerParameters:
    """The product's server on a project, with slots of its own and a conductor that leaves soon."""
    state = {"XDG_STATE_HOME": str(paths.root.parent / "state"), "SEEDPROOF_IDLE_S": str(idle_s)}
    arguments = ["-m", "seedproof_mcp.surface.cli", "serve", "--project", str(paths.root)]
    return StdioServerParameters(command=sys.executable, args=arguments, env={**os.environ, **state})


async def run_once(client: Client, paths: ProjectPaths, seed: int, **declared: Any) -> Run:
    """One seed through the server, then its very command in a shell."""
    called_at, called = time.time(), time.perf_counter()
    result = await client.call_tool("run_seed", {"seed": seed, "wait_s": WAIT_S, **declared})
    server_s = time.perf_counter() - called
    answer = result.structured_content or {}
    if answer.get("state") != "succeeded":
        raise SystemExit(f"run_seed brought no result: {result.content}")
    moments = [called_at, *moments_of(paths, answer["run_id"]), called_at + server_s]
    spans = dict(zip(SPANS, (after - before for before, after in itertools.pairwise(moments)), strict=True))
    return Run(spans, server_s, shell_s(paths, answer["run_id"]))


def records_of(paths: ProjectPaths, run_id: str) -> dict[str, dict[str, object]]:
    """The run's ledger records by kind."""
    ledger = Ledger(paths)
    ledger.refresh()
    return {record["kind"]: record for record in ledger.records() if record.get("run_id") == run_id}


def moments_of(paths: ProjectPaths, run_id: str) -> list[float]:
    """When the run was requested, taken up, started, ended and recorded, in seconds."""
    records = records_of(paths, run_id)
    result = json.loads(paths.run(run_id).result.read_bytes())
    texts = [
        records["run_requested"]["time"],
        records["run_started"]["time"],
        result["started_at"],
        result["ended_at"],
        records["run_finished"]["time"],
    ]
    return [datetime.fromisoformat(str(text)).timestamp() for text in texts]


def shell_s(paths: ProjectPaths, run_id: str) -> float:
    """The time that the recorded command takes in a shell, its output going to a file as well."""
    argv = records_of(paths, run_id)["run_started"]["argv"]
    assert isinstance(argv, list)
    env = Surroundings(paths, load_config(paths.settings), ThisMachine()).env
    with (paths.root.parent / "shell.log").open("wb") as log:
        began = time.perf_counter()
        subprocess.run(["/bin/sh", "-c", shlex.join(argv)], cwd=paths.root, env=env, stdout=log, stderr=log, check=True)
        return time.perf_counter() - began


async def one_round(paths: ProjectPaths) -> tuple[Run, list[Run]]:
    """A new project: its first run, and those that follow."""
    async with Client(server_of(paths)) as client:
        first = await run_once(client, paths, FIRST)
        return first, [await run_once(client, paths, seed) for seed in FOLLOWING]


def _rounds() -> Iterator[tuple[Run, list[Run]]]:
    for _ in range(ROUNDS):
        with fresh_project() as paths:
            yield anyio.run(one_round, paths)


def _figure(what: str, runs: Sequence[Run], limit_s: float) -> Figure:
    server_s, shell = median(run.server_s for run in runs), median(run.shell_s for run in runs)
    beside = f"{server_s:.2f} s; the same command in a shell {shell:.2f} s (medians of {len(runs)})"
    return Figure(what, median(run.overhead_s for run in runs), "s", beside, limit_s)


def spans(what: str, runs: Sequence[Run]) -> list[Figure]:
    """Where the overhead goes: the stages that are not the training itself."""
    legend = {
        "request": "the call until `run_requested` is on the disk",
        "conductor": "until a conductor has written `run_started`",
        "supervisor": "until the supervisor starts the training",
        "training": "the training's time over the shell's",
        "noticed": "the training's end until `run_finished` is on the disk",
        "answer": "until the client has the answer",
    }
    shares = {name: [run.spans_s[name] for run in runs] for name in SPANS}
    shares["training"] = [run.spans_s["training"] - run.shell_s for run in runs]
    return [Figure(f"{what}: {name}", median(shares[name]), "s", legend[name]) for name in SPANS]


def measure() -> list[Figure]:
    """First runs and following runs, and for each where the time goes."""
    rounds = list(_rounds())
    firsts = [first for first, _ in rounds]
    following = [run for _, runs in rounds for run in runs]
    return [
        _figure("a run beside the shell, first of a project", firsts, FIRST_LIMIT_S),
        _figure("a run beside the shell, while the conductor lives", following, LIMIT_S),
        *spans("first run", firsts),
        *spans("following run", following),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
