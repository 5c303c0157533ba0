"""`seedproof install` and `uninstall` as a person meets them, and what real hosts make of the entries."""

import io
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from seedproof_mcp.surface.cli import main

CALL = "import sys; from seedproof_mcp.surface.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project as the working folder, and an empty home."""
    for name in ("project", "home"):
        (tmp_path / name).mkdir()
    for variable in ("CODEX_HOME", "COPILOT_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def config(here: Path) -> str:
    return (here / "home/.codex/config.toml").read_text()


def test_without_a_terminal_nothing_is_approved_and_that_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["install", "codex"]) == 0
    out = capsys.readouterr().out
    assert "Approvals were left as they are: Codex asks you before calls. With --approve, run_seed starts" in out
    assert "\nNext: start `codex`" in out
    assert "approval" not in config(here)


@pytest.mark.parametrize(("answer", "is_approved"), [("y\n", True), ("\n", False), ("no\n", False), ("\x04", False)])
def test_at_a_terminal_the_question_says_what_it_allows(here: Path, answer: str, is_approved: bool) -> None:
    reader, writer = pty.openpty()
    os.write(reader, answer.encode())
    command = [sys.executable, "-c", CALL, "install", "codex"]
    done = subprocess.run(command, stdin=writer, capture_output=True, text=True, timeout=60)
    os.close(reader)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    question = done.stdout.split("Allow it?")[0]
    assert "run_seed starts your training command on this machine" in question and "write_report removes" in question
    assert ('default_tools_approval_mode = "approve"' in config(here)) == is_approved


def test_approval_on_the_command_line_asks_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "codex", "--approve"]) == 0
    assert 'default_tools_approval_mode = "approve"' in config(here)
    assert main(["install", "codex"]) == 0
    assert "Approvals were left" not in capsys.readouterr().out
    assert main(["install", "cursor", "--approve"]) == 0
    assert "--approve changes nothing" in capsys.readouterr().out


@pytest.mark.parametrize("host", ["cursor", "vscode"])
def test_a_host_that_was_not_tried_is_marked(here: Path, capsys: pytest.CaptureFixture[str], host: str) -> None:
    assert main(["install", host]) == 0
    assert "not tested with it" in capsys.readouterr().out.splitlines()[0]


def test_settings_that_are_left_exit_with_3_and_the_lines_to_paste(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("opencode.json").write_text("{ // mine\n}")
    assert main(["install", "opencode"]) == 3
    said = capsys.readouterr()
    assert 'has comments. It was not changed. Add this to "mcp" in it:' in said.err and '"seedproof": {' in said.err
    assert "Next:" not in said.out


def test_a_home_that_is_missing_exits_with_3(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here / "gone"))
    assert main(["install", "copilot", "--dry-run"]) == 3
    assert "gone is no folder" in capsys.readouterr().err


def test_uninstall_after_install_leaves_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "claude-code", "--approve"]) == 0
    assert main(["uninstall", "claude-code"]) == 0
    assert list(Path().rglob("*")) == []


LISTED = [
    ("claude-code", ["claude", "mcp", "list"], "Connected"),
    ("codex", ["codex", "mcp", "list"], "enabled"),
    ("gemini", ["gemini", "mcp", "list"], "(stdio)"),
    ("opencode", ["opencode", "mcp", "list"], "connected"),
    ("copilot", ["copilot", "mcp", "list"], "(local)"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("host", "command", "state"), LISTED, ids=[host for host, _, _ in LISTED])
def test_the_real_host_sees_the_entry(here: Path, host: str, command: list[str], state: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    # Claude Code heeds an approval in the project where git says that the file is not part of it.
    subprocess.run(["git", "init", "-q"], check=True)
    assert main(["install", host, "--approve"]) == 0
    listed = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    said = listed.stdout + listed.stderr
    assert any("seedproof" in line and state in line for line in said.splitlines()), said
    assert main(["uninstall", host]) == 0
    gone = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert "seedproof" not in gone.stdout
