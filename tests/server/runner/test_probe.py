"""The conductor's own run: a short repeat of the first baseline seed, which no result rests on."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.ledger.fold import fold
from seedproof.model.run_key import Role
from seedproof.model.runs import RunState
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.service.service import Service
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.verify import verify

from tests.support.callers import Caller, tools
from tests.support.in_process import InProcessEngine, Training, option, quick_tools, train
from tests.support.promises import processes_of
from tests.support.real_runs import conductors, records, started
from tests.support.repositories import make_repository
from tests.support.seeds import SEEDS
from tests.support.studies import a_repository, write_settings
from tests.support.waiting import stop_everything, wait_until

pytestmark = pytest.mark.anyio

PROBE = "g1-probe-s42-a1"
FOLDER = "checkpoints/probe_1M_seed42"


@pytest.fixture
def project() -> Iterator[Path]:
    with a_repository() as folder:
        yield folder


def probes(project: Path, kind: str = "run_requested") -> list[dict[str, Any]]:
    """The records of a kind about probes."""
    return [one for one in records(project, kind) if "-probe-" in one["run_id"]]


@dataclass
class Long:
    """Trainings of ten minutes that print a value every minute; a seed moves them all, and so may a repeat."""

    jitter: float = 0.0
    """How far a repeat lies from its first run."""
    seed_moves: float = 0.02
    early: int = 9
    """How many values are printed before the last one."""
    argvs: list[Sequence[str]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str]) -> Training:
        place, seed = option(argv, "--output_dir"), int(option(argv, "--seed"))
        own = self.seed_moves * SEEDS.index(seed) + (self.jitter if "probe" in place else 0.0)
        lines = [f"step {100 * one} val_loss: {6 - one / 5 + own:.4f}\n" for one in range(1, self.early + 1)]
        last = 4.0 + 0.01 * SEEDS.index(seed) + (self.jitter if "probe" in place else 0.0)
        return Training("".join([*lines, f"step 1000 val_loss: {last:.4f}\n"]), wall_time_s=600.0)


def baseline_in(project: Path, engine: InProcessEngine) -> Conductor:
    """A complete baseline, and the conductor that took it through and goes no further."""
    service = Service(project, engine, lambda _paths: None)
    service.request_run(RunRequest(queue_all=True))
    conductor = Conductor(ProjectPaths(project), engine)
    while not probes(project, "run_started") and conductor.step():
        engine.held = len(records(project, "run_finished")) == len(SEEDS)
    return conductor


# --- when it is started, and when it ends ---------------------------------------------------------


async def test_behind_the_last_seed_the_first_one_is_started_again_and_ended_at_its_third_value(project: Path) -> None:
    engine = InProcessEngine(Long())
    conductor = baseline_in(project, engine)
    (requested,), (begun,) = probes(project), probes(project, "run_started")
    assert (requested["role"], requested["seed"], requested["experiment"]) == ("probe", 42, None)
    first = records(project, "run_started")[0]
    assert begun["argv"] == [part.replace("baseline_1M", "probe_1M") for part in first["argv"]]
    assert begun["timeout_s"] == 30.0, "5 % of ten minutes"
    while conductor.step():
        pass
    (ended,) = probes(project, "run_cancelled")
    assert ended["reason"] == "ended on purpose: its first three values are known"
    assert ended["early"] == [[100, "5.8000"], [200, "5.6000"], [300, "5.4000"]]
    assert not (project / FOLDER).exists()
    assert records(project)[-1]["paths"] == [FOLDER]


async def test_a_short_training_is_repeated_as_a_whole(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
    (ended,) = probes(project, "run_finished")
    assert (ended["state"], ended["metrics"]["val_loss"]["text"]) == (
        "succeeded",
        records(project, "run_finished")[0]["metrics"]["val_loss"]["text"],
    )


@pytest.mark.parametrize(
    ("trains", "settings", "why"),
    [
        (Long(early=0), {}, "a long training whose log shows nothing before its end"),
        (Long(seed_moves=0.0), {}, "first values that tell by themselves"),
        (train, {"rules": "repeat_probe = false"}, "the rule"),
        (train, {"settings": 'code = "in-place"'}, "files that may be edited meanwhile"),
    ],
)
async def test_no_probe_is_started_where_it_is_not_wanted_or_would_say_nothing(
    project: Path, trains: Any, settings: dict[str, str], why: str
) -> None:
    write_settings(project, **settings)
    engine = InProcessEngine(trains)
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        status = await call("check_baseline")
    assert probes(project) == [], why
    told = [notice["code"] for notice in status.data["notices"]]
    assert told == (["seed_not_seen"] if why.startswith("first") else []), why


async def test_a_void_baseline_gets_no_probe(project: Path) -> None:
    engine = InProcessEngine(lambda argv: train([*argv, "--constant"]))
    async with quick_tools(project, engine) as call:
        await call("run_seed", queue_all=True)
        assert (await call("check_baseline")).data["phase"] == "void"
    assert probes(project) == []


# --- what it is not -------------------------------------------------------------------------------


async def test_a_probe_is_no_run_of_the_protocol(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(Long(jitter=0.001))) as call:
        await call.measure_baseline()
        status = await call("check_baseline")
        assert [(row["seed"], row["attempt"]) for row in status.data["seeds"]] == [(seed, 1) for seed in SEEDS]
        assert (status.data["phase"], status.data["notices"]) == ("ready", [])
        assert (await call("list_experiments")).data["next"]["tool"] == "write_report"
        assert (await call("run_seed", seed=42)).data["run_id"] == "g1-baseline-s42-a1"
        report = (project / (await call("write_report")).data["path"]).read_text()
        await call.measure("a", "--lr", "2", seeds=SEEDS)
        assert (await call("compare", experiment="a")).data["verdict"] == "NEUTRAL"
    assert "- Probe: seed 42 was started once more; at step 100 the seeds lie 40 times as far apart as the" in report
    assert all(check.outcome != "FAIL" for check in verify(ProjectPaths(project), regenerate=True))


async def test_seeds_no_further_apart_than_a_repeat_stand_in_brackets(project: Path) -> None:
    engine = InProcessEngine(lambda argv: Long(jitter=0.03)(argv) if "--lr" not in argv else better(argv))
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        (notice,) = (await call("check_baseline")).data["notices"]
        assert notice["code"] == "seed_not_seen" and "a repeat of seed 42 0.03 from its first run" in notice["message"]
        await call.measure("a", "--lr", "2")
        answer = await call("compare", experiment="a")
        assert answer.data["headline"].startswith("WINNER (unconfirmed; seed not seen to vary the run): ")
        assert "seed_not_seen" in [notice["code"] for notice in answer.data["notices"]]


def better(argv: Sequence[str]) -> Training:
    found = Long()(argv)
    return Training(found.log.replace("1000 val_loss: 4.0", "1000 val_loss: 3.8"), wall_time_s=600.0)


async def test_a_probe_that_fails_is_not_tried_again_and_holds_nothing_up(project: Path) -> None:
    def crashes(argv: Sequence[str]) -> Training:
        return Training("Traceback: out of memory\n", 1) if "probe" in option(argv, "--output_dir") else train(argv)

    async with quick_tools(project, InProcessEngine(crashes)) as call:
        await call.measure_baseline()
        await call.measure("a", "--lr", "2")
        report = (project / (await call("write_report")).data["path"]).read_text()
    assert [one["state"] for one in probes(project, "run_finished")] == ["failed"]
    assert "- Probe: seed 42 was started once more (failed); it shows nothing." in report
    state = fold(records(project))
    assert state.failures_in_row == 0 and not (project / FOLDER).exists()


async def test_a_foreign_folder_in_its_place_is_left_alone(project: Path) -> None:
    async with quick_tools(project) as call:
        (project / FOLDER).mkdir(parents=True)
        await call.measure_baseline()
    (ended,) = probes(project, "run_finished")
    assert ended["never_started"] and ended["reason"].startswith("output_exists: ")
    assert (project / FOLDER).exists()


async def test_a_probe_can_be_stopped_and_shown(project: Path) -> None:
    engine = InProcessEngine(train)
    conductor = baseline_in(project, engine)
    service = Service(project, engine, lambda _paths: None)
    shown = service.observe(PROBE)
    assert shown.texts()[0].startswith("probe of the baseline, seed 42: running")
    assert shown.next is not None and shown.next.tool == "write_report"
    assert service.list_experiments().texts()[0].splitlines()[1] == f"Training now: {PROBE}"
    engine.cancel(str(ProjectPaths(project).run(PROBE).folder), "not now")
    while conductor.step():
        pass
    assert service.observe(PROBE).state == "cancelled" and len(probes(project)) == 1


async def test_an_experiment_that_is_requested_meanwhile_runs_behind_it(project: Path) -> None:
    engine = InProcessEngine(train)
    conductor = baseline_in(project, engine)
    service = Service(project, engine, lambda _paths: None)
    run_id = service.request_run(RunRequest(experiment="a", flags=("--shift", "1"), hypothesis="it hurts"))
    assert service.observe(run_id).queue_position == 2
    engine.held = False
    engine.release()
    while conductor.step():
        pass
    order = [one["run_id"] for one in records(project, "run_finished")]
    assert order[-2:] == [PROBE, run_id]


async def test_what_an_exact_repeat_shows_is_asked_of_a_control_as_well(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        (project / "evaluate.py").write_text("exact = False\n")
        await call("run_seed", experiment="a", flags=["--shift", "1"], hypothesis="it hurts", wait_s=0)
        answer = await call("run_seed", experiment="a", role="control")
        (passed,) = [one for one in answer.data["notices"] if one["code"] == "control_passed"]
        assert "asked was exactly" in passed["message"]


async def test_an_exact_repeat_of_a_share_of_few_cases_asks_no_exact_control(project: Path) -> None:
    def counts(argv: Sequence[str]) -> Training:
        right = {42: 183, 137: 181, 256: 186, 512: 184, 1024: 182}[int(option(argv, "--seed"))]
        return Training(f"Step 100 | val_loss: {(200 - right) / 200:.4f}\n", wall_time_s=10.0)

    async with quick_tools(project, InProcessEngine(counts)) as call:
        await call.measure_baseline()
        (project / "evaluate.py").write_text("exact = False\n")
        await call("run_seed", experiment="a", flags=["--shift", "1"], hypothesis="it hurts", wait_s=0)
        answer = await call("run_seed", experiment="a", role="control")
    (passed,) = [one for one in answer.data["notices"] if one["code"] == "control_passed"]
    assert "asked was exactly" not in passed["message"]


# --- real processes -------------------------------------------------------------------------------

SCRIPT = """
import argparse, os, random, time
parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ("--train_tokens", "--seed", "--output_dir", "--lr"):
    parser.add_argument(name)
