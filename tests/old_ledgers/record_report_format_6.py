"""Records the studies of report_format_6 with the last version that wrote it, 7a359c9; README.md has the commands."""

import importlib
import os
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from record import SETTINGS, arm, judge
from record_report_format_5 import protocol, record, use_version

IN_FILE = """[rules]
command = ["{python}", "train_llm.py", "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]

[rules.metric]
name = "val_loss"
file = "metrics.json"
path = "val_loss"

"""


async def metric_in_file(project: Path, call: Any, table: Any) -> None:
    """A WINNER whose values stand in a file and whose logs are all the same, with its report."""
    arm(table, "exp_better", (3.9000, 3.9100, 3.9250))
    await call.measure_baseline()
    await call("write_report")
    await judge(call, "better")
    await call("write_report", experiment="better")


def writes_file(training: Any) -> Any:
    """The same training with its value in a file, and nothing of it in the log."""
    value = training.log.partition("val_loss: ")[2].split()[0]
    return replace(training, log="done\n", files={"metrics.json": f'{{"val_loss": {value}}}\n'})


def hide_chance() -> None:
    """Let names that are drawn, the place of the ledger, and inodes and times of files be the same each time."""
    vars(os)["urandom"] = random.Random(0).randbytes
    registry, read = (
        importlib.import_module(f"seedproof_mcp.{one}") for one in ("ledger.registry", "inputs.files_of_run")
    )
    vars(registry)["_state_folder"] = lambda *_: f"{0:012}/{0:012}"
    see = read.stat_of

    def stat_of(path: str) -> tuple[int, ...] | None:
        found = see(path)
        return None if found is None else (found[0], 0, 0, 0)

    vars(read)["stat_of"] = stat_of


if __name__ == "__main__":
    folder = use_version()
    hide_chance()
    record(folder / "protocol", datetime(2026, 11, 30, 8, tzinfo=UTC), protocol, SETTINGS)
    record(
        folder / "metric_in_file",
        datetime(2026, 11, 30, 9, tzinfo=UTC),
        metric_in_file,
        IN_FILE + SETTINGS,
        writes_file,
    )
