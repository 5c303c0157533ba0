"""`run_seed(until="verdict")`: one call queues what an arm needs as it becomes due and answers for all of it."""

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS
from seedproof.model.run_key import ArmKey, Role
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.both_channels import check_both_channels
from tests.support.callers import Answer, Caller
from tests.support.confirmations import CONFIRM, FLAGS_OF, table
from tests.support.in_process import InProcessEngine, Training, in_process_service, option, quick_tools
from tests.support.real_runs import FIRST, records, started
from tests.support.seeds import FRESH, SEEDS
from tests.support.servers import INITIALIZE, INITIALIZED, ask, call_of, raw_server, served, tell
from tests.support.studies import a_repository, edit
from tests.support.task_client import task_tools
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.anyio


def requested(project: Path) -> list[str]:
    return [record["run_id"] for record in records(project, "run_requested")]


def first_words(name: str) -> dict[str, Any]:
    return {"experiment": name, "flags": list(FLAGS_OF[name]), "hypothesis": "it helps", "until": "verdict"}


async def baseline(call: Caller) -> Answer:
    return await call("run_seed", until="verdict")


# --- to the end -----------------------------------------------------------------------------------------


async def test_one_call_makes_a_baseline_and_its_first_run_goes_alone(quick_project: Path) -> None:
    async with quick_tools(quick_project, InProcessEngine(table())) as call:
        answer = await baseline(call)
        status = await call("check_baseline")
        again = await baseline(call)
    assert (answer.data["state"], answer.data["seed"], answer.data["remaining"]) == ("succeeded", 1024, 0)
    assert (answer.next, status.data["phase"]) == ("write_report()", "ready")
    assert answer.data["values"] == {"val_loss": {"42": 4.0, "137": 4.01, "256": 3.99, "512": 4.02, "1024": 3.98}}
    assert "val_loss by seed: 42 4.0, 137 4.01, 256 3.99, 512 4.02, 1024 3.98" in answer.text
    kinds = [record["kind"] for record in records(quick_project)]
    assert kinds[kinds.index("run_requested") :][:4] == [
        "run_requested",
        "run_started",
        "run_finished",
        "run_requested",
    ]
    assert again.data == answer.data
    check_both_channels(answer)


@pytest.mark.parametrize(
    ("name", "seeds", "verdict"), [("a", 3, "WINNER"), ("same", 5, "NEUTRAL"), ("worse", 3, "LOSER")]
)
async def test_one_call_runs_as_many_seeds_as_the_verdict_needs(
    quick_project: Path, name: str, seeds: int, verdict: str
) -> None:
    async with quick_tools(quick_project, InProcessEngine(table())) as call:
        await baseline(call)
        answer = await call("run_seed", **first_words(name))
        other = await call("run_seed", **{**first_words(name), "flags": ["--lr", "7"]})
        judged = await call("compare", experiment=name)
        again = await call("run_seed", experiment=name, until="verdict")
    assert (answer.data["state"], answer.data["remaining"], answer.next) == (
        "succeeded",
        0,
        f"compare(experiment='{name}')",
    )
    assert list(answer.data["values"]["val_loss"]) == [str(seed) for seed in SEEDS[:seeds]]
    assert judged.data["verdict"] == verdict
    assert other.code == "flags_changed"
    assert (again.data["run_id"], again.data["values"]) == (answer.data["run_id"], answer.data["values"])
    assert len(requested(quick_project)) == 5 + seeds


async def test_one_call_runs_a_confirmation_until_it_can_be_judged(quick_project: Path) -> None:
    async with quick_tools(quick_project, InProcessEngine(table())) as call:
        await baseline(call)
        early = await call("run_seed", **CONFIRM, until="verdict")
        await call("run_seed", **first_words("a"))
        unjudged = await call("run_seed", **CONFIRM, until="verdict")
        await call("compare", experiment="a")
        answer = await call("run_seed", **CONFIRM, until="verdict")
        again = await call("run_seed", **CONFIRM, until="verdict")
        judged = await call("compare", experiment="a")
    assert (early.code, unjudged.code) == ("experiment_unknown", "confirm_not_due")
    assert (answer.data["remaining"], answer.next) == (0, "compare(experiment='a')")
    assert {name: list(found) for name, found in answer.data["values"].items()} == {
        side: [str(seed) for seed in FRESH] for side in ("val_loss", "val_loss without the change")
    }
    assert again.data == answer.data
    assert judged.data["confirmation"]["state"] == "confirmed"
    check_both_channels(answer)


