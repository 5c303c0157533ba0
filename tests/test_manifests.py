"""Names, versions and descriptions are the same wherever a host or a registry reads them."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from seedproof_mcp.setup.hosts.hosts import HOSTS, NAME, Launch
from seedproof_mcp.setup.hosts.places import SKILL as SKILL_NAME

from tests.support.callers import tools
from tests.support.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FACTS = (PROJECT["name"], PROJECT["version"], PROJECT["description"])
SKILL = (ROOT / "skills" / SKILL_NAME / "SKILL.md").read_text()


def manifest(name: str) -> dict[str, object]:
    value: dict[str, object] = json.loads((ROOT / name).read_text())
    return value


@pytest.mark.anyio
async def test_the_server_introduces_itself_as_the_package_does(tmp_path: Path) -> None:
    async with tools(tmp_path) as call:
        info = call.client.server_info
    assert (info.name, info.version, info.description, info.title) == (*FACTS, "Seedproof")
    assert info.name == NAME


def test_the_plugin_is_the_package() -> None:
    plugin = manifest(".claude-plugin/plugin.json")
    assert (plugin["name"], plugin["version"], plugin["description"]) == FACTS
    assert (plugin["license"], plugin["keywords"]) == (PROJECT["license"], PROJECT["keywords"])


def test_the_registry_is_told_of_the_package() -> None:
    server = manifest("server.json")
    assert (str(server["name"]).partition("/")[2], server["version"], server["description"]) == FACTS
    assert len(PROJECT["description"]) <= 100  # the registry's limit
    (package,) = server["packages"]  # type: ignore[misc]
    assert (package["identifier"], package["version"]) == FACTS[:2]
    # By this comment the registry knows that the package is the publisher's.
    assert f"<!-- mcp-name: {server['name']} -->" in (ROOT / "README.md").read_text()


def test_the_example_is_what_install_writes_with_the_program_from_the_path() -> None:
    entry = HOSTS["claude-code"].entry(Launch("seedproof", ("serve",)), approve=False)
    assert manifest(".mcp.json") == {"mcpServers": {NAME: entry}}


def test_the_skill_has_the_packages_version_and_the_name_of_its_folder() -> None:
    assert re.search(rf"^name: {SKILL_NAME}$", SKILL, re.MULTILINE)
    assert re.search(rf'^metadata:\n  version: "{re.escape(PROJECT["version"])}"$', SKILL, re.MULTILINE)


def test_the_page_of_hosts_has_every_host_with_its_places() -> None:
    page = (ROOT / "docs/hosts.md").read_text()
    rows = dict(re.findall(r"^\| `([\w-]+)`( .*)$", page, re.MULTILINE))
    assert list(rows) == list(HOSTS)
    for name, host in HOSTS.items():
        settings = host.file if host.home is None else f"~/{host.home.folder}/{host.file}"
        skills = host.skills if host.home is None else f"~/{host.skills}"
        assert f"`{settings}`" in rows[name] and f"`{skills}`" in rows[name]
        assert ("(untested)" in rows[name]) == (not host.is_tested)
        assert ("| none:" in rows[name]) == (host.approval is None)
        assert host.home is None or f"`{host.home.variable}`" in rows[name]