options = parser.parse_args()
os.makedirs(options.output_dir)
loss = random.Random(int(options.seed)).gauss(4, 0.01)
for step in (0, 1, 2, 3):
    print(f"step {step} val_loss: {loss + 3 - step:.4f}", flush=True)
gate = os.path.join(os.environ["GATES"], os.path.basename(options.output_dir))
while os.path.exists(gate):
    time.sleep(0.01)
print(f"step 4 val_loss: {loss:.4f}")
"""


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Path]:
    """A repository whose trainings wait while the file `gates/<output folder>` exists; the probe's exists."""
    folder = make_repository(tmp_path / "real", {"train_llm.py": SCRIPT, ".gitignore": "gates\ncheckpoints\ndocs\n"})
    (folder / "gates").mkdir()
    (folder / "gates/probe_1M_seed42").touch()
    write_settings(folder, settings=f"grace_s = 0.1\nenv = {{ GATES = {json.dumps(str(folder / 'gates'))} }}")
    yield folder
    for gate in (folder / "gates").iterdir():
        gate.unlink()
    stop_everything(folder)


async def request_experiment(call: Caller) -> None:
    answer = await call("run_seed", experiment="a", flags=["--lr", "2"], hypothesis="it helps", wait_s=0)
    assert answer.data["state"] == "queued", answer.text


