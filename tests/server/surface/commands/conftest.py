"""A study with a verdict, a failed seed and a report, made in memory."""

from pathlib import Path

import pytest

from tests.support.in_process import quick_tools
from tests.support.seeds import SEEDS


@pytest.fixture
async def study(quick_project: Path) -> Path:
    """Its project: a baseline, `mom` with its verdict, and `bad`, whose first seed failed."""
    async with quick_tools(quick_project) as call:
        for seed in SEEDS:
            await call("run_seed", seed=seed)
        await call("write_report")
        flags = ["--shift", "-0.1"]
        for _ in range(3):
            await call("run_seed", experiment="mom", flags=flags, hypothesis="a lower loss")
        await call("compare", experiment="mom")
        await call("write_report", experiment="mom")
        await call("run_seed", experiment="bad", flags=["--crash"], hypothesis="it fails")
    return quick_project
