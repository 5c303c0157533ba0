"""`seedproof verify` makes the study page again from the head that it names."""

import shutil
from pathlib import Path

import anyio
import pytest
from seedproof.report.study_page import PAGE_FORMAT
from seedproof_mcp.surface import cli

from tests.support.in_process import quick_tools
from tests.support.places import ROOT

OLD_LEDGERS = ROOT / "tests/old_ledgers"
PAGE, FIGURE = "docs/research/studies.md", "docs/research/studies.svg"


async def _a_study(folder: Path) -> None:
    async with quick_tools(folder) as call:
        await call.measure_baseline()
        await call("write_report")
        await call.measure("idea", "--shift", "-0.1")
        await call("write_report", experiment="idea")


@pytest.fixture
def here(quick_project: Path) -> Path:
    """A study with a baseline and an experiment, both reported."""
    anyio.run(_a_study, quick_project)
    return quick_project


def study_lines(project: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Exit code, and what is said of the page and of heads."""
    code = cli.main(["verify", "--project", str(project)])
    lines = capsys.readouterr().out.splitlines()
    return code, [line for line in lines if line[6:].startswith(("study", "heads")) and not line.startswith("OK")]


def test_records_after_the_page_leave_it_as_it_was(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def later() -> None:
        async with quick_tools(here) as call:
            await call.measure("more", "--shift", "0.1")

    anyio.run(later)
    assert study_lines(here, capsys) == (0, [])


@pytest.mark.parametrize("name", [PAGE, FIGURE])
def test_an_edited_file_is_not_what_the_ledger_gives(here: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    text = (here / name).read_text()
    (here / name).write_text(text.replace("idea", "a much better idea", 1))
    code, (line,) = study_lines(here, capsys)
    assert code == 1
    assert line.startswith(f"FAIL  study: {name} was edited: it is not what the ledger gives at record #")


@pytest.mark.parametrize("name", [PAGE, FIGURE])
def test_a_file_that_names_a_head_of_no_ledger_is_seen(
    here: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    text = (here / name).read_text()
    before, _, after = text.partition("Ledger head: #")
    (here / name).write_text(f"{before}Ledger head: #7 0123456789ab{after[after.index('; study page') :]}")
    code, (line,) = study_lines(here, capsys)
    assert code == 1
    assert line.startswith(f"FAIL  heads: {name} names head #7 0123456789ab, but record #7 has the hash ")


def test_a_page_of_another_ledger_is_a_fault_and_one_of_none_a_note(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (here / PAGE).read_text()
    (here / PAGE).write_text(text.replace("- Ledger ", "- Ledger 0"))
    assert study_lines(here, capsys) == (1, [f"FAIL  study: {PAGE} names another ledger than this one"])
    (here / PAGE).write_text("my own notes")
    assert study_lines(here, capsys) == (0, [f"note  study: {PAGE} is unverified"])


def test_a_page_of_another_version_is_not_made_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (here / PAGE).read_text()
    (here / PAGE).write_text(text.replace(f"page format {PAGE_FORMAT}", f"page format {PAGE_FORMAT + 1}"))
    code, (line,) = study_lines(here, capsys)
    assert (code, line) == (0, f"note  study: {PAGE} was written by another version, and is not made again")


def test_a_page_that_is_not_there_is_only_noted_beside_its_figure(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / PAGE).unlink()
    words = f"note  study: {PAGE} is not here; `seedproof report --study` writes it again"
    assert study_lines(here, capsys) == (0, [words])
    (here / FIGURE).unlink()
    assert study_lines(here, capsys) == (0, [])


@pytest.mark.parametrize("docs", sorted(OLD_LEDGERS.rglob("docs")), ids=lambda docs: docs.parent.name)
def test_the_ledger_of_an_earlier_version_has_a_page_that_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], docs: Path
) -> None:
    project = Path(shutil.copytree(docs.parent, tmp_path / "project"))
    (project / "train_llm.py").touch()
    (project / "seedproof.toml").unlink(missing_ok=True)  # one of them has a rule that is refused today
    assert cli.main(["report", "--study", "--project", str(project)]) == 0
    capsys.readouterr()
    code = cli.main(["verify", "--project", str(project)])
    lines = capsys.readouterr().out.splitlines()
    assert code == 0, lines
    assert [line[:11] for line in lines if "studies." in line] == ["OK    study"] * 2, lines


def test_a_fresh_clone_has_the_head_of_its_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / ".seedproof/ledger.jsonl").unlink()
    assert study_lines(here, capsys) == (0, [])
