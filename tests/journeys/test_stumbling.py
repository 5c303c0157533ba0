"""A first study with misspelt words, through the tools and with real trainings: nothing is left of them but a list."""

import json
from pathlib import Path

import pytest
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.checks import Outcome
from seedproof_mcp.verify.verify import verify

from tests.support.callers import Answer, Caller, tools

pytestmark = pytest.mark.anyio

COMMAND = ["{python}", "train_llm.py", "SEED", "{seed}", "{flags}", "--output_dir", "{output_dir}"]


def write(project: Path, seed_option: str, **env: str) -> None:
    """The settings file, whose command gives the seed by this option."""
    command = json.dumps([seed_option if part == "SEED" else part for part in COMMAND])
    variables = ", ".join(f"{name} = {json.dumps(value)}" for name, value in env.items())
    (project / "seedproof.toml").write_text(f"[rules]\ncommand = {command}\n[settings]\nenv = {{ {variables} }}\n")


async def follow(call: Caller, answer: Answer) -> Answer:
    """Do what `next` says while nothing is left to choose and no experiment is asked for."""
    for _ in range(12):
        following = answer.data["next"]
        if following["you_choose"] or following["tool"] not in ("run_seed", "write_report", "compare"):
            return answer
        answer = await call(following["tool"], **following["arguments"])
        assert not answer.is_error, answer.text
    raise AssertionError("next goes on and on")


async def test_a_misspelt_command_and_misspelt_flags_need_no_reason_and_count_as_nothing(project: Path) -> None:
    write(project, "--sed")
    async with tools(project) as call:
        failed = await call("run_seed")
        write(project, "--seed")
        ready = await follow(call, await call("check_baseline"))
        for number in range(3):
            typo = await call("run_seed", experiment=f"t{number}", flags=["--shfit", "1"], hypothesis="a typo")
        mended = await call("run_seed", experiment="t0", flags=["--shift", "-0.2"])
        await call("stop_run", experiment="t1", reason="misspelt")
        again = await call("run_seed", experiment="t1", flags=["--shift", "0.1"], hypothesis="worse")
        await call("stop_run", experiment="t2", reason="misspelt")
        await call("run_seed", experiment="t0", queue_all=True)
        await call("run_seed", experiment="t0", seed=256)
        verdict = await call("compare", experiment="t0", detail="full")
        await call("write_report", experiment="t0")
        listed = await call("list_experiments")
    assert (failed.data["state"], typo.data["state"]) == ("failed", "failed")
    assert "unrecognized arguments: --sed 42" in failed.data["untrusted_output"]
    assert ready.data["headline"] == "baseline measured"
    assert [answer.data["state"] for answer in (mended, again)] == ["succeeded"] * 2
    assert (verdict.data["verdict"], verdict.data["campaign"]["declared"]) == ("WINNER", 2)
    assert [row["state"] for row in listed.data["experiments"]] == ["judged", "measuring", "withdrawn"]
    report = (project / "docs/research/experiment_t0_1M.md").read_text()
    head = report.split("## ")[0]
    assert "Ideas tried: 2." in head and "generation" not in head and "discarded" not in head
    assert "- Earlier generation 1: 1 attempt, none of which had a value; differed in: command" in report
    assert [one for one in verify(ProjectPaths(project), regenerate=True) if one.outcome is Outcome.FAIL] == []


async def test_a_training_that_is_running_is_stopped_when_its_experiment_is_withdrawn(project: Path) -> None:
    write(project, "--seed")
    async with tools(project) as call:
        await call("run_seed", queue_all=True)
        await follow(call, await call("check_baseline"))
        # The script prints no value before it finds its gate.
        script = (project / "train_llm.py").read_text().replace('print("Step 1 | val_loss: 9.5000', 'print("Step 1')
        (project / "train_llm.py").write_text(script)
        flags = ["--gate", str(project / "never")]
        begun = await call("run_seed", experiment="x", flags=flags, hypothesis="x", code_change=True, wait_s=0)
        while (seen := await call("run_seed", experiment="x", wait_s=1)).data["state"] == "queued":
            pass
        withdrawn = await call("stop_run", experiment="x", reason="it waits for a file that never comes")
        listed = await call("list_experiments")
    assert (begun.is_error, seen.data["state"], withdrawn.data["state"]) == (False, "running", "withdrawn")
    assert (listed.data["running"], listed.data["queued"], listed.data["campaign"]["declared"]) == (None, 0, 0)
    assert listed.data["experiments"][0]["reason"] == "it waits for a file that never comes"
    assert [one for one in verify(ProjectPaths(project)) if one.outcome is Outcome.FAIL] == []
