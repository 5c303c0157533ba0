"""One study serves one decision: what follows from a moment is derived once, and handed down."""

from pathlib import Path

import pytest
from seedproof.admission.gate import admit
from seedproof.admission.request import RunRequest
from seedproof.phases.baseline import assess_baseline
from seedproof.phases.looks import next_look
from seedproof.verdict.judge import judge
from seedproof_mcp.service.service import Service

from tests.support.call_counts import counted
from tests.support.in_process import InProcessEngine, in_process_service

FAR = RunRequest(experiment="far", flags=("--shift", "-0.1"), hypothesis="it helps", queue_all=True)


@pytest.fixture
def measured(quick_project: Path) -> Path:
    """A project with a baseline and an experiment whose runs have ended."""
    service = in_process_service(quick_project, InProcessEngine())
    service.request_run(RunRequest(queue_all=True))
    service.request_run(FAR)
    return quick_project


def without_conductor(project: Path) -> Service:
    """The project for requests alone: nobody works on its queue."""
    return Service(project, start_conductor=lambda paths: None)


def test_a_request_is_admitted_before_and_under_the_lock_and_each_derives_what_is_due_once(quick_project: Path) -> None:
    service = without_conductor(quick_project)
    with counted(admit, next_look, assess_baseline) as first:
        service.request_run(RunRequest())
    assert first == {"admit": 2, "next_look": 2, "assess_baseline": 0}
    with counted(admit, next_look, assess_baseline) as second:
        service.request_run(RunRequest(queue_all=True))
    assert second == {"admit": 2, "next_look": 2, "assess_baseline": 2}


def test_a_request_for_an_experiment_derives_once_for_each_side(measured: Path) -> None:
    service = without_conductor(measured)
    near = RunRequest(experiment="near", flags=("--shift", "0.001"), hypothesis="it helps")
    with counted(admit, next_look, assess_baseline) as declaring:
        service.request_run(near)
    assert declaring == {"admit": 2, "next_look": 4, "assess_baseline": 2}
    with counted(admit, next_look, assess_baseline) as going_on:
        service.request_run(RunRequest(experiment="near", queue_all=True))
    assert going_on == {"admit": 2, "next_look": 4, "assess_baseline": 2}


def test_compare_and_write_report_judge_once(measured: Path) -> None:
    service = without_conductor(measured)
    with counted(judge) as compared:
        service.compare("far")
    with counted(judge) as again:
        service.compare("far")
    with counted(judge) as reported:
        service.write_report("far")
    assert [compared["judge"], again["judge"], reported["judge"]] == [1, 1, 1]


def test_a_verdict_is_judged_again_where_a_record_came_between_decision_and_lock(
    measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, other = without_conductor(measured), without_conductor(measured)
    writing = service._ledger.writing

    def after_another_request() -> object:
        other.request_run(RunRequest(experiment="near", flags=("--shift", "0.001"), hypothesis="it helps"))
        return writing()

    with monkeypatch.context() as between:
        between.setattr(service._ledger, "writing", after_another_request)
        with counted(judge) as counts:
            assert service.compare("far").verdict == "WINNER"
    assert counts["judge"] == 2
