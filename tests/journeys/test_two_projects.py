"""Two projects on one machine: their runs have the same names and leave each other alone."""

import json
import os
import signal
from pathlib import Path

import pytest
from seedproof_mcp.runner import conductor_status
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.real_runs import FIRST, a_pair, conductors
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.anyio


def started(project: Path) -> Path:
    return project / f".seedproof/runs/{FIRST}/started.json"


@pytest.mark.slow
async def test_a_run_that_ends_takes_no_run_of_the_same_name_along(tmp_path: Path) -> None:
    async with a_pair(tmp_path, "gpu0", "gpu1") as ((first, call_first), (second, call_second)):
        await call_first("run_seed", wait_s=0)
        wait_until(started(first).exists)
        (second / "gate").touch()
        there = await call_second("run_seed", wait_s=PATIENCE_S)
        (first / "gate").touch()
        here = await call_first("run_seed", seed=42, wait_s=PATIENCE_S)
    assert there.data["run_id"] == here.data["run_id"] == FIRST
    assert (there.data["state"], here.data["state"]) == ("succeeded", "succeeded"), here.text


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a training outlives its supervisor elsewhere")
async def test_what_a_lost_supervisor_left_is_swept_in_its_own_project_only(tmp_path: Path) -> None:
    async with a_pair(tmp_path, "gpu0", "gpu1") as ((first, call_first), (second, call_second)):
        for project, call in ((first, call_first), (second, call_second)):
            await call("run_seed", wait_s=0)
            wait_until(started(project).exists)
        os.kill(json.loads(started(second).read_bytes())["supervisor_pid"], signal.SIGKILL)
        there = await call_second("run_seed", seed=42, wait_s=PATIENCE_S)
        (first / "gate").touch()
        here = await call_first("run_seed", seed=42, wait_s=PATIENCE_S)
    assert (there.data["state"], here.data["state"]) == ("interrupted", "succeeded"), here.text


async def test_a_run_that_waits_for_the_slot_is_queued_whoever_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_pair(tmp_path, "gpu0", "gpu0") as ((first, call_first), (second, call_second)):
        await call_first("run_seed", wait_s=0)
        wait_until(started(first).exists)
        await call_second("run_seed", wait_s=0)
        wait_until(lambda: conductors(second))
        seen = await call_second("run_seed", seed=42, wait_s=0)
        listed = await call_second("list_experiments")
        others = [await call_second("check_baseline"), await call_second("compare", experiment="x")]
        trains = await call_first("list_experiments")
        main(["status", "--project", str(second)])
        status = capsys.readouterr().out
        for project in (first, second):
            (project / "gate").touch()
        ended = await call_second("run_seed", seed=42, wait_s=PATIENCE_S)
    assert (seen.data["state"], seen.data["queue_position"]) == ("queued", 1)
    assert seen.data["reason"] == "another training holds the slot gpu0; it starts when that one ends"
    assert (listed.data["running"], listed.data["queued"]) == (None, 1)
    assert (trains.data["running"]["run_id"], trains.data["queued"]) == (FIRST, 0)
    for answer in (listed, *others):
        assert answer.data["next"]["why"] == "Waits for the run that is queued."
    # Nobody knows how long the other project's training takes.
    assert (seen.data["eta_s"], seen.data["next"]["why"]) == (None, "Waits; or do other work and call later.")
    assert trains.data["next"]["why"] == "Waits for the run that is running."
    assert "training now: nothing; queued: 1" in status
    assert ended.data["state"] == "succeeded"


@pytest.mark.slow
async def test_code_that_is_edited_while_the_run_waits_for_the_slot_is_not_trained(tmp_path: Path) -> None:
    async with a_pair(tmp_path, "gpu0", "gpu0") as ((first, call_first), (second, call_second)):
        await call_first("run_seed", wait_s=0)
        wait_until(started(first).exists)
        await call_second("run_seed", wait_s=0)
        wait_until(lambda: conductors(second))
        script = second / "train_llm.py"
        original = script.read_bytes()
        script.write_bytes(original + b"# edited\n")
        for project in (first, second):
            (project / "gate").touch()
        turned_away = await call_second("run_seed", seed=42, wait_s=PATIENCE_S)
        trained = started(second).exists()
        script.write_bytes(original)
        again = await call_second("run_seed", **turned_away.data["next"]["arguments"], wait_s=PATIENCE_S)
    assert turned_away.data["state"] == "failed"
    assert turned_away.data["reason"].startswith("not_comparable: train_llm.py changed since the run was requested")
    assert not trained
    assert again.data["state"] == "succeeded"


@pytest.mark.slow
async def test_a_disk_that_fills_while_the_run_waits_for_the_slot_holds_it_back(tmp_path: Path) -> None:
    async with a_pair(tmp_path, "gpu0", "gpu0") as ((first, call_first), (second, call_second)):
        await call_first("run_seed", wait_s=0)
        wait_until(started(first).exists)
        await call_second("run_seed", wait_s=0)
        wait_until(lambda: conductors(second))
        settings = second / "seedproof.toml"
        roomy = settings.read_text()
        settings.write_text(roomy.replace("[settings]", "[settings]\nmin_free_gb = 1e9"))
        for project in (first, second):
            (project / "gate").touch()
        wait_until(lambda: conductor_status.read_problem(ProjectPaths(second)))
        held = await call_second("run_seed", seed=42, wait_s=0)
        settings.write_text(roomy)
        ended = await call_second("run_seed", seed=42, wait_s=PATIENCE_S)
    assert held.data["state"] == "queued"
    assert held.data["reason"].startswith("the conductor cannot go on: disk_low")
    assert ended.data["state"] == "succeeded"
