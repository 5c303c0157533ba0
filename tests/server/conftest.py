"""Fixtures of tests with real supervisors, and a study that many tests look at."""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import seedproof_mcp

from tests.support.board_studies import make_board_repository, record_study
from tests.support.memory import MEMORY
from tests.support.supervised import LocalRuns


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalRuns]:
    """Runs of the local engine, on slots that nobody else uses."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # So that supervisors find the package in a checkout that is not installed, too.
    package = Path(next(iter(seedproof_mcp.__path__))).absolute()
    monkeypatch.setenv("PYTHONPATH", os.fspath(package.parent))
    local = LocalRuns(tmp_path)
    yield local
    local.close()


@pytest.fixture
def gate(project: Path) -> Iterator[Path]:
    """The file that every training of the project waits for."""
    file = project / "gate"
    text = f"[settings]\ngrace_s = 0.1\nenv = {{ FAKE_GATE = {json.dumps(str(file))} }}\n"
    (project / "seedproof.toml").write_text(text)
    yield file
    file.touch()


@pytest.fixture(scope="session")
def recorded() -> Iterator[Path]:
    """A project with two generations; nothing of it is changed by a test."""
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", f"{name}/state")
        patch.setenv("HOME", f"{name}/home")
        project = make_board_repository(Path(name) / "tiny-lm")
        asyncio.run(record_study(project))
        yield project
