"""Server, conductor and supervisor are killed at any moment: the study ends as if nothing had happened."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.amounts import IS_SAMPLE, SHOWN, amount
from tests.support.answers import Answer
from tests.support.places import FAKE
from tests.support.promises import (
    LOOK,
    OURS,
    Call,
    a_project,
    check_files,
    check_ledger,
    check_reports,
    outcome_of,
    processes_of,
    records_of,
    undisturbed,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")

KILLS = amount(sample=12, whole=100, soak=1_000)
# Studies side by side: while one waits out the pause after a conductor's crash, the others go on.
LANES = amount(sample=2, whole=4, soak=4)
# How late a new process is noticed.
LOOK_S = 0.05
# Long enough to be killed in, more than once in a study.
TRAINING_S = 0.3
# An undisturbed study takes 14 calls; each kill costs a few more.
MOST_CALLS = 100 + 10 * KILLS
INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}


class Server:
    """A server process of a project, spoken to on its pipes."""

    def __init__(self, project: Path) -> None:
        self._errors = (project.parent / "server.log").open("ab")
        command = [sys.executable, "-P", "-m", "seedproof_mcp.surface.cli", "serve", "--project", str(project)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors)
        self._last = 0

    def greet(self) -> None:
        """Begin the session.

        Raises:
            OSError: The server is gone.
        """
        self._ask("initialize", INITIALIZE)
        self._tell({"method": "notifications/initialized"})

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """A tool's structured answer.

        Raises:
            OSError: The server is gone.
        """
        return dict(self._ask("tools/call", {"name": tool, "arguments": arguments})["structuredContent"])

    def close(self) -> None:
        """End it, whether or not it lives."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            with suppress(OSError):  # what was not sent yet
                stream.close()  # type: ignore[union-attr]

    def _tell(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdout is not None
        self._last += 1
        self._tell({"id": self._last, "method": method, "params": params})
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self._last:
                return dict(answer["result"])
        raise BrokenPipeError("the server is gone")


@dataclass
class Client:
    """Follows `next` to the end of a study, with a new server whenever the old one is gone."""

    project: Path
    server: Server | None = None
    answers: list[Answer] = field(default_factory=list)

    def follow_to_the_end(self) -> None:
        """Make the calls that are due."""
        call: Call | None = LOOK
        for _ in range(MOST_CALLS):
            if call is None:
                return
            try:
                answer = self._connected().call(*call)
                assert "refusal" not in answer, answer
                self.answers.append(answer)
                call = self._due(answer["next"])
            except OSError:
                self.close()
                call = LOOK
        raise AssertionError(f"no end: {call}")

    def _connected(self) -> Server:
        if self.server is None:
            self.server = Server(self.project)
            self.server.greet()
        return self.server

    def _due(self, following: dict[str, Any]) -> Call | None:
        if "experiment" in following["you_choose"]:
            # Another experiment is offered where this one is done, or forgotten by the client before.
            page = self._connected().call("list_experiments", {})
            self.answers.append(page)
            if not page.get("experiments"):
                return "run_seed", OURS
            following = page["next"]
        return None if "experiment" in following["you_choose"] else (following["tool"], following["arguments"])

    def close(self) -> None:
        """The client quits."""
        if self.server is not None:
            self.server.close()
            self.server = None


class Killer:
    """Kills processes of a project at random moments of their lives, a given number of them."""

    def __init__(self, seed: int, kills: int) -> None:
        self.left = kills
        self.hit: Counter[str] = Counter()
        self._random = random.Random(seed)

    def haunt(self, project: Path, is_over: threading.Event) -> None:
        """Kill until enough are dead or the study is over."""
        while self.left and not is_over.is_set():
            (role,) = self._random.choices(ROLES, [role.weight for role in ROLES])
            while not is_over.wait(LOOK_S) and not role.living(project):
                pass
            is_over.wait(self._random.uniform(0, role.life_s))
            self._strike(role, project)

    def _strike(self, role: "Role", project: Path) -> None:
        for pid in role.living(project)[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.left -= 1
                self.hit[role.module] += 1


@dataclass(frozen=True)
class Role:
    """A kind of process that is killed."""

    module: str
    weight: int
    """How often it is chosen."""
    life_s: float
    """How long one does something of interest, start included."""

    def living(self, project: Path) -> list[int]:
        """The processes of this kind that a project has."""
        module, folder = self.module.encode(), os.fsencode(project)
        return [pid for pid, words in commands() if module in words and any(folder in word for word in words)]


def commands() -> Iterator[tuple[int, list[bytes]]]:
    """Every process with its command; read often, so without a detour."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{entry}/cmdline", "rb", buffering=0) as file:
            yield int(entry), file.read().split(b"\0")


# A server takes long to start again; after a conductor's crash its server waits, after another longer.
ROLES = (
    Role("seedproof_mcp.surface.cli", 3, 2.0),
    Role("seedproof_mcp.runner.conductor", 5, 1.0),
    Role("seedproof_mcp.supervisor.supervise", 12, 0.5),
)


@contextmanager
def a_lane(lane: int) -> Iterator[Path]:
    """A project that trains on a slot of its own."""
    with a_project() as project:
        shutil.copy(FAKE, project / "train_llm.py")
        settings = f'[settings]\nslot = "lane{lane}"\ngrace_s = 0.1\npython = {json.dumps(sys.executable)}\n'
        settings += f'env = {{ FAKE_LASTS_S = "{TRAINING_S}" }}\n'
        (project / "seedproof.toml").write_text(settings)
        yield project


def study_under_fire(project: Path, killer: Killer) -> dict[str, Any]:
    """A whole study while its processes die; its outcome, the promises kept."""
    client, is_over = Client(project), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        haunting = pool.submit(killer.haunt, project, is_over)
        try:
            client.follow_to_the_end()
        finally:
            is_over.set()
            haunting.result()
            client.close()
    wait_until(lambda: not processes_of(project))
    check_reports(project)
    check_files(project)
    records = records_of(project)
    check_ledger(records, client.answers)
    for log in (project.parent / "server.log", *ProjectPaths(project).state.rglob("*.log")):
        assert b"Traceback" not in log.read_bytes(), log.read_text()
    return outcome_of(records)


@pytest.mark.sampled
def test_a_study_whose_processes_are_killed_at_random_ends_like_the_undisturbed_one() -> None:
    def walk(lane: int) -> Killer:
        killer = Killer(lane, KILLS // LANES)
        while killer.left:
            with a_lane(lane) as project:
                outcomes.append(study_under_fire(project, killer))
        return killer

    outcomes: list[dict[str, Any]] = []
    began_s = time.monotonic()
    with ThreadPoolExecutor(LANES) as pool:
        killers = list(pool.map(walk, range(LANES)))
    hit = sum((killer.hit for killer in killers), Counter[str]())
    assert hit.total() == KILLS
    assert len(hit) == len(ROLES) or IS_SAMPLE
    assert [one for one in outcomes if one != undisturbed()] == []
    print(f"{SHOWN}{dict(hit)} killed in {len(outcomes)} studies, {time.monotonic() - began_s:.0f} s")
