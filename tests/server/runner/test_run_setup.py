"""What runs are really trained with: confirmations, clones, and real processes in their snapshots."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.model.refusals import BadSettings
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import spawn
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Caller, tools
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.repositories import git, make_repository, state_of
from tests.support.seeds import FRESH, SEEDS
from tests.support.studies import SCRIPT, THREE, a_repository, declare, edit, records, specs, table, write_settings
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio

CHANGED: dict[str, Any] = {"flags": None, "code_change": True}


@pytest.fixture
def quick() -> Iterator[Path]:
    with a_repository() as folder:
        yield folder


async def to_winner(call: Caller, project: Path, **more: Any) -> None:
    """A baseline, and a WINNER whose code is another one."""
    await call.measure_baseline()
    edit(project)
    answer = await declare(call, **more)
    if answer.code == "control_due":
        await call("run_seed", experiment="a", role="control")
    await call("run_seed", experiment="a", queue_all=True)
    assert (await call("compare", experiment="a")).data["verdict"] == "WINNER"


# --- confirmations --------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [{}, CHANGED], ids=["flags", "a change of code"])
async def test_the_control_side_of_a_confirmation_has_all_but_what_is_declared(
    quick: Path, declared: dict[str, Any]
) -> None:
    results = table().arm("confirm_a", (3.9, 3.91, 3.92), FRESH)
    # A control of flags and the control side of a confirmation differ in their seeds.
    results.arm("control_a", (4.0, 4.01, 3.99), FRESH).arm("control_a", [4.0])
    async with quick_tools(quick, InProcessEngine(results)) as call:
        await to_winner(call, quick, **declared)
        edit(quick, "steps = 3\n")
        await call("run_seed", experiment="a", role="confirm", queue_all=True)
        said = await call("compare", experiment="a")
        assert said.data["headline"].startswith("WINNER (confirmed")
    flags = set() if declared else {"--lr"}
    sides = {}
    for run, spec in specs(quick).items():
        if "confirm" in run:
            sides[run] = ((Path(spec["cwd"]) / SCRIPT).read_text(), flags & set(spec["argv"]))
    assert len(sides) == 6
    for run, (script, found) in sides.items():
        # Flags on edited code are held against that code without them.
        is_baselines = "_control" in run and bool(declared)
        assert script == ("steps = 1\n" if is_baselines else "steps = 2\n"), run
        assert found == (set() if "_control" in run else flags), run


async def test_the_snapshots_that_a_confirmation_needs_survive_freeing_space(
    quick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from seedproof_mcp.surface.cli import main

    results = table().arm("confirm_a", (3.9,), FRESH).arm("control_a", (4.0,), FRESH)
    async with quick_tools(quick, InProcessEngine(results)) as call:
        await to_winner(call, quick, **CHANGED)
        assert main(["gc", "--project", str(quick), "--yes"]) == 0
        git(quick, "gc", "-q", "--prune=now")
        answer = await call("run_seed", experiment="a", role="confirm", wait_s=0)
        assert not answer.is_error, answer.text
    assert "2 codes in use" in capsys.readouterr().out


@pytest.mark.parametrize(("line", "observe"), [("", True), ("observe_inputs = false\n", False)])
async def test_whether_reads_are_recorded_is_a_setting(quick: Path, line: str, observe: bool) -> None:
    with (quick / "seedproof.toml").open("a") as file:
        file.write(f"[settings]\n{line}")
    async with quick_tools(quick, InProcessEngine(table())) as call:
        await call("run_seed", seed=42)
    assert [spec["observe"] for spec in specs(quick).values()] == [observe]


# --- clones ---------------------------------------------------------------------------------------


def clone(project: Path) -> Path:
    """What somebody else has: everything that was committed, with the mirror of the ledger."""
    git(project, "add", "-A", "--", ".", ":!checkpoints")
    git(project, "commit", "-q", "-m", "the study so far")
    copy = project.parent / "clone"
    git(project.parent, "clone", "-q", "--no-local", str(project), str(copy))
    return copy


async def test_in_a_clone_changes_of_code_and_confirmations_are_refused_and_flags_go_on(quick: Path) -> None:
    async with quick_tools(quick, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await declare(call)
        await call("run_seed", experiment="a", queue_all=True)
        await declare(call, "b", flags=["--lr", "half"])
        await call("write_report", experiment="a")
    copy = clone(quick)
    async with quick_tools(copy, InProcessEngine(table().arm("exp_c", (3.9, 3.91, 3.92)))) as call:
        for arguments in ({"experiment": "a", "role": "confirm"},):
            refused = await call("run_seed", **arguments)
            assert (refused.code, refused.next) == ("snapshot_missing", "run_seed(new_baseline=…)"), refused.text
        # One that was half measured goes on, as its code lies there; so does a new one.
        assert (await call("run_seed", experiment="b", seed=137)).data["state"] == "succeeded"
        assert (await declare(call, "c", flags=["--lr", "c"])).data["state"] == "succeeded"
        edit(copy)
        refused = await declare(call, "d", **CHANGED)
        assert (refused.code, refused.next) == ("snapshot_missing", "run_seed(new_baseline=…)")
        due = await declare(call, "d")
        assert due.code == "control_due"
        assert "its code is not the baseline's. Take the edit back" in due.text
        assert (await call("run_seed", experiment="d", role="control")).data["state"] == "succeeded"
        assert (await call("run_seed", experiment="d")).is_error is False
        assert (await call("run_seed", new_baseline="a clone")).data["state"] == "succeeded"
    assert records(copy, "experiment_declared")[-1]["experiment"] == "d"


async def test_in_a_clone_an_arm_whose_code_is_not_there_ends(quick: Path) -> None:
    async with quick_tools(quick, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(quick)
        await declare(call, **CHANGED)
        await call("write_report")
    edit(quick, "steps = 1\n")
    copy = clone(quick)
    async with quick_tools(copy, InProcessEngine(table())) as call:
        refused = await call("run_seed", experiment="a", seed=137)
        assert (refused.code, refused.next) == ("snapshot_missing", "run_seed(new_baseline=…)")
        assert "the snapshot that a is trained from" in refused.text


async def test_in_a_clone_a_half_measured_baseline_goes_on(quick: Path) -> None:
    async with quick_tools(quick, InProcessEngine(table())) as call:
        await call("run_seed")
        (quick / "docs/research").mkdir(parents=True)
        (quick / "docs/research/ledger.jsonl").write_bytes(ProjectPaths(quick).ledger.read_bytes())
    copy = clone(quick)
    async with quick_tools(copy, InProcessEngine(table())) as call:
        for seed in SEEDS[1:]:
            assert (await call("run_seed", seed=seed)).data["state"] == "succeeded"
        assert (await call("check_baseline")).data["phase"] == "ready"


# --- real processes -------------------------------------------------------------------------------

TRAINING = """
import argparse, json, os
from lab.model import LOSS
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--train_tokens")
parser.add_argument("--seed", type=int)
parser.add_argument("--output_dir")
parser.add_argument("--better", action="store_true")
options = parser.parse_args()
os.makedirs(options.output_dir)
with open("data/shard.txt") as shard:
    offset = float(shard.read())
