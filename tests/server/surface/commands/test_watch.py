"""`seedproof watch` and `seedproof serve` in front of a terminal, and without one."""

import math
import subprocess
from pathlib import Path

from seedproof_mcp.surface.commands.sparkline import sparkline

from tests.support.command_line import COMMAND, Terminal, said
from tests.support.waiting import PATIENCE_S


def test_a_sparkline_is_as_wide_as_asked_and_shows_gaps() -> None:
    assert sparkline([1.0, 2.0, 3.0], 10) == "▁▅█"
    assert len(sparkline([float(one) for one in range(1000)], 40)) == 40
    assert sparkline([0.0, math.nan, 1.0], 3) == "▁ █"
    assert sparkline([-1.7e308, 1.7e308], 2) == "▁█"
    assert sparkline([5.0, 5.0], 2, is_ascii=True) == "__"
    assert sparkline([], 10) == "" == sparkline([1.0], 0)
    assert sparkline([math.nan], 1) == " "


def test_the_live_screen_shows_run_seeds_and_queue_and_leaves_with_q(project: Path, gate: Path) -> None:
    gate.touch()
    assert said(project, "run").returncode == 0
    gate.unlink()
    with subprocess.Popen([*COMMAND, "run", "--all"], cwd=project, stdout=subprocess.PIPE) as running:
        log = project / ".seedproof/runs/g1-baseline-s137-a1/output.log"
        while not log.exists():
            assert running.poll() is None
        terminal = Terminal(project, "watch")
        shown = terminal.until(lambda text: "q leaves" in text)
        terminal.type("q")
        assert terminal.ends() == 0
        assert running.poll() is None, "watching ended a run"
        gate.touch()
        running.communicate(timeout=PATIENCE_S)
    for told in ("baseline seed 137 (attempt 1): running", "Seeds so far", "3.99856", "Queue: ", "g1-baseline-s256-a1"):
        assert told in shown
    assert "\x1b[?1049l" in terminal.shown, "the screen of before is not back"


def test_ctrl_c_leaves_the_screen_without_a_traceback(project: Path) -> None:
    terminal = Terminal(project, "watch", variables={"PYTHONIOENCODING": "ascii"})
    terminal.until(lambda text: "Nothing is queued or running." in text)
    terminal.type("\x03")
    assert terminal.ends() == 130
    assert "Traceback" not in terminal.shown and "\x1b[?1049l" in terminal.shown


def test_without_a_terminal_each_end_is_a_line_and_the_last_run_ends_it(project: Path, gate: Path) -> None:
    with subprocess.Popen([*COMMAND, "run"], cwd=project, stdout=subprocess.PIPE) as running:
        log = project / ".seedproof/runs/g1-baseline-s42-a1/output.log"
        while not log.exists():
            assert running.poll() is None
        watching = subprocess.Popen([*COMMAND, "watch"], cwd=project, stdout=subprocess.PIPE, text=True)
        with watching:
            assert watching.stdout is not None
            assert watching.stdout.readline() == "training now: g1-baseline-s42-a1; queued: 0\n"
            gate.touch()
            rest, _ = watching.communicate(timeout=PATIENCE_S)
        running.communicate(timeout=PATIENCE_S)
    first, last = rest.splitlines()
    assert first.startswith("baseline seed 42 (attempt 1): succeeded, val_loss ")
    assert last == "Nothing is queued or running."
    assert watching.returncode == 0


def test_a_server_on_a_terminal_says_what_it_waits_for(project: Path) -> None:
    terminal = Terminal(project, "serve")
    shown = terminal.until(lambda text: "\n" in text)
    assert shown.startswith("seedproof serve: waiting for an MCP client on stdin.")
    terminal.type("\x03")
    assert terminal.ends() == -2
    assert terminal.shown.count("\n") == 1
