"""Records the studies of record_format_1 with the version that wrote them, c3868cf; README.md has the commands."""

import asyncio
import importlib
import itertools
import os
import platform
import shutil
import socket
import sys
import tempfile
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Study = Callable[[Path, Any, Any], Awaitable[None]]
"""Takes a project, a caller of its tools and the table of its trainings."""

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
SEEDS = (42, 137, 256, 512, 1024)
FRESH = (100_003, 100_019, 100_043)
# A name without a folder, so that no path of a machine stands in the records.
SETTINGS = '[settings]\npython = "python3"\n'
MORE_SEEDS = "[rules]\nbaseline_seeds = [42, 137, 256, 512, 1024, 2048, 4096]\n\n"
ENVIRONMENT = {
    "implementation": "cpython",
    "version": "3.11.7",
    "packages": {"numpy": "2.4.6"},
    "torch": None,
    "cuda": None,
    "gpus": [],
    "driver": None,
    "cpu": "A processor",
}


def arm(table: Any, name: str, values: tuple[float, ...], seeds: tuple[int, ...] = SEEDS) -> None:
    """Write down an arm with digits enough that no two logs are the same."""
    table.arm(name, [f"{value:.4f}" for value in values], seeds)


async def judge(call: Any, name: str, seeds: tuple[int, ...] = SEEDS[:3]) -> None:
    """Declare an experiment, run these seeds and compare."""
    await call.measure(name, "--idea", name, seeds=seeds)
    for seed in seeds[3:]:
        await call("run_seed", experiment=name, seed=seed)
    if len(seeds) >= 3:
        await call("compare", experiment=name)


async def protocol(project: Path, call: Any, table: Any) -> None:
    """One experiment of each verdict, and one whose first look is incomplete."""
    arm(table, "exp_better", (3.9000, 3.9100, 3.9250))
    arm(table, "exp_same", (3.9901, 4.0103, 3.9951, 4.0002, 4.0004))
    arm(table, "exp_worse", (4.1000, 4.1100, 4.1200))
    arm(table, "exp_begun", (3.9001, 3.9201))
    await call.measure_baseline()
    await call("write_report")
    await judge(call, "better")
    await call("write_report", experiment="better")
    await judge(call, "same", SEEDS)
    await call("write_report", experiment="same")
    await judge(call, "worse")
    for seed in SEEDS[:2]:
        await call("run_seed", experiment="begun", flags=["--idea", "begun"], hypothesis="it helps", seed=seed)


async def confirmations(project: Path, call: Any, table: Any) -> None:
    """A confirmation that passed, one that did not, one with three of six runs."""
    arm(table, "exp_kept", (3.9000, 3.9100, 3.9250))
    arm(table, "control_kept", (4.0004, 3.9994, 4.0104), FRESH)
    arm(table, "confirm_kept", (3.9304, 3.9504, 3.9404), FRESH)
    arm(table, "exp_lost", (3.9001, 3.9101, 3.9251))
    arm(table, "control_lost", (4.0005, 3.9995, 4.0105), FRESH)
    arm(table, "confirm_lost", (4.0006, 4.0096, 3.9996), FRESH)
    arm(table, "exp_half", (3.9002, 3.9102, 3.9252))
    arm(table, "control_half", (4.0003,), FRESH)
    arm(table, "confirm_half", (3.9803, 3.9793), FRESH)
    await call.measure_baseline()
    for name, runs in (("kept", 6), ("lost", 6), ("half", 3)):
        await judge(call, name)
        for _ in range(runs):
            await call("run_seed", experiment=name, role="confirm")
        await call("compare", experiment=name)
    await call("write_report", experiment="kept")


async def given_seeds(project: Path, call: Any, table: Any) -> None:
    """Four seeds of the user's choice, which c3868cf allowed: a WINNER with three of eight runs on them."""
    arm(table, "exp_half", (3.9000, 3.9100, 3.9250))
    arm(table, "control_half", (4.0003,), (7, 8))
    arm(table, "confirm_half", (3.9303, 3.9503), (7, 8))
    await call.measure_baseline()
    await judge(call, "half")
    for _ in range(3):
        await call("run_seed", experiment="half", role="confirm")
    await call("write_report")


async def sequential(project: Path, call: Any, table: Any) -> None:
    """A WINNER and a futile NEUTRAL at the first look, and one that this look leaves open (p = .042)."""
    arm(table, "exp_winner", (3.9600, 3.9700, 3.9550))
    arm(table, "exp_futile", (4.0010, 4.0060, 3.9960))
    arm(table, "exp_open", (3.9801, 3.9851, 3.9751))
    await call.measure_baseline()
    for name in ("winner", "futile", "open"):
        await judge(call, name)
    await call("write_report", experiment="winner")


