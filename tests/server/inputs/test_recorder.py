"""What is recorded of the files that runs opened: real conductors, with what processes tell written by hand."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from seedproof.model.inputs import RunInputs
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner import run_record
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.in_process import quick_tools
from tests.support.reading import Opens, ReadingEngine
from tests.support.studies import SCRIPT, a_repository, declare, records, write_settings

pytestmark = pytest.mark.anyio

RUN = "g1-baseline-s{}-a1"


@pytest.fixture
def project() -> Iterator[Path]:
    with a_repository() as folder:
        yield folder


def inputs_of(project: Path, run_id: str) -> RunInputs:
    """What the ledger holds of a run."""
    found = Ledger(ProjectPaths(project)).refresh().runs[run_id].inputs
    assert found is not None
    return found


def listed(project: Path, run_id: str) -> list[dict[str, Any]]:
    """The list in a run's folder."""
    lines = ProjectPaths(project).run(run_id).inputs.read_bytes().splitlines()
    return [json.loads(line) for line in lines]


async def measure(project: Path, opens: Any, *seeds: int) -> list[RunInputs]:
    """What runs of the baseline read."""
    async with quick_tools(project, ReadingEngine(opens)) as call:
        for seed in seeds:
            await call("run_seed", seed=seed)
    return [inputs_of(project, RUN.format(seed)) for seed in seeds]


# --- kinds of files -------------------------------------------------------------------------------


async def test_a_file_is_called_by_its_place_and_its_kind(project: Path, tmp_path: Path) -> None:
    (project / "data").mkdir()
    (project / "data/x.bin").write_text("data")
    (tmp_path / "work").mkdir()
    (tmp_path / "work/cfg.json").write_text("{}")

    def opens(training: Opens) -> None:
        training.read(SCRIPT, "evaluate.py", "README.md", "data/x.bin", tmp_path / "work/cfg.json")

    (found,) = await measure(project, opens, 42)
    origins = {name: one.origin for name, one in found.files.items()}
    assert origins == {SCRIPT: "code", "evaluate.py": "code", "README.md": "project", "data/x.bin": "project"}
    assert (found.observed, found.why, found.count, found.cut) == ("fully", None, 5, 0)
    outside = [line for line in listed(project, RUN.format(42)) if line.get("origin") == "outside"]
    assert [line["read"] for line in outside] == ["…/work/cfg.json"]


async def test_a_live_file_that_the_snapshot_holds_as_well_is_another_file(project: Path) -> None:
    def opens(training: Opens) -> None:
        training.read(SCRIPT, project / SCRIPT)

    (found,) = await measure(project, opens, 42)
    assert {name: one.origin for name, one in found.files.items()} == {
        SCRIPT: "code",
        "…/project/train_llm.py": "project",
    }


