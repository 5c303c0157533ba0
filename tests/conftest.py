"""Fixtures of all tests: projects, and a state folder of their own."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.amounts import SHOWN
from tests.support.memory import MEMORY
from tests.support.places import FAKE
from tests.support.waiting import stop_everything

# No example fails because the machine was busy with something else.
settings.register_profile("seedproof", deadline=None)
settings.load_profile("seedproof")

# A shell starts what runs in its background with Ctrl-C ignored, and so would be each command that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
    """Each test has its own slots and registry; conductors leave soon after the last run."""
    # Beside XDG_STATE_HOME, the registry of the account is read, which lies below its home.
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
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
