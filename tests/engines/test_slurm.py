"""Runs on Slurm, with stand-ins of its programs: where a run stands, who adopts it, why it ended, what is refused."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from seedproof.model.refusals import BadSettings
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.runner.engines.slurm import SlurmEngine
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

from tests.engines.contract_runs import Runs
from tests.engines.stand_in_cluster import LIMIT, StandInCluster, engine
from tests.engines.studies import FIRST, Project
from tests.support.studies import records
from tests.support.supervised import eventually

NODE = "seedproof-node"


# --- a run ----------------------------------------------------------------------------------------


def test_a_run_on_slurm_is_recorded_with_the_node_that_slurm_chose(project: Project, slurm: StandInCluster) -> None:
    project.request()
    end = project.until_ended()
    (start,) = project.starts()
    assert (end["state"], start["fingerprint"]["host"]) == ("succeeded", "n1")
    said = json.loads(project.paths.run(FIRST).result.read_bytes())["place"]
    assert said["machine"]["host"] == "n1" and said["environment"] == start["environment"]
    (job,) = slurm.jobs(FIRST)
    assert (job["folder"], job["state"]) == (str(project.paths.run(FIRST).folder), "COMPLETED")


def test_the_first_job_looks_at_a_node_and_the_next_runs_need_none(project: Project, slurm: StandInCluster) -> None:
    slurm.set("hold")
    project.request(queue_all=True)
    waits = "Slurm job 1 (a first look at a node) holds the slot"
    project.until(lambda: (project.state()[1] or "").startswith(waits))
    assert project.state()[0] == "queued"
    assert records(project.folder, "run_started") == [], "nothing is recorded before a node has told what it is"
    slurm.clear("hold")
    project.until_ended("g1-baseline-s137-a1")
    assert len(slurm.jobs(NODE)) == 1


def test_a_node_of_another_kind_than_the_first_is_in_the_record_of_the_end(
    project: Project, slurm: StandInCluster
) -> None:
    project.request(queue_all=True)
    project.until_ended()
    (node,) = project.paths.nodes.glob("*/n1.json")
    said = json.loads(node.read_text())
    said["environment"]["cpu"] = "Another CPU"  # as if the run had been started for that
    node.write_text(json.dumps({**said, "time_s": time.time() + 3}))
    end = project.until_ended("g1-baseline-s137-a1")
    (start,) = project.starts("g1-baseline-s137-a1")
    assert end["placed"]["environment_sha256"] != start["fingerprint"]["environment_sha256"]
    run = project.service._ledger.refresh().runs["g1-baseline-s137-a1"]
    assert run.environment["cpu"] == said["environment"]["cpu"] or run.environment["cpu"] != "Another CPU"
    assert run.surroundings["environment_sha256"] == end["placed"]["environment_sha256"]


def test_packages_that_are_installed_later_are_asked_for_again(project: Project, slurm: StandInCluster) -> None:
    project.request(queue_all=True)
    project.until_ended()
    (seen,) = project.paths.nodes.glob("*/seen.json")
    stamp = json.loads(seen.read_text())
    seen.write_text(json.dumps(dict.fromkeys(stamp, 1)))
    project.until_ended("g1-baseline-s137-a1")
    assert len(slurm.jobs(NODE)) == 2


def test_the_job_gives_the_training_its_gpu_and_its_own_variables(tmp_path: Path, slurm: StandInCluster) -> None:
    slurm.set("gpu")
    runs = Runs(engine, tmp_path, Settings(engine="slurm"))
    code = (
        "import os; print(*(os.environ.get(one) for one in ('CUDA_VISIBLE_DEVICES', 'SLURM_JOB_ID', 'SLURM_NTASKS')))"
    )
    env = {"CUDA_VISIBLE_DEVICES": "7", "SLURM_JOB_ID": "of the login node", "SLURM_NTASKS": "64"}
    run = runs.submit(argv=[sys.executable, "-c", code], env=env)
    runs.end(run)
    assert run.log.read_text() == "1 1 None\n"


def test_a_job_has_the_users_defaults_and_none_of_what_is_ours_to_set(
    tmp_path: Path, slurm: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node needs LD_LIBRARY_PATH to start an interpreter of a module; on another cluster no job would be found."""
    defaults = {"SBATCH_ACCOUNT": "lab", "SBATCH_WAIT_ALL_NODES": "1", "LD_LIBRARY_PATH": str(tmp_path)}
    ours = {"SBATCH_CLUSTERS": "other", "SBATCH_ARRAY_INX": "1-9", "SBATCH_REQUEUE": "1", "API_TOKEN": "secret"}
    for name, value in (defaults | ours).items():
        monkeypatch.setenv(name, value)
    runs = Runs(engine, tmp_path, Settings(engine="slurm"))
    code = "import os; print(open(f'/proc/{os.getppid()}/environ').read().replace(chr(0), chr(10)))"
    run = runs.submit(argv=[sys.executable, "-c", code])
    runs.end(run)
    found = dict(line.split("=", 1) for line in run.log.read_text().splitlines() if "=" in line)
    assert {name: found.get(name) for name in defaults | ours} == {**defaults, **dict.fromkeys(ours)}


