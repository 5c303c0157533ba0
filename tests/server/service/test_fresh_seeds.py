"""Where the seeds of a confirmation come from: drawn with the verdict, once; given; or shared with another WINNER."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.ledger.fold import fold
from seedproof.model.refusals import NotWritable
from seedproof.model.run_key import Role
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.confirmations import BASE, FLAGS_OF, SIGMA, confirm_all, judge, table
from tests.support.faults import Faults, Killed, kinds_at
from tests.support.in_process import InProcessEngine, in_process_service, quick_tools
from tests.support.real_runs import records
from tests.support.seeds import FRESH, FRESH_SIX, SEEDS
from tests.support.tables import Table
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def drawn(project: Path) -> list[list[int]]:
    """The fresh seeds of every verdict that has some."""
    return [record["fresh_seeds"] for record in records(project, "verdict_issued") if "fresh_seeds" in record]


def source(*numbers: int) -> Callable[[int], int]:
    """A random source that gives these numbers."""
    left = iter(numbers)
    return lambda below: next(left)


def judged_but_for_the_verdict(project: Path) -> None:
    """A baseline and an experiment whose verdict is due."""
    service = in_process_service(project, InProcessEngine())
    service.request_run(RunRequest(queue_all=True))
    flags = ("--shift", "-0.1")
    service.request_run(RunRequest(experiment="a", flags=flags, hypothesis="it helps", queue_all=True))


def a_service(project: Path, randbelow: Callable[[int], int]) -> Service:
    return in_process_service(project, InProcessEngine(), randbelow)


# --- drawn ----------------------------------------------------------------------------------------


async def test_seeds_are_drawn_in_the_record_of_the_verdict_and_stay(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed", queue_all=True)
        await judge(call)
        assert drawn(project) == [list(FRESH_SIX)]
        for _ in range(2):
            await call("compare", experiment="a")
            await call("write_report", experiment="a")
        assert len(records(project, "verdict_issued")) == 1
        await confirm_all(call)
    first, second = records(project, "verdict_issued")
    assert (first["confirmation"]["state"], second["confirmation"]["state"]) == ("open", "confirmed")
    assert (first["fresh_seeds"], second.get("fresh_seeds")) == (list(FRESH_SIX), None)
    assert {record["seed"] for record in records(project, "run_requested") if record["role"] == "confirm"} == {*FRESH}
    assert not records(project, "fresh_seeds_drawn")


async def test_a_report_written_without_compare_draws_them_too(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed", queue_all=True)
        await call.measure("a", *FLAGS_OF["a"])
        await call("write_report", experiment="a")
        await call("compare", experiment="a")
    assert drawn(project) == [list(FRESH_SIX)]


@pytest.mark.parametrize("name", ["same", "worse"])
async def test_what_is_no_winner_gets_none(project: Path, name: str) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed", queue_all=True)
        await judge(call, name)
    assert len(records(project, "verdict_issued")) == 1
    assert drawn(project) == []


async def test_seeds_lie_between_100000_and_999999_and_none_is_drawn_twice(project: Path) -> None:
    asked: list[int] = []
    numbers = iter((0, 0, 899_999, 0, 5, 6, 7, 899_999, 8))

    def randbelow(below: int) -> int:
        asked.append(below)
        return next(numbers)

    judged_but_for_the_verdict(project)
    a_service(project, randbelow).compare("a")
    assert drawn(project) == [[100_000, 999_999, 100_005, 100_006, 100_007, 100_008]]
    assert asked == [900_000] * 9


async def test_seeds_that_the_ledger_has_used_are_not_fresh(project: Path) -> None:
    # One seed of the baseline, one of the extra seeds that never ran, and those of another experiment.
    (project / "seedproof.toml").write_text(
        "[rules]\nbaseline_seeds = [100000, 137, 256, 512, 1024]\n"
        "experiment_seeds = [100000, 137, 256]\nextra_seeds = [512, 100001]\n"
    )
    trained = table().arm("baseline", BASE, (100_000, 137, 256, 512, 1024))
    for name in ("a", "b"):
        trained.arm(f"exp_{name}", (3.90, 3.91, 3.92), (100_000, 137, 256))
    numbers = source(0, 1, 2, 3, 4, 5, 6, 7, *range(20))
    async with quick_tools(project, InProcessEngine(trained), randbelow=numbers) as call:
        await call("run_seed", queue_all=True)
        await judge(call)
        await judge(call, "b")
    assert drawn(project) == [[*range(100_002, 100_008)], [*range(100_008, 100_014)]]


async def test_a_new_generation_does_not_use_the_seeds_of_an_earlier_one(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table()), randbelow=source(*range(6), *range(20))) as call:
        await call("run_seed", queue_all=True)
        await judge(call)
        await call("run_seed", new_baseline="the data moved", queue_all=True)
        await judge(call)
    assert drawn(project) == [[*range(100_000, 100_006)], [*range(100_006, 100_012)]]


async def test_replay_reads_the_seeds_and_draws_none(project: Path) -> None:
    judged_but_for_the_verdict(project)
    a_service(project, source(*range(6))).compare("a")
    plan = fold(records(project)).experiments[0].fresh_plan
    assert plan is not None
    assert (plan.seeds, plan.kind, plan.is_given) == (tuple(range(100_000, 100_006)), "winner", False)
    service = a_service(project, source())
    service.compare("a")
    service.request_run(RunRequest(experiment="a", role=Role.CONFIRM))
    assert records(project, "run_requested")[-1]["seed"] == 100_000


def test_two_services_at_once_draw_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged_but_for_the_verdict(project)
    is_waiting, answers = threading.Event(), []
    second = a_service(project, source(*range(100, 106)))
    writing = second._ledger.writing

    def waits() -> Any:
        is_waiting.set()  # it has judged, and found no verdict
        return writing()

    monkeypatch.setattr(second._ledger, "writing", waits)
    thread = threading.Thread(target=lambda: answers.append(second.compare("a")))
    numbers = source(*range(6))

    def randbelow(below: int) -> int:
        if not thread.ident:  # the first service holds the lock, and is about to record its verdict
            thread.start()
            assert is_waiting.wait(PATIENCE_S)
        return numbers(below)

    first = a_service(project, randbelow).compare("a")
    thread.join(PATIENCE_S)
    assert drawn(project) == [list(range(100_000, 100_006))]
    assert [answer.headline for answer in answers] == [first.headline]
    assert answers[0].ledger_head == first.ledger_head


# --- no random source, no room, no power ------------------------------------------------------------


def no_source(below: int) -> int:
    raise NotImplementedError("no /dev/urandom")


NO_SOURCE = (
    "no_random_source: the fresh seeds of a confirmation are drawn at random, and this system has no random source "
    "(no /dev/urandom); nothing was recorded. Next: check_baseline()"
)


async def test_without_a_random_source_no_winner_is_recorded(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table()), randbelow=no_source) as call:
        await call("run_seed", queue_all=True)
        assert (await judge(call, "worse")).data["verdict"] == "LOSER"
        await call.measure("a", *FLAGS_OF["a"])
        before = ProjectPaths(project).ledger.read_bytes()
        for tool in ("compare", "write_report"):
            assert (await call(tool, experiment="a")).text == NO_SOURCE
        assert ProjectPaths(project).ledger.read_bytes() == before
    async with quick_tools(project, InProcessEngine(table())) as call:
        assert (await call("compare", experiment="a")).data["verdict"] == "WINNER"
    assert drawn(project) == [list(FRESH_SIX)]


async def test_given_seeds_need_no_random_source(project: Path) -> None:
    (project / "seedproof.toml").write_text(f"[rules]\nconfirm_seeds = {list(FRESH)}\n")
    async with quick_tools(project, InProcessEngine(table()), randbelow=no_source) as call:
        await call("run_seed", queue_all=True)
        await judge(call)
        assert (await confirm_all(call)).data["confirmation"]["state"] == "confirmed"


def failing(project: Path, at: int | None, kind: str) -> tuple[Faults, list[str]]:
    """A verdict with a failure at one change; what was acknowledged."""
    said = []
    with Faults(at, kind).installed() as faults:
        try:
            said.append(a_service(project, source(*range(6))).compare("a").headline)
        except (NotWritable, Killed):
            faults.bury()
    return faults, said


@pytest.mark.parametrize("kind", ["ENOSPC", "kill", "torn"])
def test_wherever_the_verdict_fails_seeds_are_drawn_once(project: Path, tmp_path: Path, kind: str) -> None:
    judged_but_for_the_verdict(project)
    kept = Path(shutil.copytree(project, tmp_path / "kept"))
    points = failing(project, None, kind)[0].points
    assert drawn(project) == [[*range(100_000, 100_006)]]
    outcomes = set()
    for at in (at for at, point in enumerate(points, 1) if kind in kinds_at(point)):
        shutil.rmtree(project)
        shutil.copytree(kept, project)
        faults, said = failing(project, at, kind)
        assert faults.has_fired
        is_recorded = Ledger(ProjectPaths(project)).refresh().experiments[0].fresh_plan is not None
        assert is_recorded or not said
        outcomes.add(is_recorded)
        # The same call again, by a server with another source, and the first run.
        service = a_service(project, source(*range(50, 56)))
        assert service.compare("a").headline.startswith("WINNER (unconfirmed): ")
        seeds = range(100_000, 100_006) if is_recorded else range(100_050, 100_056)
        assert drawn(project) == [[*seeds]]
        service.request_run(RunRequest(experiment="a", role=Role.CONFIRM))
        assert records(project, "run_requested")[-1]["seed"] == seeds[0]
    # Torn writes behind the verdict, as of a report, leave it recorded.
    assert False in outcomes and (kind == "torn" or True in outcomes)


# --- shared -----------------------------------------------------------------------------------------


async def declare(call: Any, name: str) -> None:
    arguments = {"experiment": name, "flags": list(FLAGS_OF[name]), "hypothesis": "it helps", "queue_all": True}
    assert not (await call("run_seed", **arguments)).is_error


def confirming(trained: Table) -> list[tuple[str, int]]:
    """Arm and seed of every training on fresh seeds, in their order."""
    keys = map(Table.key, trained.argvs)
    return [(name, seed) for name, seed in keys if name.startswith(("control", "confirm"))]


async def test_a_winner_declared_before_the_seeds_were_drawn_shares_the_controls(project: Path) -> None:
    trained = table().wall("control_a", (10, 10, 10), FRESH)
    for name in ("a", "b"):
        trained.wall(f"confirm_{name}", (12.0, 12.1, 12.2), FRESH)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call("run_seed", queue_all=True)
        for name in ("a", "b"):
            await declare(call, name)
        for name in ("a", "b"):
            await call("compare", experiment=name)
        assert drawn(project) == [list(FRESH_SIX)] * 2
        first = await confirm_all(call)
        before = len(confirming(trained))
        said = await call("compare", experiment="b")
        assert said.data["next"]["why"] == "Confirms the WINNER on fresh seeds: 3 of 6 runs."
        second = await confirm_all(call, "b")
        written = await call("write_report", experiment="b")
    assert confirming(trained)[before:] == [("confirm_b", seed) for seed in FRESH]
    assert second.data["headline"] == f"WINNER (confirmed on 3 fresh seeds): {SIGMA} sigma better"
    assert first.data["headline"] == f"{second.data['headline']}; slower by 21.0 % in alternated runs"
    assert second.data["confirmation"]["done"] == 6
    # The controls ran at another time.
    assert second.data["confirmation"]["wall_time"] is None
    own = {key: value for key, value in first.data["confirmation"].items() if key != "wall_time"}
    assert second.data["confirmation"].items() >= own.items()
    assert (
        f"| b, fresh, without the change of a | {FRESH[0]} | 1 | succeeded |"
        in (project / written.data["path"]).read_text()
    )
    rests_on = records(project, "verdict_issued")[-1]["runs"]
    assert len([run_id for run_id in rests_on if "control-a" in run_id or "-a-" in run_id]) == 3


async def test_a_winner_declared_after_the_seeds_were_drawn_gets_its_own(project: Path) -> None:
    trained = table()
    async with quick_tools(project, InProcessEngine(trained), randbelow=source(*range(12))) as call:
        trained.arm("control_b", (4.00, 4.02, 4.01), range(100_006, 100_012))
        trained.arm("confirm_b", (3.93, 3.95, 3.94), range(100_006, 100_012))
        await call("run_seed", queue_all=True)
        for name in ("a", "b"):
            await judge(call, name)
        await confirm_all(call, "b")
    assert drawn(project) == [[*range(100_000, 100_006)], [*range(100_006, 100_012)]]
    assert {name for name, _ in confirming(trained)} == {"control_b", "confirm_b"}


async def test_controls_of_two_open_confirmations_are_trained_once_each(project: Path) -> None:
    trained = table(0.015)  # both go on to six pairs
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call("run_seed", queue_all=True)
        for name in ("a", "b"):
            await declare(call, name)
        for name in ("a", "b"):
            await call("compare", experiment=name)
        open_ones = ["a", "b"]
        while open_ones:  # one run for each in turn
            for name in tuple(open_ones):
                answer = await call("run_seed", experiment=name, role="confirm")
                if answer.code == "confirm_not_due":
                    open_ones.remove(name)
        said = [await call("compare", experiment=name) for name in ("a", "b")]
    headline = f"WINNER (confirmed on 6 fresh seeds): {SIGMA} sigma better"
    assert [answer.data["headline"] for answer in said] == [headline] * 2
    seeds = [seed for name, seed in confirming(trained) if name.startswith("control")]
    assert sorted(seeds) == sorted(FRESH_SIX)


async def test_a_control_that_diverged_is_not_shared(project: Path) -> None:
    trained = table()
    trained.losses["control_a", FRESH[0]] = "nan"
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call("run_seed", queue_all=True)
        for name in ("a", "b"):
            await declare(call, name)
        for name in ("a", "b"):
            await call("compare", experiment=name)
        assert (await confirm_all(call)).data["confirmation"]["state"] == "incomplete"
        before = len(confirming(trained))
        answer = await call("compare", experiment="b")
        assert answer.next == "run_seed(experiment='b', role='confirm')"
        assert (await confirm_all(call, "b")).data["confirmation"]["state"] == "confirmed"
    assert confirming(trained)[before] == ("control_b", FRESH[0])


async def test_in_place_only_experiments_of_the_same_files_share(project: Path) -> None:
    (project / "seedproof.toml").write_text('[settings]\ncode = "in-place"\n')
    trained = table().arm("exp_c", (3.90, 3.91, 3.92))
    async with quick_tools(project, InProcessEngine(trained), randbelow=source(*range(12))) as call:
        await call("run_seed", queue_all=True)
        for name in ("a", "b"):
            await declare(call, name)
        (project / "train_llm.py").write_text("steps = 2\n")
        changed = await call(
            "run_seed", experiment="c", flags=["--c"], hypothesis="it helps", code_change=True, queue_all=True
        )
        assert not changed.is_error, changed.text
        await call("run_seed", experiment="c", role="control")
        await call("run_seed", experiment="c", queue_all=True)
        for name in ("a", "b", "c"):
            judged = await call("compare", experiment=name)
            assert judged.data["verdict"] == "WINNER", judged.text
    assert drawn(project) == [[*range(100_000, 100_006)]] * 2
    assert judged.data["confirmation"]["state"] == "unavailable"


# --- given ------------------------------------------------------------------------------------------

GIVEN = (11, 22, 33, 44, 55, 66)


def given_table(gain: float) -> Table:
    """The same trainings at given seeds."""
    made = table(gain)
    for (name, seed), text in list(made.losses.items()):
        if seed in FRESH_SIX:
            made.losses[name, GIVEN[FRESH_SIX.index(seed)]] = text
    return made


@pytest.mark.parametrize(
    ("count", "gain", "runs", "headline"),
    [
        (3, 0.07, 6, "WINNER (confirmed on 3 given seeds)"),
        (3, 0.015, 6, "WINNER (NOT confirmed on 3 given seeds)"),
        (6, 0.07, 6, "WINNER (confirmed on 3 given seeds)"),
        (6, 0.015, 12, "WINNER (confirmed on 6 given seeds)"),
    ],
)
async def test_three_given_seeds_are_one_stage_and_six_are_two(
    project: Path, count: int, gain: float, runs: int, headline: str
) -> None:
    (project / "seedproof.toml").write_text(f"[rules]\nconfirm_seeds = {list(GIVEN[:count])}\n")
    trained = given_table(gain)
    async with quick_tools(project, InProcessEngine(trained), randbelow=no_source) as call:
        await call("run_seed", queue_all=True)
        await judge(call)
        said = await confirm_all(call)
        written = await call("write_report", experiment="a")
    assert drawn(project) == [list(GIVEN[:count])]
    assert said.data["headline"] == f"{headline}: {SIGMA} sigma better"
    assert said.data["confirmation"]["reason"].startswith(f"On {runs // 2} given seeds the experiment is ")
    assert len(confirming(trained)) == runs
    assert f"- {headline}: " in (project / written.data["path"]).read_text()


async def test_given_seeds_are_not_shared(project: Path) -> None:
    (project / "seedproof.toml").write_text(f"[rules]\nconfirm_seeds = {list(GIVEN[:3])}\n")
    trained = given_table(0.07)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call("run_seed", queue_all=True)
        for name in ("a", "b"):
            await declare(call, name)
        for name in ("a", "b"):
            await call("compare", experiment=name)
            await confirm_all(call, name)
    names = [name for name, _ in confirming(trained)]
    assert {name: names.count(name) for name in names} == dict.fromkeys(
        ("control_a", "confirm_a", "control_b", "confirm_b"), 3
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "confirm_seeds = [1]",
            "rules.confirm_seeds: confirm_seeds has 1 seeds; give 3 or 6, or none: then six are drawn",
        ),
        (
            "confirm_seeds = [1, 2, 3, 4]",
            "rules.confirm_seeds: confirm_seeds has 4 seeds; give 3 or 6, or none: then six are drawn",
        ),
        (
            "confirm_seeds = [7, 42, 9]",
            "rules: confirm_seeds are fresh: none of them may be a seed of baseline or experiment",
        ),
        ("confirm_seeds = [7, 7, 9]", "rules.confirm_seeds: seeds are distinct integers from 0 to 4294967295"),
    ],
)
async def test_seeds_that_cannot_be_given_are_bad_settings_in_one_sentence(project: Path, line: str, said: str) -> None:
    (project / "seedproof.toml").write_text(f"[rules]\n{line}\n")
    async with quick_tools(project) as call:
        refused = await call("run_seed")
    assert refused.text.startswith("bad_settings: seedproof.toml, line ")
    assert refused.text.partition(": rules")[2] == said.removeprefix("rules") + ". Next: check_baseline()"
    assert not ProjectPaths(project).ledger.exists()


# --- the same training under another name ---------------------------------------------------------


DIGITS = (3.9013, 3.9127, 3.9201)


def with_twin(values: tuple[float, ...]) -> Table:
    """A WINNER that does not hold, and another name that gives these values and would hold."""
    trained = table().arm("exp_a", DIGITS).arm("exp_b", values)
    trained.arm("confirm_a", (4.0, 4.02, 4.01), FRESH)
    return trained


@pytest.mark.parametrize(
    ("values", "remark"),
    [
        (DIGITS, "; same values as a, which was NOT confirmed"),
        ((3.9013, 3.9127, 3.9202), "; same flags as a, NOT confirmed"),
    ],
)
async def test_the_headline_of_a_twin_says_that_its_values_were_not_confirmed(
    project: Path, values: tuple[float, ...], remark: str
) -> None:
    async with quick_tools(project, InProcessEngine(with_twin(values))) as call:
        await call("run_seed", queue_all=True)
        await judge(call)
        assert (await confirm_all(call)).data["headline"].startswith("WINNER (NOT confirmed on 3 fresh seeds): ")
        await call.measure("b", "--lr", "0.100", seeds=SEEDS[:3])
        said = await call("compare", experiment="b")
        again = await call("compare", experiment="b")
        written = await call("write_report", experiment="b")
    assert said.data["headline"].startswith(f"WINNER (unconfirmed{remark}): ")
    assert said.data["headline"] == again.data["headline"]
    assert written.data["headline"] == said.data["headline"]
    assert main(["verify", "--regenerate", "--project", str(project)]) == 0
