"""What Seedproof does while a training trains: the share of a processor that each of its processes takes."""

import os
import sys
import time
from pathlib import Path

from figures import Figure, median, show
from memory import HELD, child_of, held_training, supervisor_of
from run_overhead import fresh_project, server_of
from wire import Wire

__all__ = ["measure"]

ROUNDS = 3
ROUND_S = 10.0
SETTLE_S = 2.0
WAIT_S = 60.0
LIMIT_PERCENT = 0.5


def cpu_s(pid: int) -> float:
    """Processor time of a process: of all its threads, as stat counts in hundredths of a second."""
    # Documentation/scheduler/sched-stats.rst: time on a processor, in nanoseconds.
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def measure() -> list[Figure]:
    """Medians over a few seconds each, with a client that waits; nothing where the system has no /proc."""
    if not os.path.exists("/proc/self/schedstat"):
        print("The processor's time is measured on Linux only.", file=sys.stderr)
        return []
    with fresh_project(HELD) as paths, Wire.of(server_of(paths)) as server:
        server.initialize()
        with held_training(paths, server):
            conductor = child_of(server.pid, "seedproof_mcp.runner.conductor")
            supervisor = supervisor_of(paths)
            server.begin("run_seed", seed=137, wait_s=WAIT_S)
            time.sleep(SETTLE_S)  # what the training has printed is read once
            pids = {"server, a call waiting": server.pid, "conductor": conductor, "supervisor": supervisor}
            shares: dict[str, list[float]] = {name: [] for name in pids}
            for _ in range(ROUNDS):
                before, began = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
                time.sleep(ROUND_S)
                lasted_s = time.monotonic() - began
                for name, pid in pids.items():
                    shares[name].append((cpu_s(pid) - before[name]) / lasted_s)
    beside = f"of one processor (medians of {ROUNDS} times {ROUND_S:g} s)"
    return [
        Figure(f"{name}, while a training trains", 100 * median(found), "%", beside, LIMIT_PERCENT)
        for name, found in shares.items()
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
