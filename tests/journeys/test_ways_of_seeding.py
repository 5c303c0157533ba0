"""Each way in which a training gets its seed: a baseline, an experiment with a verdict, and what the report says."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import tools
from tests.support.real_runs import records, unexpected
from tests.support.repositories import make_repository
from tests.support.seeds import SEEDS
from tests.support.waiting import PATIENCE_S, stop_everything

pytestmark = pytest.mark.anyio

# A script as people have them: it seeds itself, and takes no seed.
OWN_SEED = """
import os, random, sys
import numpy as np
offset = int(os.environ.get("RANK", "0"))
random.seed(1337 + offset)
np.random.seed(1337 + offset)
"""
BY_VARIABLE = """
import os, random, sys
random.seed(int(os.environ["SEED"]))
assert os.path.isabs(os.environ["SEEDPROOF_OUTPUT_DIR"]), os.environ["SEEDPROOF_OUTPUT_DIR"]
"""
BY_OUR_VARIABLE = """
import os, random, sys
random.seed(int(os.environ["SEEDPROOF_SEED"]))
"""
WITHOUT = """
import random, sys
"""
# 20 sigma, so that three seeds are enough.
TRAINING = """
shift = float(sys.argv[sys.argv.index("--shift") + 1]) if "--shift" in sys.argv else 0.0
print("Step 1 | val_loss: 9.5000")
print(f"Step 100 | val_loss: {4 + shift + random.gauss(0, 0.01):.6f}")
"""
COMMAND = 'command = ["{python}", "train.py", "{flags}"]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    project = tmp_path / "project"
    # A variable of the server's own that the rules replace is none of the training's.
    monkeypatch.setenv("SEED", "of the server")
    yield project
    stop_everything(project)


def begin(project: Path, script: str, rules: str) -> None:
    text = f"[rules]\n{COMMAND}{rules}\n[settings]\npython = {json.dumps(sys.executable)}\n"
    make_repository(project, {"train.py": script + TRAINING, "seedproof.toml": text})


WAYS = {
    "a variable": (BY_VARIABLE, 'seed = "environment"\nenv = { SEED = "{seed}", PYTHONHASHSEED = "{seed}" }'),
    "our variable": (BY_OUR_VARIABLE, 'seed = "environment"'),
    "in place of its own": (OWN_SEED, 'seed = "inject"\nreplace_seed = 1337'),
    "none": (WITHOUT, 'seed = "unseeded"'),
}


@pytest.mark.parametrize("name", WAYS)
async def test_a_study_with_each_way_of_seeding(folder: Path, name: str) -> None:
    script, rules = WAYS[name]
    begin(folder, script, rules)
    async with tools(folder) as call:
        await call.measure_baseline()
        await call.measure("wider", "--shift", "0.2")
        compared = await call("compare", experiment="wider")
        await call("write_report")
        await call("write_report", experiment="wider")
        checked = await call("check_baseline")
    assert unexpected(checked.data["notices"]) == unexpected(compared.data["notices"]) == []
    headline = compared.data["headline"]
    assert headline.startswith("LOSER (unseeded): " if name == "none" else "LOSER: "), headline
    ended = records(folder, "run_finished")
    values = {record["metrics"]["val_loss"]["text"] for record in ended if "baseline" in record["run_id"]}
    assert len(values) == len(SEEDS)
    # Only a run in which a seed was replaced says what was moved; a probe repeats the first seed.
    told = [record["seeding"] for record in ended if "seeding" in record]
    expected = {"moved": {"numpy.random.seed": 1, "random.seed": 1}, "kept": {}}
    assert told == ([expected] * len(ended) if name == "in place of its own" else [])
    probes = [record for record in records(folder, "run_requested") if record["role"] == "probe"]
    assert len(probes) == (name != "none")
    report = (ProjectPaths(folder).research / "experiment_wider_1M.md").read_text()
    assert ("\nPYTHONHASHSEED=42 SEED=42 python train.py --shift 0.2\n" in report) == (name == "a variable")
    assert main(["verify", "--regenerate", "--project", os.fspath(folder)]) == 0


async def test_a_script_that_seeds_itself_with_another_number_makes_no_baseline(folder: Path) -> None:
    begin(folder, OWN_SEED, 'seed = "inject"\nreplace_seed = 42')
    async with tools(folder) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        first = await call("run_seed", seed=SEEDS[0], wait_s=PATIENCE_S)
        last = await call("run_seed", seed=SEEDS[-1], wait_s=PATIENCE_S)
        checked = await call("check_baseline")
        refused = await call("run_seed", experiment="wider", flags=["--shift", "0.2"], hypothesis="it helps")
    words = (
        "seed_not_injected: the training seeds itself with 1337 (numpy.random.seed, random.seed), and never with "
        "rules.replace_seed, 42"
    )
    assert (first.data["state"], first.data["reason"]) == ("failed", words)
    assert last.data["state"] == "not_needed"
    assert checked.data["phase"] == "void"
    assert checked.data["reason"].startswith(f"baseline seed 42: {words}. ")
    assert refused.code == "baseline_void"


async def test_two_equal_values_stop_the_queue(folder: Path) -> None:
    begin(folder, OWN_SEED, 'seed = "environment"')
    async with tools(folder) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        last = await call("run_seed", seed=SEEDS[-1], wait_s=PATIENCE_S)
        checked = await call("check_baseline")
    assert last.data["state"] == "not_needed"
    assert [record["state"] for record in records(folder, "run_finished")] == ["succeeded"] * 2
    assert checked.data["reason"] == (
        "the first 2 seeds gave the same val_loss, so the others are not run; does the script read SEEDPROOF_SEED?"
    )
