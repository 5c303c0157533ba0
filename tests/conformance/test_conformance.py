"""The conformance suite of MCP: its general scenarios on Seedproof itself, those of tasks on the fixture.

expected_failures.yml has what may fail, each with its reason.
"""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp.server import MCPServer
from seedproof_mcp.surface.tools import build_server

from tests.conformance.fixture import build_fixture
from tests.support.waiting import PATIENCE_S

HERE = Path(__file__).parent
INSTALLED = HERE / "node_modules"
EXPECTED = HERE / "expected_failures.yml"
# A requirement set has 30 scenarios and more; each takes a fraction of a second.
SUITE_S = 240
REVISIONS = ("2025-11-25", "2026-07-28")
TASKS = (
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-required-task-error",
)
ASKING = ("tasks-mrtr-input", "tasks-mrtr-composition")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (INSTALLED / ".ready").exists(), reason="needs `make conformance-env`"),
]


@contextmanager
def served(server: MCPServer[Any]) -> Iterator[str]:
    """The address of a server over HTTP, which is what the suite speaks."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        web = uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="warning"))
        thread = threading.Thread(target=web.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            web.should_exit = True
            thread.join(PATIENCE_S)
    assert not thread.is_alive()


def run_suite(url: str, results: Path, *options: str) -> list[dict[str, Any]]:
    """The checks of scenarios of which none failed but the expected ones, and of these all."""
    command = [INSTALLED / ".bin/node", INSTALLED / ".bin/conformance", "server", "--url", url]
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "PATH")}
    done = subprocess.run(
        [*command, "--expected-failures", EXPECTED, "--output-dir", results, *options],
        env=kept | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=SUITE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [check for file in sorted(results.glob("*/checks.json")) for check in json.loads(file.read_text())]


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_server_fails_in_nothing_that_a_revision_requires_but_what_is_listed(
    quick_project: Path, tmp_path: Path, revision: str
) -> None:
    with served(build_server(quick_project)) as url:
        checks = run_suite(url, tmp_path, "--requirements", revision)
    passed = {check["id"] for check in checks if check["status"] == "SUCCESS"}
    assert {"tools-list", "tools-name-format", "wire-schema-valid"} <= passed
    assert len(list(tmp_path.iterdir())) >= 30


@pytest.fixture(scope="module")
def fixture_url() -> Iterator[str]:
    with served(build_fixture()) as url:
        yield url


@pytest.mark.parametrize("scenario", TASKS)
def test_a_scenario_of_tasks_passes_with_every_check(fixture_url: str, tmp_path: Path, scenario: str) -> None:
    checks = run_suite(fixture_url, tmp_path, "--scenario", scenario)
    assert len(checks) >= 3
    assert {check["status"] for check in checks} == {"SUCCESS"}, checks


@pytest.mark.parametrize("scenario", ASKING)
def test_a_scenario_whose_task_asks_its_client_fails_as_listed(fixture_url: str, tmp_path: Path, scenario: str) -> None:
    checks = run_suite(fixture_url, tmp_path, "--scenario", scenario)
    assert "FAILURE" in {check["status"] for check in checks}
