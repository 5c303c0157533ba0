"""Wrong calls: the refusal carries the call that was probably meant, and it works as it stands."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.in_process import quick_tools

pytestmark = pytest.mark.anyio
DECLARED = "experiment='a', flags=['--shift', '-0.1'], hypothesis='h'"


@pytest.mark.parametrize(
    ("tool", "arguments", "meant"),
    [
        ("run_seed", {"Seed": "42", "wait": 0}, "run_seed(seed=42, wait_s=0)"),
        ("run_seed", {"queue-all": "True"}, "run_seed(queue_all=True)"),
        ("run_seed", {"seed": None, "attempt": "null", "queue_all": 1}, "run_seed(queue_all=True)"),
        ("run_seed", {"name": "a", "flags": "--shift -0.1", "hypothesis": "h"}, f"run_seed({DECLARED})"),
        ("run_seed", {"experiment": "a", "flag": ["--shift", -0.1], "hypotesis": "h"}, f"run_seed({DECLARED})"),
        ("compare", {"experiments": ["a"]}, "compare(detail='full', experiment='a')"),
        ("list_experiments", {"limit": "5", "verbose": True}, "list_experiments(limit=5)"),
        ("stop_run", {"run": "g1-baseline-s42-a1"}, "check_baseline()"),
        ("run_seed", {"idea": "a"}, "check_baseline()"),
        ("write_report", {"path": "a.md"}, "check_baseline()"),
        ("run_seed", {"experiment": "a", "hypothesis": "x" * 1600, "seed": "42"}, "check_baseline()"),
        ("run_seed", {"experiment": "a", "seed": "fortytwo"}, "run_seed(experiment='a', seed=…)"),
        ("run_seed", {"experiment": "a", "flags": '"--shift'}, "run_seed(experiment='a', flags=…)"),
    ],
)
async def test_a_refused_call_names_the_one_that_was_meant(
    quick_project: Path, tool: str, arguments: dict[str, Any], meant: str
) -> None:
    async with quick_tools(quick_project) as call:
        refused = await call(tool, **arguments)
    assert (refused.code, refused.next) == ("bad_arguments", meant)


async def test_the_mended_call_works(quick_project: Path) -> None:
    async with quick_tools(quick_project) as call:
        refused = await call("run_seed", queue_all="true")
        await call("run_seed", **refused.data["next"]["arguments"])
        refused = await call("run_seed", name="a", flags='["--shift", "-0.1"]', hypothesis="h", seed="42")
        ended = await call("run_seed", **refused.data["next"]["arguments"])
        refused = await call("run_seed", experiment="b", flags=["--shift -0.2"], hypothesis="h")
        split = await call("run_seed", **refused.data["next"]["arguments"])
    assert (ended.data["state"], ended.data["experiment"]) == ("succeeded", "a")
    assert (refused.code, split.data["state"]) == ("flag_malformed", "succeeded")


async def test_the_name_baseline_leads_to_the_baseline(quick_project: Path) -> None:
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        refused = [await call(tool, experiment="baseline") for tool in ("compare", "write_report")]
    assert [one.code for one in refused] == ["experiment_unknown"] * 2
    assert [one.next for one in refused] == ["check_baseline()"] * 2