def test_one_question_is_asked_for_all_jobs(tmp_path: Path, slurm: StandInCluster) -> None:
    slurm.set("hold")
    runs = Runs(lambda: SlurmEngine(3600), tmp_path, Settings(engine="slurm"))
    begun = []
    for _ in range(6):
        begun.append(runs.submit())
        assert runs.poll(begun[-1]) == "queued"
    for _ in range(5):
        assert {runs.poll(run) for run in begun} == {"queued"}
    assert (slurm.folder / "asked").read_text() == "squeue\n"
    slurm.clear("hold")
    for run in begun:
        assert runs.end(run)["exit_code"] == 0


# --- who adopts it --------------------------------------------------------------------------------


def test_the_next_conductor_adopts_a_job_that_waits(gated: Project, slurm: StandInCluster) -> None:
    gated.request()
    gated.until(lambda: gated.paths.run(FIRST).folder.exists() or slurm.jobs(FIRST))
    gated.until(lambda: slurm.jobs(FIRST))
    gated.replace_conductor()
    gated.until_running()
    gated.replace_conductor()
    (gated.folder / "gate").touch()
    assert gated.until_ended()["state"] == "succeeded"
    assert len(slurm.jobs(FIRST)) == 1


def test_a_job_whose_number_was_not_written_down_is_found_by_its_folder(gated: Project, slurm: StandInCluster) -> None:
    gated.request()
    gated.until(lambda: slurm.jobs(FIRST))
    gated.paths.run(FIRST).job.write_text("{}")  # as where the conductor was killed while sbatch answered
    gated.replace_conductor()
    gated.until_running()
    assert json.loads(gated.paths.run(FIRST).job.read_text())["number"] == slurm.jobs(FIRST)[0]["number"]
    (gated.folder / "gate").touch()
    gated.until_ended()
    assert len(slurm.jobs(FIRST)) == 1


def test_a_run_whose_submission_was_cut_short_is_submitted_once(project: Project, slurm: StandInCluster) -> None:
    slurm.set(f"refuses-{FIRST}", LIMIT)
    project.request()
    project.until(lambda: project.problem and project.starts())
    assert slurm.jobs(FIRST) == []
    slurm.clear(f"refuses-{FIRST}")
    project.replace_conductor()
    assert project.until_ended()["state"] == "succeeded"
    assert len(slurm.jobs(FIRST)) == 1


def test_a_limit_of_slurm_is_told_in_its_own_words_and_tried_seldom(project: Project, slurm: StandInCluster) -> None:
    slurm.set(f"refuses-{FIRST}", LIMIT)
    project.request()
    project.until(lambda: project.problem and "QOS" in project.problem)
    state, reason = project.state()
    assert state == "queued" and "Slurm does not take the job g1-baseline-s42-a1: Batch job submission failed: " in (
        reason or ""
    )


def test_a_job_of_a_shared_name_is_found_by_its_folder(gated: Project, slurm: StandInCluster) -> None:
    settings = (gated.folder / "seedproof.toml").read_text()
    (gated.folder / "seedproof.toml").write_text(f"{settings}[settings.slurm]\nsingleton = true\n")
    gated.request()
    gated.until(lambda: slurm.jobs("seedproof"))
    assert slurm.jobs("seedproof")[0]["options"]["dependency"] == "singleton"
    gated.paths.run(FIRST).job.write_text("{}")
    gated.replace_conductor()
    gated.until_running()
    (gated.folder / "gate").touch()
    assert gated.until_ended()["state"] == "succeeded"
    assert len(slurm.jobs("seedproof")) == 1