async def test_what_the_command_names_is_listed_although_nobody_was_seen_to_read_it(
    project: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/cfg.json").write_text("{}")
    async with quick_tools(project, ReadingEngine(lambda _: None)) as call:
        await call.measure_baseline()
        await declare(call, flags=[f"--config={tmp_path}/a/cfg.json"])
    found = inputs_of(project, "g1-exp-a-s42-a1")
    assert {name: one.origin for name, one in found.files.items()} == {SCRIPT: "code", "…/a/cfg.json": "named"}


async def test_two_outside_files_of_one_name_stay_two_in_every_run(project: Path, tmp_path: Path) -> None:
    for folder, text in (("a/work", "1"), ("b/work", "2")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "cfg.json").write_text(text)

    def opens(training: Opens) -> None:
        training.read(tmp_path / "b/work/cfg.json")
        if training.seed == 137:
            training.read(tmp_path / "a/work/cfg.json")

    first, second = await measure(project, opens, 42, 137)
    names = {line["read"]: line["content"] for line in listed(project, RUN.format(137)) if "origin" in line}
    assert set(names) == {SCRIPT, "…/work/cfg.json", "…/work/cfg.json (2)"}
    assert (first.other_content, second.other_content) == ((), ())


async def test_files_of_the_run_itself_are_no_inputs(project: Path) -> None:
    def opens(training: Opens) -> None:
        training.write(training.output / "model.pt", "weights")
        training.read(training.output / "model.pt")
        training.write("outputs/state.json", "1")
        training.read("outputs/state.json")
        training.write("best.pt", "told by nobody", told=False)
        training.read("best.pt", training.run.spec, "/proc/self/maps", "data", "absent.json")

    (found,) = await measure(project, opens, 42)
    assert set(found.files) == {SCRIPT}
    wrote = {line["wrote"]: line["read"] for line in listed(project, RUN.format(42)) if "wrote" in line}
    assert wrote == {"outputs/state.json": True, "best.pt": True}


async def test_locks_logs_and_caches_of_tools_are_no_inputs_unless_they_are_sealed(project: Path) -> None:
    names = ("data/a.lock", "data/train.log", "data/__pycache__/x.pyc", "data/.triton/ab/k.json")
    for name in names:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    (project / "data/poetry.lock").write_text("packages")
    (project / "data/.triton/ab/weights.pt").write_text("weights")
    write_settings(project, rules='sealed = ["data/train.log"]')

    def opens(training: Opens) -> None:
        training.read(*names, "data/poetry.lock", "data/.triton/ab/weights.pt")

    (found,) = await measure(project, opens, 42)
    assert set(found.files) == {SCRIPT, "data/poetry.lock", "data/.triton/ab/weights.pt", "data/train.log"}


# --- compared with earlier runs --------------------------------------------------------------------


async def test_another_content_is_told_against_the_first_run_that_read_the_path(project: Path) -> None:
    (project / "data").mkdir()

    def opens(training: Opens) -> None:
        training.read("data/x.bin")

    for seed, text in ((42, "one"), (137, "two"), (256, "one")):
        (project / "data/x.bin").write_text(text)
        (found,) = await measure(project, opens, seed)
        told = [(one.path, one.run_id) for one in found.other_content]
        assert told == ([("data/x.bin", RUN.format(42))] if seed == 137 else [])


async def test_a_list_that_is_gone_or_edited_is_replaced_by_the_record(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data/x.bin").write_text("one")

    def opens(training: Opens) -> None:
        training.read("data/x.bin")

    await measure(project, opens, 42)
    path = ProjectPaths(project).run(RUN.format(42)).inputs
    path.write_bytes(path.read_bytes().replace(b"data/x.bin", b"data/y.bin"))
    (project / "data/x.bin").write_text("two")
    (found,) = await measure(project, opens, 137)
    assert [one.run_id for one in found.other_content] == [RUN.format(42)]


async def test_a_model_that_each_run_goes_on_from_is_left_by_the_run_before(project: Path) -> None:
    def opens(training: Opens) -> None:
        training.read("model_cache.bin")
        training.write("model_cache.bin", f"weights of {training.seed}")

    first, second, third = await measure(project, opens, 42, 137, 256)
    assert first.left_by_runs == ()
    assert [(one.path, one.run_id, one.is_cache) for one in second.left_by_runs] == [
        ("model_cache.bin", RUN.format(42), False)
    ]
    assert [one.run_id for one in third.left_by_runs] == [RUN.format(137)]
    assert [one.run_id for one in third.other_content] == [RUN.format(137)]
    assert third.changed == ()


async def test_weights_that_a_library_wrote_below_python_are_left_by_the_run_of_the_arm(project: Path) -> None:
    def opens(training: Opens) -> None:
        training.read("w.pt")
        if not training.path("w.pt").exists():
            training.write("w.pt", "weights", told=False)

    first, second = await measure(project, opens, 42, 137)
    assert first.left_by_runs == ()
    assert [(one.path, one.run_id) for one in second.left_by_runs] == [("w.pt", RUN.format(42))]


async def test_a_cache_that_the_first_run_made_is_called_one(project: Path) -> None:
    def opens(training: Opens) -> None:
        if not training.path("data/tokens.bin").exists():
            training.write("data/tokens.bin", "tokens")
            training.write("data/cache/ids.bin", "ids")
        training.read("data/tokens.bin", "data/cache/ids.bin")

    (project / "data").mkdir()
    first, second = await measure(project, opens, 42, 137)
    assert first.left_by_runs == ()
    assert {one.path: one.is_cache for one in second.left_by_runs} == {
        "data/tokens.bin": True,
        "data/cache/ids.bin": True,
    }
    assert second.other_content == ()


async def test_a_table_of_results_that_runs_add_to_is_not_told(project: Path) -> None:
    def opens(training: Opens) -> None:
        training.read("data/results.csv")
        training.append("data/results.csv", f"{training.seed},4.0\n")

    (project / "data").mkdir()
    for found in await measure(project, opens, 42, 137, 256):
        assert (found.other_content, found.left_by_runs, found.changed) == ((), (), ())


async def test_the_output_of_another_run_is_left_by_that_run(project: Path) -> None:
    def opens(training: Opens) -> None:
        training.write(training.output / "w.bin", str(training.seed))
        if training.seed == 137:
            training.read("checkpoints/baseline_1M_seed42/w.bin")

    _, found = await measure(project, opens, 42, 137)
    left = [(one.path, one.run_id, one.is_cache) for one in found.left_by_runs]
    assert left == [("checkpoints/baseline_1M_seed42/w.bin", RUN.format(42), False)]


async def test_a_file_that_somebody_else_changes_during_the_run_is_named(project: Path) -> None:
    (project / "data").mkdir()
    for name in ("x.bin", "touched.bin", "gone.bin"):
        (project / "data" / name).write_text("one")

    def opens(training: Opens) -> None:
        training.read("data/x.bin", "data/touched.bin", "data/gone.bin")
        if training.seed == 137:
            (project / "data/x.bin").write_text("two")
            os.utime(project / "data/touched.bin", (1, 1))
            (project / "data/gone.bin").unlink()

    first, second = await measure(project, opens, 42, 137)
    assert first.changed == ()
    assert second.changed == ("data/gone.bin", "data/x.bin")
    # What it read is known all the same: it looked as it had when the first run read it.
    assert second.files == first.files


# --- how sure it is --------------------------------------------------------------------------------


async def test_without_a_word_of_the_supervisor_nothing_is_known_but_what_the_command_names(project: Path) -> None:
    def opens(training: Opens) -> None:
        training.publish = lambda: None  # type: ignore[method-assign]

    (found,) = await measure(project, opens, 42)
    assert (found.observed, found.why) == ("not", "its supervisor left no record of what was read")
    assert set(found.files) == {SCRIPT}


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (None, ("partly", "its supervisor was lost")),
        ({"observed": "partly", "why": "a program is no Python", "sampled": []}, ("partly", "a program is no Python")),
        ({"observed": "surely"}, ("partly", "a part of the record of what was read cannot be read")),
    ],
)
async def test_how_much_is_known_is_the_supervisors_word(
    project: Path, observed: Any, expected: tuple[str, str]
) -> None:
    def opens(training: Opens) -> None:
        training.observed = observed

    (found,) = await measure(project, opens, 42)
    assert (found.observed, found.why) == expected


