"""What `seedproof doctor` and `seedproof try` do with a cluster; stand-ins."""

import json

import pytest
from seedproof_mcp.surface.cli import main

from tests.engines.stand_in_cluster import StandInCluster
from tests.engines.studies import Project

# --- seedproof doctor -----------------------------------------------------------------------------


def findings(project: Project, capsys: pytest.CaptureFixture[str]) -> dict[str, list[tuple[str, str]]]:
    """What the doctor says by topic, each with its state."""
    code = main(["doctor", "--project", str(project.folder), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (code == 1) == any(one["state"] == "mend" for one in told["findings"])
    topics = {one["topic"]: list[tuple[str, str]]() for one in told["findings"]}
    for one in told["findings"]:
        topics[one["topic"]].append((one["state"], one["text"]))
    return topics


def test_a_partition_that_does_not_exist_is_told_as_to_a_run(
    project: Project, slurm: StandInCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write('[settings.slurm]\npartition = "nope"\n')
    _, (state, text) = findings(project, capsys)["settings"]
    assert state == "mend" and text.startswith("Slurm would not take a job with --partition=nope: ")


def test_a_cluster_that_requires_an_option_is_asked_with_it(
    project: Project, slurm: StandInCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    slurm.set("needs", "--account=lab")
    _, (state, text) = findings(project, capsys)["settings"]
    assert (state, text) == (
        "mend",
        "Slurm would not take a job with its defaults: allocation failure: Invalid account.",
    )
    project.write('[settings.slurm]\naccount = "lab"\n')
    found = findings(project, capsys)
    assert {state for told in found.values() for state, _ in told} == {"ok"}
    assert found["interpreter"][0][1].endswith(", which the first run looks at where it starts")
    assert slurm.jobs() == [] and not project.paths.state.exists(), "looking has left something"


def test_what_a_node_has_told_is_said_and_a_first_look_that_waits_is_no_fault(
    project: Project, slurm: StandInCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    slurm.set("hold", "Resources")
    project.request()
    project.until(slurm.jobs)
    project.step()
    assert findings(project, capsys)["slot"] == [
        ("note", "Slurm job 1 (a first look at a node) holds the slot default.")
    ]
    slurm.clear("hold")
    project.until_ended()
    found = findings(project, capsys)
    assert {state for told in found.values() for state, _ in told} == {"ok"}
    assert ", cpython 3." in found["interpreter"][0][1]
