"""Real hosts, without a person, a login or the internet, from an empty project to the report of an experiment."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.checks import Outcome
from seedproof_mcp.verify.verify import verify

from tests.hosts.machine import INSTALLED, Machine
from tests.hosts.programs import PROGRAMS
from tests.hosts.stand_in import MOST_CALLS, StandIn, served_model
from tests.hosts.table import expected, observed
from tests.support.places import ROOT
from tests.support.waiting import stop_everything

EACH = pytest.mark.parametrize("host", PROGRAMS)
# Copilot CLI sends `server/discover`, and 10 s later, without an answer, `initialize`.
LATE_S = 12
needs_hosts = pytest.mark.skipif(not (INSTALLED / ".ready").exists(), reason="needs `make hosts-env`")


@contextmanager
def session(
    host: str, folder: Path, *, most_calls: int = MOST_CALLS, start_delay_s: float = 0
) -> Iterator[tuple[Machine, StandIn]]:
    """A host that has worked until it ended."""
    with served_model(most_calls) as model:
        machine = Machine(folder, model, start_delay_s=start_delay_s)
        machine.install(host)
        try:
            said = machine.run(PROGRAMS[host])
            print(said)  # shown where the test fails
            print([(call.tool, dict(call.arguments)) for call in model.calls], sorted(model.offered), model.paths)
            yield machine, model
        finally:
            stop_everything(machine.project)


@pytest.mark.slow
@needs_hosts
@EACH
def test_a_host_goes_from_an_empty_project_to_a_report_with_the_settings_of_install(host: str, tmp_path: Path) -> None:
    with session(host, tmp_path) as (machine, model):
        assert model.has_finished
        assert observed(model, machine.messages(">"), machine.messages("<")) == expected(host)
        assert "bad_arguments" not in "".join(one.whole for one in model.seen)
        report = next((machine.project / "docs/research").glob("*higher-lr*.md")).read_text()
        assert "WINNER (confirmed" in report
        checks = verify(ProjectPaths(machine.project), regenerate=True)
        assert [check for check in checks if check.outcome is Outcome.FAIL] == []


@pytest.mark.slow
@needs_hosts
def test_copilot_has_the_tools_of_a_server_that_starts_later_than_it_waits(tmp_path: Path) -> None:
    with session("copilot", tmp_path, most_calls=1, start_delay_s=LATE_S) as (machine, model):
        sent = [message["method"] for message in machine.messages(">")]
        assert sent[:2] == ["server/discover", "initialize"]
        assert [one.channels for one in model.seen] == ["both"]


@EACH
def test_the_page_names_the_version_that_is_installed(host: str) -> None:
    pinned = json.loads((ROOT / "tests/hosts/package.json").read_text())["dependencies"]
    assert expected(host)["Version"] == pinned[PROGRAMS[host].package]
