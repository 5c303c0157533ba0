"""The n-th change fails in a study whose code is kept in snapshots, and edited between baseline and experiment."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from seedproof.ledger.event import Record
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

from tests.journeys.test_every_failure_point import (
    Machine,
    Study,
    a_first_study,
    chosen,
    play_supervisor,
    played,
    take_through,
)
from tests.support.amounts import SHOWN, amount
from tests.support.promises import (
    EXPERIMENT,
    a_project,
    check_files,
    check_ledger,
    check_reports,
    check_written,
    outcome_of,
    records_of,
    undisturbed,
)
from tests.support.repositories import git, make_repository, state_of

__all__ = ["played"]

# Its steps are those of other walks, in a repository; a study takes twice as long. Prime to the number of kinds.
EVERY = amount(sample=127, whole=19, soak=3)
SCRIPT = "train_llm.py"
EDITED = "steps = 2\n"
# A data set that git ignores: the snapshots reach it through a link.
FILES = {
    SCRIPT: "steps = 1\n",
    "lib/model.py": "SIZE = 1\n",
    ".gitignore": "data/\ncheckpoints/\n",
    "data/part.txt": "not code",
}


class Editing(Study):
    """Edits the code before the experiment is declared, so that a control run is due."""

    def _call(self, tool: str, arguments: dict[str, Any]) -> Any:
        if "flags" in arguments:
            (self.project / SCRIPT).write_text(EDITED)
        return super()._call(tool, arguments)


@pytest.fixture(scope="module")
def repository() -> Iterator[Path]:
    """What each study begins with."""
    with a_project() as project:
        yield make_repository(project, FILES)


@contextmanager
def a_study_in(repository: Path) -> Iterator[Path]:
    with a_first_study() as project:
        shutil.rmtree(project)
        yield shutil.copytree(repository, project, symlinks=True)


class Looking:
    """Plays supervisors, and notes what the code was that each run was started with."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        """Run and script of each training whose data and output folders were within reach."""

    def supervise(self, run: RunPaths, _alive: int) -> None:
        """Look, then train."""
        spec = json.loads(run.spec.read_bytes())
        place = Path(spec["cwd"])
        if (place / "data/part.txt").exists() and (place / "checkpoints/mine").is_dir():
            self.seen.append((spec["run_id"], (place / SCRIPT).read_text()))
        play_supervisor(run)


def edited_between(repository: Path, at: int, kind: str, reopens: bool) -> tuple[Machine, dict[str, Any]]:
    """One study with a failure, held to the promises; its outcome."""
    looking = Looking()
    machine = Machine(at, kind, looking.supervise)
    with a_study_in(repository) as project:
        before = state_of(project)
        study = take_through(machine, project, reopens, client=Editing)
        check_written(project)
        check_reports(project)
        check_files(project)
        records = records_of(project)
        check_ledger(records, study.answers)
        check_trained(records, looking.seen)
        check_snapshots(project, records)
        after = state_of(project)
        assert before.pop("status") != after.pop("status"), "the edit and the reports"
        assert after == before, "what is the user's is as it was"
        return machine, outcome_of(records)


def codes_of(records: Sequence[Record]) -> dict[str | None, dict[str, Any]]:
    """The code of the baseline, under None, and of the experiment; until it has a value a request may bring another."""
    kinds = ("generation_started", "experiment_declared", "run_requested")
    return {one.get("experiment"): one["code"] for one in records if one["kind"] in kinds and one.get("code")}


def check_trained(records: Sequence[Record], seen: Sequence[tuple[str, str]]) -> None:
    """Every run that counts was trained, in sight of its data, with the code of its arm, as its record says."""
    codes = codes_of(records)
    requested = {one["run_id"]: one for one in records if one["kind"] == "run_requested"}
    for one in records:
        if one["kind"] == "run_started":
            assert one["fingerprint"]["code_sha256"] == codes[requested[one["run_id"]]["experiment"]]["sha256"]
    for run_id, script in seen:
        assert script == (EDITED if requested[run_id]["experiment"] else FILES[SCRIPT]), run_id
    finished = {one["run_id"] for one in records if one["kind"] == "run_finished" and not one.get("never_started")}
    assert finished <= {run_id for run_id, _ in seen}
    assert {one["role"] for one in requested.values()} == {"measure", "control", "probe"}


def check_snapshots(project: Path, records: Sequence[Record]) -> None:
    """What was trained with is kept in the repository, and nothing else."""
    snapshots = {code["snapshot"] for code in codes_of(records).values()}
    assert len(snapshots) == 2 and None not in snapshots
    kept = git(project, "for-each-ref", "--format=%(objectname)", "refs/seedproof").split()
    assert set(kept) == snapshots
    trees = {path.name for path in ProjectPaths(project).worktrees.iterdir()}
    assert trees == {snapshot[:12] for snapshot in kept}


@pytest.mark.sampled
@pytest.mark.usefixtures("played")
def test_wherever_server_or_conductor_fail_a_study_in_a_repository_ends_as_if_nothing_had_happened(
    repository: Path,
) -> None:
    machine, outcome = edited_between(repository, -1, "kill", False)
    points = machine.faults.points
    values = {**undisturbed()["values"], f"control baseline of {EXPERIMENT} 42": undisturbed()["values"]["None 42"]}
    expected = {**undisturbed(), "values": values}
    assert outcome == expected
    failures = list(chosen(points, EVERY))
    for at, kind, reopens in failures:
        machine, outcome = edited_between(repository, at, kind, reopens)
        assert machine.faults.has_fired, (at, kind)
        assert outcome == expected, (at, points[at - 1], kind)
    print(f"{SHOWN}{len(points)} places where a study in a repository can fail, {len(failures)} failures tried")
