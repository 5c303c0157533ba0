"""The n-th change to the machine fails, for every n of a study: what is promised is kept."""

import json
import logging
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.ledger.study_events import Resumed
from seedproof.model.refusals import Refusal
from seedproof.model.run_key import Role
from seedproof_mcp.host import environment
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner import conductor, launcher
from seedproof_mcp.runner.engines import local
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, RunPaths, slot_lock

from tests.support import faults
from tests.support.amounts import IS_SOAK, SHOWN, amount
from tests.support.answers import Answer
from tests.support.faults import ERRORS, KINDS, Faults, Killed, kinds_at
from tests.support.in_process import STARTED_AT, Training, option, train
from tests.support.oracle import attempts
from tests.support.places import FAKE, ROOT
from tests.support.promises import (
    LOOK,
    OURS,
    Call,
    a_project,
    check_files,
    check_ledger,
    check_reports,
    check_written,
    outcome_of,
    processes_of,
    records_of,
    undisturbed,
)
from tests.support.waiting import wait_until

# The number of a walk chooses its kind of failure: a sample has all kinds too.
EVERY = amount(sample=23, whole=3, soak=1)
EVERY_OF_A_SUPERVISOR = amount(sample=7, whole=1, soak=1)
# An undisturbed study takes 14 calls.
ENOUGH_CALLS = 60


class Ended:
    """A process that has ended at once, as subprocess.Popen shows it."""

    def __init__(self, returncode: int) -> None:
        self.returncode = returncode

    def poll(self) -> int:
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        return b"", b""


class Machine:
    """Plays conductor and supervisor inside this process; each ends before its start returns."""

    def __init__(
        self, at: int | None = None, kind: str = "kill", supervise: Callable[[RunPaths, int], None] | None = None
    ) -> None:
        """Prepare a failure.

        Args:
            at: See `Faults`, as for `kind`.
            supervise: What a supervisor does with its run and the lock that it inherits; its work, at once, if None.
        """
        self.faults = Faults(at, kind, popen=self._start)
        self.faults.process = "server"
        self._supervise = supervise or (lambda run, alive: play_supervisor(run))

    def _start(self, argv: list[str], **options: Any) -> "Ended | subprocess.Popen[bytes]":
        if argv[0] == "git":
            return subprocess.Popen(argv, **options)
        if "seedproof_mcp.runner.conductor" in argv:
            return self._conduct(argv[-1])
        if "seedproof_mcp.supervisor.supervise" in argv:
            alive, _slot = options["pass_fds"]
            self._supervise(RunPaths(Path(argv[argv.index("seedproof_mcp.supervisor.supervise") + 1])), alive)
        return Ended(0)

    def _conduct(self, project: str) -> Ended:
        self.faults.process = "conductor"
        try:
            ended = Ended(conductor.main([project]))
        except Killed:
            if self.faults.is_without_power:
                raise  # the server is without power too
            ended = Ended(-9)
        finally:
            if not self.faults.is_without_power:
                self.faults.bury()
            self.faults.process = "server"
        return ended


def play_supervisor(run: RunPaths, trains: Callable[[Sequence[str]], Training] = train) -> None:
    """What a supervisor leaves; its own failures are tested below, in a process."""
    spec = json.loads(run.spec.read_bytes())
    training = trains(spec["argv"])
    run.started.write_text(json.dumps({"started_at": STARTED_AT}))
    run.log.write_text(training.log)
    folder = Path(spec["cwd"]) / option(spec["argv"], "--output_dir")
    folder.mkdir(parents=True)
    for name, text in training.files.items():
        (folder / name).write_text(text)
    result = {"end": "exited", "exit_code": 0, "signal": None, "wall_time_s": training.wall_time_s, "error": None}
    run.result.write_text(json.dumps({**result, "log_bytes": len(training.log)}))


