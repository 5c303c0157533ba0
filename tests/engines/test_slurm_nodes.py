"""What the nodes are that Slurm chooses, what its jobs wait for, and runs that are submitted once more; stand-ins."""

import json
import os
import shlex
import sys
import time
from pathlib import Path

import anyio
import pytest
from seedproof_mcp.runner.engines.slurm_words import Job
from seedproof_mcp.surface.cli import main

from tests.engines.stand_in_cluster import LIMIT, StandInCluster, engine
from tests.engines.studies import FIRST, Project
from tests.support.callers import Answer, tools
from tests.support.real_runs import unexpected

SECOND = "g1-baseline-s137-a1"
# What nvidia-ml-py says on each node; of the three GPUs, a job sees the one that has its node's number.
PYNVML = """
NAMES = ["of nobody", "NVIDIA H100", "NVIDIA A100"]
nvmlInit = lambda: None
nvmlDeviceGetCount = lambda: len(NAMES)
nvmlDeviceGetHandleByIndex = int
nvmlDeviceGetName = NAMES.__getitem__
nvmlSystemGetDriverVersion = lambda: "575.1"
"""


def call(project: Project, tool: str, **arguments: object) -> Answer:
    """What a tool answers."""

    async def ask() -> Answer:
        async with tools(project.folder, service=project.service) as caller:
            return await caller(tool, **arguments)

    return anyio.run(ask)


def settle(project: Project) -> None:
    project.until(lambda: not project.service._ledger.refresh().active)


# --- the device -----------------------------------------------------------------------------------


