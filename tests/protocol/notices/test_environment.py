"""What the settings leave out of the code is told with every verdict."""

import pytest
from seedproof.notices.environment import exclusion_notices, exclusions_of, scripts_of

from tests.support.arms import make_run

PYTHON = "covers Python files, so these runs may have been trained with other code."


def said(scripts: tuple[str, ...] = (), **sides: list[tuple[str, ...]]) -> str:
    return " ".join(notice.message for notice in exclusion_notices(sides, scripts))


def test_nothing_is_said_where_nothing_is_left_out() -> None:
    assert said(baseline=[(), ()], a=[()]) == said(baseline=[]) == ""


def test_patterns_that_all_runs_have_are_printed() -> None:
    assert said(baseline=[("notes/*",)], a=[("notes/*",)]) == (
        'settings.not_code leaves "notes/*" out of the code; changes of such files are no change of code.'
    )


def test_patterns_that_differ_are_printed_for_each_side() -> None:
    assert said(baseline=[(), ()], a=[("notes",), ("b", "notes")]) == (
        'settings.not_code is not the same in all runs: nothing in baseline, "notes" and "b", "notes" in a; '
        "so their codes were not compared by the same files."
    )


COVERED = {
    "*.py": True,
    "**/*.py": True,
    "lib/model.py": True,
    "src": True,
    "./src/": True,
    "**": True,
    "src/tr?in.*": True,
    "**/train.*": True,
    "notes/*": False,
    "*.md": False,
    "src/[t]rain*": False,
    "train": False,
}


@pytest.mark.parametrize("pattern", COVERED)
def test_a_pattern_that_names_python_files_or_the_script_is_told_more_sharply(pattern: str) -> None:
    found = said(("src/train.py",), baseline=[(pattern,)])
    assert found.endswith(f'"{pattern}" {PYTHON}') is COVERED[pattern]


def test_many_patterns_are_counted_and_stay_on_one_line() -> None:
    found = said(a=[tuple(f"n{number}\n{'x' * 500}" for number in range(9))])
    assert " and 4 more out of the code" in found and "\n" not in found and len(found) < 700


def test_the_scripts_are_those_that_the_commands_name_and_an_old_ledger_knows_no_patterns() -> None:
    run = make_run(42, argv=("python", "-m", "lab.train", "--config", "conf.py", "--seed", "42"))
    assert scripts_of([run]) >= {"lab/train.py", "conf.py"}
    assert exclusions_of([run, make_run(1, surroundings={"not_code": ["b"]})]) == [("b",)]
