"""Records the studies of report_format_7 with the last version that wrote it, 5900f4f; README.md has the commands."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from record import SETTINGS, arm, judge
from record_report_format_5 import protocol, record, use_version
from record_report_format_6 import hide_chance


async def equal_by_chance(project: Path, call: Any, table: Any) -> None:
    """A baseline of which two seeds are equal in four decimals, as one in eight such is by chance, and a WINNER."""
    arm(table, "baseline", (4.0012, 4.0031, 3.9995, 4.0031, 4.0002))
    arm(table, "exp_better", (3.9900, 3.9912, 3.9931))
    await call.measure_baseline()
    await call("write_report")
    await judge(call, "better")
    await call("write_report", experiment="better")


if __name__ == "__main__":
    folder = use_version()
    hide_chance()
    record(folder / "protocol", datetime(2026, 11, 30, 8, tzinfo=UTC), protocol, SETTINGS)
    record(folder / "equal_by_chance", datetime(2026, 11, 30, 9, tzinfo=UTC), equal_by_chance, SETTINGS)
