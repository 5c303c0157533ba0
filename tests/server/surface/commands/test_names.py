"""Names that the command line does not have, options in the wrong place, and the help of every option."""

import argparse
import re
from pathlib import Path

import pytest
from seedproof_mcp.surface.arguments import build_parser, parse
from seedproof_mcp.surface.cli import main
from seedproof_mcp.surface.commands.exit_codes import EXIT_CODES
from seedproof_mcp.surface.commands.own_options import misplaced_words, script_knows
from seedproof_mcp.surface.commands.tree import commands_of

from tests.support.command_line import said
from tests.support.places import ROOT
from tests.support.repositories import write

COMMANDS = commands_of(build_parser())
PAGE = (ROOT / "docs/commands.md").read_text()


def wrong_usage(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.anyio
async def test_a_misspelt_experiment_is_told_with_the_one_that_is_meant(study: Path) -> None:
    for typed in (("compare", "mo"), ("report", "mo"), ("compare", "mom", "--against", "badd")):
        meant = "bad" if "badd" in typed else "mom"
        assert f"no experiment {typed[-1]} has been declared; did you mean {meant}?" in said(study, *typed).stderr
    assert "no experiment zzz has been declared. " in said(study, "compare", "zzz").stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("statsu",), "did you mean status?"),
        (("check_baseline",), "did you mean check-baseline?"),
        (("run", "mom", "--hypotesis", "x"), "did you mean --hypothesis?"),
        (("run", "--new-base=line", "--sede", "1"), "did you mean --seed?"),
        (("stop", "x", "--raeson", "y"), "did you mean --reason?"),
        (("run", "mom", "--lr", "0.01"), "stand behind `--`: seedproof run NAME -- --lr"),
    ],
)
def test_a_name_that_is_not_known_is_told_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str], typed: tuple[str, ...], told: str
) -> None:
    assert told in wrong_usage(capsys, *typed)


def test_a_text_that_looks_like_nothing_gets_no_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean" not in wrong_usage(capsys, "xyzzy")
    assert "did you mean" not in wrong_usage(capsys, "status", "--quux")


def test_abbreviations_and_values_with_dashes_go_on_working() -> None:
    options = parse(["run", "mom", "--hyp", "a -- b", "--flags=--lr 0.1"])
    assert (options.hypothesis, options.flags) == ("a -- b", "--lr 0.1")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_of_it_is_explained(name: str) -> None:
    command = COMMANDS[name]
    assert command.description
    assert [one.dest for one in command._actions if not one.help] == []
    assert re.search(rf"^\| `seedproof {name}\b", PAGE, re.MULTILINE), f"docs/commands.md has no row for {name}"


def test_the_page_has_the_exit_codes_of_the_code() -> None:
    rows = re.findall(r"^\| `(\d+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert {int(code): text for code, text in rows} == EXIT_CODES


# --- behind `--` ----------------------------------------------------------------------------------

SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr")
parser.add_argument("--seed")
{more}
parser.parse_{how}()
"""


def misplaced(project: Path, *after: str, more: str = "", how: str = "args") -> str | None:
    write(project, {"train_llm.py": SCRIPT.format(more=more, how=how)})
    return misplaced_words(COMMANDS["run"], ["run", "mom"], after, script_knows(project))


def test_seedproofs_own_options_behind_the_dashes_are_told_with_the_right_spelling(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = misplaced(project, "--lr", "0.01", "--all")
    assert told is not None
    assert "--all is an option of Seedproof's own and stands before `--`: seedproof run mom --all -- --lr 0.01" in told
    told = misplaced(project, "--lr", "0.01", "--hypothesis", "it helps", "--code-change")
    assert told is not None
    assert "seedproof run mom --hypothesis 'it helps' --code-change -- --lr 0.01" in told
    assert main(["run", "mom", "--project", str(project), "--", "--all"]) == 2
    assert capsys.readouterr().err.startswith("seedproof run: --all is an option of Seedproof's own")
    assert not (project / ".seedproof").exists()


def test_an_option_that_the_script_has_is_the_scripts(project: Path) -> None:
    assert misplaced(project, "--lr", "0.01", "--seed", "1", "--help") is None
    assert misplaced(project, "--all", more='parser.add_argument("--all", action="store_true")') is None
    assert misplaced(project, "--all", more='parser.add_argument("--all_classes")') is None  # argparse abbreviates
    assert misplaced(project, "--new-baseline=1", more='parser.add_argument("--new_baseline")') is None


def test_of_a_script_whose_options_are_not_all_known_only_names_that_no_training_has_are_told(project: Path) -> None:
    assert misplaced(project, "--project", "x", how="known_args") is None
    assert misplaced(project, "--control", how="known_args") is None
    assert misplaced(project, "--until-verdict=1", "--hypothesis", "x", how="known_args") is not None
    (project / "train_llm.py").unlink()
    assert misplaced_words(COMMANDS["run"], ["run"], ["--project", "x"], script_knows(project)) is None


def test_flags_in_one_string_are_taken_as_they_are() -> None:
    options = parse(["run", "mom", "--flags=--all"])
    assert options.after is None and isinstance(options, argparse.Namespace)
