"""A training that hangs: it is noticed by what it prints and by its processor time, and said in progress replies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from seedproof_mcp.supervisor.idle import IdleWatch
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.support.supervised import LocalRuns, eventually

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


class Watched:
    """A training whose output and processor time the test chooses."""

    def __init__(self, folder: Path, cpu: float | None = 5.0) -> None:
        self.cpu = cpu
        self.run = RunPaths(folder)
        self.watch = IdleWatch(self.run, lambda: self.cpu)

    def look(self, *elapsed: float, log_bytes: int = 100) -> float | None:
        """What is written down after these looks."""
        for one in elapsed:
            self.watch.look(one, log_bytes)
        return json.loads(self.run.idle.read_bytes())["since_elapsed_s"] if self.run.idle.exists() else None


def seconds(start: int, end: int) -> range:
    return range(start, end, 10)


def test_a_training_that_neither_prints_nor_computes_is_idle_after_a_minute(tmp_path: Path) -> None:
    training = Watched(tmp_path)
    assert training.look(*seconds(10, 80)) is None  # it printed before the first look
    assert training.look(80) == 20.0
    assert training.look(*seconds(90, 600)) == 20.0


def test_one_that_prints_or_computes_again_is_not(tmp_path: Path) -> None:
    training = Watched(tmp_path)
    assert training.look(*seconds(10, 100)) == 20.0
    assert training.look(100, log_bytes=101) is None
    assert training.look(*seconds(110, 200), log_bytes=101) == 110.0
    training.cpu = 7.0
    assert training.look(200, log_bytes=101) is None


def test_one_that_computes_is_never_idle_and_one_that_only_wakes_up_is(tmp_path: Path) -> None:
    training = Watched(tmp_path)
    for elapsed in seconds(10, 300):
        training.cpu = elapsed * 0.02
        assert training.look(elapsed) is None
    for elapsed in seconds(300, 500):
        training.cpu = 5.8 + elapsed * 0.001
        training.look(elapsed)
    assert training.look(500) == 300.0


def test_where_the_system_does_not_tell_nothing_is_said(tmp_path: Path) -> None:
    assert Watched(tmp_path, cpu=None).look(*seconds(10, 600)) is None


def test_a_file_that_cannot_be_written_does_not_stop_the_supervisor(tmp_path: Path) -> None:
    training = Watched(tmp_path / "gone")
    assert training.look(*seconds(10, 200)) is None
    (tmp_path / "gone").mkdir()
    assert training.look(200) == 20.0


@linux_only
def test_processor_time_is_that_of_all_processes_below() -> None:
    """Of a process of its own, as the tests' own may have other children that come and go."""
    child = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    parent = (
        "import subprocess, sys\n"
        "from seedproof_mcp.supervisor.processes import cpu_s\n"
        "before = cpu_s()\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdin=-1, stdout=-1)\n"
        "child.stdout.readline()\n"
        "print(before, cpu_s())\n"
        "child.communicate(b'\\n')\n"
    )
    said = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True).stdout
    before, computed = map(float, said.split())
    assert before == 0
    assert computed >= 0.2


@linux_only
def test_a_real_supervisor_writes_down_that_its_training_hangs(
    local: LocalRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limits of the module set to a moment, by a module that the supervisor's interpreter loads first."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(
        "import seedproof_mcp.supervisor.idle as idle\nidle.IDLE_AFTER_S = 0.2\nidle._EVERY_S = 0.1\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{os.environ['PYTHONPATH']}")
    run = local.submit(
        "print('step 100/100', flush=True)\nawait_file('go')\nprint('on', flush=True)\nawait_file('end')"
    )
    eventually(lambda: run.paths.idle.exists() and run.paths.idle.read_bytes())
    assert 0 <= json.loads(run.paths.idle.read_bytes())["since_elapsed_s"] < 600
    (local.work / "go").touch()
    (local.work / "end").touch()
    assert local.result(run)["end"] == "exited"


@pytest.fixture
def hanging() -> InProcessEngine:
    engine = InProcessEngine(lambda argv: Training("Step 100/100 | val_loss: 4.0123\n"))
    engine.held = True
    return engine


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("settings", "ends"),
    [
        ("[settings]\ntimeout_min = 30\n", 'counts if rules.accept_exit is "value"'),
        ('[rules]\naccept_exit = "value"\n[settings]\ntimeout_min = 30\n', "counts"),
    ],
)
async def test_a_progress_reply_says_that_the_training_is_idle_and_what_becomes_of_it(
    quick_project: Path, hanging: InProcessEngine, monkeypatch: pytest.MonkeyPatch, settings: str, ends: str
) -> None:
    (quick_project / "seedproof.toml").write_text(settings)
    monkeypatch.setattr(hanging, "elapsed_s", lambda handle: 780.0)
    async with quick_tools(quick_project, hanging) as call:
        started = await call("run_seed", wait_s=0)
        folder = ProjectPaths(quick_project).run(started.data["run_id"])
        folder.idle.write_text(json.dumps({"since_elapsed_s": 360.0}))
        waiting = await call("run_seed", seed=42, wait_s=0)
        folder.idle.write_text('{"since_')
        unreadable = await call("run_seed", seed=42, wait_s=0)
    assert (started.data["reason"], unreadable.data["reason"]) == (None, None)
    assert waiting.data["reason"] == (
        "the training has printed nothing and used no processor for 7 min, since step 100; its time limit of 30 min "
        f"ends it, and a value that it printed at its own end {ends}"
    )
