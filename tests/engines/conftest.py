"""The real Slurm of the tests here, started once for each process that runs some of them, and its stand-ins."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import seedproof_mcp

from tests.engines.cluster import Cluster, is_installed
from tests.engines.stand_in_cluster import StandInCluster, engine
from tests.engines.studies import Project


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster; nothing of it is left afterwards."""
    if not is_installed():
        pytest.skip("Slurm is not installed: make engines-env")
    # A socket's path has at most 107 bytes, and those of pytest are long.
    folder = Path(tempfile.mkdtemp(prefix="sp-slurm-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        left = cluster.processes()
        shutil.rmtree(folder, ignore_errors=True)
        assert left == []


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInCluster]:
    package = Path(next(iter(seedproof_mcp.__path__))).absolute()
    monkeypatch.setenv("PYTHONPATH", os.fspath(package.parent))
    cluster = StandInCluster(tmp_path / "cluster", monkeypatch)
    yield cluster
    cluster.close()


@pytest.fixture
def project(slurm: StandInCluster, tmp_path: Path) -> Project:
    """A project whose trainings end at once."""
    return Project(tmp_path / "project", engine)


@pytest.fixture
def gated(slurm: StandInCluster, tmp_path: Path) -> Iterator[Project]:
    """A project whose trainings wait for the file `gate` in its folder."""
    gate = tmp_path / "project" / "gate"
    yield Project(tmp_path / "project", engine, f"env = {{ FAKE_GATE = {json.dumps(str(gate))} }}\n")
    gate.touch()
