"""The protocol's eight runs on the example, called one after the other, beside the same commands in a shell."""

import json
import sys
from pathlib import Path

import anyio
from figures import Figure, median, show
from mcp.client.client import Client
from run_overhead import Run, fresh_project, run_once, server_of, spans
from seedproof.model.rules import Rules
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["measure"]

EXAMPLE = Path(__file__).parent.parent / "examples" / "tiny_lm" / "train_llm.py"
RULES = Rules()
ROUNDS, LONG_ROUNDS = 7, 1
# A third of a second each, and about ten; what a run costs beside that does not depend on it.
TOKENS, LONG_TOKENS = 50_000, 6_000_000
# As in use: the conductor outlives the shell's turn of ten seconds.
LONG_IDLE_S = 30
LIMIT_S, LONG_LIMIT = 0.5, 1.05


async def one_protocol(paths: ProjectPaths, idle_s: float) -> list[Run]:
    """Five baseline seeds and three of an experiment; after each one its command in a shell."""
    async with Client(server_of(paths, idle_s)) as client:
        runs = [await run_once(client, paths, seed) for seed in RULES.baseline_seeds]
        idea = {"experiment": "idea", "flags": ["--lr", "0.004"], "hypothesis": "slower is better"}
        return runs + [await run_once(client, paths, seed, **idea) for seed in RULES.experiment_seeds]


def protocols(rounds: int, tokens: int, idle_s: float) -> list[list[Run]]:
    """So many protocols, each in a project of its own."""
    found = []
    for _ in range(rounds):
        with fresh_project(EXAMPLE, f"train_tokens = {json.dumps(tokens)}") as paths:
            found.append(anyio.run(one_protocol, paths, idle_s))
    return found


def short() -> list[Figure]:
    """The overhead per run, from the whole protocols."""
    found = protocols(ROUNDS, TOKENS, 1)
    per_run = [sum(run.overhead_s for run in runs) / len(runs) for runs in found]
    served, shell = (
        median(sum(getattr(run, name) for run in runs) for runs in found) for name in ("server_s", "shell_s")
    )
    beside = f"8 runs {served:.2f} s; the same commands in a shell {shell:.2f} s (medians of {ROUNDS})"
    return [
        Figure("the protocol on the example, more per run", median(per_run), "s", beside, LIMIT_S),
        *spans("protocol", [run for runs in found for run in runs]),
    ]


def long() -> list[Figure]:
    """The ratio for runs of ten seconds, from the single runs."""
    runs = [run for runs in protocols(LONG_ROUNDS, LONG_TOKENS, LONG_IDLE_S) for run in runs]
    served, shell = median(run.server_s for run in runs), median(run.shell_s for run in runs)
    ratio = median(run.server_s / run.shell_s for run in runs)
    beside = f"{served:.2f} s; the same command in a shell {shell:.2f} s (medians of {len(runs)})"
    return [
        Figure("the same with runs of ten seconds", ratio, "x", beside, LONG_LIMIT),
        *spans("ten seconds", runs),
    ]


def measure(is_long: bool = False) -> list[Figure]:
    """The overhead per run; with `--long` also the ratio for runs of ten seconds."""
    return short() + (long() if is_long else [])


if __name__ == "__main__":
    sys.exit(show(measure))
