"""Studies whose command begins with any program: the environment that trains is the one that is recorded."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Caller, tools
from tests.support.real_runs import records, unexpected
from tests.support.repositories import make_repository, write
from tests.support.waiting import PATIENCE_S, stop_everything

pytestmark = pytest.mark.anyio

TRAIN = """\
import argparse, importlib.metadata, sys
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--out")
parser.add_argument("--lr", type=float, default=1.0)
options = parser.parse_args()
try:
    version = importlib.metadata.version("kernels")
except importlib.metadata.PackageNotFoundError:
    version = "none"
print("trained by", sys.executable, "kernels", version)
print(f"val_loss: {4 + options.seed * 7919 % 1000 / 1e5 + (options.lr - 1) / 10:.5f}")
"""
# It chooses an environment of its own, as `conda run` does.
LAUNCHER = '#!/bin/sh\nshift 2\nexec "$(dirname "$0")/envs/ml/bin/python" "$@"\n'
PROGRAM = '#!/bin/sh\nexec python3 train.py "$@"\n'
TAIL = '"--seed", "{seed}", "{flags}", "--out", "{output_dir}"]'


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    folder = make_repository(tmp_path / "project", {"train.py": TRAIN, ".gitignore": "envs\n.venv\n"})
    yield folder
    stop_everything(folder)


def begin(project: Path, command: str, rules: str = "", **files: str) -> None:
    """Write the settings, and programs beside them."""
    settings = f"[rules]\ncommand = [{command}, {TAIL}\n{rules}"
    write(project, {"seedproof.toml": settings, **files})
    for name in files:
        (project / name).chmod(0o755)


def environment(folder: Path) -> Path:
    """The packages of a new environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, capture_output=True)
    return next(folder.glob("lib/python*/site-packages"))


def install(site: Path, version: str, name: str = "kernels") -> None:
    """Leave behind what `pip install` does, in the place of another version."""
    for old in site.glob(f"{name}-*/*"):
        old.unlink()
    for folder in site.glob(f"{name}-*"):
        folder.rmdir()
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    write(site, {f"{info}/METADATA": metadata, f"{info}/RECORD": f"{info}/METADATA,,\n{info}/RECORD,,\n"})


async def run(call: Caller, seeds: int = 5, **more: object) -> None:
    """A baseline, or an arm of it, whose every run succeeds."""
    first = await call("run_seed", queue_all=True, wait_s=PATIENCE_S, **more)
    assert first.data.get("state") == "succeeded", first.text
    for seed in (137, 256, 512, 1024)[: seeds - 1]:
        given = {name: one for name, one in more.items() if name == "experiment"}
        answer = await call("run_seed", seed=seed, attempt=1, wait_s=PATIENCE_S, **given)
        assert answer.data["state"] == "succeeded", answer.text


def said(project: Path, run_id: str) -> str:
    return ProjectPaths(project).run(run_id).log.read_text()


IDEA = {"experiment": "idea", "flags": ["--lr", "1.5"], "hypothesis": "it helps"}


async def test_the_environment_that_a_launcher_chose_is_recorded_and_compared(project: Path) -> None:
    site = environment(project / "envs/ml")
    install(site, "0.7.1")
    install(site, "1.0", "unrelated")
    begin(project, '"./conda", "run", "ml", "train.py"', conda=LAUNCHER)
    async with tools(project) as call:
        await run(call)
        (first, *others) = records(project, "run_finished")
        assert first["trained_with"]["interpreter"] == "envs/ml/bin/python"
        assert first["environment"]["packages"]["kernels"] == "0.7.1"
        assert {one["trained_with"]["environment_sha256"] for one in others} == {
            first["trained_with"]["environment_sha256"]
        }
        assert not any("environment" in one for one in others)

        install(site, "0.6.0")
        refused = await call("run_seed", **IDEA)
        assert refused.code == "not_comparable" and "kernels 0.7.1 → 0.6.0" in refused.text

        # What nothing asked for may change, and the interpreter of the settings need not be the one that trains.
        install(site, "0.7.1")
        install(site, "2.0", "unrelated")
        await run(call, 3, **IDEA)
        assert not (await call("compare", experiment="idea")).data["notices"]


async def test_a_package_that_changed_behind_a_launcher_while_runs_were_queued_bars_the_verdict(project: Path) -> None:
    site = environment(project / "envs/ml")
    install(site, "0.7.1")
    # The launcher itself installs something before the experiment's runs.
    changes = LAUNCHER.replace("shift 2\n", 'shift 2\ncase "$*" in *--lr*) echo >> "$0.ran"; . ./change;; esac\n')
    begin(project, '"./conda", "run", "ml", "train.py"', conda=changes)
    info = next(site.glob("kernels-*"))
    other = str(info).replace("0.7.1", "0.6.0")
    metadata = f"sed -i s/0.7.1/0.6.0/ {other}/METADATA"
    write(project, {"change": f"if [ -d {info} ]; then mv {info} {other}; {metadata}; fi\n"})
    async with tools(project) as call:
        await run(call)
        await run(call, 3, **IDEA)
        answer = await call("compare", experiment="idea")
    assert "kernels 0.6.0" in said(project, "g1-exp-idea-s42-a1")
    assert answer.code == "not_comparable" and "packages (kernels 0.7.1 (" in answer.text


