"""The contract of engines on a real Slurm."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import seedproof_mcp
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.runner.engines.slurm import SlurmEngine

from tests.engines.cluster import Cluster
from tests.engines.contract import *  # noqa: F403
from tests.engines.contract_runs import Runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Runs of Slurm."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        package = Path(next(iter(seedproof_mcp.__path__))).absolute()
        monkeypatch.setenv("PYTHONPATH", os.fspath(package.parent))
        monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
        runs = Runs(lambda: SlurmEngine(0.5), tmp_path_factory.mktemp("runs"), Settings(engine="slurm"))
        yield runs
        runs.close()
