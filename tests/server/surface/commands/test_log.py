"""`seedproof log`: the output of a run by its id, as it is, and safe on a terminal."""

from pathlib import Path

import pytest

from tests.support.command_line import Terminal, said
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


async def test_the_newest_run_or_the_one_that_is_named_is_printed_as_it_is(study: Path) -> None:
    assert said(study, "log").stdout == "Traceback: no such package\n"
    shown = said(study, "log", "g1-baseline-s42")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert said(study, "log", "bad").stdout == "Traceback: no such package\n"
    assert shown.stdout == (study / ".seedproof/runs/g1-baseline-s42-a1/output.log").read_text()


async def test_a_run_that_does_not_exist_or_is_not_one_is_told(study: Path) -> None:
    shown = said(study, "log", "g1-baseline-s41-a1")
    assert shown.returncode == 3
    assert "the ledger has no run 'g1-baseline-s41-a1'; did you mean g1-baseline-s42-a1?" in shown.stderr
    assert "5 runs begin with g1-baseline: g1-baseline-s42-a1, " in said(study, "log", "g1-baseline").stderr
    assert said(study, "log", "g1-baseline-s42-a1", "-f").returncode == 0


def test_a_project_without_runs_has_no_log(project: Path) -> None:
    shown = said(project, "log")
    assert (shown.returncode, shown.stdout) == (3, "")
    assert shown.stderr.startswith("run_unknown: there is no run yet.\n")


async def test_what_a_training_prints_never_commands_the_terminal(study: Path) -> None:
    log = study / ".seedproof/runs/g1-exp-bad-s42-a1/output.log"
    hostile = b"\x1b]0;title\x07\x1b[2Jred\x1b[31m\x9b5n\x05 10 %\r 20 %\r\n\xc2\x9b6nend\n"
    log.write_bytes(hostile)
    terminal = Terminal(study, "log", variables={"PYTHONUTF8": "1"})
    assert terminal.ends() == 0
    assert "\x1b" not in terminal.shown and "\x05" not in terminal.shown and "\x9b" not in terminal.shown
    assert "red" in terminal.shown and "20 %" in terminal.shown and "end" in terminal.shown
    assert said(study, "log").stdout == hostile.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def test_following_a_run_ends_with_it(project: Path, gate: Path) -> None:
    from subprocess import PIPE, Popen

    from tests.support.command_line import COMMAND

    with Popen([*COMMAND, "run"], cwd=project, stdout=PIPE, stderr=PIPE) as running:
        log = project / ".seedproof/runs/g1-baseline-s42-a1/output.log"
        while not (log.exists() and log.read_bytes()):
            assert running.poll() is None
        with Popen([*COMMAND, "log", "-f"], cwd=project, stdout=PIPE, stderr=PIPE, text=True) as following:
            assert following.stdout is not None
            assert following.stdout.readline().startswith("Step 1 | val_loss: 9.5")
            assert following.poll() is None
            gate.touch()
            out, errors = following.communicate(timeout=PATIENCE_S)
        running.communicate(timeout=PATIENCE_S)
    assert following.returncode == 0
    assert out.startswith("Step 100 | val_loss: ")
    assert errors.startswith("baseline seed 42 (attempt 1): succeeded, val_loss ")