async def test_a_real_probe_leaves_its_records_and_nothing_else(real: Path) -> None:
    async with tools(real) as call:
        await call.measure_baseline()
        wait_until(lambda: bool(probes(real, "run_started")))
        (real / "gates/probe_1M_seed42").unlink()
        wait_until(lambda: any(FOLDER in one["paths"] for one in records(real, "files_removed")))
        assert (await call("check_baseline")).data["notices"] == []
        report = (real / (await call("write_report")).data["path"]).read_text()
    (ended,) = probes(real, "run_finished")
    assert ended["state"] == "succeeded" and [step for step, _ in ended["early"]] == [1, 2, 3]
    assert "- Probe: seed 42 was started once more; it repeats its first run exactly at step 1" in report
    assert os.listdir(real / "checkpoints") == []
    assert all(check.outcome != "FAIL" for check in verify(ProjectPaths(real)))


async def test_a_conductor_killed_during_a_probe_is_replaced_with_the_next_request(real: Path) -> None:
    async with tools(real) as call:
        await call.measure_baseline()
        started(real, PROBE)
        for number in conductors(real):
            os.kill(number, signal.SIGKILL)
        wait_until(lambda: not conductors(real))
        await request_experiment(call)
        (real / "gates/probe_1M_seed42").unlink()
        wait_until(lambda: bool(records(real, "run_finished")[-1]["run_id"].startswith("g1-exp-a")))
    assert [one["state"] for one in probes(real, "run_finished")] == ["succeeded"]
    assert len(probes(real)) == 1 and not (real / FOLDER).exists()


async def test_a_probe_whose_supervisor_is_killed_is_tried_once_more_and_then_left(real: Path) -> None:
    async with tools(real) as call:
        await call.measure_baseline()
        for attempt in (1, 2):
            os.kill(started(real, f"g1-probe-s42-a{attempt}")["supervisor_pid"], signal.SIGKILL)
            wait_until(lambda attempt=attempt: len(probes(real, "run_interrupted")) == attempt)
        await call("run_seed", experiment="a", flags=["--lr", "2"], hypothesis="it helps")
    state = Ledger(ProjectPaths(real)).refresh()
    ends = [(run.attempt, run.state) for run in state.runs.values() if run.role is Role.PROBE]
    assert ends == [(1, RunState.INTERRUPTED), (2, RunState.INTERRUPTED)]
    assert list(state.runs.values())[-1].state is RunState.SUCCEEDED
    assert not (real / FOLDER).exists() and state.failures_in_row == 0
    wait_until(lambda: all(b"conductor" in command for command in processes_of(real).values()))
