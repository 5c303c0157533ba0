"""What a module says it offers is what it defines; and the types hold where only mypy can see it."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest
import seedproof
import seedproof_mcp

from tests.support.places import ROOT

MODULES = [
    found.name
    for package in (seedproof, seedproof_mcp)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.ispkg or hasattr(importlib.import_module(found.name), "__all__")
]


@pytest.mark.parametrize("name", MODULES)
def test_every_name_a_module_lists_exists_and_every_public_one_it_defines_is_listed(name: str) -> None:
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    if listed is None:
        return
    assert {found for found in listed if not hasattr(module, found)} == set()
    assert len(set(listed)) == len(listed)
    if name.startswith("seedproof."):
        assert {found for found, value in vars(module).items() if _is_defined_here(value, name, found)} <= set(listed)


def _is_defined_here(value: object, module: str, name: str) -> bool:
    is_code = inspect.isclass(value) or inspect.isfunction(value)
    return is_code and not name.startswith("_") and getattr(value, "__module__", None) == module


def test_the_protocol_lists_what_each_of_its_modules_offers() -> None:
    assert [name for name in MODULES if name.startswith("seedproof.") and not _lists(name)] == []


def _lists(name: str) -> bool:
    return hasattr(importlib.import_module(name), "__all__")


@pytest.mark.slow
def test_the_types_refuse_a_verdict_without_a_baseline() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", "tests/typing/api.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
