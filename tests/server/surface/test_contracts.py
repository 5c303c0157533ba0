"""The import contracts of pyproject.toml speak of whole rooms, so a new file is under them as well."""

import tomllib
from pathlib import Path
from typing import Any

import seedproof_mcp

from tests.support.places import ROOT

CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
# The tools and the demonstration, and the name under which hosts import them.
KNOW_MCP = {"seedproof_mcp.surface", "seedproof_mcp.app"}


def test_no_room_but_the_surface_may_import_mcp() -> None:
    (contract,) = [one for one in CONTRACTS if one["name"] == "Only the tools and the demonstration know MCP"]
    package = Path(seedproof_mcp.__file__).parent
    rooms = {f"seedproof_mcp.{path.parent.name}" for path in package.glob("*/__init__.py")}
    modules = {f"seedproof_mcp.{path.stem}" for path in package.glob("*.py")} - {"seedproof_mcp.__init__"}
    assert rooms | modules == {*contract["source_modules"], *KNOW_MCP}
    assert {"mcp", "mcp_types"} <= set(contract["forbidden_modules"])
    assert "allow_indirect_imports" not in contract
