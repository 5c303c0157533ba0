"""The study page is written with every report, and earlier baseline reports keep a name of their own."""

import json
import re
import shutil
from pathlib import Path

import pytest
from seedproof.model.results import REPORT_FORMAT
from seedproof_mcp.surface import cli

from tests.support.callers import Caller
from tests.support.confirmations import FLAGS_OF, confirm_all, judge, table
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.seeds import SEEDS
from tests.support.study_stories import merged_rules

pytestmark = pytest.mark.anyio

BASELINE = "docs/research/baseline_variance_1M.md"
KEPT = "docs/research/baseline_variance_1M_generation1.md"
PAGE, FIGURE = "docs/research/studies.md", "docs/research/studies.svg"


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def head_of(project: Path) -> str:
    """The ledger head that the page names."""
    return (project / PAGE).read_text().partition("Ledger head: ")[2].partition(";")[0]


def verified(project: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What `seedproof verify --regenerate` prints; it must find no fault."""
    capsys.readouterr()
    code = cli.main(["verify", "--regenerate", "--project", str(project)])
    lines = capsys.readouterr().out.splitlines()
    assert (code, lines[-1]) == (0, "All is well."), lines
    return lines


async def test_every_report_brings_the_page_up_to_date(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        first = await call("write_report")
        assert head_of(project) == first.data["ledger_head"]
        assert "- No experiment was declared." in (project / PAGE).read_text()
        await call.measure("idea", "--shift", "-0.1")
        written = await call("write_report", experiment="idea")
        assert head_of(project) == written.data["ledger_head"]
        await call("run_seed", experiment="later", flags=["--shift", "0.1"], hypothesis="x")
    assert "[idea](experiment_idea_1M.md)" in (project / PAGE).read_text()
    lines = verified(project, capsys)
    assert f"OK    study: {PAGE} is what the ledger gives at record #{head_of(project)[1:].split()[0]}" in lines
    assert cli.main(["report", "--study", "--project", str(project)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "Study: 2 experiments, 1 generation",
        f"Report written: {PAGE}",
    ]
    assert "| later |" in (project / PAGE).read_text()
    verified(project, capsys)


async def test_the_command_writes_what_was_deleted_and_needs_a_ledger(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", "--study", "--project", str(project)]) == 3
    assert "baseline_missing" in capsys.readouterr().err
    assert not (project / ".seedproof").exists()
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call("write_report")
    before = {name: (project / name).read_bytes() for name in (PAGE, FIGURE)}
    for name in before:
        (project / name).unlink()
    assert cli.main(["report", "--study", "--project", str(project)]) == 0
    assert {name: (project / name).read_bytes() for name in before} == before


async def test_a_page_of_somebody_elses_is_moved_aside(project: Path) -> None:
    (project / "docs/research").mkdir(parents=True)
    (project / PAGE).write_text("my own notes")
    async with quick_tools(project) as call:
        await call.measure_baseline()
        first = await call("write_report")
        again = await call("write_report")
    assert [notice["code"] for notice in first.data["notices"]] == ["report_moved"]
    assert again.data["notices"] == []
    assert (project / "docs/research/studies.unverified.md").read_text() == "my own notes"


async def test_the_page_of_a_ledger_that_was_deleted_is_moved_aside_like_its_reports(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call("write_report")
    old = (project / PAGE).read_text()
    shutil.rmtree(project / ".seedproof")
    (project / "docs/research/ledger.jsonl").unlink()
    shutil.rmtree(project / "checkpoints", ignore_errors=True)
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call("write_report")
    assert (project / "docs/research/studies.unverified.md").read_text() == old


# --- earlier baseline reports -----------------------------------------------------------------


async def two_generations(call: Caller) -> None:
    """Two baselines with their reports."""
    await call.measure_baseline()
    await call("write_report")
    await call("run_seed", new_baseline="another driver", queue_all=True)
    await call("write_report")


async def test_the_earlier_baseline_report_keeps_a_name_of_its_own(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call("write_report")
        first = (project / BASELINE).read_text()
        await call("run_seed", new_baseline="another driver", queue_all=True)
        assert not (project / KEPT).exists(), "it stays where it is until the next one takes its place"
        await call("write_report")
        again = await call("write_report")
    stem = Path(BASELINE).stem
    assert (project / KEPT).read_text() == first.replace(f"{stem}.", f"{stem}_generation1.")
    assert "- Baseline generation: 2" in (project / BASELINE).read_text()
    assert again.data["path"] == BASELINE
    lines = verified(project, capsys)
    assert "OK    regenerate: 3 reports regenerated byte for byte, figures too" in lines
    assert f"[report]({Path(KEPT).name})" in (project / PAGE).read_text()


async def test_a_kept_report_that_was_deleted_comes_back_with_the_next_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with quick_tools(project) as call:
        await two_generations(call)
        before = (project / KEPT).read_bytes()
        (project / KEPT).unlink()
        await call("write_report")
    assert (project / KEPT).read_bytes() == before
    verified(project, capsys)


async def test_a_third_generation_keeps_the_second_as_well(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with quick_tools(project) as call:
        await two_generations(call)
        await call("run_seed", new_baseline="a third one", queue_all=True)
        await call("write_report")
    names = sorted(path.name for path in (project / "docs/research").glob("baseline*.md"))
    assert names == [Path(BASELINE).name, Path(KEPT).name, Path(KEPT).name.replace("1.md", "2.md")]
    verified(project, capsys)


async def test_a_report_of_an_earlier_format_is_copied_where_it_is_as_recorded(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with quick_tools(project) as call:
        with monkeypatch.context() as patch:
            patch.setattr("seedproof_mcp.service.reports.REPORT_FORMAT", REPORT_FORMAT - 1)
            await call.measure_baseline()
            await call("write_report")
        first = (project / BASELINE).read_text()
        await call("run_seed", new_baseline="another driver", queue_all=True)
        await call("write_report")
    assert re.sub(r"\((\w+)_generation1\.", r"(\1.", (project / KEPT).read_text()) == first
    lines = verified(project, capsys)
    assert "note  regenerate: 2 reports of an earlier version: checked by chain and hash, not recomputed" in lines


# --- merged -----------------------------------------------------------------------------------


async def test_a_merged_winner_is_told_and_its_first_seed_held_against_the_new_baseline(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = table()
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call.measure_baseline()
        await judge(call)
        await confirm_all(call)
        await call("write_report", experiment="a")
        command = json.dumps(list(merged_rules(*FLAGS_OF["a"]).command))
        (project / "seedproof.toml").write_text(f"[rules]\ncommand = {command}\n")
        for seed, value in zip(SEEDS, (3.9, 3.91, 3.92, 3.915, 3.905), strict=True):
            trained.losses["baseline", seed] = repr(value)
        await call("run_seed", new_baseline="a is merged")
        status = await call("check_baseline")
        await call("run_seed", queue_all=True)
        await call("write_report")
        listed = await call("list_experiments")
    (notice,) = [one for one in status.data["notices"] if one["code"] == "merged"]
    assert notice["message"].endswith("the merged experiment's seed 42 gave 3.9, this baseline's 3.9.")
    assert [row["merged"] for row in listed.data["experiments"]] == [2]
    assert "(merged: generation 2)" in listed.text
    assert "- Merged: a, as its code and command show" in (project / PAGE).read_text()
    assert len(trained.argvs) == 5 + 3 + 6 + 5, "the new baseline is trained anew"
    verified(project, capsys)
