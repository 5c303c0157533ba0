"""The n-th change fails where a study does more than measure: confirmations, stopped runs, copies of metric files."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.ledger.event import Record
from seedproof.model.refusals import NotWritable, RunEnded
from seedproof_mcp.runner import conductor
from seedproof_mcp.service import service as service_module
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import locks
from seedproof_mcp.system.file_watch import FileWatch
from seedproof_mcp.system.paths import RunPaths, slot_lock

from tests.journeys.test_every_failure_point import (
    FirstSupervisorFails,
    Machine,
    a_first_study,
    chosen,
    play_supervisor,
    played,
    quick_conductor,
    take_through,
)
from tests.support.amounts import IS_SOAK, SHOWN, amount
from tests.support.faults import ERRORS, Faults, Killed, kinds_at
from tests.support.in_process import STARTED_AT, Training
from tests.support.oracle import attempts
from tests.support.promises import (
    EXPERIMENT,
    Call,
    a_project,
    check_files,
    check_ledger,
    check_written,
    outcome_of,
    processes_of,
    records_of,
)
from tests.support.waiting import wait_until

__all__ = ["played", "quick_conductor"]

Failure = tuple[int, str, bool]


def told(points: Sequence[str], failures: Sequence[Failure], what: str) -> None:
    """Print how many points there are, and how many failures were tried."""
    print(f"{SHOWN}{len(points)} places where {what} can fail, {len(failures)} failures tried")


# --- confirmations ----------------------------------------------------------------------------

CONFIRM: Call = ("run_seed", {"experiment": EXPERIMENT, "role": "confirm", "queue_all": True})
# The confirmation takes the same steps for each of its six runs.
EVERY = amount(sample=23, whole=3, soak=1)
EVERY_OF_A_STOP = amount(sample=5, whole=1, soak=1)


@pytest.fixture
def winner(played: None) -> Iterator[Path]:
    """A project with a WINNER and its report."""
    with a_project() as project, Machine().faults.installed():
        server = Service(project)
        server.request_run(RunRequest(queue_all=True))
        server.write_report()
        declared = {"experiment": EXPERIMENT, "flags": ("--shift", "-0.1"), "hypothesis": "it helps"}
        server.request_run(RunRequest(**declared, queue_all=True))
        assert server.write_report(EXPERIMENT).verdict == "WINNER"
        yield project


def confirmed(winner: Path, at: int, kind: str, reopens: bool) -> tuple[Machine, dict[str, Any]]:
    """A confirmation with a failure, held to the promises; its outcome."""
    machine = Machine(at, kind)
    with a_first_study() as project:
        shutil.rmtree(project)
        shutil.copytree(winner, project)
        study = take_through(machine, project, reopens, CONFIRM)
        check_written(project)
        check_files(project)
        records = records_of(project)
        check_ledger(records, study.answers)
        return machine, {**outcome_of(records), **confirmation_in(records)}


def confirmation_in(records: Sequence[Record]) -> dict[str, Any]:
    """What the last verdict says of the confirmation."""
    found = [one for one in records if one["kind"] == "verdict_issued"][-1]["confirmation"]
    return {key: found[key] for key in ("state", "done", "difference", "p_better", "at_least")}


@pytest.mark.sampled
@pytest.mark.usefixtures("played")
def test_wherever_server_or_conductor_fail_a_confirmation_ends_as_if_nothing_had_happened(winner: Path) -> None:
    machine, undisturbed = confirmed(winner, -1, "kill", False)
    points = machine.faults.points
    assert (undisturbed["state"], undisturbed["done"], len(undisturbed["values"])) == ("confirmed", 6, 14)
    failures = list(chosen(points, EVERY))
    for at, kind, reopens in failures:
        machine, outcome = confirmed(winner, at, kind, reopens)
        assert machine.faults.has_fired, (at, kind)
        assert outcome == undisturbed, (at, points[at - 1], kind)
    told(points, failures, "a confirmation")


# --- stopping a run ---------------------------------------------------------------------------


class Patient:
    """Plays supervisors whose training goes on until they are asked to end it, while the conductor waits."""

    def __init__(self) -> None:
        self._held: dict[RunPaths, int] = {}

    def supervise(self, run: RunPaths, alive: int) -> None:
        """Begin; the lock is held like by a supervisor that inherited it."""
        folder = Path(json.loads(run.spec.read_bytes())["cwd"]) / "checkpoints/baseline_1M_seed42"
        folder.mkdir(parents=True)
        run.started.write_text(json.dumps({"started_at": STARTED_AT}))
        run.log.write_text("Step 1 | val_loss: 9.5\n")
        self._held[run] = os.dup(alive)

    def wait(self, *_bounds: object) -> None:
        """While the conductor waits the supervisors look; with nothing to do for them it would wait for ever."""
        asked = [run for run in self._held if run.cancel.exists()]
        for run in asked:
            ended = {"end": "cancelled", "exit_code": None, "signal": "SIGTERM", "wall_time_s": 1.0, "error": None}
            run.result.write_text(json.dumps({**ended, "log_bytes": run.log.stat().st_size}))
            os.close(self._held.pop(run))
        if self._held and not asked:
            raise Killed

    def end(self) -> None:
        """They are without power."""
        while self._held:
            os.close(self._held.popitem()[1])


def stop(server: Service, run_id: str) -> None:
    """Ask for the end of a run until it has come."""
    while True:
        try:
            assert server.stop_run(run_id, "enough").state in ("cancelled", "interrupted")
        except NotWritable:
            continue
        except RunEnded:
            return


def stop_with_failure(monkeypatch: pytest.MonkeyPatch, at: int, kind: str, reopens: bool) -> Machine:
    """A running run that is stopped, with a failure meanwhile; held to the promises."""
    patient = Patient()
    monkeypatch.setattr(FileWatch, "wait", patient.wait)
    with a_project() as project:
        with Machine(supervise=patient.supervise).faults.installed():
            run_id = Service(project).request_run(RunRequest())
            assert Service(project).observe(run_id).state == "running"
        machine = Machine(at, kind)
        with machine.faults.installed():
            server = Service(project)
            try:
                stop(server, run_id)
            except Killed:
                if machine.faults.is_without_power:
                    patient.end()
                machine.faults.bury()
                reopens = True
            if reopens:
                stop(Service(project), run_id)
        records = records_of(project)
        ((ended,),) = attempts(records).values()
        # Without power the training ends before anybody has stopped it.
        assert ended == (1, "run_cancelled", None) or (kind, ended) == ("power", (1, "run_interrupted", None))
        assert all(one["reason"] == "enough" for one in records if one["kind"] == "run_cancelled")
        assert [path.name for path in project.rglob("*.tmp")] == [".seedproof-draft.tmp"]
    return machine


@pytest.mark.sampled
@pytest.mark.usefixtures("played")
def test_wherever_server_or_conductor_fail_a_run_that_is_stopped_is_recorded_as_stopped_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service_module, "CANCEL_PATIENCE_S", 60)
    points = stop_with_failure(monkeypatch, -1, "kill", False).faults.points
    failures = list(chosen(points, EVERY_OF_A_STOP))
    for at, kind, reopens in failures:
        assert stop_with_failure(monkeypatch, at, kind, reopens).faults.has_fired, (at, kind)
    told(points, failures, "stopping a run")


# It asks for its own end, so that the supervisor hears of it in a moment that no other process chooses.
STOPS_ITSELF = """
import json, os, time
print("Step 1 | val_loss: 9.5", flush=True)
runs = os.path.dirname(os.path.dirname(os.environ["SEEDPROOF_RUN"]))
(name,) = (one for one in os.listdir(runs) if not one.startswith("."))
folder = f"{runs}/{name}"
with open(f"{folder}/asked", "w") as file:
    json.dump({"reason": "enough"}, file)
