"""Servers as hosts start them: processes on stdin and stdout with a bare environment."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client

from tests.support.callers import Caller
from tests.support.waiting import PATIENCE_S

__all__ = [
    "INITIALIZE",
    "INITIALIZED",
    "SEEDPROOF",
    "ask",
    "bare_environment",
    "call_of",
    "hang_up",
    "raw_server",
    "served",
    "tell",
]

SEEDPROOF = Path(sys.executable).with_name("seedproof")
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def bare_environment(**more: str) -> dict[str, str]:
    """What hosts leave of the environment, and where this test keeps its slots."""
    kept = ("HOME", "PATH", "USER", "XDG_STATE_HOME", "SEEDPROOF_IDLE_S", "PYTHONPATH")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **more}


@asynccontextmanager
async def served(project: Path) -> AsyncIterator[Caller]:
    server = StdioServerParameters(
        command=str(SEEDPROOF), args=["serve", "--project", str(project)], env=bare_environment()
    )
    async with Client(stdio_client(server)) as client:
        yield Caller(client)


@contextmanager
def raw_server(project: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [SEEDPROOF, "serve", "--project", project]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=bare_environment(**environment)
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: "subprocess.Popen[bytes]", message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def ask(process: "subprocess.Popen[bytes]", message: dict[str, Any]) -> dict[str, Any]:
    """The next line on stdout, which has to be JSON and the answer to this message."""
    tell(process, message)
    assert process.stdout is not None
    answer = json.loads(process.stdout.readline())
    assert answer["id"] == message["id"]
    return answer


def hang_up(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Close stdin; what still came on stdout, and all of stderr."""
    return process.communicate(timeout=PATIENCE_S)


def call_of(number: int, tool: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