@dataclass
class Study:
    """A client that follows `next`, and what it was told."""

    project: Path
    service: Service = field(init=False)
    answers: list[Answer] = field(default_factory=list)
    """What was answered, in the order of the calls; a call that was refused or cut short has no part in it."""
    codes: list[str] = field(default_factory=list)
    to_remove: Call | None = None
    """The call that removes a folder of which the last answer said that it could not be removed."""

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """A new server, which knows nothing of the one before it."""
        launcher._last_starts.clear()
        self.service = Service(self.project)

    def follow(self, call: Call) -> Call | None:
        """Make a call; the one that is due then, None at the end."""
        try:
            result = self._call(*call)
        except Refusal as refusal:
            self.codes.append(refusal.code)
            # What a person does who has read "make room": the same again.
            return call if refusal.code == "not_writable" else LOOK
        self.answers.append(result.document())
        self.to_remove = None
        if any(notice.code == "not_removed" for notice in result.notices):
            # What a person does who has read of a folder that could not be removed, when it can be. `compare` says it
            # too: it writes the report of a confirmed experiment anew.
            self.to_remove = "write_report", call[1]
            return self.to_remove
        following = result.next
        if "experiment" in following.you_choose:
            # Another experiment is offered where this one is done, or forgotten by the server before.
            page = self.service.list_experiments()
            self.answers.append(page.document())
            if not page.experiments:
                return "run_seed", OURS
            following = page.next
        is_at_end = {"experiment", "new_baseline"} & {*following.you_choose}
        return None if is_at_end else (following.tool, dict(following.arguments))

    def _call(self, tool: str, arguments: dict[str, Any]) -> Any:
        if tool == "run_seed":
            values = {**arguments, "role": Role(arguments.get("role", "measure"))}
            return self.service.observe(self.service.request_run(RunRequest(**_as_tuples(values))))
        if tool == "compare":
            return self.service.compare(arguments["experiment"])
        if tool == "write_report":
            return self.service.write_report(arguments.get("experiment"))
        return self.service.check_baseline()

    def finish(self, call: Call | None) -> None:
        """Follow to the end."""
        for _ in range(ENOUGH_CALLS):
            if call is None:
                return
            call = self.follow(call)
        raise AssertionError(f"no end: {call}, {self.codes}")


def _as_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


