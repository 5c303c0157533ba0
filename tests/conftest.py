"""What the tests share: a project with an instant training script, and a caller of its tools."""

import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from mcp.client.client import Client
from seedproof.model.refusals import Refusal
from seedproof_mcp.service.service import Lab
from seedproof_mcp.surface.tools import build_server
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.memory import MEMORY

# No example fails because the machine was busy with something else.
settings.register_profile("seedproof", deadline=None)
settings.load_profile("seedproof")

FAKE = Path(__file__).with_name("support") / "fake_train.py"
PATIENCE_S = 60
SEEDS = (42, 137, 256, 512, 1024)
SHOWN = "shown: "
"""What a test prints with this in front stands in the summary, also where the test passes in another process."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for line in report.capstdout.splitlines():
            if line.startswith(SHOWN):
                terminalreporter.write_line(line.removeprefix(SHOWN))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has its own slots; conductors leave soon after the last run."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("SEEDPROOF_IDLE_S", "0.5")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project with the fake training script; nothing of it runs when the test ends."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(FAKE, folder / "train_llm.py")
    yield folder
    stop_everything(folder)


@pytest.fixture
def quick_project() -> Iterator[Path]:
    """A project for the engine without processes, in memory where the system has it: a sync then costs nothing."""
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name:
        folder = Path(name) / "project"
        folder.mkdir()
        (folder / "train_llm.py").touch()
        yield folder


def stop_everything(folder: Path) -> None:
    lab = Lab(folder)
    try:
        page = lab.list_experiments()
        while page.running or page.queued:
            active = list(lab._ledger.refresh().active)
            lab.stop_run(active[-1], "the test has ended")
            page = lab.list_experiments()
    except (Refusal, OSError):
        pass  # a test that broke the project on purpose has nothing running
    wait_until(lambda: not locks.is_locked(ProjectPaths(folder).conductor_lock))


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll a condition; fail if it never comes true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)


@dataclass(frozen=True)
class Answer:
    """A tool's answer as the model and its client see it."""

    text: str
    data: dict[str, Any]
    is_error: bool

    @property
    def code(self) -> str | None:
        """The refusal's code; None for a result."""
        return self.data["refusal"]["code"] if self.is_error else None

    @property
    def next(self) -> str:
        """The next call as the text names it."""
        call = self.data["next"]
        parts = [f"{name}={value!r}" for name, value in call["arguments"].items()]
        return f"{call['tool']}({', '.join(parts + [f'{name}=…' for name in call['you_choose']])})"


class Caller:
    """Calls the tools of one project."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, **arguments: Any) -> Answer:
        result = await self.client.call_tool(tool, arguments)
        return Answer(result.content[0].text, result.structured_content, bool(result.is_error))

    async def measure_baseline(self) -> None:
        """Take the baseline through."""
        await self("run_seed", queue_all=True)
        for seed in SEEDS:
            answer = await self("run_seed", seed=seed, wait_s=PATIENCE_S)
            assert answer.data["state"] == "succeeded", answer.text

    async def measure(self, name: str, *flags: str, seeds: tuple[int, ...] = SEEDS[:3]) -> None:
        """Declare an experiment and run these seeds."""
        await self("run_seed", experiment=name, flags=list(flags), hypothesis="it helps", queue_all=True, wait_s=0)
        for seed in seeds:
            answer = await self("run_seed", experiment=name, seed=seed, wait_s=PATIENCE_S)
            assert answer.data["state"] in ("succeeded", "diverged"), answer.text


@asynccontextmanager
async def tools(folder: Path, mode: str = "auto", lab: Lab | None = None) -> AsyncIterator[Caller]:
    """A client on a server of the project, in memory."""
    async with Client(build_server(folder, lab), mode=mode) as client:
        yield Caller(client)
