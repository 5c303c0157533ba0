"""Every recipe leads from nothing to a first verdict: on a project of its framework's shape, and on the framework."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.service.service import Service

from tests.support.places import ROOT
from tests.support.real_runs import BY_CHANCE, records, unexpected
from tests.support.recipes import FRAMEWORKS, PAGES, PROJECTS, REAL, begin, blocks, environment_of, follow, recipe
from tests.support.seeds import SEEDS
from tests.support.waiting import stop_everything

# Programs of real frameworks, each with the page that it is carried out by.
REAL_PROGRAMS = {path.name: {"fire": "click"}.get(path.name, path.name) for path in sorted(REAL.iterdir())}
needs_frameworks = pytest.mark.skipif(not FRAMEWORKS.exists(), reason="needs `make recipes-env`")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the project comes to lie."""
    yield tmp_path / "project"
    stop_everything(tmp_path / "project")


@pytest.fixture
def carry_out(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Carry out a recipe on a project, with an interpreter's environment active; the headline of its verdict."""

    def carry_out(name: str, sources: Path, interpreter: Path, *replace: str) -> str:
        page = recipe(name)
        begin(folder, sources, page.settings.replace(*replace) if replace else page.settings)
        monkeypatch.chdir(folder)
        for variable, value in environment_of(interpreter, folder / "bin").items():
            monkeypatch.setenv(variable, value)
        for line, code in follow(folder, page.session):
            said = capsys.readouterr()
            assert code == 0, (line, said)
            notices = [one for one in said.out.splitlines() if one.startswith("Notice")]
            assert [one for one in notices if not any(f"({code})" in one for code in BY_CHANCE)] == [], line
        return reached(folder, page.experiment)

    return carry_out


def reached(folder: Path, experiment: str) -> str:
    """The headline of a study that met nothing on its way: one generation, no notice, no second attempt."""
    service = Service(folder)
    compared = service.compare(experiment)
    for result in (service.check_baseline(), service.list_experiments(), compared):
        assert unexpected(result.notices) == []
    ends = [(record["state"], record["metrics"]) for record in records(folder, "run_finished")]
    assert {state for state, _ in ends} == {"succeeded"}
    assert len(SEEDS) + 3 <= len([metrics for _, metrics in ends if metrics]) <= 2 * len(SEEDS) + 1
    assert {record["generation"] for record in records(folder, "run_requested")} == {1}
    return compared.headline


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_recipe_leads_from_nothing_to_a_verdict_on_a_stand_in(name: str, carry_out) -> None:
    assert carry_out(name, PROJECTS / name, Path(sys.executable)).startswith("WINNER (unconfirmed")


@pytest.mark.slow
@needs_frameworks
@pytest.mark.parametrize("name", REAL_PROGRAMS)
def test_a_recipe_leads_from_nothing_to_a_verdict_on_the_real_framework(name: str, carry_out) -> None:
    # Eight processes that import torch take long on two processors.
    headline = carry_out(REAL_PROGRAMS[name], REAL / name, FRAMEWORKS, "nproc_per_node=8", "nproc_per_node=2")
    assert headline.startswith("WINNER (unconfirmed")


def test_every_project_has_a_recipe_and_every_recipe_is_listed() -> None:
    assert {path.name for path in PROJECTS.iterdir() if path.is_dir()} - {"__pycache__"} == set(PAGES)
    assert set(REAL_PROGRAMS.values()) <= set(PAGES)
    index = (ROOT / "docs/recipes/README.md").read_text()
    assert all(f"]({name}.md)" in index for name in PAGES)


def test_the_way_from_autoresearch_has_the_settings_of_its_recipe() -> None:
    assert blocks(ROOT / "docs/from-autoresearch.md", "toml") == [recipe("autoresearch").settings]


@pytest.mark.parametrize("name", PAGES)
def test_a_recipe_is_short(name: str) -> None:
    page = PAGES[name]
    assert len(page.read_text().splitlines()) <= 60
    tables = tomllib.loads(recipe(name).settings)["rules"]
    assert sum(len(value) if isinstance(value, dict) else 1 for value in tables.values()) <= 6
