"""Every recipe leads from nothing to a first verdict, on a project of its framework's shape."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.service.service import Service

from tests.support.places import ROOT
from tests.support.real_runs import records
from tests.support.recipes import PAGES, PROJECTS, begin, environment_of, follow, recipe
from tests.support.seeds import SEEDS
from tests.support.waiting import stop_everything


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the project comes to lie; the environment of these tests is active."""
    project = tmp_path / "project"
    for name, value in environment_of(Path(sys.executable), project / "bin").items():
        monkeypatch.setenv(name, value)
    yield project
    stop_everything(project)


def reached(folder: Path, experiment: str) -> str:
    """The headline of a study that met nothing on its way: one generation, no notice, no second attempt."""
    service = Service(folder)
    compared = service.compare(experiment)
    for result in (service.check_baseline(), service.list_experiments(), compared):
        assert result.notices == [], result.notices
    ends = [(record["state"], record["metrics"]) for record in records(folder, "run_finished")]
    assert {state for state, _ in ends} == {"succeeded"}
    assert len(SEEDS) + 3 <= len([metrics for _, metrics in ends if metrics]) <= 2 * len(SEEDS)
    assert {record["generation"] for record in records(folder, "run_requested")} == {1}
    return compared.headline


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_recipe_leads_from_nothing_to_a_verdict(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = recipe(name)
    begin(folder, PROJECTS / name, page.settings)
    monkeypatch.chdir(folder)
    for line, code in follow(folder, page.session):
        said = capsys.readouterr()
        assert (code, said.err.strip()) == (0, ""), (line, said)
        assert "Notice" not in said.out, (line, said.out)
    assert reached(folder, page.experiment).startswith("WINNER (unconfirmed")


def test_every_project_has_a_recipe_and_every_recipe_is_listed() -> None:
    assert {path.name for path in PROJECTS.iterdir() if path.is_dir()} == set(PAGES)
    index = (ROOT / "docs/recipes/README.md").read_text()
    assert all(f"]({name}.md)" in index for name in PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_recipe_is_short(name: str) -> None:
    page = PAGES[name]
    assert len(page.read_text().splitlines()) <= 60
    tables = tomllib.loads(recipe(name).settings)["rules"]
    assert sum(len(value) if isinstance(value, dict) else 1 for value in tables.values()) <= 6
