"""`seedproof run --until-verdict`: up to the verdict, and through the confirmation where that is wanted."""

import sys
from pathlib import Path

import pytest
from seedproof_mcp.surface import cli
from seedproof_mcp.surface.cli import main

from tests.support.confirmations import table
from tests.support.in_process import InProcessEngine, Training, in_process_service
from tests.support.tables import Table


@pytest.fixture
def engine(quick_project: Path, monkeypatch: pytest.MonkeyPatch) -> InProcessEngine:
    """The project as the working folder, whose runs take no time."""
    engine = InProcessEngine(table())
    monkeypatch.chdir(quick_project)
    monkeypatch.setattr(cli, "_service", lambda options: in_process_service(quick_project, engine))
    return engine


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["run", *arguments, "--until-verdict"])
    return code, capsys.readouterr().out


def declare(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    return run(capsys, "a", "--hypothesis", "it helps", "--flags=--lr 0.1", *more)


def test_it_goes_on_to_the_verdict_and_names_the_confirmation(
    engine: InProcessEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = run(capsys)
    assert code == 0 and "val_loss by seed: 42 4.0, " in out and "\nBaseline ready" in out
    code, out = declare(capsys)
    assert code == 0 and "\nWINNER (unconfirmed)\n" in out
    assert "\nNext: seedproof run a --confirm  # Confirms the WINNER on fresh seeds: 0 of 6 runs.\n" in out


@pytest.mark.parametrize("is_later", [False, True])
def test_told_to_confirm_it_does_so_in_the_same_command_or_in_a_later_one(
    engine: InProcessEngine, capsys: pytest.CaptureFixture[str], is_later: bool
) -> None:
    run(capsys)
    code, out = declare(capsys) if is_later else declare(capsys, "--confirm")
    assert code == 0 and "\nWINNER (unconfirmed)\n" in out
    if is_later:
        code, out = run(capsys, "a", "--confirm")
    assert code == 0 and "\nWINNER (confirmed on 3 fresh seeds)\n" in out


def test_what_is_no_winner_is_not_confirmed(engine: InProcessEngine, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys)
    code, out = run(capsys, "same", "--hypothesis", "nothing", "--flags=--lr 0.2", "--confirm")
    assert code == 0 and "\nNothing to confirm: same is NEUTRAL; only a WINNER is confirmed" in out


@pytest.mark.parametrize(("answer", "verdict"), [("y", "WINNER (confirmed"), ("", "WINNER (unconfirmed)")])
def test_at_a_terminal_it_asks(
    engine: InProcessEngine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    verdict: str,
) -> None:
    asked: list[str] = []

    def reply(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("builtins.input", reply)
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    run(capsys)
    code, out = declare(capsys)
    assert (code, asked) == (0, ["Confirm it on fresh seeds now, in six runs or more? [y/N] "])
    assert [line for line in out.splitlines() if line.startswith("WINNER")][-1].startswith(verdict)


def test_a_run_without_result_ends_it_with_1(engine: InProcessEngine, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys)
    engine.trains = lambda argv: Training("val_loss: 4.5\n", 1)
    code, out = declare(capsys)
    assert code == 1 and "failed" in out and "WINNER" not in out and "LOSER" not in out
    assert "--until-verdict  # " in out


def test_a_baseline_that_cannot_be_one_ends_it_with_1(
    engine: InProcessEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.trains = Table().arm("baseline", ["nan"])
    code, out = run(capsys)
    assert code == 1 and "\nBaseline void" in out