@pytest.fixture
def mixed(slurm: StandInCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project on a cluster whose two nodes have GPUs of different models."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "pynvml.py").write_text(PYNVML)
    monkeypatch.setenv("PYTHONPATH", f"{library}{os.pathsep}{os.environ['PYTHONPATH']}")
    slurm.set("gpu")
    return Project(tmp_path / "project", engine)


@pytest.mark.parametrize("of_the_server", [None, "", "1"])
def test_arms_that_trained_on_unlike_nodes_are_refused_as_on_one_machine(
    mixed: Project, slurm: StandInCluster, monkeypatch: pytest.MonkeyPatch, of_the_server: str | None
) -> None:
    if of_the_server is not None:  # what it says of the server's machine says nothing of a node
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", of_the_server)
    call(mixed, "run_seed", queue_all=True, wait_s=0)
    settle(mixed)
    with slurm.taken("n1"):
        flags = {"flags": ["--shift", "-0.1"], "hypothesis": "it helps"}
        call(mixed, "run_seed", experiment="a", **flags, queue_all=True, wait_s=0)
        settle(mixed)
    refused = call(mixed, "compare", experiment="a")
    runs = mixed.service._ledger.refresh().runs.values()
    assert {(run.experiment, run.host, *run.environment["gpus"]) for run in runs if run.role.value == "measure"} == {
        (None, "n1", "NVIDIA H100"),
        ("a", "n2", "NVIDIA A100"),
    }
    assert refused.code == "not_comparable"
    assert "the runs of a and its baseline differ in device (GPU NVIDIA H100 → NVIDIA A100)." in refused.text
    assert refused.next == "run_seed(new_baseline=…)"
    for command in ("verify", "doctor"):
        assert main([command, "--project", str(mixed.folder)]) == 0


def test_a_baseline_that_was_spread_over_unlike_nodes_gets_no_further_run(
    mixed: Project, slurm: StandInCluster
) -> None:
    call(mixed, "run_seed", wait_s=0)
    settle(mixed)
    with slurm.taken("n1"):
        call(mixed, "run_seed", wait_s=0)
        settle(mixed)
    refused = call(mixed, "run_seed", wait_s=0)
    assert (refused.code, refused.next) == ("not_comparable", "run_seed(new_baseline=…)")
    words = "the baseline's own runs differ in device (GPU NVIDIA H100 → NVIDIA A100 (the baseline, seed 137)). Begin a"
    assert words in refused.text
    with slurm.taken("n1"):
        assert call(mixed, "run_seed", new_baseline="nodes of one kind", wait_s=0).code is None
        settle(mixed)


def test_a_wrapper_that_starts_the_interpreter_is_no_other_interpreter(
    slurm: StandInCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = tmp_path / "shims" / "python3"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    wrapper.chmod(0o755)
    project = Project(tmp_path / "project", engine, f"python = {json.dumps(str(wrapper))}\n")
    project.request(queue_all=True)
    settle(project)
    project.request(experiment="a", flags=["--shift", "0.1"], hypothesis="it helps", queue_all=True)
    settle(project)
    judged = project.service.compare("a")
    assert judged.verdict == "LOSER" and unexpected(judged.notices) == []
    assert project.service._ledger.refresh().runs[FIRST].trained_with is None


# --- a run that is submitted once more ------------------------------------------------------------


def test_a_job_that_slurm_takes_later_is_submitted_though_other_nodes_told_of_themselves(
    gated: Project, slurm: StandInCluster
) -> None:
    gate = gated.folder / "gate"
    gated.write(f"env = {{ FAKE_GATE = {json.dumps(str(gate))} }}\n[settings.slurm]\nat_once = 2\n")
    gated.request(queue_all=True)
    gated.until_running()
    slurm.set("refuses", LIMIT)
    gate.touch()
    gated.until(lambda: gated.problem and gated.starts(SECOND))
    (node,) = gated.paths.nodes.glob("*/n1.json")  # as a run of the project does that begins on the other node
    said = json.loads(node.read_text())
    said["machine"]["host"] = "n2"
    (node.parent / "n2.json").write_text(json.dumps({**said, "time_s": time.time()}))
    slurm.clear("refuses")
    assert gated.until_ended(SECOND)["state"] == "succeeded"
    assert len(slurm.jobs(SECOND)) == 1


def test_a_run_with_two_jobs_stands_where_the_one_that_trains_stands(gated: Project, slurm: StandInCluster) -> None:
    gated.request()
    gated.until_running()
    run = gated.paths.run(FIRST)
    first = slurm.jobs(FIRST)[0]["number"]
    assert submit_again(gated) != first  # the other is of an sbatch that was given up too soon
    gated.until(lambda: slurm.jobs(FIRST)[1]["state"] == "FAILED")
    gated.until(lambda: json.loads(run.job.read_text())["number"] == first)
    (gated.folder / "gate").touch()
    assert gated.until_ended()["state"] == "succeeded"


def submit_again(project: Project) -> str:
    """Submit the job of the first run another time, as the engine does; return its number."""
    run, made = project.paths.run(FIRST), engine()
    number = made._slurm.submit(run.job_script, run.folder, run.supervisor_log, FIRST, ())
    run.job.write_text(json.dumps({"number": number}))
    return number


@pytest.mark.parametrize("is_known", [True, False])
def test_a_job_that_was_removed_while_nobody_looked_is_not_submitted_again(
    gated: Project, slurm: StandInCluster, is_known: bool
) -> None:
    slurm.set(f"hold-{FIRST}")
    gated.request()
    gated.until(lambda: slurm.jobs(FIRST))
    slurm.remove(FIRST)
    if not is_known:
        slurm.set("forgets")
    gated.replace_conductor()
    end = gated.until_ended()
    words = "Slurm ended job 2: CANCELLED" if is_known else "Slurm has job 2 no more, which did not begin the run"
    assert (end["kind"], end["reason"]) == ("run_interrupted", words)
    assert len(slurm.jobs(FIRST)) == 1


def test_a_job_that_fails_before_the_run_begins_names_the_file_that_says_why(
    project: Project, slurm: StandInCluster
) -> None:
    slurm.set(f"apart-{FIRST}", "1")
    project.request()
    end = project.until_ended()
    says = "Slurm ended job 2: FAILED (NonZeroExitCode); supervise.log in the run's folder says why"
    assert (end["kind"], end["reason"]) == ("run_interrupted", says)


# --- what a job waits for -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("Priority", "Slurm job 2, PENDING: Priority"),
        (
            "JobHeldAdmin",
            "Slurm job 2, PENDING: JobHeldAdmin, which no waiting ends: have the job released or changed, "
            "or end it with stop_run",
        ),
    ],
)
def test_a_run_whose_job_waits_says_why_in_slurms_word_and_no_time_is_promised(
    project: Project, slurm: StandInCluster, capsys: pytest.CaptureFixture[str], reason: str, says: str
) -> None:
    slurm.set(f"hold-{SECOND}", reason)
    project.request(queue_all=True)
    project.until(lambda: len(slurm.jobs(SECOND)) == 1 and project.state(SECOND)[1])
    seen = project.service.observe(SECOND)
    main(["status", "--project", str(project.folder)])
    shown = capsys.readouterr().out.replace("job 3", "job 2")
    slurm.clear(f"hold-{SECOND}")
    project.until_ended(SECOND)
    assert (seen.state, seen.eta_s) == ("queued", None)
    assert (seen.reason or "").replace("job 3", "job 2") == says
    assert f"\nThe queue waits: {says}\n" in shown
    assert project.service.observe(SECOND).reason is None


@pytest.mark.parametrize(
    ("reason", "stays"),
    [
        ("Resources", False),
        ("QOSMaxJobsPerUserLimit", False),
        ("Dependency", False),
        ("BadConstraints", True),
        ("PartitionTimeLimit", True),
        ("DependencyNeverSatisfied", True),
        ("QOSMaxWallDurationPerJobLimit", True),
        ("launch failed requeued held", True),
    ],
)
def test_reasons_that_no_waiting_ends_are_told_from_the_others(reason: str, stays: bool) -> None:
    words = Job("7", "PENDING", reason, "", "/runs/7").waiting_words
    assert words.startswith(f"Slurm job 7, PENDING: {reason}")
    assert ("no waiting ends" in words) == stays
