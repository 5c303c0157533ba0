"""A long campaign: what `check_baseline` and `compare` cost on a ledger of 1,000 runs, and reading one of 10,000."""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import anyio
import numpy as np
from figures import Figure, in_turn, median, show
from mcp.client.client import Client
from seedproof.commands.argv import training_argv
from seedproof.ledger.event import Event, Record
from seedproof.ledger.records import EMPTY_HASH, canonical, make_record, read_line
from seedproof.ledger.run_ends import LogRead, Measured, RunFinished
from seedproof.ledger.run_events import RunRequested, RunStarted
from seedproof.ledger.study_events import ExperimentDeclared, GenerationStarted, VerdictIssued
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import MetricValue, RunState
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.surface.tools import build_server
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["measure"]

E = TypeVar("E", bound=Event)
RULES = Rules()
RUNS = 1_000
CALLS = 15
LIMIT_MS = 50.0
FOLD_RUNS = 10_000
FOLD_PAIRS = 7
FOLD_LIMIT_S = 2.0


class Appends(Protocol):
    """What a ledger's writer can do."""

    def append(self, event: E) -> E:
        """Append the record of an event."""


class Bulk:
    """The records that the ledger's writer would append, stored once at the end instead of synced one by one."""

    def __init__(self) -> None:
        self._seq, self._head = 0, EMPTY_HASH
        self._lines: list[bytes] = []
        self.record: Record = {}

    def append(self, event: E) -> E:
        """Append the record of an event to what `store` will write."""
        record = make_record(self._seq + 1, "2026-11-24T12:00:00.000Z", self._head, event.kind, event.fields())
        self._seq, self._head = record["seq"], record["hash"]
        self._lines.append(canonical(record) + b"\n")
        self.record = record
        return type(event).read(record)

    def store(self, paths: ProjectPaths) -> None:
        """Write the ledger of a project that has none."""
        paths.state.mkdir(parents=True)
        paths.ledger.write_bytes(b"".join(self._lines))


ENVIRONMENT = {
    "implementation": "cpython",
    "version": "3.12.1",
    "packages": {"numpy": "2.0.0", "torch": "2.13.0"},
    "torch": "2.13.0",
    "cuda": None,
    "gpus": ["NVIDIA H200"],
    "driver": None,
}
FINGERPRINT = {
    "code_sha256": "c" * 64,
    "packages_sha256": "d" * 64,
    "environment_sha256": "e" * 64,
    "interpreter": ".venv/bin/python",
    "host": "host",
    "platform": "Linux-6.1.0-x86_64-with-glibc2.36",
    "cpu_count": 2,
    "load": 0.5,
    "slot": "default",
    "env_names": ["OMP_NUM_THREADS"],
    "env": {"OMP_NUM_THREADS": "2"},
    "not_code": [],
}


FIRST = (None, RULES.baseline_seeds[0])
"""The run that an environment is written out with."""


def key_of(experiment: str | None, seed: int) -> RunKey:
    """The key of the first attempt at a seed."""
    side = Side.BASELINE if experiment is None else Side.EXPERIMENT
    return RunKey(1, Role.MEASURE, side, experiment, seed, 1)


def write_run(writer: Appends, experiment: str | None, seed: int, value: float) -> None:
    """One run from its request to its result, with the fields that a real one has."""
    key = key_of(experiment, seed)
    folder = key.output_dir(RULES.label)
    writer.append(RunRequested(key=key))
    writer.append(
        RunStarted(
            run_id=key.run_id,
            argv=training_argv(RULES, "/usr/bin/python3", seed, (), folder),
            output_dir=folder,
            timeout_s=600.0,
            fingerprint=FINGERPRINT,
            environment=ENVIRONMENT if (experiment, seed) == FIRST else None,
        )
    )
    text = f"{value:.4f}"
    found = MetricValue(float(text), text, 400, f"Step 1953 | val_loss: {text} | lr: 0.0")
    writer.append(
        RunFinished(
            run_id=key.run_id,
            end=RunState.SUCCEEDED,
            metrics={"val_loss": found},
            log=LogRead(step=1953, log_sha256=f"{abs(hash(key.run_id)):064x}", log_bytes=100_000),
            measured=Measured(wall_time_s=60.0, exit_code=0),
        )
    )


def write_verdict(writer: Appends, name: str) -> None:
    """A verdict with what lists show of it."""
    writer.append(
        VerdictIssued(
            generation=1,
            experiment=name,
            runs=tuple(sorted(key_of(name, seed).run_id for seed in RULES.all_seeds)),
            verdict="NEUTRAL",
            headline="NEUTRAL: 0.60 sigma better, noise",
            delta=-0.006,
            improvement_sigma=0.6,
            cohens_d=-0.6,
            campaign={"p_better": 0.2},
            on_head="#1 000000000000",
        )
    )


def declared(name: str, *flags: str) -> ExperimentDeclared:
    """A declaration in the first generation."""
    return ExperimentDeclared(generation=1, experiment=name, flags=flags, hypothesis="it helps", code_change=False)


