"""A training that prints very much, supervised, beside the same process writing to a file."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, in_turn, median, show
from seedproof_mcp.system.paths import RunPaths

__all__ = ["measure"]

ROUNDS = 7
MEGABYTES = 1024
# Lines one by one take twenty times as long: fewer of them say the same.
LINES_MEGABYTES = 16
# What a user's shell does not set, or what would compile the package at each start.
UNUSUAL = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
LIMIT = 1.1
LOG_CAP_BYTES = 2_000_000_000
TRAINING = Path(__file__).with_name("print_much.py")


@dataclass(frozen=True)
class Cost:
    """One training."""

    wall_s: float
    """From its start to its exit."""
    cpu_s: float
    """User and system time, the supervisor's included where there is one."""


def _cost_of(command: list[str], env: dict[str, str], output: Path) -> Cost:
    with output.open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env)
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}: {output.read_bytes()[:500]!r}")
    return Cost(wall_s, used.ru_utime + used.ru_stime)


def usual_environment() -> dict[str, str]:
    """This process's environment as a user's shell has it."""
    return {name: value for name, value in os.environ.items() if name not in UNUSUAL}


def alone(command: list[str], folder: Path) -> Cost:
    """The process writing to a file."""
    output = folder / "alone.log"
    found = _cost_of(command, usual_environment(), output)
    output.unlink()
    return found


def supervised(command: list[str], folder: Path) -> Cost:
    """The same under a supervisor; the wall time is the training's, as it is recorded."""
    run = RunPaths(folder / "run")
    run.folder.mkdir()
    spec = {
        "run_id": "run",
        "argv": command,
        "cwd": str(folder),
        "env": usual_environment(),
        "timeout_s": None,
        "grace_s": 10.0,
        "slot": "default",
        "log_cap_bytes": LOG_CAP_BYTES,
    }
    run.spec.write_text(json.dumps(spec))
    supervise = [sys.executable, "-P", "-m", "seedproof_mcp.supervisor.supervise", str(run.folder)]
    whole = _cost_of(
        supervise, {**usual_environment(), "XDG_STATE_HOME": str(folder / "state")}, folder / "supervisor.log"
    )
    result = json.loads(run.result.read_bytes())
    for file in run.folder.iterdir():
        file.unlink()
    run.folder.rmdir()
    return Cost(result["wall_time_s"], whole.cpu_s)


def figures(what: str, megabytes: int, way: str, limit: float | None) -> list[Figure]:
    """One way of printing: the ratio of the wall times, and of the CPU times with the supervisor's start."""
    command = [sys.executable, str(TRAINING), str(megabytes), way]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        supervised(command, folder), alone(command, folder)
        ours, theirs = in_turn(lambda: supervised(command, folder), lambda: alone(command, folder), ROUNDS)
    found = []
    for field, clock, target in (("wall_s", "wall time", limit), ("cpu_s", "CPU time with the supervisor's", None)):
        mine, other = median(getattr(one, field) for one in ours), median(getattr(one, field) for one in theirs)
        beside = f"{mine:.2f} s; writing to a file {other:.2f} s (medians of {ROUNDS})"
        found.append(Figure(f"{megabytes} MB of training output {what}, {clock}", mine / other, "x", beside, target))
    return found


def measure() -> list[Figure]:
    """Output in blocks, and printed line by line in Python, which the supervisor runs unbuffered."""
    return [
        *figures("in blocks", MEGABYTES, "blocks", LIMIT),
        *figures("by `print`", LINES_MEGABYTES, "lines", LIMIT),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
