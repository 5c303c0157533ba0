"""The campaign through the tools: what is counted, what a verdict keeps, and what listing costs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.service.replies.plain import trimmed
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.places import ROOT
from tests.support.seeds import FRESH
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

BASE, BETTER = (4.00, 4.01, 3.99, 4.02, 3.98), (3.90, 3.91, 3.925)
FLAT = (3.99, 4.012, 3.995, 4.001, 4.0)


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def table() -> Table:
    made = Table().arm("baseline", BASE).arm("exp_better", BETTER).arm("exp_flat", FLAT)
    made.arm("confirm_better", (3.91, 3.90, 3.92), FRESH).arm("control_better", (4.0, 4.01, 4.02), FRESH)
    return made.arm("exp_lost", ("nan",)).arm("exp_broken", ("fail 4.0",))


async def declare(call: Caller, name: str, hypothesis: str = "it helps") -> Answer:
    return await call("run_seed", experiment=name, flags=["--idea", name], hypothesis=hypothesis)


async def judge(call: Caller, name: str) -> Answer:
    """Declare an experiment and follow `next` to its verdict."""
    answer = await declare(call, name)
    while answer.data["next"]["tool"] == "run_seed":
        answer = await call("run_seed", **answer.data["next"]["arguments"])
    return await call("compare", experiment=name)


def verdicts(project: Path) -> list[dict[str, Any]]:
    lines = ProjectPaths(project).ledger.read_bytes().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == "verdict_issued"]


async def test_every_declaration_counts_and_each_verdict_keeps_the_campaign_of_its_own_record(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        first = await judge(call, "better")
        assert (first.data["campaign"]["declared"], first.data["campaign"]["winners"]) == (1, 1)
        assert first.data["campaign"]["p_holm"] == first.data["campaign"]["p_better"]
        flat = await judge(call, "flat")
        lost = await judge(call, "lost")
        assert (lost.data["verdict"], lost.data["campaign"]["p_better"]) == ("LOSER", None)
        await declare(call, "broken")
        await call("run_seed", experiment="broken", seed=42, attempt=2)
        assert (await call("compare", experiment="broken")).code == "arm_failed"
        await declare(call, "abandoned", "null: nothing happens")
        listed = (await call("list_experiments")).data
        again = await call("compare", experiment="better")
        written = await call("write_report", experiment="better")
    assert again.data["campaign"] == first.data["campaign"]
    assert again.data["ledger_head"] != first.data["ledger_head"]
    said = (project / written.data["path"]).read_text().splitlines()[6]
    assert said == (
        "- Ideas tried: 5, 1 of them declared without effect. If none helped, five ideas "
        "would show a WINNER by luck 9.4 % of the time"
    )
    campaign = listed["campaign"]
    assert [campaign[name] for name in ("declared", "declared_in_generation", "nulls", "winners")] == [5, 5, 1, 1]
    rows = {row["experiment"]: row for row in listed["experiments"]}
    p = {name: answer.data["campaign"]["p_better"] for name, answer in {"better": first, "flat": flat}.items()}
    assert {name: row["p_better"] for name, row in rows.items()} == {
        **p,
        **dict.fromkeys(("lost", "broken", "abandoned")),
    }
    # Five enter, three of them as 1: the smallest p times 5, the next times 4.
    assert rows["better"]["p_holm"] == pytest.approx(5 * p["better"], rel=1e-5)
    assert rows["flat"]["p_holm"] == pytest.approx(min(1, 4 * p["flat"]), rel=1e-5)
    assert rows["lost"]["p_holm"] is None
    stored = [record["campaign"]["p_better"] for record in verdicts(project)]
    assert stored[2] is None
    assert stored[:2] == pytest.approx([p["better"], p["flat"]], rel=1e-5)


async def test_experiments_of_an_earlier_generation_count_and_this_generations_number_stands_beside(
    project: Path,
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call, "better")
        await declare(call, "abandoned")
        await call("run_seed", new_baseline="the data moved", queue_all=True)
        said = await judge(call, "better")
        listed = (await call("list_experiments")).data
    assert (said.data["campaign"]["declared"], said.data["campaign"]["declared_in_generation"]) == (3, 1)
    assert said.data["campaign"]["winners"] == 2
    assert [(row["experiment"], row["generation"], row["state"]) for row in listed["experiments"]] == [
        ("better", 1, "judged"),
        ("abandoned", 1, "superseded"),
        ("better", 2, "judged"),
    ]
    assert "It is one of 3 experiments tried." in said.data["paragraph"]
    assert "baseline" not in str(said.data["campaign"]["advice"])


async def test_the_confirmed_verdict_counts_what_was_declared_until_then(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call, "better")
        await declare(call, "flat")
        await call("run_seed", experiment="better", role="confirm", queue_all=True)
        said = await call("compare", experiment="better")
    first, second = verdicts(project)
    assert (first["campaign"]["declared"], second["campaign"]["declared"]) == (1, 2)
    assert said.data["campaign"] == trimmed({**second["campaign"], "elsewhere": 0, "without_value": 0})
    assert (second["campaign"]["winners"], second["campaign"]["p_better"]) == (1, first["campaign"]["p_better"])


async def test_the_fourth_experiment_brings_the_advice_to_measure_a_larger_baseline(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        said = await judge(call, "better")
        assert said.data["campaign"]["advice"] is None
        for name in ("two", "three", "four"):
            await declare(call, name)
        listed = (await call("list_experiments")).data
    assert listed["campaign"]["advice"].startswith("4 experiments share 5 baseline seeds; 6 would pay (n x sqrt(K))")


WITHOUT_SCIPY = """
import sys
from pathlib import Path
import seedproof_mcp.app
from seedproof.admission.declaration import RunRequest
from tests.support.in_process import InProcessEngine, in_process_service
from tests.server.service.test_campaign import table
service = in_process_service(Path(sys.argv[1]), InProcessEngine(table()))
listed = service.list_experiments()
assert listed.experiments[0].p_holm is not None and listed.campaign.winners == 1
assert service.check_baseline().phase == "ready"
flat = RunRequest(experiment="flat", flags=("--idea", "flat"), hypothesis="it helps")
assert service.observe(service.request_run(flat)).state == "succeeded"
assert service.write_report().path and service.write_report("better").verdict == "WINNER"
print(sorted(name for name in sys.modules if name.split(".")[0] == "scipy")[:3])
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["unconfirmed", "confirmed"])
async def test_listing_checking_running_and_reporting_an_issued_verdict_load_no_scipy(
    project: Path, stage: str
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call, "better")
        if stage == "confirmed":
            await call("run_seed", experiment="better", role="confirm", queue_all=True)
            said = await call("compare", experiment="better")
            assert said.data["confirmation"]["state"] == "confirmed"
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_SCIPY, str(project)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("[]\n", "")
