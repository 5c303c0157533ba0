"""Which output folders are a run's own to remove."""

from dataclasses import replace
from pathlib import Path

import pytest
from seedproof.ledger.state import State
from seedproof.model.rules import Rules
from seedproof.model.runs import RunState
from seedproof_mcp.runner import outputs

from tests.support.arms import RULES, make_run
from tests.support.stories import Story

UNNAMED = RULES.model_copy(update={"command": ("{python}", "train.py", "{seed}", "{flags}")})
FOLDER = "checkpoints/baseline_1M_seed42"


def ended(state: RunState, folder: Path | None = None, rules: Rules = UNNAMED) -> State:
    """A ledger with one run that left this folder, or none; its command names no folder unless the rules do."""
    identity = None if folder is None else outputs.identity(folder)
    run = make_run(42, 4.0, experiment=None, state=state)
    run = replace(run, output_dir=FOLDER, output_id=None if identity is None else tuple(identity))
    found = Story().baseline((), rules).state
    found.runs[run.run_id] = run
    found.owned_folders[FOLDER] = run.run_id
    return found


@pytest.mark.parametrize("rules", [UNNAMED, RULES], ids=["unnamed", "named"])
@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.DIVERGED, RunState.CANCELLED])
def test_what_appears_after_a_run_that_left_no_folder_is_not_its_own(
    tmp_path: Path, state: RunState, rules: Rules
) -> None:
    found = ended(state, rules=rules)
    assert not outputs.is_in_the_way(tmp_path, found, FOLDER)
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "mine.txt").write_text("ten years")
    assert outputs.remove_ours(tmp_path, found, FOLDER) is None
    assert outputs.is_in_the_way(tmp_path, found, FOLDER)
    assert (tmp_path / FOLDER / "mine.txt").read_text() == "ten years"


def test_what_a_run_left_is_its_own(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    found = ended(RunState.SUCCEEDED, tmp_path / FOLDER)
    assert not outputs.is_in_the_way(tmp_path, found, FOLDER)
    assert outputs.remove_ours(tmp_path, found, FOLDER) == 0
    assert not (tmp_path / FOLDER).exists()


def test_of_a_run_whose_end_nobody_saw_a_folder_in_the_project_is_its_own(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    assert outputs.remove_ours(tmp_path, ended(RunState.INTERRUPTED), FOLDER) == 0


def test_a_link_that_a_run_made_in_place_of_its_named_folder_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / FOLDER).parent.mkdir()
    (tmp_path / FOLDER).symlink_to(tmp_path / "disk")
    found = ended(RunState.SUCCEEDED, tmp_path / FOLDER, RULES)
    assert not outputs.is_in_the_way(tmp_path, found, FOLDER)
    assert outputs.remove_ours(tmp_path, found, FOLDER) == 0
    assert (tmp_path / "disk").is_dir()