# --- why it ended ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "number", "kind", "ends_as", "says"),
    [
        ("TIMEOUT", signal.SIGTERM, "run_finished", "timed_out", "TIMEOUT, its time limit at Slurm"),
        ("PREEMPTED", signal.SIGTERM, "run_interrupted", None, "PREEMPTION"),
        ("CANCELLED", signal.SIGTERM, "run_interrupted", None, "CANCELLED"),
        ("NODE_FAIL", signal.SIGKILL, "run_interrupted", None, "NODE_FAIL (NodeDown)"),
        ("TIMEOUT", signal.SIGKILL, "run_finished", "timed_out", "TIMEOUT, its time limit at Slurm"),
        ("FAILED", signal.SIGKILL, "run_finished", "failed", "it exceeded the memory that it had asked for"),
    ],
)
def test_what_slurm_does_to_a_run_is_its_end_in_slurms_words(
    gated: Project,
    slurm: StandInCluster,
    state: str,
    number: signal.Signals,
    kind: str,
    ends_as: str | None,
    says: str,
) -> None:
    gated.request()
    gated.until_running()
    slurm.end(FIRST, state, number)
    end = gated.until_ended()
    assert (end["kind"], end.get("state")) == (kind, ends_as)
    assert end["reason"].endswith(says) and "Slurm ended job" in end["reason"]
    assert len(slurm.jobs(FIRST)) == 1


def test_a_waiting_job_that_somebody_removed_is_not_submitted_again(project: Project, slurm: StandInCluster) -> None:
    slurm.set(f"hold-{FIRST}")
    project.request()
    project.until(lambda: slurm.jobs(FIRST))
    slurm.remove(FIRST)
    end = project.until_ended()
    assert (end["kind"], end["reason"]) == ("run_interrupted", "Slurm ended job 2: CANCELLED")
    assert len(slurm.jobs(FIRST)) == 1


def test_stopping_a_run_removes_its_waiting_job(project: Project, slurm: StandInCluster) -> None:
    slurm.set(f"hold-{FIRST}")
    project.request()
    project.until(lambda: slurm.jobs(FIRST))
    project.service._stop_resume.stop(FIRST, "enough")
    end = project.until_ended()
    assert (end["kind"], end["reason"], slurm.jobs(FIRST)[0]["state"]) == ("run_cancelled", "enough", "CANCELLED")


def test_past_the_time_that_slurm_remembers_jobs_the_folder_decides(gated: Project, slurm: StandInCluster) -> None:
    gated.request()
    gated.until_running()
    slurm.set("forgets")
    (gated.folder / "gate").touch()
    run = gated.paths.run(FIRST)
    eventually(run.result.exists)
    gated.replace_conductor()
    assert gated.until_ended()["state"] == "succeeded"


def test_a_lost_run_that_slurm_has_forgotten_is_interrupted_once(gated: Project, slurm: StandInCluster) -> None:
    gated.request()
    gated.until_running()
    slurm.set("forgets")
    slurm.end(FIRST, "NODE_FAIL", signal.SIGKILL)
    end = gated.until_ended()
    assert (end["kind"], end["reason"]) == ("run_interrupted", "the supervisor or the machine was lost")
    assert len(gated.ends()) == len(slurm.jobs(FIRST)) == 1


# --- Slurm out of reach ---------------------------------------------------------------------------


def test_while_slurm_is_out_of_reach_a_run_is_unknown_and_nothing_is_submitted(
    gated: Project, slurm: StandInCluster
) -> None:
    gated.request(queue_all=True)
    gated.until_running()
    gated.until(lambda: gated.problem is None)
    slurm.set("fault", "down")
    gated.until(lambda: gated.problem)
    state, reason = gated.state()
    assert state == "running"
    assert f"where {FIRST} stands is unknown (last seen running 20" in (reason or "")
    assert "Unable to contact slurm controller" in (reason or "")
    before = len(slurm.jobs())
    gated.replace_conductor()
    for _ in range(5):
        gated.step()
    assert len(slurm.jobs()) == before and gated.ends() == []
    slurm.clear("fault")
    gated.until(lambda: gated.problem is None)
    (gated.folder / "gate").touch()
    assert gated.until_ended()["state"] == "succeeded"


