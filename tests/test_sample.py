"""docs/sample is what the study of tests/sample gives."""

import re

import anyio
import pytest

from tests.sample.study import FOLDER, reports

HOW = "`make sample` writes docs/sample"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return anyio.run(reports)


def test_the_sample_is_what_its_study_gives(made: dict[str, str]) -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir() if path.name != "README.md"}
    assert found == made, HOW


def test_the_sample_shows_a_verdict_of_every_kind_and_a_confirmation(made: dict[str, str]) -> None:
    page = made["studies.md"]
    assert [word in page for word in ("| WINNER (confirmed", "| NEUTRAL: ", "| LOSER: ")] == [True] * 3
    linked = re.findall(r"\]\((\w+\.md)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert sorted(linked) == sorted(name for name in made if name.endswith(".md"))
