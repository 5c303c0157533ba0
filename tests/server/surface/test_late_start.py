"""Servers whose client has lost patience before they read, or whose client is gone without closing anything."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import INITIALIZE, INITIALIZED, SEEDPROOF, ask, bare_environment, call_of
from tests.support.supervised import is_gone
from tests.support.waiting import PATIENCE_S, wait_until


def discover(client: str) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": client, "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {"jsonrpc": "2.0", "id": 0, "method": "server/discover", "params": {"_meta": meta}}


def initialize(client: str) -> dict[str, Any]:
    version = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": client, "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": version}


class Late:
    """A server that is 12 s late: all that its client has sent by then waits when it starts to read."""

    def __init__(self, project: Path, *waiting: dict[str, Any]) -> None:
        theirs, self._input = os.pipe()
        self.send(*waiting)
        command = [SEEDPROOF, "serve", "--project", project]
        self._process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, env=bare_environment())
        os.close(theirs)

    def send(self, *messages: dict[str, Any]) -> None:
        os.write(self._input, b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def rest(self) -> bytes:
        """What it still says when nothing more is sent to it."""
        os.close(self._input)
        return self._process.communicate(timeout=PATIENCE_S)[0]


@pytest.mark.parametrize("client", ["copilot-cli", "a client that nobody knows"])
def test_a_client_that_fell_back_to_initialize_gets_the_answer_to_that_alone(project: Path, client: str) -> None:
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}}
    server = Late(project, discover(client), cancelled, initialize(client))
    first = server.answer()
    server.send(INITIALIZED, call_of(2, "check_baseline"))
    called = server.answer()
    assert (first["id"], first["result"]["protocolVersion"]) == (1, "2025-11-25")
    assert (called["id"], called["result"]["structuredContent"]["phase"]) == (2, "unmeasured")
    assert server.rest() == b""


def test_claude_gets_both_answers_and_goes_on_in_the_modern_era(project: Path) -> None:
    server = Late(project, discover("claude-code"), initialize("claude-code"))
    answers = {answer["id"]: answer for answer in (server.answer(), server.answer())}
    assert "2026-07-28" in answers[0]["result"]["supportedVersions"]
    assert answers[1]["error"]["code"] == -32022
    call = call_of(2, "check_baseline")
    server.send({**call, "params": {**call["params"], "_meta": discover("claude-code")["params"]["_meta"]}})
    assert server.answer()["result"]["structuredContent"]["phase"] == "unmeasured"
    assert server.rest() == b""


def test_a_discover_that_nothing_has_overtaken_is_answered(project: Path) -> None:
    server = Late(project, discover("copilot-cli"))
    assert server.answer()["id"] == 0
    assert server.rest() == b""


# --- a client that is gone ----------------------------------------------------------------------------

HOST = "import signal, subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, file=sys.stderr, flush=True); "
HOST += "signal.pause()"


@contextmanager
def hosted(project: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A host with its server, whose stdin this process holds open as well; and the server's process id."""
    command = [sys.executable, "-c", HOST, SEEDPROOF, "serve", "--project", project]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=bare_environment()) as host:
        try:
            assert host.stderr is not None
            yield host, int(host.stderr.readline())
        finally:
            host.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a descriptor of a process")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_its_host_though_somebody_else_holds_its_stdin_open(project: Path, ending: int) -> None:
    with hosted(project) as (host, server):
        ask(host, INITIALIZE)
        assert not is_gone(server)
        host.send_signal(ending)
        wait_until(lambda: is_gone(server))
        assert host.stdin is not None and not host.stdin.closed


@pytest.mark.skipif(sys.platform != "linux", reason="needs a descriptor of a process")
def test_a_server_whose_launcher_had_left_before_it_read_goes_on(project: Path) -> None:
    launcher = "import os, subprocess, sys; subprocess.Popen([*sys.argv[1:4], str(os.getpid()), *sys.argv[4:]])"
    alone = (
        "import os, select, sys; poll = select.poll(); poll.register(os.pidfd_open(int(sys.argv[1]))); poll.poll(); "
    )
    alone += "os.execv(sys.argv[2], sys.argv[2:])"
    server = [SEEDPROOF, "serve", "--project", project]
    command = [sys.executable, "-c", launcher, sys.executable, "-c", alone, *server]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=bare_environment()) as process:
        ask(process, INITIALIZE)
        assert process.wait(PATIENCE_S) == 0
        assert ask(process, call_of(2, "list_experiments"))["id"] == 2
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        assert process.stdout.read() == b""
