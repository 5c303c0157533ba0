"""Flags through the tools: the command that a run gets, what is shown of it, and files that set a seed."""

import json
from pathlib import Path

import pytest

from tests.support.callers import Answer
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.real_runs import records
from tests.support.seeds import FRESH_SIX
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

COMMAND = '["{python}", "train_llm.py", "--lr", "0.1", "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]'


@pytest.fixture
def project(quick_project: Path) -> Path:
    (quick_project / "seedproof.toml").write_text(f"[rules]\ncommand = {COMMAND}\n")
    return quick_project


def engine() -> InProcessEngine:
    losses = Table().arm("baseline", (4.00, 4.01, 3.99, 4.02, 3.98)).arm("exp_muon", (3.90, 3.91, 3.89))
    return InProcessEngine(losses.arm("baseline", (4.0, 4.01, 3.99, 4.0, 4.01, 3.99), FRESH_SIX))


def argv_of(project: Path, run_id: str) -> list[str]:
    (record,) = [one for one in records(project) if one["kind"] == "run_started" and one["run_id"] == run_id]
    return list(record["argv"][1:])


def told(answer: Answer, code: str) -> list[str]:
    return [notice["message"] for notice in answer.data["notices"] if notice["code"] == code]


async def test_a_replaced_option_leaves_the_command_of_every_run_of_the_experiment_and_is_shown_once(
    project: Path,
) -> None:
    async with quick_tools(project, engine()) as call:
        await call.measure_baseline()
        first = await call("run_seed", experiment="muon", flags=["--lr=0.2"], hypothesis="it helps")
        second = await call("run_seed", experiment="muon")
        await call("run_seed", experiment="muon", queue_all=True)
        said = await call("compare", experiment="muon")
        confirming = await call("run_seed", experiment="muon", role="confirm", queue_all=True)
        written = await call("write_report", experiment="muon")
    shown = "python train_llm.py --seed 42 --lr=0.2 --output_dir checkpoints/exp_muon_1M_seed42"
    ran = shown.replace("python", records(project, "run_started")[0]["fingerprint"]["interpreter"], 1)
    assert (first.data["command"], f"Command: {ran}" in first.text) == (ran, True)
    assert "command" not in second.data and "command" not in confirming.data and "Command:" not in second.text
    assert said.data["verdict"] == "WINNER"
    assert shown in (project / written.data["path"]).read_text()
    lrs = {
        str(one["run_id"]).split("-s")[0]: [part for part in one["argv"] if part.startswith("--lr") or part == "0.1"]
        for one in records(project)
        if one["kind"] == "run_started"
    }
    assert lrs["g1-baseline"] == lrs["g1-confirm_control-muon"] == ["--lr", "0.1"]
    assert lrs["g1-exp-muon"] == lrs["g1-confirm-muon"] == ["--lr=0.2"]
    assert argv_of(project, "g1-exp-muon-s42-a1")[:4] == ["train_llm.py", "--seed", "42", "--lr=0.2"]


async def test_an_option_that_is_the_commands_own_with_its_value_declares_nothing(project: Path) -> None:
    async with quick_tools(project, engine()) as call:
        await call.measure_baseline()
        before = len(records(project))
        same = await call("run_seed", experiment="muon", flags=["--lr=0.1"], hypothesis="it helps")
        assert (same.code, len(records(project))) == ("flags_missing", before)
        null = await call("run_seed", experiment="a", flags=["--lr=0.1"], hypothesis="null: the same")
    assert not null.is_error


async def test_a_file_that_sets_a_seed_is_told_in_reply_compare_and_report_and_recorded(project: Path) -> None:
    (project / "exp.yaml").write_text("seed_everything: 7\noptimizer:\n  lr: 0.3\n")
    (project / "other.yaml").write_text("seed: ${seed}\nlr: 0.3\n")
    async with quick_tools(project, engine()) as call:
        await call.measure_baseline()
        first = await call("run_seed", experiment="muon", flags=["--config=exp.yaml"], hypothesis="it helps")
        second = await call("run_seed", experiment="muon", queue_all=True)
        said = await call("compare", experiment="muon")
        written = await call("write_report", experiment="muon")
        plain = await call("run_seed", experiment="plain", flags=["--config", "other.yaml"], hypothesis="it helps")
    (message,) = told(first, "seed_in_file")
    assert "exp.yaml: seed_everything" in message
    assert (told(second, "seed_in_file"), told(said, "seed_in_file")) == ([], [message])
    assert message in (project / written.data["path"]).read_text()
    assert told(plain, "seed_in_file") == []
    declared = {one["experiment"]: one for one in records(project) if one["kind"] == "experiment_declared"}
    assert declared["muon"]["seed_files"] == ["exp.yaml: seed_everything"]
    assert {"seed_files", "replaces"}.isdisjoint(declared["plain"])


