"""Commands that cannot be started are told in one sentence, with the name that may be meant."""

import os
import sys
from pathlib import Path

import pytest
from seedproof.model.refusals import Refusal
from seedproof.model.rules import Rules
from seedproof_mcp.host.command_check import command_fault
from seedproof_mcp.host.settings import Config, Settings
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.repositories import write

FILES = {
    "train.py": "",
    "run.sh": "",
    "tools/bench.py": "",
    "pkg/__init__.py": "",
    "pkg/train.py": "",
    "pkg/evaluate/__main__.py": "",
    "src/inner/__init__.py": "",
    "src/inner/fit.py": "",
    "plain/fit.py": "",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, FILES)
    write(tmp_path, {"yolo": "#!/bin/sh\n", "bin/ours/accelerate": "#!/bin/sh\n"})
    for name in ("yolo", "bin/ours/accelerate"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", "/bin", str(tmp_path / "bin/ours")]))
    return tmp_path


def fault(project: Path, command: str, **settings: object) -> Refusal | None:
    rules = Rules(command=(*command.split(), "{flags}", "--seed", "{seed}"))
    chosen = {"python": sys.executable, **settings}
    return command_fault(ProjectPaths(project), Config(rules=rules, settings=Settings(**chosen)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "command",
    [
        "{python} train.py",
        "{python} -u train.py",
        "{python} -m pkg.train",
        "{python} -m pkg.evaluate",
        "{python} -m inner.fit",
        "{python} -m plain.other",
        "{python} -m torch.distributed.run train.py",
        "accelerate launch train.py",
        "bash run.sh",
        "./yolo train",
        "env LR=1 A=b {python} train.py",
        "env PATH=/opt/bin trainer",
        "bash -c {python}",
        "./yolo --export model.py",
    ],
)
def test_a_command_that_can_start_is_let_through(project: Path, command: str) -> None:
    assert fault(project, command) is None


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (
            "{python} trian.py",
            "script_missing",
            "in seedproof.toml names the script; did you mean train.py?",
        ),
        ("{python} bench.py", "script_missing", "did you mean tools/bench.py?"),
        ("bash rnu.sh", "script_missing", "did you mean run.sh?"),
        ("{python} -m pkg.trian", "script_missing", "pkg in the project has no module pkg.trian;"),
        ("{python} -m pkg.trian", "script_missing", "did you mean pkg.train?"),
        ("{python} -m inner.fti", "script_missing", "did you mean inner.fit?"),
        ("torchrun train.py", "program_missing", "torchrun is no program on the PATH of the training"),
        ("acelerate launch train.py", "program_missing", "did you mean accelerate?"),
        ("yolo train", "program_missing", "did you mean ./yolo?"),
        ("./yol train", "program_missing", "./yol is not in the project folder; "),
        ("./yol train", "program_missing", "did you mean ./yolo?"),
        ("./run.sh", "program_missing", "./run.sh is not executable; make it so (chmod +x ./run.sh)"),
        ("env A=b trainer x", "program_missing", "trainer is no program on the PATH"),
        ("env -- ./run.sh", "program_missing", "./run.sh is not executable"),
        ("~/no/such/program", "program_missing", "/no/such/program does not exist"),
    ],
)
def test_what_is_missing_is_named(project: Path, command: str, code: str, says: str) -> None:
    found = fault(project, command)
    assert found is not None and found.code == code
    assert says in found.message
    assert found.message.count("did you mean") <= 1


@pytest.mark.parametrize("python", ["~/no/bin/python", "tools/python", "python9"])
def test_an_interpreter_that_does_not_exist_is_named_as_the_settings_do(project: Path, python: str) -> None:
    found = fault(project, "bash run.sh", python=python)
    assert found is not None and found.code == "program_missing"
    assert found.message == f"settings.python in seedproof.toml is {python}, and there is no such program."


def test_uv_without_an_environment_is_refused_as_it_would_make_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    (project / "bin/ours/uv").symlink_to("accelerate")
    (project / "pyproject.toml").touch()
    found = fault(project, "uv run train.py", python="/bin/sh")
    assert found is not None and "run `uv sync` there first" in found.message
    assert fault(project, "uv run --no-project train.py", python="/bin/sh") is None
    (project / "train.py").write_text("# /// script\n# ///\n")
    assert fault(project, "uv run train.py", python="/bin/sh") is None
    (project / "train.py").write_text("")
    (project / ".venv").mkdir()
    assert fault(project, "uv run train.py", python="/bin/sh") is None
