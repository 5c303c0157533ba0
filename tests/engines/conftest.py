"""The real Slurm of the tests here, started once for each process that runs some of them."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.cluster import Cluster, is_installed


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
