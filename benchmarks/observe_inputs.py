"""What it costs to record which files a run reads: a run of 1,000 files and the start of an interpreter, in pairs."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, in_turn, median, show
from seedproof_mcp.supervisor.observation import BOOTSTRAP
from seedproof_mcp.system.paths import RunPaths

__all__ = ["measure"]

ROUNDS = 15
LONG_ROUNDS = 8
STARTS = 41
FILES = 1000
FILE_BYTES = 4096
RUN_S = 10.0
LIMIT_SHARE = 1.0
LIMIT_START_MS = 20.0
TRAINING = Path(__file__).with_name("read_files.py")
# What would compile the recorder at each start.
UNUSUAL = ("PYTHONDONTWRITEBYTECODE",)


@dataclass(frozen=True)
class Cost:
    """One supervised run."""

    wall_s: float
    """The training's wall time, as it is recorded."""
    cpu_s: float
    """The training's processor time."""
    read_s: float
    """How long it took to read the files."""


def environment() -> dict[str, str]:
    """This process's environment as a user's shell has it."""
    return {name: value for name, value in os.environ.items() if name not in UNUSUAL}


def run_of(folder: Path, seconds: float, observe: bool) -> Cost:
    """A supervised run that reads all files and computes so long."""
    run = RunPaths(folder / "runs/run")
    run.folder.mkdir(parents=True)
    spec = {
        "run_id": "run",
        "argv": [sys.executable, str(TRAINING), str(folder / "data"), str(seconds)],
        "cwd": str(folder),
        "env": environment(),
        "timeout_s": None,
        "grace_s": 10.0,
        "slot": "default",
        "observe": observe,
    }
    run.spec.write_text(json.dumps(spec))
    subprocess.run([sys.executable, "-P", "-m", "seedproof_mcp.supervisor.supervise", str(run.folder)], check=True)
    wall_s = json.loads(run.result.read_bytes())["wall_time_s"]
    read_s, cpu_s = map(float, run.log.read_text().split())
    said = json.loads(run.observed.read_bytes())["observed"]
    if said != ("fully" if observe else "off"):
        raise SystemExit(f"the run was observed {said}")
    run.folder.rename(folder / f"done-{time.monotonic_ns()}")
    return Cost(wall_s, cpu_s, read_s)


def start_s(variables: dict[str, str]) -> float:
    """The time that an interpreter takes which does nothing."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], env={**environment(), **variables}, check=True)
    return time.perf_counter() - began


def starts(folder: Path) -> Figure:
    """The start of an interpreter."""
    (folder / "reads").mkdir()
    search = os.pathsep.join(filter(None, [BOOTSTRAP, os.environ.get("PYTHONPATH")]))
    variables = {"SEEDPROOF_RUN": str(folder / "reads"), "PYTHONPATH": search}
    start_s(variables)
    ours, theirs = in_turn(lambda: start_s(variables), lambda: start_s({}), STARTS)
    mine, other = 1000 * median(ours), 1000 * median(theirs)
    beside = f"{mine:.1f} ms; without {other:.1f} ms (medians of {STARTS})"
    return Figure("Observed: the start of an interpreter, more", mine - other, "ms", beside, LIMIT_START_MS)


def reading(folder: Path) -> Figure:
    """What is added where files are opened, of a run of ten seconds."""
    ours, theirs = in_turn(lambda: run_of(folder, 0, True), lambda: run_of(folder, 0, False), ROUNDS)
    mine, other = (1000 * median(one.read_s for one in costs) for costs in (ours, theirs))
    beside = f"{FILES} files opened in {mine:.1f} ms; unobserved {other:.1f} ms (medians of {ROUNDS})"
    share = (mine - other) / (10 * RUN_S)
    return Figure("Observed: 1,000 files, of a run of 10 s", share, "%", beside, LIMIT_SHARE)


def whole(folder: Path) -> list[Figure]:
    """Whole runs of about ten seconds; where others use the machine, their processor time says more."""
    ours, theirs = in_turn(lambda: run_of(folder, RUN_S, True), lambda: run_of(folder, RUN_S, False), LONG_ROUNDS)
    found = []
    for field, clock in (("wall_s", "wall time"), ("cpu_s", "CPU time")):
        mine, other = (median(getattr(one, field) for one in costs) for costs in (ours, theirs))
        beside = f"{mine:.2f} s; unobserved {other:.2f} s (medians of {LONG_ROUNDS})"
        found.append(Figure(f"Observed: a run of 10 s with 1,000 files, {clock}", mine / other, "x", beside, None))
    return found


def measure(is_long: bool = False) -> list[Figure]:
    """The start of an interpreter and what 1,000 files add; in the long version whole runs as well."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "data").mkdir()
        for number in range(FILES):
            (folder / f"data/{number:04}.bin").write_bytes(bytes(FILE_BYTES))
        return [starts(folder), reading(folder), *(whole(folder) if is_long else [])]


if __name__ == "__main__":
    sys.exit(show(measure))
