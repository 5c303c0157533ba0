"""The registry of projects: a ledger deleted, set back, exchanged or copied is told of, and nothing is held up."""

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from seedproof.ledger.event import Record
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system.paths import ProjectPaths, registry_entry, registry_folder

from tests.support.callers import Caller
from tests.support.in_process import quick_tools

pytestmark = pytest.mark.anyio

BASELINE = "docs/research/baseline_variance_1M.md"
REPORT = "docs/research/experiment_idea_1M.md"
PAST = ("ledger_restarted", "ledger_rewound", "ledger_shared", "registry_unwritable")


def records_of(project: Path) -> list[Record]:
    ledger = Ledger(ProjectPaths(project))
    ledger.refresh()
    return list(ledger.records())


def past(data: dict[str, Any]) -> list[tuple[str, str]]:
    """The notices on the ledger's own past."""
    return [(one["code"], one["message"]) for one in data["notices"] if one["code"] in PAST]


async def judge(call: Caller, name: str, shift: str) -> None:
    await call.measure(name, "--shift", shift)
    await call("compare", experiment=name)


async def test_the_head_is_noted_with_each_result_verdict_and_report_in_a_file_for_its_owner_alone(
    quick_project: Path,
) -> None:
    entry = registry_entry(quick_project)
    async with quick_tools(quick_project) as call:
        await call("check_baseline")
        assert not registry_folder().exists(), "reading notes nothing"
        await call.measure_baseline()
        measured = json.loads(entry.read_bytes())
        await call("write_report")
    records = records_of(quick_project)
    finished = [one for one in records if one["kind"] == "run_finished"][-1]
    assert measured["head"] == {"seq": finished["seq"], "hash": finished["hash"]}
    written = json.loads(entry.read_bytes())
    assert written["head"]["seq"] >= next(one["seq"] for one in records if one["kind"] == "report_written")
    assert (written["root"], written["ledger"]) == (str(quick_project), records[0]["hash"])
    assert (written["records"], written["began"]) == (written["head"]["seq"], records[0]["time"])
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600


async def test_reports_print_when_the_ledger_began_and_how_many_records_it_holds(quick_project: Path) -> None:
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        await call("write_report")
    first, *_, last = [one for one in records_of(quick_project) if one["kind"] != "files_removed"][:-1]
    line = f"- Ledger head: #{last['seq']} {last['hash'][:12]}; {last['seq']} records, begun {first['time']}"
    line += f"; ledger {first['hash'][:12]}\n"
    assert line in (quick_project / BASELINE).read_text()


async def test_a_ledger_begun_anew_tells_of_the_one_that_was_deleted_in_every_report(quick_project: Path) -> None:
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
    gone = records_of(quick_project)
    shutil.rmtree(quick_project / ".seedproof")
    shutil.rmtree(quick_project / "checkpoints")
    label = f"#{gone[-1]['seq']} {gone[-1]['hash'][:12]}"
    had = f"begun {gone[0]['time']}, with {len(gone)} records and head {label}"
    words = f"An earlier ledger of this folder, {had}, is gone."
    async with quick_tools(quick_project) as call:
        before = await call("check_baseline")
        await call.measure_baseline()
        after = await call("check_baseline")
        await call("write_report")
        await judge(call, "idea", "-0.1")
        compared = await call("compare", experiment="idea")
        await call("write_report", experiment="idea")
    for answer in (before, after, compared):
        assert past(answer.data) == [("ledger_restarted", words)]
    began = records_of(quick_project)[0]
    assert began["previous"] == {"began": gone[0]["time"], "records": len(gone), "head": label, "gone": 0}
    for report in (BASELINE, REPORT):
        assert (quick_project / report).read_text().count(words) == 1


async def test_how_many_ledgers_were_thrown_away_is_counted(quick_project: Path) -> None:
    for _ in range(3):
        async with quick_tools(quick_project) as call:
            await call("run_seed")
        shutil.rmtree(quick_project / ".seedproof")
        shutil.rmtree(quick_project / "checkpoints")
    async with quick_tools(quick_project) as call:
        await call("run_seed")
        ((_, words),) = past((await call("check_baseline")).data)
    assert words.endswith("is gone, as are 2 before it.")


