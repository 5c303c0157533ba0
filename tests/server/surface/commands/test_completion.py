"""Completion scripts: each shell that is installed reads its own."""

import shutil
import subprocess

import pytest
from seedproof_mcp.setup.hosts.hosts import HOSTS
from seedproof_mcp.surface.arguments import build_parser
from seedproof_mcp.surface.commands.completion import completion
from seedproof_mcp.surface.commands.tree import commands_of

PARSER = build_parser()
COMMANDS = list(commands_of(PARSER))


def in_bash(*words: str) -> list[str]:
    """What bash offers for the last of these words."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _seedproof; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    script = f"{completion(PARSER, 'bash')}\n{ask}"
    done = subprocess.run(["bash", "-u", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_and_hosts() -> None:
    assert in_bash("seedproof", "") == COMMANDS
    assert in_bash("seedproof", "st") == ["status", "stop"]
    assert in_bash("seedproof", "run", "mom", "--hy") == ["--hypothesis"]
    assert in_bash("seedproof", "compare", "--a") == ["--against"]
    assert set(HOSTS) <= set(in_bash("seedproof", "install", ""))
    assert in_bash("seedproof", "run", "mom", "--", "--hy") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_name_every_command_and_every_option(shell: str) -> None:
    script = completion(PARSER, shell)
    for name, command in commands_of(PARSER).items():
        assert name in script
        for one in command._actions:
            for option in one.option_strings:
                assert (option if shell == "zsh" else option.lstrip("-")) in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes_options() -> None:
    script = f"{completion(PARSER, 'fish')}\ncomplete -C 'seedproof run --hyp'"
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("--hypothesis\t")