os.rename(f"{folder}/asked", f"{folder}/cancel.json")
time.sleep(600)
"""


def supervisor_fails(project: Path, at: int, kind: str) -> list[str]:
    """A run that is stopped while its supervisor fails, held to the promises; the supervisor's points."""
    journal = project.parent / "points"
    (project / "train_llm.py").write_text(STOPS_ITSELF)
    server = Service(project, start_conductor=lambda paths: None)
    with Faults(popen=FirstSupervisorFails(at, kind, journal)).installed():
        run_id = server.request_run(RunRequest())
        assert conductor.main([str(project)]) == 0
    assert server.observe(run_id).state in ("cancelled", "interrupted", "failed" if kind in ERRORS else "cancelled")
    wait_until(lambda: not processes_of(project))
    assert not locks.is_locked(slot_lock("default"))
    assert [path.name for path in project.rglob("*.tmp")] == [".seedproof-draft.tmp"]
    return journal.read_text().splitlines()


@pytest.mark.sampled
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a training outlives its supervisor elsewhere")
@pytest.mark.usefixtures("quick_conductor")
def test_wherever_the_supervisor_of_a_stopped_run_fails_nothing_of_it_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(at: int, kind: str) -> list[str]:
        with a_project() as project:
            monkeypatch.setenv("XDG_STATE_HOME", str(project.parent / "state"))
            return supervisor_fails(project, at, kind)

    points = walk(0, "kill")
    failures = [(at, kind, False) for at, point in enumerate(points, 1) for kind in kinds_at(point)]
    if not IS_SOAK:  # the ways to the training are walked where runs end by themselves
        begun = points.index("supervisor Popen") + 1
        failures = [(at, kind, False) for at, kind, _ in failures if at > begun and kind in ("kill", "torn", "EIO")]
    failures = failures[::EVERY_OF_A_STOP]
    for at, kind, _ in failures:
        assert len(walk(at, kind)) >= at, (at, kind)
    told(points, failures, "the supervisor of a stopped run")