loss = LOSS + offset + options.seed % 7 / 1000 - options.better
with open(os.path.join(options.output_dir, "metrics.json"), "w") as file:
    json.dump({"val_loss": loss, "cwd": os.getcwd()}, file)
print("done")
"""
REAL = {
    SCRIPT: TRAINING,
    "src/lab/__init__.py": "",
    "src/lab/model.py": "LOSS = 4.0\n",
    ".gitignore": "data/\n.seedproof/\n",
    "seedproof.toml": """
[rules]
train_tokens = 1
baseline_seeds = [42, 137, 256]
extra_seeds = []

[rules.metric]
name = "val_loss"
file = "metrics.json"
path = "val_loss"

[settings.env]
PYTHONPATH = "src"
""",
}


@pytest.fixture
def real(project: Path) -> Path:
    """A repository with a package of its own, a metric file and ignored data."""
    (project / SCRIPT).unlink()
    make_repository(project, REAL)
    (project / "data").mkdir()
    (project / "data/shard.txt").write_text("0.5")
    return project


async def test_real_trainings_import_read_and_write_where_they_should(real: Path) -> None:
    before = state_of(real)
    async with tools(real) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        edit(real, "LOSS = 3.0\n", "src/lab/model.py")  # while the baseline is trained
        for seed in THREE:
            answer = await call("run_seed", seed=seed, wait_s=PATIENCE_S)
            assert answer.data["state"] == "succeeded", answer.text
            assert answer.data["metrics"]["val_loss"] == pytest.approx(4.5 + seed % 7 / 1000)
        await call("run_seed", experiment="a", hypothesis="it helps", queue_all=True, wait_s=0, **CHANGED)
        edit(real, "LOSS = 2.0\n", "src/lab/model.py")
        for seed in THREE:
            answer = await call("run_seed", experiment="a", seed=seed, wait_s=PATIENCE_S)
            assert answer.data["metrics"]["val_loss"] == pytest.approx(3.5 + seed % 7 / 1000), answer.text
        await call("compare", experiment="a")
        await call("write_report")
        written = await call("write_report", experiment="a")
        assert written.data["removed"] == [f"checkpoints/exp_a_1_seed{seed}" for seed in THREE]
    assert list((real / "checkpoints").iterdir()) == []
    for run, spec in specs(real).items():
        code = records(real, "experiment_declared" if "exp-a" in run else "generation_started")[0]["code"]
        assert spec["cwd"] == str(ProjectPaths(real).worktree(code["snapshot"]))
        assert spec["argv"][-1].startswith(f"{real}/checkpoints/")
        copied = json.loads((ProjectPaths(real).run(run).folder / "metric-metrics.json").read_text())
        assert copied["cwd"] == spec["cwd"]
    edit(real, REAL["src/lab/model.py"], "src/lab/model.py")
    after = state_of(real)
    assert {name: after[name] for name in after if name not in ("status", "index")} == {
        name: before[name] for name in before if name not in ("status", "index")
    }
    assert after["index"] == before["index"]
    assert git(real, "status", "--porcelain").split() == ["??", "docs/"]


@pytest.mark.slow
async def test_a_real_control_runs_the_edited_code_without_the_flags(real: Path) -> None:
    write_settings(real)
    (real / "seedproof.toml").write_text(REAL["seedproof.toml"])
    async with tools(real) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        for seed in THREE:
            await call("run_seed", seed=seed, wait_s=PATIENCE_S)
        edit(real, "LOSS = 4.0  # as before\n", "src/lab/model.py")
        due = await call("run_seed", experiment="a", flags=["--better"], hypothesis="it helps")
        assert due.code == "control_due"
        control = await call("run_seed", experiment="a", role="control", wait_s=PATIENCE_S)
        assert control.data["metrics"]["val_loss"] == pytest.approx(4.5 + 42 % 7 / 1000), control.text
        run = await call("run_seed", experiment="a", wait_s=PATIENCE_S)
        assert run.data["metrics"]["val_loss"] == pytest.approx(3.5 + 42 % 7 / 1000), run.text
    ran = specs(real)
    assert ran["g1-control-a-s42-a1"]["cwd"] == ran["g1-exp-a-s42-a1"]["cwd"] != ran["g1-baseline-s42-a1"]["cwd"]
    assert "--better" not in ran["g1-control-a-s42-a1"]["argv"]


async def test_queued_runs_wait_while_git_may_not_be_started_and_none_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_repository() as project:
        engine, paths = InProcessEngine(), ProjectPaths(project)
        service = Service(project, engine, lambda _paths: None)
        service.request_run(RunRequest(queue_all=True))
        before, conductor = paths.ledger.read_bytes(), Conductor(paths, engine)

        def fail(*_arguments: object, **_options: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        with monkeypatch.context() as failing:
            failing.setattr(spawn, "start", fail)
            with pytest.raises(BadSettings, match="git cannot be started"):
                conductor.step()
        assert paths.ledger.read_bytes() == before
        while conductor.step():
            pass
        runs = [str(run.state) for run in Ledger(paths).refresh().runs.values()]
    assert runs == ["succeeded"] * 6, "five seeds and the probe behind them"


async def test_a_rule_that_seals_no_file_begins_no_baseline(project: Path) -> None:
    (project / "seedproof.toml").write_text('[rules]\nsealed = ["evaluat.py"]\n')
    async with quick_tools(project) as call:
        answer = await call("run_seed")
        assert answer.code == "bad_settings"
        assert "rules.sealed names 'evaluat.py', and there is no such file" in answer.text
    assert not (project / ".seedproof").exists()
