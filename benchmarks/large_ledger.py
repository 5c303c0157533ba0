"""A long campaign: what `check_baseline` and `compare` cost on a ledger of 1,000 runs."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from figures import Figure, median, show
from mcp.client.client import Client
from seedproof.command import output_dir, training_argv
from seedproof.events import EMPTY_HASH, read_line, run_id_of
from seedproof.rules import Rules
from seedproof.values import Role
from seedproof_mcp.app import build_server
from seedproof_mcp.ledger import Ledger, Writer
from seedproof_mcp.paths import ProjectPaths

__all__ = ["measure"]

RULES = Rules()
RUNS = 1_000
CALLS = 15
LIMIT_MS = 50.0


def write_run(writer: Writer, experiment: str | None, seed: int, value: float) -> None:
    """One run from its request to its result, with the fields that a real one has."""
    run_id = run_id_of(1, Role.MEASURE, experiment, seed, 1)
    folder = output_dir(RULES, Role.MEASURE, experiment, seed)
    arm = "baseline" if experiment is None else "experiment"
    key = {"generation": 1, "role": "measure", "arm": arm, "experiment": experiment, "seed": seed, "attempt": 1}
    writer.append("run_requested", run_id=run_id, **key)
    argv = training_argv(RULES, "/usr/bin/python3", seed, (), folder)
    fingerprint = {"host": "host", "platform": "Linux", "cpus": 2, "python": "/usr/bin/python3", "env": ["OMP"] * 4}
    writer.append(
        "run_started", run_id=run_id, argv=list(argv), output_dir=folder, timeout_s=600.0, fingerprint=fingerprint
    )
    text = f"{value:.4f}"
    found = {"value": float(text), "text": text, "line": 400, "matched": f"Step 1953 | val_loss: {text} | lr: 0.0"}
    writer.append(
        "run_finished",
        run_id=run_id,
        state="succeeded",
        reason=None,
        metrics={"val_loss": found},
        wall_time_s=60.0,
        exit_code=0,
        signal=None,
        step=1953,
        log_sha256=f"{abs(hash(run_id)):064x}",
        log_bytes=100_000,
    )


def write_campaign(paths: ProjectPaths) -> str:
    """A baseline and as many experiments of five seeds as make 1,000 runs; the last one's name."""
    values = iter(np.random.default_rng(0).normal(4.0, 0.01, RUNS))
    (paths.root / RULES.script).touch()
    with Ledger(paths).writing() as writer:
        writer.append("generation_started", generation=1, rules=RULES.document(), reason=None)
        for seed in RULES.baseline_seeds:
            write_run(writer, None, seed, next(values))
        for number in range((RUNS - len(RULES.baseline_seeds)) // len(RULES.all_seeds)):
            name = f"idea-{number}"
            declared = {"flags": ["--lr", str(number)], "hypothesis": "it helps", "code_change": False}
            writer.append("experiment_declared", generation=1, experiment=name, **declared)
            for seed in RULES.all_seeds:
                write_run(writer, name, seed, next(values))
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
            found["compare"].append(await call_ms(client, "compare", experiment=name))
        with tempfile.TemporaryDirectory() as empty:
            async with Client(build_server(Path(empty))) as client:
                await call_ms(client, "check_baseline")
                found["empty"].append(await call_ms(client, "check_baseline"))
    return found


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
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
