"""A command that names no output folder: what its runs leave in a snapshot goes with the arm, and nothing else goes."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from seedproof_mcp.surface import cli
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Caller, tools
from tests.support.real_runs import records
from tests.support.repositories import make_repository
from tests.support.seeds import SEEDS
from tests.support.waiting import PATIENCE_S, stop_everything, wait_until

pytestmark = pytest.mark.anyio

SCRIPT = """
import argparse, json, os, random
p = argparse.ArgumentParser(); p.add_argument("--seed", type=int); p.add_argument("--lr", type=float, default=1.0)
a = p.parse_args()
folder = f"lightning_logs/version_{a.seed}_{a.lr:g}"
os.makedirs(folder)
open(f"{folder}/metrics.csv", "w").write("x" * 1000)
if os.path.islink("lightning_logs/latest"):
    os.unlink("lightning_logs/latest")
os.symlink(os.environ["FAR_AWAY"], "lightning_logs/latest")
os.makedirs("results", exist_ok=True)
open(f"results/{a.seed}.txt", "w").write("done")
if not os.path.exists("prepared/tokens.txt"):
    os.makedirs("prepared", exist_ok=True)
    open("prepared/tokens.txt", "w").write("1 2 3")
    open("prepared/DONE", "w").close()
open("prepared/tokens.txt").read()
loss = a.lr + random.Random(a.seed).gauss(0, 0.01)
print(f"seed {a.seed} lr {a.lr} val_acc: {1 - loss / 9:.4f}")
json.dump({"val_loss": loss}, open("results/metrics.json", "w"))
"""
RULES = """\
[rules]
command = ["{python}", "train.py", "--seed", "{seed}", "{flags}"]
scale = "300 s"
repeat_probe = false
[rules.metric]
name = "val_loss"
file = "results/metrics.json"
path = "val_loss"
"""
LATE = """\
[[rules.extra_metrics]]
name = "val_acc"
direction = "maximize"
pattern = 'val_acc: (?P<value>[0-9.]+)'
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository in which `results` is tracked with a file of its own."""
    monkeypatch.setenv("FAR_AWAY", str(tmp_path / "far_away"))
    (tmp_path / "far_away").mkdir()
    (tmp_path / "far_away/thesis.tex").write_text("ten years")
    files = {"train.py": SCRIPT, "results/README": "of the user\n", ".gitignore": "seedproof.toml\n"}
    folder = make_repository(tmp_path / "project", files)
    (folder / "seedproof.toml").write_text(RULES)
    yield folder
    stop_everything(folder)


def settings(project: Path, keep: str = "none", more: str = "") -> None:
    (project / "seedproof.toml").write_text(f'{RULES}{more}[settings]\nkeep_outputs = "{keep}"\n')


def tree_of(project: Path) -> Path:
    (tree,) = ProjectPaths(project).worktrees.iterdir()
    return tree


def left(project: Path) -> list[str]:
    """What lies in the working tree besides the snapshot and our link."""
    tree, tracked = (
        tree_of(project),
        {"train.py", "results/README", ".gitignore", ".git", "checkpoints", "seedproof.toml"},
    )
    files = (path for path in tree.rglob("*") if path.is_symlink() or path.is_file())
    return sorted(name for path in files if (name := str(path.relative_to(tree))) not in tracked)


def gc(project: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    """The lines of `seedproof gc` on what runs left, without folders and sizes."""
    capsys.readouterr()
    assert cli.main(["gc", "--project", str(project), *more]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left by ")]
    return [f"{line.partition(' in .seedproof')[0]}; {line.rpartition('; ')[2]}" for line in lines]


async def measure(call: Caller, name: str, lr: str) -> None:
    await call("run_seed", experiment=name, flags=["--lr", lr], hypothesis="it helps", queue_all=True, wait_s=0)
    for seed in SEEDS[:3]:
        answer = await call("run_seed", experiment=name, seed=seed, wait_s=PATIENCE_S)
        assert answer.data["state"] == "succeeded", answer.text


PREPARED = ["prepared/DONE", "prepared/tokens.txt"]
MINE = "left by no known run: notes.txt; stays: nothing shows which run left it"
READ = "left by the baseline of generation 1: prepared; stays: runs read it, or may"
OF_BASELINE = "lightning_logs, results/1024.txt, results/137.txt, results/256.txt, results/42.txt and 2 more"
OF_B = "lightning_logs, results/137.txt, results/256.txt, results/42.txt, results/metrics.json"


async def test_what_runs_leave_is_listed_by_arm_and_goes_with_the_last_arm_of_its_tree(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async with tools(project) as call:
        await call.measure_baseline()
        (tree_of(project) / "notes.txt").write_text("of a person")
        waits = f"left by the baseline of generation 1: {OF_BASELINE}; stays: the baseline is not done"
        assert sorted(gc(project, capsys, "--yes")) == sorted([MINE, READ, waits])
        reported = await call("write_report")
        assert reported.data["path"] == "docs/research/baseline_variance_300s.md"
        assert f"{tree_of(project).relative_to(project)}/lightning_logs" in reported.data["removed"]
        assert reported.data["freed_bytes"] > 5000
        assert left(project) == ["notes.txt", *PREPARED]
        await measure(call, "a", "0.5")
        await measure(call, "b", "1.5")
        await call("compare", experiment="a")
        first = await call("write_report", experiment="a")
        assert first.data["removed"] == []
        waits = ["left by experiment a of generation 1: lightning_logs; stays: b is not done"]
        waits += [f"left by experiment b of generation 1: {OF_B}; stays: b is not done"]
        assert sorted(gc(project, capsys, "--yes")) == sorted([MINE, READ, *waits])
        await call("compare", experiment="b")
        last = await call("write_report", experiment="b")
        assert len(last.data["removed"]) == len(OF_B.split(", "))
    assert left(project) == ["notes.txt", *PREPARED]
    assert sorted(gc(project, capsys, "--yes")) == sorted([MINE, READ])
    assert (tmp_path / "far_away/thesis.tex").read_text() == "ten years"
    assert (tree_of(project) / "results/README").exists()
    assert cli.main(["verify", "--project", str(project)]) == 0


async def test_what_somebody_writes_while_runs_train_stays_and_what_a_library_adds_to_a_run_goes(project: Path) -> None:
    async with tools(project) as call:
        await call.measure_baseline()
        (ended,) = [one["time"] for one in records(project, "run_finished") if one["run_id"] == "g1-baseline-s42-a1"]
        during = datetime.fromisoformat(ended).timestamp() - 0.001
        for name in ("results/mine.txt", "lightning_logs/version_42_1/events"):
            (tree_of(project) / name).write_text("nobody told")
            os.utime(tree_of(project) / name, (during, during))
        await call("write_report")
    assert left(project) == [*PREPARED, "results/mine.txt"]


async def test_a_file_of_somebody_to_which_runs_only_add_stays(project: Path) -> None:
    adds = 'open("table.csv", "a").write(f"{a.seed}\\n"); open("own.csv", "a").write("1")\nprint(f"seed'
    (project / "train.py").write_text(SCRIPT.replace('print(f"seed', adds))
    async with tools(project) as call:
        await call("run_seed", seed=42)
        (tree_of(project) / "table.csv").write_text("ten years\n")
        await call.measure_baseline()
        await call("write_report")
    assert left(project) == [*PREPARED, "table.csv"]
    assert (tree_of(project) / "table.csv").read_text().startswith("ten years\n137\n")


async def test_what_a_winner_left_stays_until_the_setting_says_otherwise(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(project, "winner")
    async with tools(project) as call:
        await call.measure_baseline()
        await call("write_report")
        await measure(call, "a", "0.5")
        await call("compare", experiment="a")
        kept = await call("write_report", experiment="a")
        assert (kept.data["verdict"], kept.data["removed"]) == ("WINNER", [])
        settings(project)
        line = f"left by experiment a of generation 1: {OF_B}; removed by `seedproof gc --yes`"
        assert sorted(gc(project, capsys)) == sorted([READ, line])
        gone = line.replace(" by `seedproof gc --yes`", "")
        assert sorted(gc(project, capsys, "--yes")) == sorted([READ, gone])
    assert left(project) == PREPARED
    assert records(project, "files_removed")[-1]["freed_bytes"] > 3000


async def test_without_a_known_list_of_what_was_read_everything_stays(project: Path) -> None:
    (project / "seedproof.toml").write_text(f"{RULES}[settings]\nobserve_inputs = false\n")
    async with tools(project) as call:
        await call.measure_baseline()
        before = left(project)
        reported = await call("write_report")
    assert (reported.data["removed"], left(project)) == ([], before)


async def test_in_place_what_runs_leave_is_listed_and_never_removed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "seedproof.toml").write_text(f'{RULES}[settings]\ncode = "in-place"\n')
    async with tools(project) as call:
        await call.measure_baseline()
        reported = await call("write_report")
    assert reported.data["removed"] == []
    (line,) = gc(project, capsys, "--yes")
    assert line.startswith("left by runs in place: lightning_logs, prepared, results")
    assert line.endswith("yours, so it stays")
    assert (project / "lightning_logs/version_42_1/metrics.csv").exists()


async def test_a_metric_that_the_logs_already_hold_is_added_without_a_training(project: Path) -> None:
    async with tools(project) as call:
        await call.measure_baseline()
        await call("write_report")
        settings(project, more=LATE)
        added = await call("run_seed", seed=42, attempt=1)
        settings(project, more=LATE.replace("'val_acc:", "'no_such:"))
        missing = await call("run_seed", seed=42, attempt=1)
        status = await call("check_baseline")
    assert added.data["metrics"]["val_acc"] > 0.8
    assert "val_acc" not in missing.data["metrics"]
    assert (status.data["phase"], status.data["generation"], status.data["scale"]) == ("ready", 1, "300 s")
    assert "val_acc was found in none of 5 runs" in status.text
    assert len(records(project, "run_started")) == 5


async def test_what_somebody_put_into_a_tree_outlives_its_generation(project: Path) -> None:
    async with tools(project) as call:
        await call("run_seed", seed=42)
        tree = tree_of(project)
        (tree / "notes.txt").write_text("of a person")
        (project / "train.py").write_text(f"{SCRIPT}more = 1\n")
        await call("run_seed", new_baseline="other code", seed=42)
        wait_until(lambda: not tree.exists())
    assert (tree.with_name(f"{tree.name}.found-1") / "notes.txt").read_text() == "of a person"