async def sequential_ledger(project: Path, call: Any, table: Any) -> None:
    """The level is .044 at these rules: a WINNER at p = .021, and one that the first look leaves open (p = .047)."""
    arm(table, "exp_futile", (4.0121, 3.9881, 4.0001))
    arm(table, "exp_winner", (3.9700, 3.9850, 3.9750))
    arm(table, "exp_open", (3.9751, 3.9901, 3.9851))
    await call.measure_baseline()
    for name in ("futile", "winner", "open"):
        await judge(call, name)
    await call("write_report", experiment="winner")


async def in_place(project: Path, call: Any, table: Any) -> None:
    """A change of code that is a WINNER; its confirmation would need the code of before."""
    arm(table, "exp_change", (3.9000, 3.9100, 3.9250))
    await call.measure_baseline()
    (project / "train_llm.py").write_text("steps = 2\n")
    for seed in SEEDS[:3]:
        await call("run_seed", experiment="change", code_change=True, hypothesis="it helps", seed=seed)
    await call("compare", experiment="change")
    await call("write_report", experiment="change")


async def larger_baseline(project: Path, call: Any, table: Any) -> None:
    """Two WINNERs of five seeds, one with three of six fresh runs; a baseline of seven, and an experiment of it."""
    arm(table, "baseline", (4.0300, 3.9700), (2048, 4096))
    arm(table, "exp_early", (3.9000, 3.9100, 3.9250))
    arm(table, "exp_half", (3.9001, 3.9101, 3.9251))
    arm(table, "control_half", (4.0003,), FRESH)
    arm(table, "confirm_half", (3.9303, 3.9503), FRESH)
    arm(table, "exp_late", (3.9002, 3.9102, 3.9252))
    await call.measure_baseline()
    await judge(call, "early")
    await judge(call, "half")
    for _ in range(3):
        await call("run_seed", experiment="half", role="confirm")
    await call("write_report", experiment="early")
    (project / "seedproof.toml").write_text(MORE_SEEDS + SETTINGS)
    await call("run_seed", new_baseline="more experiments share the seeds", queue_all=True)
    await judge(call, "late")
    await call("write_report")


STUDIES: dict[str, tuple[Study, str]] = {
    "protocol": (protocol, ""),
    "confirmations": (confirmations, ""),
    "given_seeds": (given_seeds, "[rules]\nconfirm_seeds = [7, 8, 9, 10]\n\n"),
    "sequential": (sequential, '[rules]\ndesign = "sequential"\n\n'),
    "sequential_ledger": (
        sequential_ledger,
        '[rules]\ndesign = "sequential"\nsequential_variance = "ledger"\nwinner_sigma = 1.5\n\n',
    ),
    "in_place": (in_place, ""),
    "larger_baseline": (larger_baseline, ""),
}
"""By folder: what happens, and the rules."""


def start_clock(name: str) -> None:
    """Let a second pass from record to record: the same times in each recording, and others in each study."""
    seconds, began = itertools.count(), datetime(2026, 11, 28, 8 + list(STUDIES).index(name), tzinfo=UTC)

    def now() -> str:
        return f"{began + timedelta(seconds=next(seconds)):%Y-%m-%dT%H:%M:%S.000Z}"

    vars(importlib.import_module("seedproof_mcp.ledger"))["_now"] = now


def name_no_machine() -> None:
    """Let records name a machine that is nobody's."""
    outputs, fingerprint = (importlib.import_module(f"seedproof_mcp.{one}") for one in ("outputs", "fingerprint"))
    see = outputs.identity

    def identity(folder: Path) -> list[int] | None:
        return None if see(folder) is None else [0, zlib.crc32(folder.name.encode())]

    vars(outputs)["identity"] = identity
    vars(fingerprint).update(environment=lambda *_: ENVIRONMENT, RECORDED_VALUES=())
    vars(socket)["gethostname"], vars(platform)["platform"] = lambda: "host", lambda: "Linux"
    vars(os).update(cpu_count=lambda: 4, getloadavg=lambda: (0.5, 0.5, 0.5))


def record(name: str, out: Path) -> None:
    """Take one study through, and copy what a clone of its project would have."""
    in_process, tables = (importlib.import_module(f"tests.{one}") for one in ("in_process", "tables"))
    happens, rules = STUDIES[name]
    start_clock(name)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / name
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        project.mkdir()
        (project / "train_llm.py").write_text("steps = 1\n")
        (project / "seedproof.toml").write_text(rules + SETTINGS)

        async def through_the_tools() -> None:
            table = tables.Table()
            arm(table, "baseline", BASE)
            async with in_process.quick_tools(project, in_process.InProcessEngine(table)) as call:
                await happens(project, call, table)

        asyncio.run(through_the_tools())
        # The mirror ends with the last report, and the ledger itself is left out of git.
        shutil.copy(project / ".seedproof/ledger.jsonl", project / "docs/research/ledger.jsonl")
        shutil.copytree(project, out / name, ignore=shutil.ignore_patterns(".seedproof", "checkpoints", ".git*"))


if __name__ == "__main__":
    old, out = (Path(word).resolve() for word in sys.argv[1:])
    sys.path[:0] = [str(old), str(old / "protocol"), str(old / "server")]
    name_no_machine()
    for each in STUDIES:
        record(each, out)