async def test_an_idea_that_screening_drops_costs_no_further_seed(quick_project: Path) -> None:
    (quick_project / "seedproof.toml").write_text('[rules]\ndesign = "screening"\n')
    async with quick_tools(quick_project, InProcessEngine(table())) as call:
        await baseline(call)
        answer = await call("run_seed", **first_words("worse"))
        judged = await call("compare", experiment="worse")
    assert (answer.data["seed"], answer.data["remaining"]) == (42, 0)
    assert judged.data["headline"].startswith("DROPPED after 1 seed")


# --- what ends it before ----------------------------------------------------------------------------------


def fails_at(seed: int, *, with_value: bool) -> InProcessEngine:
    """An engine whose experiments fail at one seed."""
    made = table()

    def trains(argv: Any) -> Training:
        if "--lr" in argv and option(argv, "--seed") == str(seed):
            return Training("val_loss: 4.5\n" if with_value else "Traceback: no such flag\n", 1)
        return made(argv)

    return InProcessEngine(trains)


async def test_a_first_run_without_value_answers_at_once_and_nothing_else_was_queued(quick_project: Path) -> None:
    engine = fails_at(42, with_value=False)
    async with quick_tools(quick_project, engine) as call:
        await baseline(call)
        answer = await call("run_seed", **first_words("a"))
        again = await call("run_seed", experiment="a", until="verdict")
        engine.trains = table()
        mended = await call("run_seed", experiment="a", seed=42, attempt=2, until="verdict")
    assert (answer.data["state"], answer.data["seed"]) == ("failed", 42)
    assert answer.next == "run_seed(experiment='a', until='verdict', flags=…, hypothesis=…)"
    assert again.data == answer.data
    assert (mended.data["state"], mended.next) == ("succeeded", "compare(experiment='a')")
    assert requested(quick_project)[5:] == [
        f"g1-exp-a-s{seed}-a{attempt}" for seed, attempt in ((42, 1), (42, 2), (137, 1), (256, 1))
    ]


async def test_a_later_run_without_result_answers_and_its_next_call_goes_on_to_the_verdict(quick_project: Path) -> None:
    engine = fails_at(137, with_value=True)
    async with quick_tools(quick_project, engine) as call:
        await baseline(call)
        answer = await call("run_seed", **first_words("a"))
        again = await call("run_seed", experiment="a", until="verdict")
        engine.trains, call_next = table(), answer.data["next"]
        done = await call(call_next["tool"], **call_next["arguments"])
    assert (answer.data["state"], answer.data["seed"]) == ("failed", 137)
    assert answer.next == "run_seed(experiment='a', seed=137, attempt=2, until='verdict')"
    assert (again.data["run_id"], again.data["state"]) == (answer.data["run_id"], "failed")
    assert (done.data["state"], done.next) == ("succeeded", "compare(experiment='a')")
    check_both_channels(answer)


async def test_a_refusal_answers_as_ever(quick_project: Path) -> None:
    async with quick_tools(quick_project, InProcessEngine(table())) as call:
        for arguments, code in (
            ({"experiment": "a"}, "baseline_missing"),
            ({"seed": 7}, "seed_unknown"),
            ({"role": "confirm"}, "confirm_not_due"),
        ):
            with_until = await call("run_seed", **arguments, until="verdict")
            plain = await call("run_seed", **arguments)
            assert (with_until.code, with_until.text) == (code, plain.text)
    assert not ProjectPaths(quick_project).ledger.exists()


async def test_edited_code_asks_for_its_control_first() -> None:
    with a_repository() as project:
        async with quick_tools(project, InProcessEngine(table())) as call:
            await baseline(call)
            edit(project)
            due = await call("run_seed", **first_words("a"))
            control = await call("run_seed", experiment="a", role="control", until="verdict")
            done = await call("run_seed", experiment="a", until="verdict")
    assert (due.code, due.next) == ("control_due", "run_seed(experiment='a', role='control')")
    assert (control.data["role"], control.data["state"]) == ("control", "succeeded")
    assert done.next == "compare(experiment='a')"


