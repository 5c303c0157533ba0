"""The contract of engines on those that need no daemon: the one in tests, this machine, and stand-ins of Slurm."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import seedproof_mcp
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.runner.engines.slurm import SlurmEngine

from tests.engines.contract import *  # noqa: F403
from tests.engines.contract_runs import Runs
from tests.engines.stand_in_cluster import StandInCluster
from tests.support.in_process import InProcessEngine
from tests.support.supervised import stop_forking

LOOK_EVERY_S = 0.2


@pytest.fixture(params=["in-process", "local", "slurm"], scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Runs of each engine, which the cases share: each prepares its own, or only looks at one that has ended."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as monkeypatch:
        package = Path(next(iter(seedproof_mcp.__path__))).absolute()
        monkeypatch.setenv("PYTHONPATH", os.fspath(package.parent))
        cluster = None
        if request.param == "slurm":
            cluster = StandInCluster(folder / "cluster", monkeypatch)
            runs = Runs(lambda: SlurmEngine(LOOK_EVERY_S), folder, Settings(engine="slurm"))
        elif request.param == "local":
            runs = Runs(LocalEngine, folder)
        else:
            runs = Runs(InProcessEngine, folder, Settings.model_construct(engine="in-process"))
        yield runs
        runs.close()
        stop_forking()
        if cluster is not None:
            cluster.close()
