"""Evidence: what `compare` costs in a campaign of 50 experiments, once scipy is loaded."""

import sys
import tempfile
from pathlib import Path

import anyio
import numpy as np
from figures import Figure, median, show
from large_ledger import RULES, call_ms, declared, write_run
from mcp.client.client import Client
from seedproof.ledger.study_events import GenerationStarted
from seedproof_mcp.ledger.file import Ledger, Writer
from seedproof_mcp.surface.tools import build_server
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["measure"]

EXPERIMENTS = 50
# One more than is measured: the first loads scipy.
JUDGED = 8
LIMIT_MS = 100.0


def write_experiment(writer: Writer, name: str, shift: float, draws: np.random.Generator) -> None:
    """An experiment with all five seeds, no verdict yet."""
    writer.append(declared(name, "--idea", name))
    for seed in RULES.all_seeds:
        write_run(writer, name, seed, draws.normal(4.0 - shift, 0.01))


def write_campaign(paths: ProjectPaths) -> list[str]:
    """A baseline and 50 experiments; the names of those that are to be judged, every other one a WINNER."""
    draws = np.random.default_rng(0)
    assert RULES.script is not None  # the default command names one
    (paths.root / RULES.script).touch()
    names = [f"idea-{number}" for number in range(EXPERIMENTS)]
    with Ledger(paths).writing() as writer:
        writer.append(GenerationStarted(generation=1, rules=RULES, reason=None))
        for seed in RULES.baseline_seeds:
            write_run(writer, None, seed, draws.normal(4.0, 0.01))
        for number, name in enumerate(names):
            # Each WINNER another improvement, so that nothing is remembered from the one before.
            write_experiment(writer, name, 0.05 + 0.001 * number if number % 2 else 0.0, draws)
    return names[-JUDGED:]


async def in_one_server(paths: ProjectPaths, names: list[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of each first `compare`, and of an empty call (`check_baseline` elsewhere) after it."""
    with tempfile.TemporaryDirectory() as empty:
        (Path(empty) / "train_llm.py").touch()  # without it every call is refused
        async with Client(build_server(paths.root)) as client, Client(build_server(Path(empty))) as idle:
            await call_ms(idle, "check_baseline")
            compares, beside = [], []
            for name in names:
                compares.append(await call_ms(client, "compare", experiment=name))
                beside.append(await call_ms(idle, "check_baseline"))
    return compares[1:], beside[1:]


def measure() -> list[Figure]:
    """The median of seven verdicts with all of their evidence, beside a call that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        paths = ProjectPaths(Path(folder))
        compares, beside = anyio.run(in_one_server, paths, write_campaign(paths))
    took, empty = median(compares), median(beside)
    what = f"`compare` with all evidence, {EXPERIMENTS} experiments"
    ratio = f"an empty call {empty:.1f} ms, so {took / empty:.0f}x (medians of {len(compares)})"
    return [Figure(what, took, "ms", ratio, LIMIT_MS)]


if __name__ == "__main__":
    sys.exit(show(measure))
