"""Output that is cut off, cannot be written, or goes to a terminal that is narrow or not UTF-8."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.command_line import COMMAND, said

pytestmark = pytest.mark.anyio


def written_to(project: Path, target: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit code and errors of a command whose output goes to a file, or is closed."""
    shell = f'exec "$@" >{target}'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *COMMAND, *arguments],
        cwd=project,
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("status",), ("check-baseline", "--json"), ("log",), ("verify",)])
async def test_a_full_disk_behind_the_output_is_not_blamed_on_the_project(
    study: Path, arguments: tuple[str, ...], unbuffered: str
) -> None:
    code, errors = written_to(study, "/dev/full", *arguments, PYTHONUNBUFFERED=unbuffered)
    assert code == 4
    assert errors == (
        "seedproof: the output cannot be written (No space left on device). What the command did stands.\n"
    )


async def test_a_closed_output_is_nothing_to_complain_of(study: Path) -> None:
    assert written_to(study, "&-", "status") == (0, "")


async def test_a_refusal_keeps_its_exit_code_where_nobody_can_read_it(study: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "compare", "nobody"], cwd=study, capture_output=True, check=False
    )
    assert done.returncode == 3


async def test_a_terminal_without_utf_8_gets_plain_letters_and_a_table(study: Path) -> None:
    shown = said(study, "status", PYTHONIOENCODING="ascii", COLUMNS="200")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "val_loss 4.00224 +- 0.00866 over 5 seeds" in shown.stdout
    assert "| experiment " in shown.stdout


@pytest.mark.parametrize("columns", ["200", "40", "20"])
async def test_a_narrow_terminal_cuts_nothing_that_a_person_copies(study: Path, columns: str) -> None:
    shown = said(study, "status", COLUMNS=columns).stdout
    for whole in (
        "docs/research/experiment_mom_1M.md",
        ".seedproof/runs/g1-exp-bad-s42-a1/output.log",
        "bad seed 42 (attempt 1): failed, exit code 1",
    ):
        assert any(whole in line for line in shown.splitlines()), shown
    assert "WINNER (unconfirmed): " in shown
    assert "…" not in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("check-baseline",),
        ("compare", "mom"),
        ("report", "mom"),
        ("verify",),
        ("log",),
        ("doctor",),
        ("gc",),
    ],
)
async def test_every_reading_command_prints_one_json_object(study: Path, arguments: tuple[str, ...]) -> None:
    shown = said(study, *arguments, "--json")
    assert isinstance(json.loads(shown.stdout), dict), shown.stderr
    assert shown.stderr == ""


async def test_json_is_what_the_tools_say_with_the_next_command(study: Path) -> None:
    found = json.loads(said(study, "status", "--json").stdout)
    assert found["baseline"]["phase"] == "ready"
    assert [row["experiment"] for row in found["experiments"]] == ["mom", "bad"]
    assert found["next_command"].startswith("seedproof run ")
    (failed,) = found["failed"]
    assert failed["run_id"] == "g1-exp-bad-s42-a1"
    assert (study / failed["log_path"]).read_text() == "Traceback: no such package\n"


async def test_a_refusal_is_json_as_well_and_words_on_stderr(study: Path) -> None:
    shown = said(study, "compare", "nobody", "--json")
    assert shown.returncode == 3
    found = json.loads(shown.stdout)
    assert found["refusal"]["code"] == "experiment_unknown"
    assert found["next"]["tool"] == "run_seed" and found["next_command"].startswith("seedproof run nobody ")
    assert shown.stderr.startswith("experiment_unknown: ")
