"""Fixtures of tests with real supervisors."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import seedproof_mcp

from tests.support.supervised import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench whose slots nobody else uses."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # So that supervisors find the package in a checkout that is not installed, too.
    package = Path(next(iter(seedproof_mcp.__path__))).absolute()
    monkeypatch.setenv("PYTHONPATH", os.fspath(package.parent))
    bench = Bench(tmp_path)
    yield bench
    bench.close()
