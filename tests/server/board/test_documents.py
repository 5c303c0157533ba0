"""What the screens of the board show: the numbers of the tools, and nothing written or started."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.board.board import UNTRUSTED, Board, open_board
from seedproof_mcp.board.documents import Words
from seedproof_mcp.service.service import Service
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.board_studies import HOSTILE, Trainings
from tests.support.callers import tools
from tests.support.in_process import InProcessEngine, in_process_service, quick_tools
from tests.support.seeds import SEEDS


def row(board: Board, name: str) -> dict[str, Any]:
    """The row of an experiment in the list."""
    return next(one for one in board.study()["experiments"] if one["experiment"] == name)


def everything(project: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each file below a project."""
    found = [path for path in project.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def test_the_study_shows_every_experiment_with_the_values_that_the_tools_give(board: Board, recorded: Path) -> None:
    shown, service = board.study(), Service(recorded)
    listed = service.list_experiments(0, 100).model_dump(mode="json")
    assert [one["experiment"] for one in shown["experiments"]] == [one["experiment"] for one in listed["experiments"]]
    for one, told in zip(shown["experiments"], listed["experiments"], strict=True):
        assert {name: one[name] for name in told} == told
    status = service.check_baseline().model_dump(mode="json")
    present = shown["generations"][-1]
    assert present["mean"] == status["metrics"]["val_loss"]["mean"]
    assert present["std"] == status["metrics"]["val_loss"]["std"]
    assert present["winner_threshold"] == status["winner_threshold"]
    assert present["seeds"] == {str(seed["seed"]): seed["metrics"]["val_loss"] for seed in status["seeds"]}
    assert shown["campaign"]["winners"] == listed["campaign"]["winners"] == 2
    assert shown["campaign"]["false_winners_expected"] == listed["campaign"]["false_winners_expected"]


def test_an_experiment_shows_its_verdict_as_compare_gave_it(board: Board, recorded: Path) -> None:
    shown = board.experiment(2, "cosine")
    assert shown is not None
    told = Service(recorded).compare("cosine").model_dump(mode="json")
    same = ("verdict", "delta", "improvement_sigma", "cohens_d", "baseline_metrics", "experiment_metrics", "evidence")
    assert {name: shown["comparison"][name] for name in same} == {name: told[name] for name in same}
    assert shown["experiment"]["improvement_sigma"] == told["improvement_sigma"]
    assert shown["next"]["command"] == "seedproof run cosine --confirm"


def test_a_confirmed_experiment_of_an_earlier_generation_shows_its_fresh_pairs(board: Board) -> None:
    shown = board.experiment(1, "muon")
    assert shown is not None
    assert shown["comparison"]["confirmation"]["state"] == "confirmed"
    pairs = shown["fresh"]
    assert len(pairs) == shown["comparison"]["confirmation"]["pairs"] == 3
    mean = sum(pair["experiment"] - pair["control"] for pair in pairs) / 3
    assert mean == pytest.approx(shown["comparison"]["confirmation"]["difference"])
    assert shown["next"] is None


def test_curves_of_all_seeds_come_with_the_baseline_s_as_a_band(board: Board) -> None:
    shown = board.experiment(2, "qk-norm")
    assert shown is not None
    assert [one["seed"] for one in shown["curves"]] == list(SEEDS)
    assert shown["without_curve"] == 0
    steps = [step for step, _, _ in shown["curves"][0]["metrics"]["val_loss"]]
    # The summary at the end names no step: it stands at the last one.
    assert steps == [*range(0, 3000, 50), 2950]
    band = shown["band"]["val_loss"]
    assert [step for step, _, _ in band] == list(range(0, 3000, 50))
    assert all(low <= high for _, low, high in band)
    ends = shown["generation"]["seeds"].values()
    assert band[-1][1:] == [min(ends), max(ends)]


def test_a_change_of_code_is_shown_as_text_and_flags_as_flags(board: Board) -> None:
    code, flags = board.experiment(2, "qk-norm"), board.experiment(1, "warmup")
    assert code is not None
    assert flags is not None
    assert "+norm = 'qk'" in code["diff"].split("\n")
    assert code["changed_files"] == ["train_llm.py (+1 -1)"]
    assert flags["experiment"]["flags"] == ["--warmup", "200"]
    assert flags["diff"] is None


def test_a_diverged_seed_keeps_the_values_of_the_others(board: Board) -> None:
    found = row(board, "rope")
    assert found["diverged"] == [137]
    assert list(found["seeds"]) == ["42"]
    assert found["verdict"] == "LOSER"


def test_an_experiment_without_a_verdict_shows_what_is_due_and_no_verdict(board: Board) -> None:
    shown = board.experiment(2, "idea-clip")
    assert shown is not None
    assert shown["comparison"] is None
    assert shown["experiment"]["verdict"] is None
    assert shown["experiment"]["seeds_needed"] == 2
    assert shown["next"]["command"].startswith("seedproof run idea-clip")


@pytest.mark.parametrize(("generation", "name"), [(2, "muon"), (0, "muon"), (3, "cosine"), (2, "../x")])
def test_an_unknown_experiment_is_none(board: Board, generation: int, name: str) -> None:
    assert board.experiment(generation, name) is None


def test_reading_writes_nothing_and_starts_nothing(recorded: Path, words: Words) -> None:
    before = everything(recorded)
    board = open_board(recorded, words)
    board.study()
    board.now()
    board.versions()
    board.experiment(2, "cosine")
    assert everything(recorded) == before


def test_every_document_is_json_without_nan(board: Board) -> None:
    documents = [board.study(), board.now(), board.experiment(2, "rope"), board.experiment(2, "crashes")]
    assert len(json.dumps(documents, allow_nan=False)) > 1000


@pytest.mark.anyio
async def test_a_running_run_shows_its_curve_its_output_and_the_queue(quick_project: Path, words: Words) -> None:
    engine = InProcessEngine(Trainings(says=f"{HOSTILE}\n"))
    service = in_process_service(quick_project, engine)
    async with tools(quick_project, "auto", service) as call:
        await call("run_seed", wait_s=0)
        engine.held = True
        await call("run_seed", queue_all=True, wait_s=0)
        board = open_board(quick_project, words, engine)
        earlier = board.versions()
        shown = board.now()
        assert [run["seed"] for run in shown["runs"]] == [137]
        run = shown["runs"][0]
        assert run["metrics"]["val_loss"] == run["curve"]["val_loss"][-1][2]
        assert len(run["curve"]["val_loss"]) == 61
        assert run["band"] == {}  # one seed is no band
        assert run["untrusted_output"].startswith(UNTRUSTED)
        assert "\\u202e" in run["untrusted_output"]
        assert [one["seed"] for one in shown["queue"]] == [256, 512, 1024]
        assert shown["queued"] == 3
        assert shown["disk"]["free_bytes"] > 0
        assert shown["slot"]["name"] == "default"
        engine.held = False
        engine.release()
        await call("run_seed", seed=137, wait_s=0)
        assert board.versions() != earlier
        assert board.now()["runs"] == []


@pytest.mark.anyio
async def test_the_queue_tells_when_each_run_has_ended_by_the_times_of_the_baseline(
    quick_project: Path, words: Words
) -> None:
    engine = InProcessEngine()
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        engine.held = True
        await call("run_seed", experiment="a", flags=["--shift", "1"], hypothesis="it helps", queue_all=True, wait_s=0)
        shown = open_board(quick_project, words, engine).now()
    assert [one["seed"] for one in shown["runs"]] == [42]
    # The run that trains takes longer than the baseline did, and may end at any moment.
    assert [one["eta_s"] for one in shown["queue"]] == [place * 2.0 for place in range(1, 1 + len(shown["queue"]))]


def test_a_project_without_runs_says_what_is_due(quick_project: Path, words: Words) -> None:
    board = open_board(quick_project, words)
    shown = board.study()
    assert shown["experiments"] == []
    assert shown["generations"] == []
    assert shown["baseline"]["phase"] == "unmeasured"
    assert shown["next"]["command"].startswith("seedproof ")
    assert board.now()["runs"] == []
    assert not ProjectPaths(quick_project).state.exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"val_loss": 3}', '{"val_loss": [[1, 2]]}', '{"val_loss": [[1, null, "<b>"]]}', "[" * 9999]
)
def test_a_curve_that_a_training_has_written_over_is_left_out(
    quick_project: Path, words: Words, text: str, recorded: Path
) -> None:
    from seedproof_mcp.board.curves import kept_curves
    from seedproof_mcp.system.paths import RunPaths

    run = RunPaths(quick_project)
    run.curve.write_text(text)
    assert kept_curves(run) == {}
    os.unlink(run.curve)
    assert kept_curves(run) == {}