def test_a_result_that_comes_while_slurm_is_out_of_reach_is_recorded(gated: Project, slurm: StandInCluster) -> None:
    gated.request()
    gated.until_running()
    slurm.set("fault", "down")
    (gated.folder / "gate").touch()
    assert gated.until_ended()["state"] == "succeeded"


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            'partition = "nope"',
            "invalid partition specified: nope; allocation failure: Invalid partition name specified",
        ),
        ('constraint = "nope"', "allocation failure: Invalid feature specification"),
        ('gres = "gpu:1"', "Invalid generic resource (gres) specification"),
        (
            'mem = "999G"',
            "allocation failure: Requested node configuration is not available "
            "(or all such nodes are down or drained at present)",
        ),
        ('licenses = "nope"', "allocation failure: Invalid license specification"),
        ('time = "bad"', "Invalid --time specification"),
    ],
)
def test_an_impossible_request_is_refused_in_slurms_words_before_anything_is_recorded(
    project: Project, slurm: StandInCluster, line: str, says: str
) -> None:
    project.write(f"[settings.slurm]\n{line}\n")
    option = f"--{line.replace(' = ', '=').replace(chr(34), '')}"
    with pytest.raises(BadSettings) as caught:
        project.request()
    message = caught.value.message
    assert message.startswith(f"Slurm would not take a job with {option}: ") and message.endswith(f"{says}.")
    assert slurm.jobs() == [] and not project.paths.ledger.exists()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("down", "Slurm cannot be asked: allocation failure: Unable to contact slurm controller (connect failure)."),
        ("no munge", "(Did you start munged?); allocation failure: Protocol authentication error."),
        ("another munge key", "; the munge key of this machine may be another one than the controller's."),
    ],
)
def test_a_cluster_that_cannot_be_asked_is_told_in_one_sentence(
    project: Project, slurm: StandInCluster, fault: str, says: str
) -> None:
    slurm.set("fault", fault)
    with pytest.raises(BadSettings) as caught:
        project.request()
    message = caught.value.message
    assert message.startswith("Slurm cannot be asked: ") and message.endswith(says) and "\n" not in message
    assert slurm.jobs() == [] and not project.paths.ledger.exists()


def test_missing_programs_are_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    with pytest.raises(BadSettings, match="needs sbatch, squeue, scontrol, scancel on the PATH of the server"):
        project.request()


@pytest.mark.parametrize("version", ["slurm 19.05.7", "slurm 20.02.1", "nonsense"])
def test_a_slurm_that_is_too_old_is_refused(project: Project, slurm: StandInCluster, version: str) -> None:
    slurm.set("version", version)
    with pytest.raises(BadSettings, match=f"needs Slurm 20.11 or newer, and sbatch is '{version}'"):
        project.request()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("66", "is not there on n1: the project has to lie in a folder that all share."),
        ("69", "with which Seedproof runs, is not there on n1."),
        ("0", "is not there on this machine: its nodes have another folder."),
        ("1", "it ended on n1 with exit code 1."),
    ],
)
def test_a_node_without_the_projects_folder_is_told_before_the_first_run(
    project: Project, slurm: StandInCluster, code: str, says: str
) -> None:
    slurm.set("apart", code)
    project.request()
    project.until(lambda: project.problem)
    said, _, output = (project.problem or "").partition(" Its output: ")
    assert "Slurm job 1 could not look at a node" in said and said.endswith(says)
    assert (project.folder / output.rstrip(".")).parent == next(project.paths.nodes.iterdir())
    assert len(slurm.jobs()) == 1 and project.starts() == []
    with pytest.raises(BadSettings, match="could not look at a node"):
        project.request(seed=137)