async def test_sampled_files_count_unless_they_were_written_meanwhile(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data/x.bin").write_text("data")

    def opens(training: Opens) -> None:
        training.write("data/out.bin", "new", told=False)
        sampled = [str(training.path(name)) for name in ("data/x.bin", "data/out.bin", "data", "absent")]
        training.observed = {"observed": "partly", "why": "bash", "processes": 1, "sampled": sampled}

    (found,) = await measure(project, opens, 42)
    assert set(found.files) == {SCRIPT, "data/x.bin"}


async def test_a_list_that_cannot_be_written_costs_the_list_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opens(training: Opens) -> None:
        training.run.inputs.mkdir()
        training.read("evaluate.py")

    (found,) = await measure(project, opens, 42)
    assert (found.observed, found.digest) == ("partly", "")
    assert found.why is not None and found.why.startswith("its list could not be written")
    assert set(found.files) == {SCRIPT, "evaluate.py"}
    assert records(project, "run_finished")[0]["state"] == "succeeded"


async def test_an_error_while_recording_costs_the_inputs_and_not_the_result(project: Path) -> None:
    def opens(training: Opens) -> None:
        training.run.spec.write_text(json.dumps({"argv": 5, "cwd": str(project), "env": {}}))

    (found,) = await measure(project, opens, 42)
    assert (found.observed, found.why) == ("not", "recording it failed (TypeError)")
    assert records(project, "run_finished")[0]["state"] == "succeeded"


# --- the ledger -------------------------------------------------------------------------------------


async def test_equal_maps_are_written_once(project: Path) -> None:
    def opens(training: Opens) -> None:
        training.read("evaluate.py", *(["README.md"] if training.seed == 256 else []))

    found = await measure(project, opens, 42, 137, 256)
    first, second, third = (one["inputs"] for one in records(project, "run_finished"))
    assert set(first["maps"]) == {first["files"], first["packages"]}
    assert "maps" not in second
    assert set(third["maps"]) == {third["files"]}
    assert (
        found[0].files == found[1].files == {name: one for name, one in found[2].files.items() if name != "README.md"}
    )


async def test_beyond_two_hundred_files_the_record_counts_and_beyond_two_thousand_the_list_does(project: Path) -> None:
    (project / "data").mkdir()
    for number in range(2100):
        (project / f"data/{number:04}").write_text(str(number))

    def opens(training: Opens) -> None:
        training.read(*(f"data/{number:04}" for number in range(2100)))

    (found,) = await measure(project, opens, 42)
    assert (len(found.files), found.cut, found.count) == (200, 1901, 2101)
    lines = listed(project, RUN.format(42))
    assert len([line for line in lines if "origin" in line]) == 2000
    assert [line["folder"] for line in lines if "folder" in line] == ["data"]


# --- places and bad input ---------------------------------------------------------------------------


async def test_in_place_the_projects_own_files_are_the_code(project: Path) -> None:
    write_settings(project, settings='code = "in-place"')
    (project / "notes.md").write_text("a note")

    def opens(training: Opens) -> None:
        training.read("evaluate.py", "notes.md")
        if training.seed == 137:
            (project / "evaluate.py").write_text("exact = False\n")

    first, second = await measure(project, opens, 42, 137)
    origins = {name: one.origin for name, one in first.files.items()}
    assert origins == {SCRIPT: "code", "evaluate.py": "code", "notes.md": "project"}
    assert (first.changed, second.changed) == ((), ("evaluate.py",))
    assert second.files["evaluate.py"].origin == "project"


async def test_links_lead_to_the_file_that_was_read(project: Path, tmp_path: Path) -> None:
    (tmp_path / "sibling").mkdir()
    (tmp_path / "sibling/model.py").write_text("x = 1")
    (project / "data").mkdir()
    (project / "data/model.py").symlink_to(tmp_path / "sibling/model.py")

    def opens(training: Opens) -> None:
        training.read("data/model.py", tmp_path / "sibling/model.py")

    (found,) = await measure(project, opens, 42)
    assert (set(found.files), found.count) == ({SCRIPT}, 2)
    outside = [line for line in listed(project, RUN.format(42)) if line.get("origin") == "outside"]
    assert [line["read"] for line in outside] == ["…/sibling/model.py"]


async def test_odd_names_and_files_that_cannot_be_read_are_listed(project: Path) -> None:
    (project / "data").mkdir()
    names = ("a\nb", "tab\there", "bad\udcff", "gone")
    for name in names:
        (project / "data" / name).write_text(name, errors="surrogateescape")

    def opens(training: Opens) -> None:
        training.read(*(f"data/{name}" for name in names))
        os.unlink(project / "data/gone")

    (found,) = await measure(project, opens, 42)
    assert set(found.files) == {SCRIPT, "data/a\\x0ab", "data/tab\\there", "data/bad\\xff", "data/gone"}
    assert (found.changed, found.files["data/gone"].content) == (("data/gone",), "")


async def test_a_change_of_tracked_code_behind_a_flag_is_the_codes_and_a_data_file_is_told(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data/x.bin").write_text("one")

    def opens(training: Opens) -> None:
        training.read("evaluate.py", "data/x.bin")

    async with quick_tools(project, ReadingEngine(opens)) as call:
        await call.measure_baseline()
        (project / "evaluate.py").write_text("exact = 1\n")
        (project / "data/x.bin").write_text("two")
        await declare(call, flags=None, code_change=True)
    found = inputs_of(project, "g1-exp-a-s42-a1")
    assert [(one.path, one.run_id) for one in found.other_content] == [("data/x.bin", RUN.format(42))]
    assert found.files["evaluate.py"].origin == "code"


async def test_a_second_conductor_knows_what_the_first_one_recorded(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data/x.bin").write_text("one")

    def opens(training: Opens) -> None:
        training.read("data/x.bin")
        training.write("data/w.bin", "w")

    await measure(project, opens, 42)
    run_record._recorder.cache_clear()
    (project / "data/x.bin").write_text("two")

    def reads_both(training: Opens) -> None:
        training.read("data/x.bin", "data/w.bin")

    (found,) = await measure(project, reads_both, 137)
    assert [one.run_id for one in found.other_content] == [RUN.format(42)]
    assert [one.path for one in found.left_by_runs] == ["data/w.bin"]
    assert not ProjectPaths(project).run(RUN.format(42)).reads.exists()


async def test_a_lost_run_says_what_it_told_before(project: Path) -> None:
    class Losing(ReadingEngine):
        def poll(self, handle: str) -> Any:
            return "lost"

    def opens(training: Opens) -> None:
        training.observed = None
        training.read("evaluate.py")

    async with quick_tools(project, Losing(opens)) as call:
        await call("run_seed", seed=42)
    found = inputs_of(project, RUN.format(42))
    assert (found.observed, found.why, set(found.files)) == (
        "partly",
        "its supervisor was lost",
        {SCRIPT, "evaluate.py"},
    )


async def test_a_run_that_is_not_to_be_observed_says_so(project: Path) -> None:
    def opens(training: Opens) -> None:
        spec = json.loads(training.run.spec.read_bytes())
        training.run.spec.write_text(json.dumps({**spec, "observe": False}))

    (found,) = await measure(project, opens, 42)
    assert (found.observed, found.why) == ("off", "settings.observe_inputs is false")


@pytest.mark.parametrize(("program", "is_known"), [(sys.executable, True), ("sh", False)], ids=["a Python", "a shell"])
async def test_unobserved_a_program_that_may_start_a_python_is_no_interpreter(
    project: Path, program: str, is_known: bool
) -> None:
    def opens(training: Opens) -> None:
        spec = json.loads(training.run.spec.read_bytes())
        changed = {**spec, "observe": False, "argv": [program, *spec["argv"][1:]]}
        training.run.spec.write_text(json.dumps(changed))

    (found,) = await measure(project, opens, 42)
    assert (found.interpreter is not None) is is_known


async def test_where_the_record_found_no_room_the_interpreter_is_not_known(project: Path) -> None:
    """The command may name a shim, whose hash is not that of the interpreter which the other runs tell."""
    why = "the record of what it read could not be written to its end"
    (found,) = await measure(project, lambda training: training.lose(why), 42)
    assert (found.observed, found.why, found.interpreter) == ("partly", why, None)