def write_records(writer: Appends, runs: int, is_judged: bool) -> str:
    """A baseline and as many experiments of five seeds as make so many runs; the last one's name."""
    values = iter(np.random.default_rng(0).normal(4.0, 0.01, runs))
    writer.append(GenerationStarted(generation=1, rules=RULES, reason=None))
    for seed in RULES.baseline_seeds:
        write_run(writer, None, seed, next(values))
    for number in range((runs - len(RULES.baseline_seeds)) // len(RULES.all_seeds)):
        name = f"idea-{number}"
        writer.append(declared(name, "--lr", str(number)))
        for seed in RULES.all_seeds:
            write_run(writer, name, seed, next(values))
        if is_judged:
            write_verdict(writer, name)
    return name


def write_campaign(paths: ProjectPaths, runs: int = RUNS, is_judged: bool = False) -> str:
    """A project with a ledger of so many runs; the name of the last experiment."""
    assert RULES.script is not None  # the default command names one
    (paths.root / RULES.script).touch()
    writer = Bulk()
    name = write_records(writer, runs, is_judged)
    writer.store(paths)
    return name


@contextmanager
def campaign() -> Iterator[tuple[ProjectPaths, str]]:
    """A project with a long ledger, and the name of its last experiment."""
    with tempfile.TemporaryDirectory() as folder:
        paths = ProjectPaths(Path(folder))
        yield paths, write_campaign(paths)


async def call_ms(client: Client, tool: str, **arguments: Any) -> float:
    """How long one call takes, with its way through an in-memory connection."""
    began = time.perf_counter()
    answer = await client.call_tool(tool, arguments)
    elapsed_ms = 1000 * (time.perf_counter() - began)
    if answer.is_error:
        raise SystemExit(f"{tool} was refused: {answer.content}")
    return elapsed_ms


def parse_ms(path: Path) -> float:
    """The least that a first reading can cost: parse and verify each line."""
    began = time.perf_counter()
    prev = EMPTY_HASH
    for seq, line in enumerate(path.read_bytes().splitlines(), 1):
        prev = read_line(line, seq, prev)["hash"]
    return 1000 * (time.perf_counter() - began)


async def first_and_later(paths: ProjectPaths, name: str) -> dict[str, list[float]]:
    """Milliseconds of the first call of a server, of reading alone, and of later calls."""
    found: dict[str, list[float]] = {"first": [], "parse": [], "check_baseline": [], "compare": [], "empty": []}
    for _ in range(CALLS):
        async with Client(build_server(paths.root)) as client:
            await client.list_tools()
            found["first"].append(await call_ms(client, "check_baseline"))
            found["parse"].append(parse_ms(paths.ledger))
            found["check_baseline"].append(await call_ms(client, "check_baseline"))
            await call_ms(client, "compare", experiment=name)  # the SDK prepares the check of a tool's first answer
            found["compare"].append(await call_ms(client, "compare", experiment=name))
        with tempfile.TemporaryDirectory() as empty:
            async with Client(build_server(Path(empty))) as client:
                await call_ms(client, "check_baseline")
                found["empty"].append(await call_ms(client, "check_baseline"))
    return found


def cpu_s(act: Callable[[], object]) -> float:
    """CPU time of one call."""
    began = time.process_time()
    act()
    return time.process_time() - began


def fold_figure() -> Figure:
    """What a first reading of a very long ledger costs, chain and all, in turn with parsing the same lines."""
    with tempfile.TemporaryDirectory() as folder:
        paths = ProjectPaths(Path(folder))
        write_campaign(paths, FOLD_RUNS, is_judged=True)
        lines = paths.ledger.read_bytes().splitlines()
        read, parsed = in_turn(
            lambda: cpu_s(lambda: Ledger(paths).refresh()),
            lambda: cpu_s(lambda: [json.loads(line) for line in lines]),
            FOLD_PAIRS,
        )
    beside = (
        f"{len(lines)} records; {median(read) / median(parsed):.1f} times json.loads of the same lines, "
        f"{median(parsed):.2f} s (medians of {FOLD_PAIRS} pairs)"
    )
    return Figure(
        f"reading a ledger of {FOLD_RUNS} runs with its chain, CPU time", median(read), "s", beside, FOLD_LIMIT_S
    )


def measure() -> list[Figure]:
    """Later calls against their target, the first one beside what it has to read."""
    with campaign() as (paths, name):
        found = {what: median(times) for what, times in anyio.run(first_and_later, paths, name).items()}
        size = paths.ledger.stat().st_size
        with paths.ledger.open("rb") as ledger:
            records = sum(1 for _ in ledger)
    ratio = f"the same call on an empty project {found['empty']:.1f} ms (medians of {CALLS})"
    read = f"{records} records, {size / 1e6:.1f} MB, parsed and verified in {found['parse']:.0f} ms"
    return [
        Figure(f"`check_baseline`, {RUNS} runs", found["check_baseline"], "ms", ratio, LIMIT_MS),
        Figure(f"`compare`, {RUNS} runs", found["compare"], "ms", ratio, LIMIT_MS),
        Figure("the first call of a server on that ledger", found["first"] / found["parse"], "x", read),
        fold_figure(),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
