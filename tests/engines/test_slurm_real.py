"""A real Slurm: what it does to jobs, its words beside those of the stand-ins, and processes that are killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import seedproof_mcp
from seedproof.admission.request import RunRequest
from seedproof.model.refusals import BadSettings
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.runner.engines.slurm import SlurmEngine
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import RunPaths

from tests.engines.cluster import Cluster
from tests.engines.contract_runs import Runs
from tests.engines.stand_in import read_words
from tests.engines.studies import FIRST, Project
from tests.support.supervised import is_gone
from tests.support.waiting import stop_everything, wait_until

pytestmark = pytest.mark.slow

WORDS = read_words()
# Slurm's shortest time limit is a minute, and it looks once in half a minute whether a job has passed it.
LIMIT_S = 150.0


@pytest.fixture(autouse=True)
def _of_the_cluster(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(next(iter(seedproof_mcp.__path__))).absolute()
    monkeypatch.setenv("PYTHONPATH", os.fspath(package.parent))
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))


@pytest.fixture
def runs(cluster: Cluster, tmp_path: Path) -> Iterator[Runs]:
    runs = Runs(lambda: SlurmEngine(0.5), tmp_path, Settings(engine="slurm"))
    yield runs
    runs.open_gate()
    runs.close()


def on(node: str, **options: Any) -> dict[str, Any]:
    """What a run asks for so that it gets this node: each has a feature of its own."""
    return {"engine_options": {"constraint": {"n1": "old", "n2": "new"}[node], **options}}


# --- what Slurm does to a job ---------------------------------------------------------------------

HUNGRY = "import time\nheld = []\nwhile True:\n    held.append(bytearray(30_000_000))\n    time.sleep(0.1)\n"


def test_time_limit_memory_lost_node_and_preemption_are_told_in_slurms_words(cluster: Cluster, runs: Runs) -> None:
    limited = runs.submit(gated=True, **on("n1", time="1"))
    hungry = runs.submit(argv=[sys.executable, "-c", HUNGRY], **on("n1", mem="300"))
    abandoned = runs.submit(gated=True, **on("n2"))
    runs.await_start(limited)
    runs.await_start(abandoned)
    assert told(runs, hungry) == ("exited", "SIGKILL", "it exceeded the memory that it had asked for")
    supervisor = json.loads(abandoned.started.read_bytes())["supervisor_pid"]
    cluster.lose_node("n2")
    wait_until(lambda: is_gone(supervisor))  # whoever took the node next would train beside it
    assert told(runs, abandoned)[0] == "interrupted"
    cluster.recover_node("n2")
    preempted = runs.submit(gated=True, **on("n2"))
    runs.await_start(preempted)
    cluster.ask("sbatch", "-p", "urgent", "-w", "n2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1")
    assert told(runs, preempted) == ("interrupted", None, "PREEMPTION")
    assert told(runs, limited) == ("timed_out", None, "TIMEOUT, its time limit at Slurm")


def told(runs: Runs, run: RunPaths) -> tuple[str, str | None, str | None]:
    """What Slurm tells of the end of a run, once it has ended."""
    deadline_s = time.monotonic() + LIMIT_S
    while runs.poll(run) not in ("done", "lost"):
        assert time.monotonic() < deadline_s, "it goes on"
        time.sleep(0.2)
    end = runs.engine.told_end(str(run.folder))
    if end is None:  # its own supervisor noticed first that nobody is left who started it
        result = json.loads(run.result.read_bytes())
        return result["end"], result["signal"], result["error"]
    return end.end, end.signal, re.sub(r"^Slurm ended job \d+(?: on n\d)?: ", "", end.detail or "")


def test_a_node_that_is_lost_with_all_its_processes_is_told_as_that(cluster: Cluster, runs: Runs) -> None:
    run = runs.submit(gated=True, **on("n2"))
    runs.await_start(run)
    started = json.loads(run.started.read_bytes())
    cluster.lose_node("n2")
    for pid in (started["supervisor_pid"], started["pid"]):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            assert is_gone(pid)
    wait_until(lambda: runs.poll(run) == "lost")
    end = runs.engine.told_end(str(run.folder))
    assert end is not None and end.end == "interrupted" and (end.detail or "").endswith("NODE_FAIL (NodeDown)")
    cluster.recover_node("n2")


# --- its words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partition", "nope"),
        ("constraint", "nope"),
        ("gres", "gpu:1"),
        ("mem", "999G"),
        ("licenses", "nope"),
        ("time", "bad"),
    ],
)
def test_the_stand_ins_refuse_in_the_words_of_the_real_programs(cluster: Cluster, name: str, value: str) -> None:
    assert cluster.says("sbatch", "--test-only", f"--{name}={value}") == WORDS["refusals"][name]


def test_the_stand_ins_know_the_words_of_a_cluster_that_cannot_be_asked(cluster: Cluster, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", lambda: SlurmEngine(0.5))
    cluster.stop_munge()
    try:
        said = said_by(cluster, "squeue", "sbatch --test-only")
        socket = str(cluster.folder / "munge/socket")
        assert {name: [one.replace(socket, "SOCKET") for one in lines] for name, lines in said.items()} == WORDS[
            "no munge"
        ]
        with pytest.raises(BadSettings, match="Slurm cannot be asked: Munge encode failed"):
            project.request()
    finally:
        cluster.start_munge()
    cluster.stop_controller()
    try:
        assert said_by(cluster, "squeue", "sbatch --test-only") == {
            name: WORDS["down"][name] for name in ("squeue", "sbatch --test-only")
        }
    finally:
        cluster.start_controller()
        cluster.await_nodes()
    assert not project.paths.ledger.exists()


def said_by(cluster: Cluster, *programs: str) -> dict[str, list[str]]:
    return {name: cluster.says(*name.split(), *(["-h"] if name == "squeue" else [])) for name in programs}


# --- processes that are killed --------------------------------------------------------------------


def test_a_job_goes_on_without_server_and_conductor_and_the_next_ones_adopt_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    project = Project(tmp_path / "project", SlurmEngine, f"env = {{ FAKE_GATE = {json.dumps(str(gate))} }}\n")
    code = "import pathlib, sys; from seedproof_mcp.service.service import Service; "
    code += "from seedproof.admission.request import RunRequest; "
    code += "Service(pathlib.Path(sys.argv[1])).request_run(RunRequest()); "
    # A login session that ends: the server, and all that it started in its session.
    server = subprocess.Popen([sys.executable, "-c", code + "input()", str(project.folder)], stdin=subprocess.PIPE)
    try:
        log = project.paths.run(FIRST).log
        wait_until(lambda: log.exists() and b"Step 1" in log.read_bytes())
        server.kill()
        os.kill(int(locks.signature(project.paths.conductor_lock) or ""), signal.SIGKILL)
        wait_until(lambda: not locks.is_locked(project.paths.conductor_lock))
        cluster.stop_controller()
        gate.touch()
        wait_until(project.paths.run(FIRST).result.exists)
        cluster.start_controller()
        cluster.await_nodes()
        service = Service(project.folder)
        assert service.observe(FIRST).run_id == FIRST  # which starts the next conductor
        wait_until(lambda: service.observe(FIRST).state == "succeeded")
        assert service.request_run(RunRequest(seed=42)) == FIRST
        assert len(cluster.jobs(FIRST)) == len(project.starts()) == len(project.ends()) == 1
    finally:
        server.kill()
        server.communicate()
        gate.touch()
        stop_everything(project.folder)