async def test_a_launcher_that_nobody_observed_leaves_the_interpreter_unknown(project: Path) -> None:
    install(environment(project / "envs/ml"), "0.7.1")
    begin(project, '"./conda", "run", "ml", "train.py"', "[settings]\nobserve_inputs = false\n", conda=LAUNCHER)
    async with tools(project) as call:
        await run(call)
        notices = (await call("check_baseline")).data["notices"]
    (unknown,) = [one["message"] for one in notices if one["code"] == "environment_unknown"]
    assert "packages (5 of 5 runs) not recorded" in unknown


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ('"bash", "run.sh"', {"run.sh": PROGRAM}),
        ('"./train"', {"train": PROGRAM}),
        ('"env", "A=1", "python3", "train.py"', {}),
        ('"{python}", "-m", "pkg.fit"', {"pkg/fit.py": TRAIN, "pkg/__init__.py": ""}),
    ],
    ids=["bash run.sh", "./program", "env", "-m"],
)
async def test_programs_find_the_environment_of_the_project_and_nothing_is_told(
    project: Path, command: str, files: dict[str, str]
) -> None:
    install(environment(project / ".venv"), "0.7.1")
    begin(project, command, **files)
    async with tools(project) as call:
        await run(call)
        await run(call, 3, **IDEA)
        answer = await call("compare", experiment="idea")
    assert unexpected(answer.data["notices"]) == [] and answer.data["verdict"] == "LOSER", answer.text
    assert f"trained by {project}/.venv/bin/python" in said(project, "g1-baseline-s42-a1")
    assert "kernels 0.7.1" in said(project, "g1-baseline-s42-a1")
    ends = records(project, "run_finished")
    assert not any("trained_with" in one for one in ends), ends[0]
    assert all(one["fingerprint"]["interpreter"] == ".venv/bin/python" for one in records(project, "run_started"))


async def test_a_command_that_cannot_start_leaves_nothing_behind(project: Path) -> None:
    begin(project, '"./trian"', train=PROGRAM)
    async with tools(project) as call:
        for tool in ("run_seed", "check_baseline"):
            answer = await call(tool)
            assert answer.code == "program_missing" and "did you mean ./train?" in answer.text
    assert not (project / ".seedproof").exists()


async def test_a_script_that_went_away_is_told_beside_the_history(project: Path) -> None:
    begin(project, '"{python}", "train.py"')
    async with tools(project) as call:
        await run(call)
        (project / "train.py").rename(project / "trainer.py")
        answer = await call("check_baseline")
        refused = await call("run_seed", **IDEA)
    (notice,) = [one for one in answer.data["notices"] if one["code"] == "script_missing"]
    assert notice["message"].endswith("did you mean trainer.py?")
    assert refused.code == "script_missing" and notice["message"] in refused.text


PYPROJECT = """\
[project]
name = "uvpkg"
version = "0.1.0"
requires-python = ">=3.11"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
packages = ["src/uvpkg"]
"""


@pytest.mark.slow
async def test_uv_run_trains_the_snapshot_and_leaves_the_environment_as_it_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [os.path.dirname(sys.executable), str(Path(__file__).parents[2] / ".venv-recipes/bin")]
    monkeypatch.setenv("PATH", os.pathsep.join([*folders, os.environ["PATH"]]))
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    package = {"src/uvpkg/__init__.py": "", "src/uvpkg/loss.py": "import os\nPLACE = os.path.dirname(__file__)\n"}
    write(project, {"pyproject.toml": PYPROJECT, **package})
    write(project, {"src/uvpkg/train.py": f"{TRAIN}from uvpkg.loss import PLACE\nprint('imported', PLACE)\n"})
    begin(project, '"uv", "run", "src/uvpkg/train.py"')
    async with tools(project) as call:
        refused = await call("run_seed")
        assert refused.code == "program_missing" and "uv sync" in refused.text
        subprocess.run([uv, "sync", "-q"], cwd=project, check=True)
        (pth,) = project.glob(".venv/lib/python*/site-packages/*uvpkg*.pth")
        before, files = pth.read_bytes(), sorted(pth.parent.iterdir())
        answer = await call("run_seed", wait_s=PATIENCE_S)
        assert answer.data["state"] == "succeeded", answer.text
    assert pth.read_bytes() == before and sorted(pth.parent.iterdir()) == files
    log = said(project, "g1-baseline-s42-a1")
    assert f"trained by {project}/.venv/bin/python" in log
    assert f"imported {ProjectPaths(project).state}/worktrees/" in log
