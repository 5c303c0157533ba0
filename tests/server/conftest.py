"""Fixtures of tests with real supervisors."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import seedproof_mcp

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