@pytest.mark.parametrize(("off_s", "which"), [(3600, "ahead of"), (-3600, "behind")])
def test_a_node_whose_clock_is_off_is_told_before_the_first_run(
    project: Project, slurm: StandInCluster, off_s: int, which: str
) -> None:
    slurm.set("hold")
    project.request()
    (question,) = project.until(lambda: list(project.paths.nodes.glob("*/question.json")))
    project.until(lambda: (question.parent / "job.json").exists())
    machine = {"host": "n1", "platform": "Linux", "cpu_count": 4, "load": 0.0}
    said = {"time_s": time.time() + off_s, "machine": machine, "environment": {}, "import_path": []}
    (question.parent / "n1.json").write_text(json.dumps(said))
    project.until(lambda: project.problem)
    assert f"the clock of node n1 is {abs(off_s)} s {which} this machine's; set it." in (project.problem or "")
    assert project.starts() == []
    slurm.clear("hold")


# --- the device -----------------------------------------------------------------------------------


def test_later_arms_are_placed_on_nodes_like_those_of_the_baseline(project: Project, slurm: StandInCluster) -> None:
    project.write("[settings.slurm]\nsame_device_as_baseline = true\n")
    project.request(queue_all=True)
    project.until_ended("g1-baseline-s1024-a1")
    run_id = project.request(experiment="a", flags=["--shift", "0.1"], hypothesis="it helps")
    project.until_ended(run_id)
    assert [job["options"].get("constraint") for job in slurm.jobs()[1:]] == [None, "a", "a", "a", "a", "a"]


def test_nodes_without_features_cannot_be_chosen_and_that_is_told(tmp_path: Path, slurm: StandInCluster) -> None:
    slurm.set("featureless")
    runs = Runs(engine, tmp_path, Settings(engine="slurm"))
    run = runs.prepare(like_hosts=["n1"])
    with pytest.raises(BadSettings, match=r"n1 has no features at Slurm .* set constraint or gres instead"):
        runs.engine.submit(run.folder)
    assert slurm.jobs() == []


def test_where_nodes_have_no_features_no_run_is_started_until_the_settings_can_be_kept(
    project: Project, slurm: StandInCluster
) -> None:
    slurm.set("featureless")
    project.write("[settings.slurm]\nsame_device_as_baseline = true\n")
    project.request(queue_all=True)
    project.until_ended()
    project.until(lambda: project.problem)
    assert "n1 has no features at Slurm" in (project.problem or "")
    assert project.starts("g1-baseline-s137-a1") == []
    project.write("")
    assert project.until_ended("g1-baseline-s137-a1")["state"] == "succeeded"


@pytest.mark.parametrize(("constraint", "said"), [("a", "a&a"), ("a|b", "(a|b)&a")])
def test_a_constraint_of_the_settings_holds_as_well(
    project: Project, slurm: StandInCluster, constraint: str, said: str
) -> None:
    project.write(f'[settings.slurm]\nsame_device_as_baseline = true\nconstraint = "{constraint}"\n')
    project.request(queue_all=True)
    project.until_ended("g1-baseline-s137-a1")
    (job,) = slurm.jobs("g1-baseline-s137-a1")
    assert job["options"]["constraint"] == said


def test_a_waiting_job_is_removed_once_slurm_can_be_asked_again(tmp_path: Path, slurm: StandInCluster) -> None:
    slurm.set("hold")
    runs = Runs(engine, tmp_path, Settings(engine="slurm"))
    run = runs.submit()
    slurm.set("fault", "down")
    runs.engine.cancel(str(run.folder), "not good")
    assert [job["state"] for job in slurm.jobs()] == ["PENDING"]
    slurm.clear("fault")
    eventually(lambda: runs.poll(run) != "queued" or slurm.jobs()[0]["state"] == "CANCELLED")
    assert [job["state"] for job in slurm.jobs()] == ["CANCELLED"]
    slurm.clear("hold")


def test_a_folder_with_odd_characters_is_found_again(tmp_path: Path, slurm: StandInCluster) -> None:
    folder = tmp_path / "it's 100%a |b"
    folder.mkdir()
    runs = Runs(engine, folder, Settings(engine="slurm"))
    run = runs.submit(gated=True)
    runs.await_start(run)
    RunPaths(run.folder).job.write_text("{}")
    assert runs.make().poll(str(run.folder)) == "running"
    runs.open_gate()
    assert runs.end(run)["exit_code"] == 0
    assert ProjectPaths(runs.root).run(run.folder.name).supervisor_log.exists()
