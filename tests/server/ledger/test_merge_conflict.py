"""Two clones that went on and were merged: git's conflict in the mirror is named, and what the refusal says helps."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.in_process import quick_tools
from tests.support.repositories import git, make_repository

pytestmark = pytest.mark.anyio


async def study(folder: Path, name: str, shift: str) -> None:
    """An experiment with its report, committed."""
    async with quick_tools(folder) as call:
        await call.measure(name, "--shift", shift)
        await call("write_report", experiment=name)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", name)


@pytest.fixture
async def merged(tmp_path: Path) -> Path:
    """A project whose clone went on as well, with the clone's branch merged into it."""
    here = make_repository(tmp_path / "here", {"train_llm.py": "", ".gitignore": "checkpoints/\n"})
    async with quick_tools(here) as call:
        await call.measure_baseline()
        await call("write_report")
    git(here, "add", "-A")
    git(here, "commit", "-q", "-m", "baseline")
    git(tmp_path, "clone", "-q", "here", "there")
    await study(here, "mine", "-0.1")
    await study(tmp_path / "there", "theirs", "-0.2")
    git(here, "fetch", "-q", str(tmp_path / "there"), "main")
    with pytest.raises(subprocess.CalledProcessError):
        git(here, "merge", "-q", "FETCH_HEAD")
    return here


def follow(folder: Path, refusal: str) -> None:
    """Type what the refusal says, as it stands there."""
    for command in re.findall(r"`((?:cp|git) [^`]+)`", refusal):
        subprocess.run(command, shell=True, cwd=folder, check=True)


async def test_beside_the_ledger_the_conflict_is_named_and_the_ledger_goes_on(merged: Path) -> None:
    before = ProjectPaths(merged).ledger.read_bytes()
    async with quick_tools(merged) as call:
        refused = await call("check_baseline")
        assert (refused.code, "git left a merge conflict" in refused.text) == ("ledger_diverged", True), refused.text
        follow(merged, refused.text)
        listed = await call("list_experiments")
        assert [one["experiment"] for one in listed.data["experiments"]] == ["mine"]
        next_one = await call("run_seed", experiment="next", flags=["--shift", "0.1"], hypothesis="it helps")
        assert next_one.data["state"] == "succeeded", next_one.text
    assert ProjectPaths(merged).ledger.read_bytes().startswith(before)


@pytest.mark.parametrize(("side", "name"), [("--ours", "mine"), ("--theirs", "theirs")])
async def test_without_a_ledger_either_side_of_the_conflict_can_be_kept(merged: Path, side: str, name: str) -> None:
    shutil.rmtree(merged / ".seedproof")
    async with quick_tools(merged) as call:
        refused = await call("check_baseline")
        assert (refused.code, "git left a merge conflict" in refused.text) == ("ledger_damaged", True), refused.text
        follow(merged, refused.text.replace("--ours", side))
        listed = await call("list_experiments")
    assert [one["experiment"] for one in listed.data["experiments"]] == [name]
