"""Many runs through a real Slurm: none is lost or doubled, and the conductor stays small."""

import math
import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
import seedproof_mcp
from seedproof.admission.request import RunRequest
from seedproof.model.refusals import NothingDue
from seedproof_mcp.runner.engines.slurm import SlurmEngine
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import locks

from tests.engines.cluster import Cluster
from tests.engines.studies import Project
from tests.support.amounts import IS_SOAK, SHOWN
from tests.support.studies import records
from tests.support.waiting import stop_everything

pytestmark = pytest.mark.slow

# Five baseline seeds, and five of each experiment: 40 jobs, or a thousand and five.
EXPERIMENTS = 200 if IS_SOAK else 7
AT_ONCE = 8
MOST_MB = 100.0
MOST_CORE = 0.05
# While the conductor records many short runs, it works; the share is that of a study whose runs take half a minute.
LASTS_S = 30.0 if IS_SOAK else 0.0
# Jobs stay in the list for 300 s after their end.
LOOK_EVERY_S = 60.0


def test_many_runs_on_slurm_are_neither_lost_nor_doubled(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(next(iter(seedproof_mcp.__path__))).absolute()
    monkeypatch.setenv("PYTHONPATH", os.fspath(package.parent))
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    monkeypatch.setenv("SEEDPROOF_IDLE_S", "20")  # one conductor for all of it
    settings = (
        f'env = {{ FAKE_LASTS_S = "{LASTS_S:g}" }}\nrunaway_after = 1000\n[settings.slurm]\nat_once = {AT_ONCE}\n'
    )
    project = Project(tmp_path / "project", SlurmEngine, settings)
    # Runs of a snapshot have a working tree for each that trains at the same time; in place, one trains alone.
    for command in ("init -q", "add train_llm.py", "-c user.name=t -c user.email=t@t commit -qm first"):
        subprocess.run(["git", *command.split()], cwd=project.folder, check=True)
    service = Service(project.folder)
    begun_s = time.monotonic()
    try:
        service.request_run(RunRequest(queue_all=True))
        while len(records(project.folder, "run_finished")) < 5:
            time.sleep(0.2)
        conductor = int(locks.signature(project.paths.conductor_lock) or "")
        names = [f"e{number}" for number in range(EXPERIMENTS)]
        for number, name in enumerate(names):
            shift = ("--shift", f"{(number + 1) * 1e-5:.5f}")
            service.request_run(RunRequest(experiment=name, flags=shift, hypothesis="it helps", queue_all=True))
        ends, jobs = await_all(service, project, names, cluster)
        memory_mb, core = memory_of(conductor), core_of(conductor)
    finally:
        stop_everything(project.folder)
    took_s = time.monotonic() - begun_s
    starts = records(project.folder, "run_started")
    assert Counter(one["run_id"] for one in starts) == Counter(one["run_id"] for one in ends)
    assert len(starts) == len({one["run_id"] for one in starts}) >= 5 * (1 + EXPERIMENTS)
    assert {one["state"] for one in ends} == {"succeeded"}
    folders = Counter(folder for _, folder in jobs)
    assert folders.keys() >= {str(project.paths.run(one["run_id"]).folder) for one in starts}
    assert max(folders.values()) == 1
    print(f"{SHOWN}{len(starts)} jobs in {took_s:.0f} s; conductor: {memory_mb:.0f} MB, {100 * core:.1f} % of a core")
    assert memory_mb < MOST_MB
    if IS_SOAK:
        assert core < MOST_CORE


def await_all(
    service: Service, project: Project, names: list[str], cluster: Cluster
) -> tuple[list[dict[str, object]], set[tuple[str, str]]]:
    """Queue what each experiment needs besides, until none needs more; return all ends, and all jobs by their folders.

    Slurm forgets a job five minutes after its end.
    """
    left, jobs, looked_s = set(names), set[tuple[str, str]](), -math.inf
    while left:
        time.sleep(1.0)
        if time.monotonic() - looked_s > LOOK_EVERY_S:
            jobs |= jobs_of(cluster, project)
            looked_s = time.monotonic()
        for name in sorted(left):
            try:
                service.request_run(RunRequest(experiment=name, queue_all=True))
            except NothingDue:
                left.discard(name)
    return records(project.folder, "run_finished"), jobs | jobs_of(cluster, project)


def jobs_of(cluster: Cluster, project: Project) -> set[tuple[str, str]]:
    """Number and folder of each job of a project that Slurm knows."""
    lines = cluster.ask("squeue", "-h", "-t", "all", "-o", "%i|%Z").splitlines()
    found = {(number, folder) for number, _, folder in (line.partition("|") for line in lines)}
    return {(number, folder) for number, folder in found if folder.startswith(str(project.folder))}


def memory_of(pid: int) -> float:
    """The most memory that a process ever had, in megabytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1000


def core_of(pid: int) -> float:
    """The share of a core that a process has used since its start, its ended children included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    age_s = float(Path("/proc/uptime").read_text().split()[0]) - int(fields[19]) / ticks
    return sum(map(int, fields[11:15])) / ticks / age_s
