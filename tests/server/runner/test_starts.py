"""What a run is started with: paths in the command, variables that its code names, and how its code is held."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.callers import Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.repositories import git, make_repository, write
from tests.support.studies import SCRIPT, a_repository, declare, edit, records, specs, table, write_settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def project() -> Iterator[Path]:
    with a_repository() as folder:
        write(folder, {"conf/a.yaml": "lr: 1\n", "data/val.txt": "1 2\n", "results/.gitkeep": ""})
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "conf")
        yield folder


def command(script: object) -> str:
    parts = ["{python}", str(script), "--train_tokens", "{train_tokens}", "--seed", "{seed}", "{flags}"]
    return f"command = {[*parts, '--output_dir', '{output_dir}']}".replace("'", '"')


async def judged(call: Caller) -> tuple[dict[str, str], list[str]]:
    """Notices by code, and brackets, of an experiment that is measured."""
    await call("run_seed", experiment="a", queue_all=True)
    said = (await call("compare", experiment="a")).data
    return {one["code"]: one["message"] for one in said["notices"]}, said["brackets"]


OURS = {"command_rewritten", "script_outside", "code_held_differs", "variables_differ"}


async def of_baseline(call: Caller) -> dict[str, str]:
    """What is said of the baseline's starts."""
    await call.measure_baseline()
    notices = (await call("check_baseline")).data["notices"]
    return {one["code"]: one["message"] for one in notices if one["code"] in OURS}


# --- paths in the command ---------------------------------------------------------------------------


async def test_the_projects_own_files_are_named_as_the_snapshot_has_them(project: Path) -> None:
    write_settings(project, rules=command(project / SCRIPT))
    flags = [
        "--config",
        str(project / "conf/a.yaml"),
        f"--conf_dir={project}/conf",
        "--corpus",
        f"{project}/data/val.txt",
    ]
    flags += ["--save", f"{project}/results", "--other", "/etc/hosts"]
    async with quick_tools(project, InProcessEngine(table())) as call:
        said = await of_baseline(call)
        assert said["command_rewritten"].startswith(f"`…/project/{SCRIPT}` in the command names the project's own")
        await declare(call, flags=flags)
        notices, _ = await judged(call)
        assert "`…/conf/a.yaml`" in notices["command_rewritten"]
        text = Path(project, (await call("write_report", experiment="a")).data["path"]).read_text()
        assert text.count("command_rewritten") + text.count("names the project's own by its absolute path") >= 1
    argv = next(spec["argv"] for run, spec in specs(project).items() if "exp-a" in run)
    assert argv[1] == SCRIPT
    live = ["--corpus", f"{project}/data/val.txt", "--save", f"{project}/results", "--other", "/etc/hosts"]
    assert argv[6:-2] == ["--config", "conf/a.yaml", "--conf_dir=conf", *live]


async def test_a_command_by_relative_path_is_left_as_it_is(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        assert await of_baseline(call) == {}
    (first, *_) = records(project, "run_started")
    assert not {"rewritten", "script", "held"} & set(first["fingerprint"])


async def test_of_a_project_in_a_folder_of_its_repository_the_path_begins_in_that_folder(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "top", {"one/train_llm.py": "", "shared/a.yaml": "", ".gitignore": ".seedproof\n"})
    project = top / "one"
    write_settings(project, rules=command(project / SCRIPT))
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await declare(call, flags=["--config", str(top / "shared/a.yaml")])
    argv = next(spec["argv"] for run, spec in specs(project).items() if "exp-a" in run)
    assert (argv[1], argv[7]) == (SCRIPT, "../shared/a.yaml")


@pytest.mark.parametrize("place", ["snapshot", "in-place"])
async def test_a_script_outside_the_project_is_disclosed_and_its_changes_are_a_bracket(
    project: Path, place: str
) -> None:
    script = project.parent / "scripts/train.py"
    write(project.parent, {"scripts/train.py": "steps = 1\n"})
    write_settings(project, rules=command(script), settings=f'code = "{place}"')
    async with quick_tools(project, InProcessEngine(table())) as call:
        said = await of_baseline(call)
        text = "script outside the project: …/scripts/train.py is no part of the code that snapshots and hashes cover"
        assert said == {"script_outside": f"{text}."}
        await declare(call)
        script.write_text("steps = 2\n")
        notices, brackets = await judged(call)
    assert notices["script_outside"] == f"{text}, and it had 2 different contents."
    assert "inputs differ: train.py" in brackets


async def test_in_place_the_projects_own_script_by_absolute_path_is_no_script_outside(project: Path) -> None:
    write_settings(project, rules=command(project / SCRIPT), settings='code = "in-place"')
    async with quick_tools(project, InProcessEngine(table())) as call:
        assert await of_baseline(call) == {}


# --- how the code is held ---------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "then"), [("snapshot", "in-place"), ("in-place", "snapshot")])
async def test_another_setting_of_code_than_the_baselines_is_a_bracket(project: Path, first: str, then: str) -> None:
    write_settings(project, settings=f'code = "{first}"')
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        write_settings(project, settings=f'code = "{then}"')
        await declare(call)
        notices, brackets = await judged(call)
    assert "code held in place in some runs, in snapshots in others" in brackets
    where = "in place" if then == "in-place" else "in snapshots"
    assert notices["code_held_differs"].startswith(f"the code of a was held {where}, that of the baseline was not")


# --- variables of the server ------------------------------------------------------------------------


async def told(project: Path, monkeypatch: pytest.MonkeyPatch, source: str, **changed: str) -> list[str]:
    """What is said of variables that the experiment's server has and the baseline's has not, a bracket included."""
    edit(project, source)
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        for name, value in changed.items():
            monkeypatch.setenv(name, value)
        await declare(call)
        await call("run_seed", experiment="a", queue_all=True)
        said: Any = (await call("compare", experiment="a")).data
    brackets = [one for one in said["brackets"] if one == "variables differ"]
    return [*(one["message"] for one in said["notices"] if one["code"] == "variables_differ"), *brackets]


async def test_a_variable_that_the_code_names_and_that_differs_is_told_without_its_value(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, bracket = await told(project, monkeypatch, 'gain = os.environ.get("MODEL_GAIN")\n', MODEL_GAIN="0.0625")
    assert said == (
        "MODEL_GAIN, which the code names and the server passed on, is not the same in all runs: other in 3 of 3 runs "
        "of a, compared with the first. Values are recorded as hashes only."
    )
    assert bracket == "variables differ"
    assert "0.0625" not in (project / ".seedproof/ledger.jsonl").read_text()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("steps = 1\n", "MODEL_GAIN"),  # nothing in the project reads it
        ('host = os.environ["HOSTNAME"]\n', "HOSTNAME"),
        ('key = os.environ["WANDB_API_KEY"]\n', "WANDB_API_KEY"),
        ('token = os.environ["HF_TOKEN"]\n', "HF_TOKEN"),
        ('job = os.environ["SLURM_JOB_ID"]\n', "SLURM_JOB_ID"),
        ('port = os.environ["MASTER_PORT"]\n', "MASTER_PORT"),
        ('run = os.environ["CLAUDE_CODE_SESSION"]\n', "CLAUDE_CODE_SESSION"),
    ],
)
async def test_what_no_code_names_and_what_sessions_and_hosts_set_is_not_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str
) -> None:
    assert await told(project, monkeypatch, source, **{name: "another"}) == []


async def test_a_variable_that_stays_is_not_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_GAIN", "1")
    assert await told(project, monkeypatch, 'os.environ["MODEL_GAIN"]\n', MODEL_GAIN="1") == []
