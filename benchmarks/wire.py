"""A client that is nothing but a pipe: JSON-RPC lines to a server's stdin, lines from its stdout."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from mcp import StdioServerParameters

__all__ = ["BARE", "Wire", "product"]

BARE = [sys.executable, str(Path(__file__).with_name("bare_server.py"))]
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


def product(project: Path) -> list[str]:
    """The command of the product's server on a project."""
    return [sys.executable, "-m", "seedproof_mcp.surface.cli", "serve", "--project", str(project)]


class Wire:
    """One server process; it is killed when the block ends, and `cpu_s` is then what it used in all."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._command = command
        # Without cached bytecode every start would compile the package, which no user's start does.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._env = {**inherited, **(env or {})}
        self._id = 0
        self.cpu_s = 0.0
        """User and system time of the whole process, once it is gone."""

    @classmethod
    def of(cls, parameters: StdioServerParameters) -> "Wire":
        """The server that these parameters start."""
        return cls([parameters.command, *parameters.args], parameters.env)

    def __enter__(self) -> "Wire":
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._env)
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.kill(self.pid, signal.SIGKILL)  # Popen.kill would reap one that is gone already
        _, status, used = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)  # or Popen would ask for what is gone
        self.cpu_s = used.ru_utime + used.ru_stime
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def initialize(self) -> None:
        """The handshake."""
        self._ask("initialize", INITIALIZE)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def list_tools(self) -> dict[str, Any]:
        """What a host asks for before it shows any tool."""
        return self._ask("tools/list", {})

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """One call of a tool; its result.

        Raises:
            SystemExit: It was refused.
        """
        result = self._ask("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise SystemExit(f"{tool} was refused: {result['content']}")
        return result

    def call_ms(self, tool: str, **arguments: Any) -> float:
        """How long one call takes."""
        began = time.perf_counter()
        self.call(tool, **arguments)
        return 1000 * (time.perf_counter() - began)

    def begin(self, tool: str, **arguments: Any) -> None:
        """One call of a tool whose answer nobody waits for."""
        self._id += 1
        params = {"name": tool, "arguments": arguments}
        self._send({"jsonrpc": "2.0", "id": self._id, "method": "tools/call", "params": params})

    def gone_s(self) -> float:
        """Close the server's stdin; how long it takes to be gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        began = time.perf_counter()
        self._process.stdin.close()
        self._process.stdout.read()  # which the process holds open to its end
        return time.perf_counter() - began

    def _ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self._id += 1
        self._send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            answer = json.loads(line)
            if answer.get("id") == self._id and "result" in answer:
                result: dict[str, Any] = answer["result"]
                return result
            if answer.get("id") == self._id:
                break
        raise SystemExit(f"no answer to {method} from {' '.join(self._command)}: {line!r:.200}")

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()