# --- copies of metric files ---------------------------------------------------------------------

FROM_FILE = """\
[rules.metric]
name = "val_loss"
direction = "minimize"
file = "metrics.json"
path = "final.val_loss"
"""


def writes_a_file(argv: Sequence[str]) -> Training:
    """The value stands in a file only."""
    return Training("no number\n", files={"metrics.json": json.dumps({"final": {"val_loss": 4.25}})})


def read_from_a_file(at: int, kind: str, reopens: bool) -> Machine:
    """One run whose value stands in a file, with a failure; held to the promises."""
    machine = Machine(at, kind, lambda run, _: play_supervisor(run, writes_a_file))
    with a_first_study() as project:
        (project / "seedproof.toml").write_text(FROM_FILE)
        with machine.faults.installed():
            server, ended = Service(project), None
            while ended is None or ended.is_active:
                try:
                    ended = server.observe(server.request_run(RunRequest(seed=42)))
                except NotWritable:
                    server = Service(project) if reopens else server
                except Killed:
                    machine.faults.bury()
                    server = Service(project)
        assert (ended.state, ended.reason, ended.metrics["val_loss"]) == ("succeeded", None, 4.25)
        assert list(attempts(records_of(project)).values()) == [[(1, "succeeded", 4.25)]]
        assert [path.name for path in project.rglob("*.tmp")] == [".seedproof-draft.tmp"]
    return machine


@pytest.mark.sampled
@pytest.mark.usefixtures("played")
def test_wherever_server_or_conductor_fail_the_value_in_a_metric_file_is_read() -> None:
    points = read_from_a_file(-1, "kill", False).faults.points
    failures = list(chosen(points, EVERY))
    for at, kind, reopens in failures:
        assert read_from_a_file(at, kind, reopens).faults.has_fired, (at, kind)
    told(points, failures, "reading a metric file")


@pytest.mark.usefixtures("played")
def test_a_metric_file_that_the_training_did_not_write_is_the_runs_failure_and_waited_for_by_nobody() -> None:
    machine = Machine()
    with a_project() as project, machine.faults.installed():
        (project / "seedproof.toml").write_text(FROM_FILE)
        server = Service(project)
        ended = server.observe(server.request_run(RunRequest()))
    assert ended.state == "failed"
    assert ended.reason is not None
    assert ended.reason.count("; metrics.json: No such file or directory")
