"""The rooms are what docs/development.md draws, and files stay small enough to hold one noun."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from seedproof.ledger.events import EVENTS

from tests.support.places import ROOT

PACKAGES = {"seedproof": ROOT / "protocol/seedproof", "seedproof_mcp": ROOT / "server/seedproof_mcp"}
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = {one["containers"][0]: one["layers"] for one in CONTRACTS if one["type"] == "layers"}
FILES = [path for package in PACKAGES.values() for path in sorted(package.rglob("*.py"))]
LONGEST = 300


def drawn(package: str) -> list[tuple[str, str]]:
    """The rooms of a package as the page draws them, top down, each with its sentence."""
    page = (ROOT / "docs/development.md").read_text()
    block = re.search(rf"^\w+/{package}\n((?:  .*\n)+)", page, flags=re.MULTILINE)
    assert block is not None
    return re.findall(r"^  (\w+)/?\s+(.*)$", block[1], flags=re.MULTILINE)


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def sentence(package: Path, room: str) -> str:
    """The first line of a room's docstring, or of a module's that stands alone."""
    path = package / room / "__init__.py"
    return docstring(path if path.exists() else package / f"{room}.py").splitlines()[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_drawing_has_the_rooms_of_the_import_contract_in_its_order(package: str) -> None:
    assert [room for room, _ in drawn(package)] == LAYERS[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_is_described_as_it_describes_itself(package: str) -> None:
    assert drawn(package) == [(room, sentence(PACKAGES[package], room)) for room in LAYERS[package]]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_says_who_may_import_it(package: str) -> None:
    rooms = [path for path in PACKAGES[package].iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    assert rooms
    assert [room.name for room in rooms if "Imported by" not in docstring(room / "__init__.py")] == []


def test_a_room_has_at_most_sixteen_files() -> None:
    folders = {path.parent for path in FILES}
    counts = {str(folder): len([one for one in folder.glob("*.py") if one.name != "__init__.py"]) for folder in folders}
    assert {name: count for name, count in counts.items() if count > 16} == {}


def test_a_file_above_three_hundred_lines_says_why() -> None:
    long = [path for path in FILES if len(path.read_text().splitlines()) > LONGEST]
    assert [path.name for path in long if "Over 300 lines" not in docstring(path)] == []


def test_records_are_read_and_written_in_the_ledgers_rooms_alone() -> None:
    """A record's kind stands nowhere else as a text; `resumed` alone is a word of other things too."""
    kinds = EVENTS.keys() - {"resumed"}
    outside = [path for path in FILES if path.parent != PACKAGES["seedproof"] / "ledger"]
    found = {
        (path.name, node.value)
        for path in outside
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in kinds
    }
    assert found == set()