CONFIG = "seed: 7\noptimizer:\n  lr: 0.3\n"
SAME_PLACES = '"--seed", "{seed}", "--output_dir", "{output_dir}"'
BEHIND = f'["{{python}}", "train_llm.py", "{{flags}}", {SAME_PLACES}]'
BEFORE = f'["{{python}}", "train_llm.py", {SAME_PLACES}, "{{flags}}"]'
OVERRIDE = f'["{{python}}", "train_llm.py", {SAME_PLACES}, "seed={{seed}}", "{{flags}}"]'


@pytest.mark.parametrize(
    ("command", "flag", "keys"),
    [
        (OVERRIDE, "optimizer.lr=0.3", []),  # conf/config.yaml, which nothing names
        (OVERRIDE, "--config-name=other", []),
        (OVERRIDE, "+experiment=a", []),
        (OVERRIDE, "optimizer=sgd", ["conf/optimizer/sgd.yaml: optimizer.seed"]),
        (BEHIND, "--config=conf/other.yaml", []),
        (BEHIND, "--config=nested.yaml", ["nested.yaml: data.seed"]),
        (BEFORE, "--config=conf/other.yaml", ["conf/other.yaml: seed"]),
    ],
)
async def test_a_seed_in_a_file_is_told_only_where_the_command_does_not_set_that_key_over_it(
    quick_project: Path, command: str, flag: str, keys: list[str]
) -> None:
    (quick_project / "seedproof.toml").write_text(f"[rules]\ncommand = {command}\n")
    for name in ("config", "other", "optimizer/sgd"):
        (quick_project / f"conf/{name}.yaml").parent.mkdir(parents=True, exist_ok=True)
        (quick_project / f"conf/{name}.yaml").write_text(CONFIG)
    (quick_project / "conf/experiment").mkdir()
    (quick_project / "conf/experiment/a.yaml").write_text(f"# @package _global_\n{CONFIG}")
    (quick_project / "nested.yaml").write_text("seed: 7\ndata:\n  seed: 8\n")
    async with quick_tools(quick_project, engine()) as call:
        await call.measure_baseline()
        answer = await call("run_seed", experiment="muon", flags=[flag], hypothesis="it helps")
    assert not answer.is_error, answer.text
    assert [message.partition("(")[2].partition(")")[0] for message in told(answer, "seed_in_file")] == keys


async def test_a_letter_of_the_script_is_told_from_the_commands_option(project: Path) -> None:
    script = project / "train_llm.py"
    script.write_text(script.read_text() + '\n# the script has\nadd_argument("-s", "--steps")\n')
    async with quick_tools(project, engine()) as call:
        await call.measure_baseline()
        steps = await call("run_seed", experiment="a", flags=["-s", "7"], hypothesis="it helps")
        seed = await call("run_seed", experiment="b", flags=["--se", "7"], hypothesis="it helps")
    assert (steps.is_error, seed.code) == (False, "flag_protected")


async def test_freeing_a_name_does_not_cost_the_baseline(project: Path) -> None:
    settings = project / "seedproof.toml"
    async with quick_tools(project, engine()) as call:
        await call.measure_baseline()
        refused = await call("run_seed", experiment="a", flags=["--val_weight", "2"], hypothesis="it helps")
        settings.write_text(f'[rules]\ncommand = {COMMAND}\nfree = ["val_weight"]\n')
        await call("run_seed", new_baseline="--val_weight is no part of the evaluation")
        status = await call("check_baseline")
        taken = await call("run_seed", experiment="a", flags=["--val_weight", "2"], hypothesis="it helps")
    assert (refused.code, status.data["phase"], status.data["generation"]) == ("flag_protected", "ready", 2)
    assert not taken.is_error, json.dumps(taken.data)
