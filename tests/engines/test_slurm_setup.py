"""What `seedproof doctor` and `seedproof try` do with a cluster; stand-ins."""

import json
from pathlib import Path

import pytest
from seedproof_mcp.host.settings import ENGINES
from seedproof_mcp.setup.trial import run
from seedproof_mcp.setup.trial.ask import try_here
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system.paths import ScratchPaths

from tests.engines.stand_in_cluster import StandInCluster
from tests.engines.studies import FIRST, Project
from tests.server.setup.test_try import FOREVER, HONEST, processes_of, project_with

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


# --- seedproof try --------------------------------------------------------------------------------

OUT_OF_REACH = "Slurm cannot be asked: slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
# The second seed trains until the test has seen what it waits for.
GATED = "\nwhile options.seed == 2 and not os.path.exists(GATE): time.sleep(0.01)\n"


@pytest.fixture
def tried(slurm: StandInCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the project of a try comes, with an engine that asks the stand-ins often."""
    monkeypatch.setitem(ENGINES, "slurm", "tests.engines.stand_in_cluster:engine")
    return tmp_path / "tried"


SETTINGS = '[settings]\nengine = "slurm"\ngrace_s = 0.2\n'


def test_a_try_goes_on_where_slurm_is_out_of_reach_for_a_moment(tried: Path, slurm: StandInCluster) -> None:
    gate, told = slurm.folder / "gate", list[str]()
    folder = project_with(tried, GATED.replace("GATE", repr(str(gate))) + HONEST, SETTINGS)
    slurm.set("hold", "Resources")

    def tell(words: str) -> None:
        told.append(words)
        if words in ("run 1 of 3: seed 1", "run 2 of 3: seed 2"):  # before the first look at a node, and a training
            slurm.set("fault-squeue", "down")
        elif words.endswith(OUT_OF_REACH):
            slurm.clear("fault-squeue")
            slurm.clear("hold")
            if "run 2 of 3: seed 2" in told:
                gate.touch()

    row = try_here(folder, 60.0, tell)
    assert row.is_well and len(row.values) == 3, row
    assert len([words for words in told if words.endswith(OUT_OF_REACH)]) == 2, told
    assert len(slurm.jobs()) == 4 and not ScratchPaths(folder).state.exists()


def test_a_try_that_is_ended_while_slurm_is_out_of_reach_ends_its_training(tried: Path, slurm: StandInCluster) -> None:
    folder = project_with(tried, FOREVER, SETTINGS)

    def tell(words: str) -> None:
        if words.startswith("run 1 of 3: ") and words.endswith(" s of at most 60 s"):
            slurm.set("fault", "down")
        elif words.endswith(OUT_OF_REACH):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        try_here(folder, 60.0, tell)
    assert processes_of(folder) == []
    assert not ScratchPaths(folder).state.exists()
    assert len(slurm.jobs(FIRST.replace("s42", "s1"))) == 1


def test_a_try_is_given_up_where_slurm_stays_out_of_reach(
    tried: Path, slurm: StandInCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "_BEYOND_S", 0.1)
    folder = project_with(tried, HONEST, SETTINGS)
    slurm.set("hold", "Resources")
    slurm.set("fault-squeue", "down")
    assert main(["try", "--limit", "1", "--project", str(folder)]) == 3
    assert f"bad_settings: the try was given up: {OUT_OF_REACH}.\n" in capsys.readouterr().err
    assert not ScratchPaths(folder).state.exists()