async def test_a_diverged_seed_decides_and_the_rest_is_not_run(quick_project: Path) -> None:
    engine = InProcessEngine(table().arm("exp_a", ("nan", 3.9, 3.9)))
    async with quick_tools(quick_project, engine) as call:
        await baseline(call)
        answer = await call("run_seed", **first_words("a"))
    assert (answer.data["state"], answer.data["remaining"], answer.next) == ("diverged", 0, "compare(experiment='a')")
    assert answer.data["values"] == {"val_loss": {"42": None}}
    assert len(requested(quick_project)) == 6
    check_both_channels(answer)


# --- while it goes on ---------------------------------------------------------------------------------------


async def test_a_call_that_may_not_wait_longer_says_so_and_the_same_call_goes_on(quick_project: Path) -> None:
    engine = InProcessEngine(table())
    engine.held = True
    async with quick_tools(quick_project, engine) as call:
        waiting = await call("run_seed", until="verdict", wait_s=0)
        joined = await call("run_seed", until="verdict", wait_s=0)
        engine.held = False
        engine.release()
        done = await baseline(call)
    assert (waiting.data["state"], waiting.data["run_id"], waiting.data["remaining"]) == ("running", FIRST, 5)
    assert waiting.next == "run_seed(until='verdict')"
    assert waiting.data["next"]["why"] == "Waits; or do other work and call later."
    assert joined.data["run_id"] == FIRST and "values" not in joined.data
    assert (done.data["state"], done.data["remaining"]) == ("succeeded", 0)
    check_both_channels(waiting)


async def test_a_new_baseline_is_begun_once_however_often_the_call_is_repeated(quick_project: Path) -> None:
    arguments = {"new_baseline": "merged a", "until": "verdict"}
    async with quick_tools(quick_project, InProcessEngine(table())) as call:
        await baseline(call)
        begun = await call("run_seed", **arguments)
        again = await call("run_seed", **arguments)
        await call("run_seed", **first_words("a"))
        another = await call("run_seed", **arguments)
    assert begun.data["run_id"] == again.data["run_id"]
    assert [record["generation"] for record in records(quick_project, "generation_started")] == [1, 2, 3]
    assert (another.data["state"], another.data["remaining"]) == ("succeeded", 0)