async def test_an_older_copy_that_is_put_back_is_told_and_written_down_before_it_is_forgotten(
    quick_project: Path,
) -> None:
    paths = ProjectPaths(quick_project)
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        kept = paths.ledger.read_bytes()
        await judge(call, "idea", "0.1")
    lost = records_of(quick_project)
    head = f"#{lost[-1]['seq']} {lost[-1]['hash'][:12]}"
    paths.ledger.write_bytes(kept)
    shutil.rmtree(quick_project / "checkpoints")
    for folder in paths.runs.glob("*exp*"):
        shutil.rmtree(folder)
    back = records_of(quick_project)
    present = f"#{back[-1]['seq']} {back[-1]['hash'][:12]}"
    async with quick_tools(quick_project) as call:
        before = await call("check_baseline")
        await judge(call, "idea", "-0.1")
        compared = await call("compare", experiment="idea")
        await call("write_report", experiment="idea")
        await call("write_report")
        after = await call("check_baseline")
    ((code, words),) = past(before.data)
    assert (code, head in words, present in words) == ("ledger_rewound", True, True)
    for answer in (compared, after):
        assert [code for code, _ in past(answer.data)] == ["ledger_rewound"]
    (disclosed,) = [one for one in records_of(quick_project) if one["kind"] == "ledger_disclosed"]
    assert (disclosed["what"], disclosed["had"]["head"]) == ("rewound", head)
    had = f"begun {lost[0]['time']}, with {len(lost)} records and head {head}"
    for report in (REPORT, BASELINE):
        assert f"This ledger was set back: it had been one {had}" in (quick_project / report).read_text()


async def test_a_report_that_does_not_know_of_it_yet_is_written_anew(quick_project: Path) -> None:
    paths = ProjectPaths(quick_project)
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        await call("write_report")
        kept = paths.ledger.read_bytes()
        await judge(call, "idea", "0.1")
    paths.ledger.write_bytes(kept)
    async with quick_tools(quick_project) as call:
        await call("write_report")
        again = await call("write_report")
    assert "This ledger was set back" in (quick_project / BASELINE).read_text()
    assert [one["kind"] for one in records_of(quick_project)].count("report_written") == 2
    assert again.data["ledger_head"].startswith(f"#{len(records_of(quick_project))} ")


