"""The variables that a training is started with: the environment of its interpreter is the active one."""

import os
from pathlib import Path

import pytest
from seedproof_mcp.host.settings import Config, Settings
from seedproof_mcp.host.training_env import training_env


@pytest.fixture(autouse=True)
def nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for name in ("VIRTUAL_ENV", "UV_NO_SYNC", "UV_PROJECT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


def venv(folder: Path) -> str:
    """The interpreter of a new environment."""
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    (folder / "bin/python").symlink_to("/usr/bin/env")
    return str(folder / "bin/python")


def test_the_folder_of_the_interpreter_comes_first_and_once(tmp_path: Path) -> None:
    python = venv(tmp_path / ".venv")
    folder = str(tmp_path / ".venv/bin")
    settings = Settings(env={"PATH": f"/opt/bin:{folder}:/bin"})
    assert training_env(tmp_path, python, Settings())["PATH"] == f"{folder}:/usr/bin:/bin"
    assert training_env(tmp_path, python, settings)["PATH"] == f"{folder}:/opt/bin:/bin"


def test_a_name_that_the_path_finds_keeps_the_order_of_the_path(tmp_path: Path) -> None:
    assert training_env(tmp_path, "python3", Settings(python="python3"))["PATH"] == "/usr/bin:/bin"


def test_the_environment_of_the_interpreter_is_active_whatever_the_server_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/other")
    python = venv(tmp_path / ".venv")
    assert training_env(tmp_path, python, Settings())["VIRTUAL_ENV"] == str(tmp_path / ".venv")
    assert training_env(tmp_path, python, Settings(env={"VIRTUAL_ENV": "/mine"}))["VIRTUAL_ENV"] == "/mine"
    assert training_env(tmp_path, "/usr/bin/python3", Settings())["VIRTUAL_ENV"] == "/other"


def test_uv_uses_the_environment_and_installs_nothing_unless_the_user_says_so(tmp_path: Path) -> None:
    python, other = venv(tmp_path / ".venv"), venv(tmp_path / "other")
    env = training_env(tmp_path, python, Settings())
    assert (env["UV_NO_SYNC"], env["UV_PROJECT_ENVIRONMENT"]) == ("1", str(tmp_path / ".venv"))
    chosen = training_env(tmp_path, other, Settings(python="other/bin/python"))
    assert chosen["UV_PROJECT_ENVIRONMENT"] == str(tmp_path / "other")
    settings = Settings(env={"UV_NO_SYNC": "0"})
    assert training_env(tmp_path, python, settings)["UV_NO_SYNC"] == "0"
    assert [notice.code for notice in Config(settings=settings).notices()] == ["uv_syncs"]
    assert Config(settings=Settings(env={"UV_NO_SYNC": "1"})).notices() == []


def test_an_inherited_environment_of_uv_is_relative_to_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", "envs/ml")
    env = training_env(tmp_path, venv(tmp_path / ".venv"), Settings())
    assert env["UV_PROJECT_ENVIRONMENT"] == str(tmp_path / "envs/ml")
    settings = Settings(env={"UV_PROJECT_ENVIRONMENT": "mine", "PYTHONUNBUFFERED": "0"})
    env = training_env(tmp_path, venv(tmp_path / "other"), settings)
    assert (env["UV_PROJECT_ENVIRONMENT"], env["PYTHONUNBUFFERED"]) == (str(tmp_path / "mine"), "1")


def test_only_a_leading_tilde_is_the_home_folder(tmp_path: Path) -> None:
    settings = Settings(env={"CACHE": "~/cache", "OTHER": "a/~/b", "USER_OF": "~someone/x"})
    env = training_env(tmp_path, "python3", settings)
    assert env["CACHE"] == os.path.expanduser("~/cache")
    assert (env["OTHER"], env["USER_OF"]) == ("a/~/b", "~someone/x")