async def test_the_queue_says_when_each_run_has_ended_by_the_times_of_its_own_arm(quick_project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(quick_project, engine) as call:
        engine.held = True
        await call("run_seed", queue_all=True, wait_s=0)
        unknown = await call("run_seed", seed=137, wait_s=0)
        listed = await call("list_experiments")
        engine.held = False
        engine.release()
        await baseline(call)
        engine.held = True
        await call("run_seed", **{**first_words("a"), "until": "seed"}, queue_all=True, wait_s=0)
        known = await call("run_seed", experiment="a", seed=256, wait_s=0)
    assert unknown.data["eta_s"] is None and "eta_s" not in listed.data["queue"][0]
    assert [row["run_id"] for row in listed.data["queue"]] == [f"g1-baseline-s{seed}-a1" for seed in SEEDS[1:]]
    assert (known.data["queue_position"], known.data["eta_s"]) == (3, 4.0)  # two of 2 s behind one that is overdue
    assert "waiting, position 3 in the queue, ends in about 4.0 s" in known.text


async def test_several_slots_take_what_is_due_side_by_side_and_fresh_runs_one_after_the_other() -> None:
    slots = '[settings]\nslots = [{name = "one"}, {name = "two"}, {name = "three"}]\n'
    with a_repository() as project:
        edit(project, slots, "seedproof.toml")
        engine = InProcessEngine(table())
        async with quick_tools(project, engine) as call:
            await baseline(call)
            engine.held = True
            begun = await call("run_seed", **first_words("a"), wait_s=0)  # seed 42 is overdue; two more take a turn
            await call("run_seed", **{**first_words("a"), "until": "seed"}, queue_all=True, wait_s=0)
            queued = [await call("run_seed", experiment="a", seed=seed, wait_s=0) for seed in SEEDS[1:3]]
            await call("run_seed", **{**first_words("b"), "until": "seed"}, wait_s=0)
            second = await call("run_seed", experiment="b", seed=42, wait_s=0)
            engine.held = False
            engine.release()
            await call("run_seed", experiment="a", until="verdict")
            await call("compare", experiment="a")
            engine.held = True
            confirming = await call("run_seed", **CONFIRM, until="verdict", wait_s=0)
    assert begun.data["next"]["why"] == "Waits; or do other work and call in 2 s."
    assert [one.data["eta_s"] for one in queued] == [2.0, 2.0]
    assert (second.data["state"], second.data["eta_s"]) == ("running", 0.0)
    # Six, of which the first is overdue.
    assert confirming.data["next"]["why"] == "Waits; or do other work and call in 10 s."


# --- as a task ------------------------------------------------------------------------------------------------


async def test_an_arm_is_a_task_that_goes_on_after_a_restart_and_ends_with_the_tools_answer(
    quick_project: Path,
) -> None:
    engine = InProcessEngine(table())
    engine.held = True
    async with task_tools(quick_project, in_process_service(quick_project, engine)) as call:
        handle = await call("run_seed", until="verdict", wait_s=0)
    engine.held = False
    engine.release()
    async with task_tools(quick_project, in_process_service(quick_project, engine)) as call:
        done = await call.outcome(handle["taskId"])
        again = await call("run_seed", until="verdict")
    assert (handle["taskId"], handle["status"]) == ("g1-baseline-verdict", "working")
    assert done["createdAt"] == handle["createdAt"] == records(quick_project, "run_requested")[0]["time"]
    assert done["result"] == again
    assert (again["structuredContent"]["remaining"], len(requested(quick_project))) == (0, 5)


async def test_a_task_whose_next_run_is_refused_ends_with_the_refusal() -> None:
    with a_repository() as project:
        engine = InProcessEngine(table())
        async with task_tools(project, in_process_service(project, engine)) as call:
            await call("run_seed", until="verdict")
            engine.held = True
            handle = await call("run_seed", **first_words("a"), wait_s=0)
            (project / "seedproof.toml").write_text("[rules]\nwinner_sigma = 3\n")
            engine.held = False
            engine.release()
            done = await call.outcome(handle["taskId"])
    assert (handle["taskId"], done["status"]) == ("g1-exp-a-verdict", "completed")
    assert done["result"]["isError"] and done["result"]["structuredContent"]["refusal"]["code"] == "baseline_void"


@pytest.mark.parametrize(
    "unknown", ["g1-exp-b-verdict", "g2-baseline-verdict", "g1-confirm-a-verdict", "g0-baseline-verdict"]
)
async def test_an_arm_without_any_run_is_no_task_and_asking_for_it_starts_none(
    quick_project: Path, unknown: str
) -> None:
    async with task_tools(quick_project, in_process_service(quick_project, InProcessEngine(table()))) as call:
        await call("run_seed", until="verdict")
        await call("run_seed", **first_words("a"))
        with pytest.raises(MCPError) as refused:
            await call.get(unknown)
    assert refused.value.error.code == INVALID_PARAMS
    assert len(requested(quick_project)) == 8


def test_the_name_of_an_arm_is_read_back_and_is_never_that_of_a_run() -> None:
    for key in (
        ArmKey(1, Role.MEASURE, None),
        ArmKey(12, Role.MEASURE, "a-s42-a1"),
        ArmKey(3, Role.CONFIRM, "baseline-verdict"),
    ):
        assert ArmKey.parse(key.arm_id) == key
    for other in (FIRST, "g1-exp-a-s42-a1", "g1-exp-A-verdict", "g1-control-a-verdict", "../g1-baseline-verdict"):
        assert ArmKey.parse(other) is None


# --- a killed server --------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_killed_server_costs_nothing_and_the_same_call_goes_on(project: Path, gate: Path) -> None:
    with raw_server(project) as process:
        ask(process, INITIALIZE)
        tell(process, INITIALIZED)
        tell(process, call_of(2, "run_seed", until="verdict", wait_s=600))
        started(project)
        os.kill(process.pid, signal.SIGKILL)
    gate.touch()
    wait_until(lambda: records(project, "run_finished"))
    assert requested(project) == [FIRST]
    async with served(project) as call:
        with anyio.fail_after(10 * PATIENCE_S):
            done = await baseline(call)
            while done.data["state"] in ("queued", "running"):
                done = await call(done.data["next"]["tool"], **done.data["next"]["arguments"])
    assert (done.data["remaining"], len(done.data["values"]["val_loss"])) == (0, 5)
    assert requested(project) == [f"g1-baseline-s{seed}-a1" for seed in SEEDS]
