"""Memory of the server beside a bare one, and of conductor and supervisor while a training runs."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, median, show
from run_overhead import fresh_project, server_of
from seedproof_mcp.system.paths import ProjectPaths
from wire import BARE, Wire

__all__ = ["measure"]

ROUNDS = 7
SERVER_LIMIT, CONDUCTOR_MB, SUPERVISOR_MB = 1.3, 60.0, 20.0
PATIENCE_S = 60.0
HELD = Path(__file__).with_name("held_train.py")


@dataclass(frozen=True)
class Memory:
    """One process, in MB of 10^6 bytes."""

    now_mb: float
    """What it holds (VmRSS)."""
    peak_mb: float
    """The most it has held so far (VmHWM)."""


@dataclass(frozen=True)
class Sight:
    """All processes of one round."""

    server: Memory
    bare: Memory
    conductor: Memory
    supervisor: Memory


def memory_of(pid: int) -> Memory:
    """The memory of a process, as Linux counts it."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, peak = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return Memory(now, peak)


def child_of(parent: int, module: str) -> int:
    """The child of a process that runs this module."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        if int(words[1]) == parent and module.encode() in command:
            return int(entry.name)
    raise SystemExit(f"process {parent} has no child {module}")


def supervisor_of(paths: ProjectPaths) -> int:
    """The supervisor of the run that trains, the newest."""
    newest = max(paths.runs.glob("*/started.json"), key=lambda file: file.stat().st_mtime)
    return int(json.loads(newest.read_bytes())["supervisor_pid"])


@contextmanager
def held_training(paths: ProjectPaths, server: Wire) -> Iterator[None]:
    """A first run that has ended, so that its log has been read, and a second that lasts as long as the block."""
    (paths.root / "release").touch()
    server.call("run_seed", seed=42, wait_s=PATIENCE_S)
    (paths.root / "release").unlink()
    run_id = server.call("run_seed", seed=137, wait_s=0)["structuredContent"]["run_id"]
    deadline = time.monotonic() + PATIENCE_S
    while not paths.run(run_id).started.exists():
        if time.monotonic() > deadline:
            raise SystemExit("the held training did not start")
        time.sleep(0.01)
    try:
        yield
    finally:
        (paths.root / "release").touch()
        server.call("run_seed", seed=137, wait_s=PATIENCE_S)


def one_round() -> Sight:
    """Both servers at their first answer, the other two during a training."""
    with fresh_project(HELD) as paths, Wire(BARE) as bare, Wire.of(server_of(paths)) as server:
        for one, tool in ((bare, "ping"), (server, "check_baseline")):
            one.initialize()
            one.call(tool)
        served, beside = memory_of(server.pid), memory_of(bare.pid)
        with held_training(paths, server):
            conductor = child_of(server.pid, "seedproof_mcp.runner.conductor")
            supervisor = supervisor_of(paths)
            return Sight(served, beside, memory_of(conductor), memory_of(supervisor))


def measure() -> list[Figure]:
    """The medians; nothing where the system has no /proc."""
    if not os.path.exists("/proc/self/status"):
        print("Memory is measured on Linux only.", file=sys.stderr)
        return []
    seen = [one_round() for _ in range(ROUNDS)]
    server, bare = median(one.server.now_mb for one in seen), median(one.bare.now_mb for one in seen)
    beside = f"{server:.1f} MB; a bare server {bare:.1f} MB (medians of {ROUNDS})"
    figures = [Figure("server at its first answer, memory", server / bare, "x", beside, SERVER_LIMIT)]
    for name, limit in (("conductor", CONDUCTOR_MB), ("supervisor", SUPERVISOR_MB)):
        now = median(getattr(one, name).now_mb for one in seen)
        peak = median(getattr(one, name).peak_mb for one in seen)
        beside = f"at its peak; {now:.1f} MB at that moment, after a log of 17 MB (medians of {ROUNDS})"
        figures.append(Figure(f"{name} during a training, memory", peak, "MB", beside, limit))
    return figures


if __name__ == "__main__":
    sys.exit(show(measure))
