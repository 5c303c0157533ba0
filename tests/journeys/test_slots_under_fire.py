"""Four slots and many short runs, while conductors and supervisors die: none is lost, doubled or out of order."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.model.refusals import Refusal
from seedproof.model.runs import Run, RunState
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.amounts import SHOWN, amount
from tests.support.promises import processes_of
from tests.support.real_runs import records
from tests.support.seeds import SEEDS
from tests.support.slot_studies import a_study, named, overlapping, turns
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.sampled,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc"),
]

SLOTS = 4
# Of each experiment three seeds are needed, of the baseline five; the probe is one more.
EXPERIMENTS, KILLS = amount(sample=(6, 6), whole=(65, 60), soak=(650, 600))
LASTS_S = 0.1
LOOK_S = 0.02
# How long a process of each kind does something of interest, its start included.
LIFE_S = {"conductor": 1.5, "supervise": 0.3}


class Killer:
    """Kills the conductor or a supervisor at random moments."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._random = random.Random(20)
        self.hit: dict[str, int] = defaultdict(int)

    def haunt(self, is_over: threading.Event) -> None:
        """Kill until enough are dead, or the study is over."""
        while sum(self.hit.values()) < KILLS and not is_over.is_set():
            kind = self._random.choice(["conductor", "supervise", "supervise"])
            while not is_over.wait(LOOK_S) and not self._living(kind):
                pass
            is_over.wait(self._random.uniform(0, LIFE_S[kind]))
            for pid in self._living(kind)[:1]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.hit[kind] += 1

    def _living(self, kind: str) -> list[int]:
        return [pid for pid, words in processes() if self._is_of(kind, words)]

    def _is_of(self, kind: str, words: list[bytes]) -> bool:
        module = any(word.endswith(f".{kind}".encode()) for word in words)
        return module and any(os.fsencode(self._project) in word for word in words)


def processes() -> Iterator[tuple[int, list[bytes]]]:
    """Every process with its command."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            yield int(entry), Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")


class Conductors:
    """Starts a conductor where none lives, without the pause that a program leaves after crashes in a row."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, paths: ProjectPaths) -> None:
        self._started = [one for one in self._started if one.poll() is None]
        if not self._started:
            command = [sys.executable, "-P", "-m", "seedproof_mcp.runner.conductor", str(paths.root)]
            with paths.conductor_log.open("ab") as log:
                self._started.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    def wait(self) -> None:
        for one in self._started:
            one.wait()


def follow(service: Service) -> None:
    """Wait until every arm has what it needs; whatever a kill interrupted is asked for again."""

    def is_done() -> bool:
        state = service._ledger.refresh()
        for run_id in list(state.active)[:1]:
            service.observe(run_id)  # starts a conductor where none lives
        done = {(run.experiment, run.seed) for run in state.runs.values() if run.state.is_counted}
        for run in newest(state.runs.values()):
            if run.state is RunState.INTERRUPTED and (run.experiment, run.seed) not in done:
                with suppress(Refusal):  # it was asked for already
                    service.request_run(RunRequest(experiment=run.experiment, seed=run.seed, attempt=run.attempt + 1))
        return not service._ledger.refresh().active

    seen = -1

    def has_gone_on() -> bool:
        return is_done() or service._ledger.state.seq > seen

    while not is_done():
        seen = service._ledger.state.seq
        wait_until(has_gone_on)


def newest(runs: Any) -> list[Run]:
    """The last attempt at each seed of each arm; a probe is the conductor's own."""
    found = {(run.experiment, run.seed): run for run in runs if run.role.value == "measure"}
    return list(found.values())


def test_no_run_is_lost_doubled_or_out_of_order_while_conductors_and_supervisors_die(tmp_path: Path) -> None:
    with a_study(tmp_path, named(SLOTS), lasts_s=LASTS_S) as project:
        conductors, killer, is_over = Conductors(), Killer(project), threading.Event()
        service = Service(project, start_conductor=conductors.start)
        with ThreadPoolExecutor(1) as pool:
            haunting = pool.submit(killer.haunt, is_over)
            try:
                service.request_run(RunRequest(queue_all=True))
                follow(service)
                for number in range(1, EXPERIMENTS + 1):
                    flags, why = ("--shift", f"{number}"), "it is worse"
                    service.request_run(
                        RunRequest(experiment=f"e{number}", flags=flags, hypothesis=why, queue_all=True)
                    )
                follow(service)
            finally:
                is_over.set()
                haunting.result()
        conductors.wait()
        wait_until(lambda: not processes_of(project))
        found = records(project)
        assert_each_seed_counts_once(found)
        assert_each_start_has_one_end(found)
        assert_in_order(found)
        assert_slots_held(turns(project))
        assert main(["verify", "--project", str(project)]) == 0
    starts = sum(one["kind"] == "run_started" for one in found)
    print(f"{SHOWN}{dict(killer.hit)} killed during {starts} runs on {SLOTS} slots")


def assert_each_seed_counts_once(found: list[dict[str, Any]]) -> None:
    requested = {one["run_id"]: one for one in found if one["kind"] == "run_requested"}
    counted: dict[tuple[Any, int], int] = defaultdict(int)
    for one in found:
        if one["kind"] == "run_finished" and requested[one["run_id"]]["role"] == "measure":
            assert one["state"] == "succeeded", one
            counted[requested[one["run_id"]]["experiment"], requested[one["run_id"]]["seed"]] += 1
    needed = {(None, seed) for seed in SEEDS[:5]}
    needed |= {(f"e{number}", seed) for number in range(1, EXPERIMENTS + 1) for seed in SEEDS[:3]}
    assert counted == dict.fromkeys(needed, 1)


def assert_each_start_has_one_end(found: list[dict[str, Any]]) -> None:
    ends = ("run_finished", "run_interrupted", "run_cancelled", "run_not_needed")
    started = [one["run_id"] for one in found if one["kind"] == "run_started"]
    ended = [one["run_id"] for one in found if one["kind"] in ends]
    assert len(started) == len(set(started))
    assert sorted(ended) == sorted(one["run_id"] for one in found if one["kind"] == "run_requested")


def assert_in_order(found: list[dict[str, Any]]) -> None:
    """Whatever was asked for earlier and still waits, waits for the first value of its arm."""
    requested: dict[str, dict[str, Any]] = {}
    waiting: list[str] = []
    training: list[str] = []
    with_value: set[Any] = set()
    for one in found:
        run_id = one.get("run_id")
        if one["kind"] == "run_requested":
            requested[run_id] = one
            waiting.append(run_id)
        elif one["kind"] == "run_started":
            place = waiting.index(run_id)
            is_probe = one["run_id"].startswith("g1-probe")
            for earlier in [] if is_probe else waiting[:place]:
                arm = requested[earlier]["experiment"]
                assert arm not in with_value, f"{run_id} started before {earlier}"
                assert any(requested[other]["experiment"] == arm for other in training), f"{run_id} before {earlier}"
            waiting.remove(run_id)
            training.append(run_id)
            assert len(training) <= SLOTS
        elif run_id in training:
            training.remove(run_id)
            if one.get("metrics"):
                with_value.add(requested[run_id]["experiment"])
        elif run_id in waiting:
            waiting.remove(run_id)


def assert_slots_held(found: list[Any]) -> None:
    """No two trainings had one slot at the same time, and several slots were in use at once."""
    pairs = overlapping(found)
    assert not [pair for pair in pairs if pair[0].slot == pair[1].slot]
    assert len({one.slot for one in found}) == SLOTS
    assert pairs
