"""Start-up: CPU time from nothing to the answer of `initialize`, beside a bare server of the same SDK."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, in_turn, median, show

__all__ = ["measure"]

PAIRS = 15
LIMIT = 1.25
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "benchmark", "version": "1"},
    },
}
BARE = [sys.executable, str(Path(__file__).with_name("bare_server.py"))]


@dataclass(frozen=True)
class Start:
    """One start of a server."""

    cpu_s: float
    """User and system time of the process until it had answered."""
    wall_s: float
    """Time from the start to the answer."""


def start(command: Sequence[str]) -> Start:
    """Start a server, ask for `initialize`, and end it at once: what comes after is not start-up."""
    # Without cached bytecode every start would compile the package, which no user's start does.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
    server.stdin.flush()
    answer = server.stdout.readline()
    wall_s = time.perf_counter() - began
    os.kill(server.pid, signal.SIGKILL)  # Popen.kill() would reap a server that has crashed
    _, status, used = os.wait4(server.pid, 0)
    server.returncode = os.waitstatus_to_exitcode(status)  # or Popen would ask for the status that is gone
    server.stdin.close()
    server.stdout.close()
    if "serverInfo" not in json.loads(answer or b"{}").get("result", {}):
        raise SystemExit(f"no answer to initialize from {' '.join(command)}: {answer!r:.200}")
    return Start(used.ru_utime + used.ru_stime, wall_s)


def measure() -> list[Figure]:
    """The ratio of the medians over interleaved pairs."""
    with tempfile.TemporaryDirectory() as project:
        ours = [sys.executable, "-m", "seedproof_mcp.cli", "serve", "--project", project]
        start(ours), start(BARE)  # writes the bytecode and warms the file cache
        product, bare = in_turn(lambda: start(ours), lambda: start(BARE), PAIRS)
    cpu_s, bare_cpu_s = median(one.cpu_s for one in product), median(one.cpu_s for one in bare)
    wall_s, bare_wall_s = median(one.wall_s for one in product), median(one.wall_s for one in bare)
    return [
        Figure(
            "start-up to the answer of `initialize`, CPU time",
            cpu_s / bare_cpu_s,
            "x",
            f"{cpu_s:.2f} s; a bare server {bare_cpu_s:.2f} s (medians of {PAIRS})",
            LIMIT,
        ),
        Figure(
            "the same, wall time",
            wall_s / bare_wall_s,
            "x",
            f"{wall_s:.2f} s; a bare server {bare_wall_s:.2f} s",
        ),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))
