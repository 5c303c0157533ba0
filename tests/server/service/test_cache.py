"""What the reading tools remember is never older than ledger, rules, running trainings and files."""

from pathlib import Path

import pytest
from seedproof.ledger.event import Event
from seedproof.ledger.run_events import RunRequested, RunStarted
from seedproof.ledger.study_events import ExperimentDeclared, GenerationStarted
from seedproof.model.rules import Rules
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.arms import run_key
from tests.support.callers import tools
from tests.support.in_process import InProcessEngine, in_process_service

BASELINE_RUN = run_key(None, 42).run_id


def service_of(project: Path) -> Service:
    """A service that starts no conductor."""
    return Service(project, start_conductor=lambda paths: None)


def append(project: Path, event: Event) -> None:
    """Append a record as another process would."""
    with Ledger(ProjectPaths(project)).writing() as writer:
        writer.append(event)


def begin(project: Path) -> None:
    append(project, GenerationStarted(generation=1, rules=Rules(), reason=None))


def declare(project: Path, name: str) -> None:
    flags = (f"--{name}",)
    declared = ExperimentDeclared(generation=1, experiment=name, flags=flags, hypothesis="it helps", code_change=False)
    append(project, declared)


def place_baseline_run(project: Path) -> None:
    """A run that is requested and placed, and waits for its slot."""
    append(project, RunRequested(key=run_key(None, 42)))
    append(project, RunStarted(run_id=BASELINE_RUN, argv=("python",), output_dir="checkpoints/x", fingerprint={}))


def test_an_unchanged_ledger_gives_the_very_same_answer(quick_project: Path) -> None:
    begin(quick_project)
    declare(quick_project, "one")
    service = service_of(quick_project)
    assert service.list_experiments() is service.list_experiments()
    assert service.check_baseline() is service.check_baseline()


def test_what_another_process_appends_is_in_the_next_answer(quick_project: Path) -> None:
    begin(quick_project)
    service = service_of(quick_project)
    before, phase = service.list_experiments(), service.check_baseline()
    declare(quick_project, "one")
    place_baseline_run(quick_project)
    after = service.list_experiments()
    assert (before.total, after.total) == (0, 1)
    assert (phase.phase, service.check_baseline().phase) == ("unmeasured", "measuring")
    assert after.ledger_head == service.check_baseline().ledger_head != before.ledger_head


def test_a_run_that_gets_its_slot_is_shown_as_running_though_no_record_says_so(quick_project: Path) -> None:
    begin(quick_project)
    place_baseline_run(quick_project)
    service = service_of(quick_project)
    waiting = service.list_experiments()
    assert (waiting.queued, waiting.running) == (1, None)
    assert [row.state for row in service.check_baseline().seeds] == ["queued"]
    run = ProjectPaths(quick_project).run(BASELINE_RUN)
    files.make_folder(run.folder)
    files.write_atomic(run.started, b"{}")
    supervisor = locks.try_lock(run.alive)
    assert supervisor is not None
    with supervisor:
        training = service.list_experiments()
        assert [row.state for row in service.check_baseline().seeds] == ["running"]
    assert training.queued == 0 and training.running is not None and training.running.run_id == BASELINE_RUN
    assert training.ledger_head == waiting.ledger_head


def test_rules_that_are_changed_in_the_file_are_seen_by_the_next_call(quick_project: Path) -> None:
    begin(quick_project)
    service = service_of(quick_project)
    assert service.check_baseline().phase == "unmeasured"
    (quick_project / "seedproof.toml").write_text("[rules]\nwinner_sigma = 3.0\n")
    assert service.check_baseline().phase == "void"
    (quick_project / "seedproof.toml").unlink()
    assert service.check_baseline().phase == "unmeasured"


def test_a_foreign_report_is_noticed_by_the_next_call_and_forgotten_with_the_file(quick_project: Path) -> None:
    begin(quick_project)
    service = service_of(quick_project)
    report = ProjectPaths(quick_project).baseline_report(Rules().label)
    assert service.check_baseline().notices == []
    report.parent.mkdir(parents=True)
    report.write_text("my own numbers\n")
    assert [notice.code for notice in service.check_baseline().notices] == ["unverified_report"]
    report.unlink()
    assert service.check_baseline().notices == []


def test_pages_differ_by_offset_and_limit(quick_project: Path) -> None:
    begin(quick_project)
    for number in range(3):
        declare(quick_project, f"idea-{number}")
    service = service_of(quick_project)
    pages = [service.list_experiments(offset, 1).experiments[0].experiment for offset in (0, 1, 2, 0)]
    assert pages == ["idea-0", "idea-1", "idea-2", "idea-0"]
    assert len(service.list_experiments(0, 2).experiments) == 2


@pytest.mark.anyio
async def test_another_ledger_with_the_same_beginning_has_a_next_call_of_its_own(quick_project: Path) -> None:
    ledger = ProjectPaths(quick_project).ledger
    service = in_process_service(quick_project, InProcessEngine())
    async with tools(quick_project, service=service) as call:
        await call.measure_baseline()
        beginning = ledger.read_bytes()
        ledgers = {}
        for name in ("first", "one", "two"):  # each but the first begins by disclosing the one before
            ledger.write_bytes(beginning)
            await call.measure(name, f"--{name}")
            ledgers[name] = ledger.read_bytes()
    named = {}
    for name in ("two", "one"):
        ledger.write_bytes(ledgers[name])
        following = service.list_experiments().next
        named[name] = following and following.arguments["experiment"]
    assert named == {"one": "one", "two": "two"}
