"""The protocol through the tools: from an empty project to the last report."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.callers import Caller, tools

pytestmark = pytest.mark.anyio


async def follow(call: Caller, choices: list[dict[str, Any]]) -> list[str]:
    """Do what `next` says, filling what is ours to choose; the first lines of all answers."""
    answer = await call("check_baseline")
    said = [answer.text.splitlines()[0]]
    while (following := answer.data["next"]) is not None:
        arguments = dict(following["arguments"])
        if following["you_choose"]:
            if not choices:
                return said
            arguments |= choices.pop(0)
        answer = await call(following["tool"], **arguments)
        assert not answer.is_error, answer.text
        said.append(answer.text.splitlines()[0])
    raise AssertionError("next ended before the protocol did")


@pytest.mark.parametrize("mode", ["auto", pytest.param("legacy", marks=pytest.mark.slow)])
async def test_following_next_leads_from_an_empty_project_to_the_last_report(project: Path, mode: str) -> None:
    choices = [
        {"experiment": "better", "flags": ["--shift", "-0.1"], "hypothesis": "a lower loss"},
        {"experiment": "nothing", "flags": ["--shift", "0.0001"], "hypothesis": "null: no effect"},
    ]
    async with tools(project, mode) as call:
        said = await follow(call, choices)
        listing = await call("list_experiments")
    # On a busy machine the pairs of a run without work may differ in wall time, and a WINNER says so.
    verdicts = [line.partition("; slower by ")[0] for line in said if "WINNER" in line or "NEUTRAL" in line]
    assert verdicts == [
        "WINNER (unconfirmed)",
        "WINNER (confirmed on 3 fresh seeds)",
        "WINNER (confirmed on 3 fresh seeds): 11.91 sigma better",
        *["NEUTRAL: 0.01 sigma worse"] * 2,
    ]
    assert len([line for line in said if line.startswith("better on a fresh seed")]) == 6
    assert [row["seeds_done"] for row in listing.data["experiments"]] == [3, 5]
    assert sorted(path.name for path in (project / "docs/research").iterdir()) == [
        ".gitattributes",
        *("baseline_variance_1M.json", "baseline_variance_1M.md", "baseline_variance_1M.svg"),
        *("experiment_better_1M.json", "experiment_better_1M.md", "experiment_better_1M.svg"),
        *("experiment_nothing_1M.json", "experiment_nothing_1M.md", "experiment_nothing_1M.svg"),
        "ledger.jsonl",
        *("studies.md", "studies.svg"),
    ]
    assert list((project / "checkpoints").iterdir()) == []
