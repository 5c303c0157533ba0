"""Records the studies of report_format_5 with the last version that wrote it, ff65c9d; README.md has the commands."""

import asyncio
import importlib
import itertools
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from record import BASE, ENVIRONMENT, FRESH, SEEDS, SETTINGS, Study, arm, judge

Trains = Callable[[Any], Any]
"""Takes what the table says of one training, and returns what that training does."""


async def protocol(project: Path, call: Any, table: Any) -> None:
    """A WINNER that fresh seeds confirmed, and a NEUTRAL whose same-seed pairs tell; each with its report."""
    arm(table, "exp_kept", (3.9000, 3.9100, 3.9250))
    arm(table, "baseline", (4.0004, 3.9994, 4.0104), FRESH)
    arm(table, "confirm_kept", (3.9304, 3.9504, 3.9404), FRESH)
    arm(table, "exp_paired", [value - 0.008 - 0.0003 * place for place, value in enumerate(BASE)])
    await call.measure_baseline()
    await call("write_report")
    await judge(call, "kept")
    for _ in range(6):
        await call("run_seed", experiment="kept", role="confirm")
    await call("compare", experiment="kept")
    await call("write_report", experiment="kept")
    await judge(call, "paired", SEEDS)
    await call("write_report", experiment="paired")


async def screening(project: Path, call: Any, table: Any) -> None:
    """An idea that its first look drops, with its report."""
    arm(table, "exp_dropped", (4.0201,))
    await call.measure_baseline()
    await call("write_report")
    await call("run_seed", experiment="dropped", flags=["--idea", "dropped"], hypothesis="it helps", seed=SEEDS[0])
    await call("compare", experiment="dropped")
    await call("write_report", experiment="dropped")


STUDIES: dict[str, tuple[Study, str]] = {
    "protocol": (protocol, ""),
    "screening": (screening, '[rules]\ndesign = "screening"\n\n'),
}
"""By folder: what happens, and the rules."""


class SomePlace:
    """A machine that is nobody's."""

    def machine(self) -> Any:
        return importlib.import_module("seedproof_mcp.host.place").Machine("host", "Linux", 4, 0.5)

    def environment(self, python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
        return dict(ENVIRONMENT)

    def import_path(self, python: str, env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        return ()


def start_clock(began: datetime) -> None:
    """Let a second pass from record to record: the same times in each recording."""
    seconds = itertools.count()

    def now() -> str:
        return f"{began + timedelta(seconds=next(seconds)):%Y-%m-%dT%H:%M:%S.000Z}"

    vars(importlib.import_module("seedproof_mcp.ledger.file"))["_now"] = now


def number_folders() -> None:
    """Let records give each output folder a number that is the same in each recording."""
    outputs = importlib.import_module("seedproof_mcp.runner.outputs")
    see: Callable[[Path], list[int] | None] = outputs.identity

    def identity(folder: Path) -> list[int] | None:
        return None if see(folder) is None else [0, zlib.crc32(folder.name.encode())]

    vars(outputs)["identity"] = identity
    vars(importlib.import_module("seedproof_mcp.host.fingerprint")).update(RECORDED_VALUES=())


def use_version() -> Path:
    """Import the version in the first argument from now on; return the second one, where the studies go."""
    old, out = (Path(word).resolve() for word in sys.argv[1:])
    sys.path[:0] = [str(old), str(old / "protocol"), str(old / "server")]
    number_folders()
    return out


def record(out: Path, began: datetime, happens: Study, settings: str, trains: Trains = lambda made: made) -> None:
    """Take one study through, and copy what a clone of its project would have."""
    in_process, tables = (importlib.import_module(f"tests.support.{one}") for one in ("in_process", "tables"))
    start_clock(began)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / out.name
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        project.mkdir()
        (project / "train_llm.py").write_text("steps = 1\n")
        (project / "seedproof.toml").write_text(settings)

        async def through_the_tools() -> None:
            table = tables.Table()
            arm(table, "baseline", BASE)
            engine = in_process.InProcessEngine(lambda argv: trains(table(argv)), SomePlace())
            async with in_process.quick_tools(project, engine) as call:
                await happens(project, call, table)

        asyncio.run(through_the_tools())
        shutil.copytree(project, out, ignore=shutil.ignore_patterns(".seedproof", "checkpoints", ".git*"))


if __name__ == "__main__":
    folder = use_version()
    for hour, (name, (happens, rules)) in enumerate(STUDIES.items(), 8):
        record(folder / name, datetime(2026, 11, 29, hour, tzinfo=UTC), happens, rules + SETTINGS)
