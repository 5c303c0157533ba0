"""What honest projects read and write besides their code, and what happens in them meanwhile, raises no alarm."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Answer, Caller, tools
from tests.support.real_runs import records
from tests.support.repositories import make_repository, write
from tests.support.seeds import SEEDS
from tests.support.waiting import PATIENCE_S, stop_everything

pytestmark = pytest.mark.anyio

HONEST = Path(__file__).parents[1] / "support/honest"
LAUNCHED = (
    '["bash", "run.sh", "{python}", "train_llm.py", "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]'
)
SHARDS = {f"data/shard_{seed}.bin": f"shard {seed}\n" for seed in (*SEEDS, *range(4))}


@dataclass(frozen=True)
class Honest:
    """An honest study: a baseline, and an experiment with a flag."""

    habit: str
    """The file of tests/support/honest that says what the training does besides training."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files of the project from the beginning."""
    ignored: str = ""
    """What git ignores."""
    rules: str = ""
    """Lines of `[rules]`."""
    prepare: Callable[[Path], None] = lambda _: None
    """What is made before the baseline, and is in no commit."""
    between: Callable[[Path], None] = lambda _: None
    """What happens between the two arms."""
    shift: float = 0.2
    """What the flag adds to the loss: 20 sigma, so that three seeds are enough."""
    own_environment: bool = False
    """Whether the project has an environment of its own."""


def environment(project: Path) -> Path:
    """The packages of the project's own environment."""
    if not (project / ".venv").exists():
        command = [sys.executable, "-m", "venv", "--without-pip", project / ".venv"]
        subprocess.run(command, check=True, capture_output=True)
    return next(project.glob(".venv/lib/python*/site-packages"))


def install(project: Path, name: str, text: str) -> None:
    """Leave behind what `pip install` does."""
    info = f"{name}-1.0.dist-info"
    write(
        environment(project),
        {
            f"{name}/__init__.py": text,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{info}/RECORD": f"{name}/__init__.py,,\n{info}/METADATA,,\n{info}/RECORD,,\n",
            f"{info}/INSTALLER": "pip\n",
        },
    )


def tools_leave_their_files(project: Path) -> None:
    """What editors, agents' hosts, package managers and people leave in a project."""
    write(
        project,
        {
            ".vscode/settings.json": '{"editor.rulers": [100]}\n',
            ".idea/workspace.xml": "<project/>\n",
            ".claude/settings.json": '{"permissions": {}}\n',
            ".codex/config.toml": 'model = "x"\n',
            ".cursor/rules/style.mdc": "Be short.\n",
            "notes.txt": "The loss falls.\n",
            "NOTES.md": "# Notes\n",
            "TODO": "write it up\n",
            "uv.lock": "version = 2\n",
            ".train_llm.py.swp": "b0VIM 9.0",
            "look.ipynb": '{"cells": []}\n',
            "results/summary.json": '{"mean": 4.0}\n',
        },
    )
    (project / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def works_on_other_things(project: Path) -> None:
    """A module that no run imports and a test are edited, and a package is installed that no run imports."""
    write(project, {"plots.py": "COLOR = 'blue'\n", "tests/test_model.py": "def test_it():\n    assert 1 + 1 == 2\n"})
    install(project, "plotting", "import layers\n")


STUDIES = {
    "shards and folds by seed": Honest(
        "shards_by_seed",
        {**SHARDS, **{f"folds/fold_{k}.csv": f"row,fold\n1,{k}\n" for k in range(5)}},
        "data/\n",
        shift=0.003,
    ),
    "first-run cache": Honest("first_run_cache", {"data/raw.txt": "to be or not to be\n"}, "data/\ncache/\n"),
    "compile cache": Honest("compile_cache", ignored=".triton/\n"),
    "Hydra outputs": Honest("hydra_outputs", ignored="outputs/\n"),
    "Lightning logs": Honest("lightning_logs"),
    "offline W&B": Honest("offline_wandb", ignored="wandb/\n"),
    "appended results": Honest("results_table"),
    "editors and hosts": Honest(
        "nothing_else",
        {"uv.lock": "version = 1\n", "notes.txt": "A plan.\n", ".vscode/settings.json": "{}\n"},
        between=tools_leave_their_files,
    ),
    "workers and a launcher": Honest(
        "workers", {**SHARDS, "run.sh": 'set -eu\nexec "$@"\n'}, "data/\n", f"command = {LAUNCHED}\n"
    ),
    "work on other things": Honest(
        "installed_package",
        {"plots.py": "COLOR = 'red'\n", "tests/test_model.py": "def test_it():\n    assert True\n"},
        ".venv/\n",
        prepare=lambda project: install(project, "layers", "DEPTH = 4\n"),
        between=works_on_other_things,
        own_environment=True,
    ),
}
# The others are left to `make test-slow`.
IN_EACH_TEST_RUN = ("shards and folds by seed", "first-run cache", "work on other things")
# Today's code asks for a control run, or says that the packages differ.


def marks(name: str) -> list[pytest.MarkDecorator]:
    """When a study is carried out."""
    return [] if name in IN_EACH_TEST_RUN else [pytest.mark.slow]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a project comes to lie; home folder and temporary files are the test's own."""
    for name, variable in (("home", "HOME"), ("temporary", "TMPDIR")):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / name))
    project = tmp_path / "project"
    yield project
    stop_everything(project)