async def test_another_ledger_in_the_place_of_this_folders_is_told(quick_project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(quick_project, other)
    for folder in (quick_project, other):
        async with quick_tools(folder) as call:
            await call.measure_baseline()
    shutil.rmtree(quick_project / ".seedproof")
    shutil.move(other / ".seedproof", quick_project / ".seedproof")
    shutil.rmtree(other)
    async with quick_tools(quick_project) as call:
        seen = await call("check_baseline")
        await call("write_report")
    ((code, words),) = past(seen.data)
    assert code == "ledger_restarted"
    assert words.startswith("This ledger took the place of another one of this folder, begun ")
    assert words in (quick_project / BASELINE).read_text()


async def test_a_copy_is_named_to_the_reader_and_counted_in_the_report(quick_project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a-copy"
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        shutil.copytree(quick_project, copy)
        assert past((await call("check_baseline")).data) == [], "nobody has written there yet"
        async with quick_tools(copy) as in_copy:
            ((_, seen_there),) = past((await in_copy("check_baseline")).data)
            await in_copy("write_report")
        ((code, words),) = past((await call("check_baseline")).data)
        await call("write_report")
    assert code == "ledger_shared"
    assert words.endswith(f" It is also in {copy}.")
    assert seen_there.endswith(f" It is also in {quick_project}.")
    told = "1 other folder of this machine holds the same ledger; what is run there is not seen here."
    for folder in (quick_project, copy):
        text = (folder / BASELINE).read_text()
        assert text.count(told) == 1
        assert str(copy) not in text and str(quick_project) not in text


async def test_runs_in_a_copy_that_was_thrown_away_are_told(quick_project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a-copy"
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
    shutil.copytree(quick_project, copy)
    async with quick_tools(copy) as call:
        await judge(call, "idea", "0.1")
    head = f"#{(last := records_of(copy)[-1])['seq']} {last['hash'][:12]}"
    shutil.rmtree(copy)
    async with quick_tools(quick_project) as call:
        ((code, words),) = past((await call("check_baseline")).data)
        await call("write_report")
    assert code == "ledger_rewound"
    assert words.startswith("A copy of this ledger, ") and head in words
    assert words in (quick_project / BASELINE).read_text()


async def test_a_folder_that_was_moved_is_no_offence(quick_project: Path) -> None:
    moved = quick_project.with_name("elsewhere")
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
    quick_project.rename(moved)
    async with quick_tools(moved) as call:
        assert past((await call("check_baseline")).data) == []
        await call("write_report")
        assert past((await call("check_baseline")).data) == []
    assert [path.name for path in registry_folder().glob("*.json")] == [registry_entry(moved).name]
    assert not [one for one in records_of(moved) if one["kind"] == "ledger_disclosed"]


async def test_a_fresh_clone_on_another_machine_has_nothing_to_say(
    quick_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        await call("write_report")
    clone = tmp_path / "clone"
    shutil.copytree(quick_project, clone, ignore=shutil.ignore_patterns(".seedproof", "checkpoints"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another-machine"))
    async with quick_tools(clone) as call:
        assert past((await call("check_baseline")).data) == []
        await judge(call, "idea", "-0.1")
        assert past((await call("compare", experiment="idea")).data) == []


async def test_a_mirror_that_knows_less_than_was_seen_here_is_told(quick_project: Path) -> None:
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        await call("write_report")
        await judge(call, "idea", "0.1")
    shutil.rmtree(quick_project / ".seedproof")
    async with quick_tools(quick_project) as call:
        assert [code for code, _ in past((await call("check_baseline")).data)] == ["ledger_rewound"]


async def test_a_registry_that_cannot_be_written_holds_nothing_up_and_is_told(quick_project: Path) -> None:
    registry_folder().parent.mkdir(parents=True)
    registry_folder().write_text("a file in its place")
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        await judge(call, "idea", "-0.1")
        compared = await call("compare", experiment="idea")
        report = await call("write_report", experiment="idea")
    assert not report.is_error
    ((code, words),) = past(compared.data)
    assert (code, words.startswith(f"{registry_folder()} cannot be written, so")) == ("registry_unwritable", True)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"head": {"seq": 1, "hash": 7}}', b"[" * 100_000])
async def test_an_entry_that_nobody_can_read_is_replaced(quick_project: Path, content: bytes) -> None:
    entry = registry_entry(quick_project)
    entry.parent.mkdir(parents=True)
    entry.write_bytes(content)
    async with quick_tools(quick_project) as call:
        await call("run_seed")
        assert past((await call("check_baseline")).data) == []
    assert json.loads(entry.read_bytes())["root"] == str(quick_project)


async def test_a_project_behind_a_link_is_the_same_project(quick_project: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    os.symlink(quick_project, link)
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
    async with quick_tools(link) as call:
        await call("write_report")
        assert past((await call("check_baseline")).data) == []
    assert len(list(registry_folder().glob("*.json"))) == 1


def test_the_command_line_tells_of_it_too(quick_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = registry_entry(quick_project)
    entry.parent.mkdir(parents=True)
    known = {"root": str(quick_project), "ledger": "a" * 64, "began": "2026-01-01T00:00:00.000Z", "records": 41}
    entry.write_text(json.dumps({**known, "head": {"seq": 41, "hash": "9" * 64}, "seen": "2026-01-02T00:00:00.000Z"}))
    assert main(["status", "--project", str(quick_project)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    words = (
        "An earlier ledger of this folder, begun 2026-01-01T00:00:00.000Z, with 41 records and head #41 999999999999"
    )
    assert f"Notice (ledger_restarted): {words}, is gone." in said
