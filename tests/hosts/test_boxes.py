"""What docs/remote.md says of tmux, and the task file for SkyPilot, whose lines run here with a home of their own."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import FAKE, ROOT
from tests.support.servers import SEEDPROOF
from tests.support.waiting import PATIENCE_S, stop_everything, wait_until

pytestmark = pytest.mark.slow


def seedproof(*words: str) -> str:
    return subprocess.run([SEEDPROOF, *words], capture_output=True, text=True, timeout=PATIENCE_S).stdout


def seed_states(project: Path) -> dict[int, str]:
    status: dict[str, Any] = json.loads(seedproof("status", "--json", "--project", str(project)))
    return {seed["seed"]: seed["state"] for seed in status["baseline"]["seeds"]}


@contextmanager
def training(project: Path) -> Iterator[None]:
    """The baseline's first seed trains until the file `gate` is there."""
    command = [str(SEEDPROOF), "run", "--project", str(project)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: any(project.rglob("model.bin")))
            yield
        finally:
            process.kill()


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_a_training_outlives_the_tmux_that_it_was_started_in(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = project.parent / "gate"
    monkeypatch.setenv("FAKE_GATE", str(gate))
    # The path of a socket has about 100 characters at most, and pytest's folders are long.
    with tempfile.TemporaryDirectory() as folder:
        tmux = ["tmux", "-f", os.devnull, "-S", f"{folder}/socket"]
        run = [str(SEEDPROOF), "run", "--project", str(project), "--all"]
        subprocess.run([*tmux, "new", "-d", "-s", "lm", *run], check=True)
        try:
            wait_until(lambda: any(project.rglob("model.bin")))
        finally:
            subprocess.run([*tmux, "kill-server"], check=True)
        wait_until(lambda: subprocess.run([*tmux, "has-session"], capture_output=True).returncode != 0)
    assert "training now: g1-baseline-s42-a1" in seedproof("status", "--project", str(project))
    gate.touch()
    assert "Nothing is queued or running." in seedproof("watch", "--project", str(project))
    assert seed_states(project)[42] == "succeeded"


def lines_of(part: str) -> str:
    """The shell lines under one key of the task file."""
    (lines,) = re.findall(rf"^{part}: \|\n((?:  .*\n|\n)+)", (ROOT / "examples/skypilot/box.yaml").read_text(), re.M)
    return textwrap.dedent(lines)


class Box:
    """The home of a box on which the task file's uploads have arrived, and Python environments beside them."""

    def __init__(self, home: Path) -> None:
        self.project = home / "lm"
        self.gate, self.asleep, self.awake = home / "gate", home / "asleep", home / "awake"
        self.output = home / "output"
        uploaded = home / "uploaded/lm"
        (uploaded / ".venv/bin").mkdir(parents=True)
        (uploaded / ".venv/bin/python").symlink_to(sys.executable)
        (home / ".venv").symlink_to(sys.prefix)
        shutil.copy(FAKE, uploaded / "train_llm.py")
        # In place of sleep: it says that the job waits, and goes on when it is told to.
        programs, self._temporary = home / "programs", home / "temporary"
        programs.mkdir()
        self._temporary.mkdir()
        sleep = programs / "sleep"
        sleep.write_text(f"#!/bin/sh\ntouch {self.asleep}\nuntil test -e {self.awake}; do /bin/sleep 0.05; done\n")
        sleep.chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "TMPDIR": str(self._temporary), "QUIET_MIN": "60"}

    def set_up(self) -> None:
        subprocess.run(["bash", "-c", lines_of("setup")], env=self._environment, check=True)

    @contextmanager
    def job(self) -> Iterator["subprocess.Popen[bytes]"]:
        command = ["bash", "-c", lines_of("run")]
        with (
            self.output.open("wb") as output,
            subprocess.Popen(command, env=self._environment, stdout=output) as process,
        ):
            try:
                yield process
            finally:
                process.kill()
                self.awake.touch()

    def an_hour_later(self) -> None:
        for file in (*self._temporary.iterdir(), self.project / ".seedproof/ledger.jsonl"):
            os.utime(file, (file.stat().st_mtime - 3660,) * 2)


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    box = Box(Path.home())
    monkeypatch.setenv("FAKE_GATE", str(box.gate))
    box.set_up()
    yield box
    stop_everything(box.project)


def test_the_job_of_a_box_lasts_as_long_as_a_run_and_an_hour_without_one(box: Box) -> None:
    with training(box.project), box.job() as job:
        wait_until(lambda: "training now: g1-baseline-s42-a1" in box.output.read_text())
        box.an_hour_later()
        assert not box.asleep.exists()
        box.gate.touch()
        wait_until(box.asleep.exists)
        assert seed_states(box.project)[42] == "succeeded"
        box.an_hour_later()
        box.awake.touch()
        assert job.wait(PATIENCE_S) == 0


def test_the_job_of_a_box_does_not_end_while_nobody_can_tell_what_runs(box: Box) -> None:
    (box.project / "seedproof.toml").write_text("rules =")
    with box.job() as job:
        wait_until(box.asleep.exists)
        assert job.poll() is None
    (box.project / "seedproof.toml").unlink()


def test_a_second_launch_leaves_code_and_ledger_of_the_box_as_they_are(box: Box) -> None:
    ledger = box.project / ".seedproof/ledger.jsonl"
    box.gate.touch()
    seedproof("run", "--project", str(box.project))
    before = ledger.read_bytes()
    with (box.project / "train_llm.py").open("a") as script:
        script.write("# edited on the box\n")
    box.set_up()
    assert (box.project / "train_llm.py").read_text().endswith("# edited on the box\n")
    assert before and ledger.read_bytes() == before