def begin(project: Path, study: Honest) -> None:
    """Make the project, with its commit."""
    python = "" if study.own_environment else f"[settings]\npython = {json.dumps(sys.executable)}\n"
    make_repository(
        project,
        {
            "train_llm.py": (HONEST / "train_llm.py").read_text(),
            "habit.py": (HONEST / f"{study.habit}.py").read_text(),
            "seedproof.toml": f"[rules]\n{study.rules}{python}",
            ".gitignore": study.ignored,
            **study.files,
        },
    )
    study.prepare(project)


async def carry_out(call: Caller, project: Path, study: Honest) -> list[Answer]:
    """Take baseline and experiment to their ends; every answer on the way."""
    answers = [await call("run_seed", queue_all=True, wait_s=0)]
    answers += [await call("run_seed", seed=seed, wait_s=PATIENCE_S) for seed in SEEDS]
    answers.append(await call("write_report"))
    study.between(project)
    flags = ["--shift", str(study.shift)]
    answers.append(
        await call("run_seed", experiment="wider", flags=flags, hypothesis="it helps", queue_all=True, wait_s=0)
    )
    while (following := answers[-1].data["next"]) and following["tool"] == "run_seed":
        arguments = {name: value for name, value in following["arguments"].items() if name != "wait_s"}
        answers.append(await call("run_seed", **arguments, wait_s=PATIENCE_S))
        assert answers[-1].code != "control_due" and arguments.get("role") != "control", answers[-1].text
    return answers


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in STUDIES])
async def test_an_honest_study_meets_no_notice_no_bracket_and_no_control(folder: Path, name: str) -> None:
    study = STUDIES[name]
    begin(folder, study)
    async with tools(folder) as call:
        answers = await carry_out(call, folder, study)
        compared = await call("compare", experiment="wider")
        written = await call("write_report", experiment="wider")
        checked = await call("check_baseline")
    for answer in (*answers, compared, written, checked):
        assert not answer.is_error, answer.text
        assert answer.data["notices"] == [], answer.text
    headline = compared.data["headline"]
    assert "(" not in headline and "[" not in headline
    assert headline.startswith("NEUTRAL" if study.shift < 0.02 else "LOSER"), headline
    for report in ("baseline_variance_1M.md", "experiment_wider_1M.md"):
        assert "## Notices" not in (ProjectPaths(folder).research / report).read_text()
    assert "control" not in {record["role"] for record in records(folder, "run_requested")}
    ends = [record["state"] for record in records(folder, "run_finished")]
    assert set(ends) == {"succeeded"} and len(ends) >= len(SEEDS) + 3


async def test_a_run_of_an_honest_study_was_observed_and_says_which_shard_it_read(folder: Path) -> None:
    """Silence means something: it is not that nobody looked."""
    begin(folder, STUDIES["shards and folds by seed"])
    async with tools(folder) as call:
        answer = await call("run_seed", seed=42, wait_s=PATIENCE_S)
        assert answer.data["state"] == "succeeded", answer.text
    (end,) = records(folder, "run_finished")
    assert end["inputs"]["observed"] == "fully", end["inputs"]
    assert {"data/shard_42.bin", "folds/fold_2.csv", "habit.py"} <= set(end["inputs"]["maps"][end["inputs"]["files"]])
    assert "data/shard_137.bin" not in end["inputs"]["files"]
