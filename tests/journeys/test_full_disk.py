"""A disk that is full indeed: a small file system of its own, and real processes."""

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.supervisor.run_contract import log_problem
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.amounts import amount
from tests.support.callers import tools
from tests.support.places import FAKE
from tests.support.seeds import SEEDS
from tests.support.waiting import PATIENCE_S, stop_everything

pytestmark = pytest.mark.anyio

PAGE = 4096
# Pages that are left: for nothing at all, for half of what a run needs, for runs and not for all of them.
LEFT = amount(sample=(4,), whole=(0, 4, 9), soak=tuple(range(20)))

# A training that met the end of the disk, and one that could not be noted and was ended as it began.
CAUSED_BY_DISK = {
    "failed": "exit code 1; the disk was full when it ended",
    "interrupted": "started.json: No space left on device",
}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A project on a disk of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or not shutil.which("mount"):
        pytest.skip("needs a file system of its own")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    project = place / "project"
    try:
        project.mkdir()
        shutil.copy(FAKE, project / "train_llm.py")
        (project / "seedproof.toml").write_text("[settings]\nmin_free_gb = 0\n")
        yield project
    finally:
        (place / "filler").unlink(missing_ok=True)
        stop_everything(project)
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path, pages: int) -> Path:
    """Fill the disk up to so many pages."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * PAGE)
        except OSError:
            file.truncate(max(0, file.tell() - pages * PAGE))
    return filler


@pytest.mark.sampled
@pytest.mark.parametrize("pages", LEFT)
async def test_a_study_on_a_disk_that_fills_loses_nothing_and_goes_on_once_there_is_room(
    small: Path, pages: int
) -> None:
    async with tools(small) as call:
        acknowledged = [(await call("run_seed", wait_s=PATIENCE_S)).data["run_id"]]
        filler = fill(small.parent, pages)
        for seed in SEEDS[1:]:
            answer = await call("run_seed", seed=seed, wait_s=0.5)
            if answer.code is not None:
                assert answer.code == "not_writable"
                assert "the disk is full" in answer.text
                continue
            acknowledged.append(answer.data["run_id"])
            if answer.data["state"] in ("queued", "running"):
                assert answer.data["reason"] == "the conductor cannot go on: the disk is full: free space"
        assert (await call("check_baseline")).data["phase"] == "measuring"
        filler.unlink()
        for seed in SEEDS[1:]:
            answer = await call("run_seed", seed=seed, wait_s=PATIENCE_S)
            if answer.data["state"] in CAUSED_BY_DISK:
                assert answer.data["reason"] == CAUSED_BY_DISK[answer.data["state"]]
                answer = await call("run_seed", seed=seed, attempt=2, wait_s=PATIENCE_S)
            assert answer.data["state"] == "succeeded", answer.text
        await call.measure("better", "--shift", "-0.5")
        answer = await call("compare", experiment="better")
        assert answer.data.get("verdict") == "WINNER", answer.text
    runs = Ledger(ProjectPaths(small)).refresh().runs
    assert set(acknowledged) <= set(runs)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_supervisor_whose_log_finds_no_room_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(full, write_through=True))
        log_problem("the result waits for room on the disk")