# --- the walk ---------------------------------------------------------------------------------


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are played do not pause, and nothing of them is left in the modules."""
    monkeypatch.setenv("SEEDPROOF_IDLE_S", "0")
    for name in ("BUSY_POLL_S", "IDLE_POLL_S", "TAKEOVER_S"):
        monkeypatch.setattr(conductor, name, 0)
    monkeypatch.setattr(launcher, "CRASH_PAUSE_S", 0)
    monkeypatch.setattr(launcher, "_last_starts", {})
    monkeypatch.setattr(launcher, "_children", [])
    monkeypatch.setattr(local, "_supervisors", [])


def take_through(
    machine: Machine,
    project: Path,
    reopens: bool,
    call: Call | None = LOOK,
    client: Callable[[Path], Study] = Study,
) -> Study:
    """A whole study; where the failure strikes the server dies with it, or lives on if it can."""
    with machine.faults.installed():
        study = client(project)
        while call is not None and not machine.faults.has_fired:
            assert len(study.answers) < ENOUGH_CALLS
            try:
                call = study.follow(call)
            except Killed:
                machine.faults.bury()
                reopens = True
        if reopens:
            study.open()
            call = study.to_remove or LOOK
        study.finish(call)
    return study


@contextmanager
def a_first_study() -> Iterator[Path]:
    """A project of a user who has no other: slots, registry and what interpreters answered begin anew.

    Its failure points are then those of every other study.
    """
    environment._answers.clear()
    with a_project() as project, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(project.parent / "state"))
        yield project


def disturbed(at: int, kind: str, reopens: bool) -> tuple[Machine, dict[str, Any]]:
    """One study with a failure, held to the promises; its outcome."""
    machine = Machine(at, kind)
    with a_first_study() as project:
        study = take_through(machine, project, reopens)
        check_written(project)
        check_reports(project)
        check_files(project)
        records = records_of(project)
        check_ledger(records, study.answers)
        return machine, outcome_of(records)


def chosen(points: Sequence[str], every: int = 1) -> Iterator[tuple[int, str, bool]]:
    """Every so many points with one kind of failure, in turn; in the long test with all, to go on both ways."""
    for number, at in enumerate(range(1, len(points) + 1, every)):
        kinds = kinds_at(points[at - 1])
        if IS_SOAK:
            yield from ((at, kind, reopens) for kind in kinds for reopens in (False, True))
        else:
            yield at, kinds[number % len(kinds)], number // len(kinds) % 2 == 0


@pytest.mark.sampled
@pytest.mark.usefixtures("played")
def test_wherever_server_or_conductor_fail_the_study_ends_as_if_nothing_had_happened(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine, outcome = disturbed(-1, "kill", False)
    points = machine.faults.points
    assert outcome == undisturbed()
    failures = list(chosen(points, EVERY))
    for at, kind, reopens in failures:
        with caplog.at_level(logging.ERROR):
            machine, outcome = disturbed(at, kind, reopens)
        assert machine.faults.has_fired, (at, kind)
        assert outcome == undisturbed(), (at, points[at - 1], kind)
        assert not caplog.records, caplog.text
    print(f"{SHOWN}{len(points)} places where server or conductor can fail, {len(failures)} failures tried")


def adopt_request_and_stop(project: Path) -> None:
    """The first calls in a fresh clone: its ledger is adopted, a run requested and taken back."""
    service = Service(project, start_conductor=lambda paths: None)
    run_id = service.request_run(RunRequest())
    assert service.stop_run(run_id, "not needed").state == "cancelled"


@pytest.mark.parametrize("kind", KINDS)
def test_wherever_the_first_calls_in_a_clone_fail_the_next_ones_go_on_from_its_mirror(kind: str) -> None:
    at, has_fired, codes = 0, True, set()
    while has_fired:
        at += 1
        with a_project() as project:
            service = Service(project, start_conductor=lambda paths: None)
            service.request_run(RunRequest())
            service._ledger.write_mirror()
            shutil.rmtree(service.paths.state)
            with Faults(at, kind).installed() as faults:
                try:
                    adopt_request_and_stop(project)
                except Refusal as refusal:
                    codes.add(refusal.code)
                except Killed:
                    faults.bury()
            adopt_request_and_stop(project)
            has_fired = faults.has_fired
            assert service.paths.ledger.read_bytes().startswith(service.paths.mirror.read_bytes())
            first, *others = attempts(records_of(project)).values()
            assert first == [(1, "run_interrupted", None)]
            assert others and all(runs == [(1, "run_cancelled", None)] for runs in others)
    assert codes == ({"not_writable"} if kind in ERRORS else set())
    assert at > 20


# --- one record ---------------------------------------------------------------------------------


def write(ledger: Ledger, note: str) -> None:
    with ledger.writing() as writer:
        writer.append(Resumed(reason=note))


def notes(project: Path) -> list[str]:
    return [record["reason"] for record in records_of(project)]


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("before", [[], ["first"]], ids=["new", "continued"])
def test_a_record_that_could_not_be_stored_is_withdrawn_and_not_read_back_later(
    quick_project: Path, before: list[str], kind: str
) -> None:
    ledger = Ledger(ProjectPaths(quick_project))
    for note in before:
        write(ledger, note)
    at, stored = 0, False
    while not stored:
        at += 1
        known = ledger.state.head
        with Faults(at, kind).installed() as faults:
            try:
                write(ledger, f"attempt {at}")
            except OSError:
                # Its folder is empty until the first record is there.
                found = notes(quick_project) if ledger._paths.ledger.exists() else []
                assert found == before, faults.points
                assert ledger.state.head == known
            else:
                stored = True
    assert at > 4 and notes(quick_project) == [*before, f"attempt {at}"]


def test_who_had_read_a_record_that_was_withdrawn_reads_what_stands_in_its_place(quick_project: Path) -> None:
    paths = ProjectPaths(quick_project)
    writer, reader = Ledger(paths), Ledger(paths)
    write(writer, "first")
    size = paths.ledger.stat().st_size
    write(writer, "withdrawn")
    assert reader.refresh().seq == 2
    files.truncate_synced(paths.ledger, size)
    write(Ledger(paths), "another and a longer one")
    reader.refresh()
    assert [record["reason"] for record in reader.records()] == ["first", "another and a longer one"]


# --- the supervisor, as a process ---------------------------------------------------------------

STUB = "import sys; from tests.support import faults; faults.install_from_environment(); "
STUB += "from seedproof_mcp.supervisor import supervise; sys.exit(supervise.main(sys.argv[1:]))"


class FirstSupervisorFails:
    """Starts processes; the first supervisor among them fails at its n-th change."""

    def __init__(self, at: int, kind: str, journal: Path) -> None:
        self._fault = f"{at}:{kind}:{journal}"

    def __call__(self, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        if self._fault and "seedproof_mcp.supervisor.supervise" in argv:
            path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
            options["env"] = {**os.environ, "PYTHONPATH": path, faults.VARIABLE: self._fault}
            argv = [sys.executable, "-P", "-c", STUB, *argv[argv.index("seedproof_mcp.supervisor.supervise") + 1 :]]
            self._fault = ""
        return subprocess.Popen(argv, **options)


def one_run(project: Path, at: int, kind: str) -> list[str]:
    """The baseline's first seed while its supervisor fails, then as `next` says; the supervisor's points."""
    journal = project.parent / f"points-{at}-{kind}"
    service = Service(project, start_conductor=lambda paths: None)
    with Faults(popen=FirstSupervisorFails(at, kind, journal)).installed():
        run_id = service.request_run(RunRequest())
        assert conductor.main([str(project)]) == 0
    ended = service.observe(run_id)
    assert ended.state in ("succeeded", "failed", "interrupted"), ended
    wait_until(lambda: not processes_of(project))
    assert not locks.is_locked(slot_lock("default"))
    if ended.state != "succeeded":
        assert ended.next is not None and ended.next.arguments == {"seed": 42, "attempt": 2}
        ended = service.observe(service.request_run(RunRequest(**ended.next.arguments)))
        assert conductor.main([str(project)]) == 0
        ended = service.observe(ended.run_id)
    assert (ended.state, ended.metrics["val_loss"]) == ("succeeded", 4 + round(random.Random(42).gauss(0, 0.01), 6))
    assert len(attempts(records_of(project))) == 1
    return journal.read_text().splitlines()


@pytest.fixture
def quick_conductor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conductor in this process that leaves when the queue is empty, and looks often."""
    monkeypatch.setenv("SEEDPROOF_IDLE_S", "0")
    for name in ("BUSY_POLL_S", "IDLE_POLL_S"):
        monkeypatch.setattr(conductor, name, 0.005)


@pytest.mark.sampled
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a training outlives its supervisor elsewhere")
@pytest.mark.usefixtures("quick_conductor")
def test_wherever_the_supervisor_fails_its_run_is_published_or_recognised_as_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def walk(at: int, kind: str) -> list[str]:
        with a_project() as project:
            monkeypatch.setenv("XDG_STATE_HOME", str(project.parent / "state"))
            shutil.copy(FAKE, project / "train_llm.py")
            return one_run(project, at, kind)

    points = walk(0, "kill")
    assert "supervisor Popen" in points
    walked = 0
    for at, point in list(enumerate(points, 1))[::EVERY_OF_A_SUPERVISOR]:
        kinds = kinds_at(point)
        for kind in kinds if IS_SOAK else sorted({"kill", kinds[-1], kinds[at % len(kinds)]}):
            assert len(walk(at, kind)) >= at, (at, point, kind)
            walked += 1
    print(f"{SHOWN}{len(points)} places where a supervisor can fail, {walked} failures tried")
