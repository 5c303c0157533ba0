"""`seedproof uninstall-project`: shows first, removes what is Seedproof's own, and keeps what people read."""

import subprocess
from pathlib import Path

import pytest
from seedproof_mcp.system.paths import registry_entry

from tests.support.command_line import COMMAND, said
from tests.support.places import FAKE
from tests.support.repositories import git, make_repository

pytestmark = pytest.mark.anyio


async def test_it_shows_what_is_there_and_changes_nothing(study: Path) -> None:
    before = sorted(str(path) for path in study.rglob("*"))
    shown = said(study, "uninstall-project")
    assert shown.returncode == 0
    assert "would remove  .seedproof: the ledger, logs and snapshots" in shown.stdout
    assert "stays         docs/research: " in shown.stdout
    assert sorted(str(path) for path in study.rglob("*")) == before


async def test_reports_stay_unless_they_are_asked_for(study: Path) -> None:
    research = study / "docs/research"
    (research / "notes.md").write_text("mine\n")
    assert said(study, "uninstall-project", "--yes").returncode == 0
    assert not (study / ".seedproof").exists()
    assert {"ledger.jsonl", "experiment_mom_1M.md"} <= {one.name for one in research.iterdir()}
    assert said(study, "uninstall-project", "--yes", "--reports").returncode == 0
    assert [one.name for one in research.iterdir()] == ["notes.md"]
    assert (study / "train_llm.py").exists()
    assert registry_entry(study.resolve()).exists(), "nobody would see that there was a ledger"


def test_snapshots_leave_the_repository_and_branches_stay(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project", {"train_llm.py": FAKE.read_text()})
    assert said(project, "run").returncode == 0
    subprocess.run([*COMMAND, "stop", "--all", "--reason", "enough"], cwd=project, check=True, capture_output=True)
    assert git(project, "for-each-ref", "refs/seedproof")
    while (shown := said(project, "uninstall-project", "--yes")).returncode == 3:
        # Until the last of them has left.
        assert "a run is training here" in shown.stderr or "the conductor is still there" in shown.stderr
    assert git(project, "for-each-ref", "refs/seedproof") == ""
    assert len(git(project, "worktree", "list").splitlines()) == 1
    assert git(project, "for-each-ref", "refs/heads")


def test_a_project_in_use_is_left_alone(project: Path, gate: Path) -> None:
    with subprocess.Popen([*COMMAND, "run"], cwd=project, stdout=subprocess.PIPE) as running:
        log = project / ".seedproof/runs/g1-baseline-s42-a1/output.log"
        while not log.exists():
            assert running.poll() is None
        shown = said(project, "uninstall-project", "--yes")
        assert shown.returncode == 3 and "a run is training here" in shown.stderr
        gate.touch()
        running.communicate(timeout=60)
    assert running.returncode == 0


def test_a_project_that_was_never_used_has_nothing(project: Path) -> None:
    assert said(project, "uninstall-project").stdout == "Seedproof has left nothing in this project.\n"
