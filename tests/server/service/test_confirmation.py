"""Confirmations through the tools: pairs of fresh seeds in turn, evaluated once."""

from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.model.run_key import Role
from seedproof_mcp.service.service import Service
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, in_process_service, quick_tools
from tests.support.real_runs import records
from tests.support.seeds import FRESH, SEEDS
from tests.support.tables import Table

pytestmark = pytest.mark.anyio


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


BASE, BETTER = (4.00, 4.01, 3.99, 4.02, 3.98), (3.90, 3.91, 3.92)
CONTROL, FLAGS = (4.00, 4.02, 4.01), (3.93, 3.95, 3.94)
NEUTRAL, WORSE = (3.99, 4.01, 3.995, 4.0, 4.0), (4.10, 4.11, 4.12)
SIGMA = "5.69"  # 0.09 over 0.0158
FLAGS_OF = {"a": ("--lr", "0.1"), "same": ("--lr", "0.2"), "worse": ("--lr", "0.3")}
CONFIRM = {"experiment": "a", "role": "confirm"}
PLACES = [
    *(("control_a", FRESH[0]), ("confirm_a", FRESH[0])),
    *(("confirm_a", FRESH[1]), ("control_a", FRESH[1])),
    *(("control_a", FRESH[2]), ("confirm_a", FRESH[2])),
]


def table() -> Table:
    """A WINNER that holds, an experiment that changes nothing, and one that is worse."""
    made = Table().arm("baseline", BASE).arm("exp_a", BETTER).arm("exp_same", NEUTRAL).arm("exp_worse", WORSE)
    return made.arm("control_a", CONTROL, FRESH).arm("confirm_a", FLAGS, FRESH)


async def judge(call: Caller, name: str = "a") -> Answer:
    """Take an experiment to its verdict."""
    await call.measure(name, *FLAGS_OF[name], seeds=SEEDS[:3])
    if name == "same":
        await call("run_seed", experiment=name, queue_all=True)
    return await call("compare", experiment=name)


async def to_winner(call: Caller) -> Answer:
    """Take the baseline through, and an experiment to its WINNER."""
    await call.measure_baseline()
    return await judge(call)


async def confirm_all(call: Caller) -> Answer:
    """All six runs, and what they say."""
    await call("run_seed", **CONFIRM, queue_all=True)
    return await call("compare", experiment="a")


NOTHING_YET: dict[str, Any] = {
    "state": "open",
    "needed": 6,
    **dict.fromkeys(("difference", "low", "high", "improvement", "threshold", "std", "df", "wall_time")),
}


# --- the way through ------------------------------------------------------------------------------


async def test_following_next_after_a_winner_runs_three_pairs_in_turn_and_says_nothing_before_the_sixth(
    project: Path,
) -> None:
    trained = table()
    async with quick_tools(project, InProcessEngine(trained)) as call:
        answer = await to_winner(call)
        assert answer.data["headline"] == f"WINNER (unconfirmed): {SIGMA} sigma better"
        assert answer.data["confirmation"] == NOTHING_YET | {"done": 0, "reason": "0 of 6 runs on fresh seeds."}
        before = len(trained.argvs)
        for done in range(6):
            assert answer.next == "run_seed(experiment='a', role='confirm')"
            following = answer.data["next"]
            answer = await call(following["tool"], **following["arguments"])
            assert answer.data["state"] == "succeeded"
            assert (answer.data["role"], answer.data["remaining"]) == ("confirm", 5 - done)
            assert (answer.data["arm"] == "baseline") == PLACES[done][0].startswith("control")
            if done < 5:
                said = await call("compare", experiment="a")
                assert said.data["confirmation"]["reason"] == f"{done + 1} of 6 runs on fresh seeds."
                assert said.data["confirmation"].items() >= NOTHING_YET.items()
                assert said.data["headline"] == f"WINNER (unconfirmed): {SIGMA} sigma better"
                assert f"{done + 1} of 6" in said.text
                assert "effect:" not in said.text
                assert "difference on fresh seeds" not in said.text
        assert answer.next == "compare(experiment='a')"
        answer = await call("compare", experiment="a")
        assert answer.data["headline"] == f"WINNER (confirmed on 3 fresh seeds): {SIGMA} sigma better"
        assert answer.data["confirmation"]["difference"] == pytest.approx(-0.07)
        # s = sqrt(16 / 10) hundredths with 10 degrees of freedom; t(.90, 10) = 1.3721836
        assert answer.data["confirmation"]["threshold"] == pytest.approx(1.3721836 * 1.6e-4**0.5 * (2 / 3) ** 0.5)
        assert "The effect: -0.0700, experiment minus control" in answer.text
        assert answer.next == "write_report(experiment='a')"
    commands = trained.argvs[before:]
    assert [Table.key(argv) for argv in commands] == PLACES
    assert [FLAGS_OF["a"][0] in argv for argv in commands] == [not name.startswith("control") for name, _ in PLACES]
    seeds = {seed for _, seed in map(Table.key, commands)}
    assert seeds.isdisjoint(seed for _, seed in map(Table.key, trained.argvs[:before]))


async def test_queue_all_queues_the_six_in_their_order_and_repeating_it_trains_nothing_twice(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_winner(call)
        engine.held = True
        first = await call("run_seed", **CONFIRM, queue_all=True, wait_s=0)
        again = await call("run_seed", **CONFIRM, queue_all=True, wait_s=0)
        joined = await call("run_seed", **CONFIRM, wait_s=0)
        assert first.data["run_id"] == again.data["run_id"] == joined.data["run_id"]
        assert joined.data["state"] == "running"
        assert joined.next == "run_seed(experiment='a', role='confirm')"
        assert (await call("list_experiments")).data["queued"] == 5
        engine.held = False
        engine.release()
        await call("run_seed", **CONFIRM)
        said = await call("compare", experiment="a")
    assert said.data["confirmation"]["state"] == "confirmed"
    trained = [record for record in records(project, "run_requested") if record["role"] == "confirm"]
    assert [(record["arm"], record["seed"], record["attempt"]) for record in trained] == [
        ("baseline" if name.startswith("control") else "experiment", seed, 1) for name, seed in PLACES
    ]


async def test_one_call_asks_for_one_run_and_joins_the_one_in_flight(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_winner(call)
        engine.held = True
        first = await call("run_seed", **CONFIRM, wait_s=0)
        second = await call("run_seed", **CONFIRM, wait_s=0)
        assert first.data["run_id"] == second.data["run_id"]
        assert (await call("list_experiments")).data["queued"] == 0
        engine.release()
        ended = await call("run_seed", **CONFIRM, wait_s=0)
        assert (ended.data["run_id"], ended.data["state"]) == (first.data["run_id"], "succeeded")
        third = await call("run_seed", **CONFIRM, wait_s=0)
        assert (third.data["run_id"] != first.data["run_id"], third.data["state"]) == (True, "running")


# --- refusals -------------------------------------------------------------------------------------

REFUSED = {
    "before the verdict": (
        ("measure", "a"),
        {},
        'confirm_not_due: a has no verdict yet; only a WINNER is confirmed. Next: compare(experiment="a")',
    ),
    "of a NEUTRAL": (
        ("judge", "same"),
        {"experiment": "same"},
        'confirm_not_due: same is NEUTRAL; only a WINNER is confirmed. Next: write_report(experiment="same")',
    ),
    "of a LOSER": (
        ("judge", "worse"),
        {"experiment": "worse"},
        'confirm_not_due: worse is LOSER; only a WINNER is confirmed. Next: write_report(experiment="worse")',
    ),
    "with a seed": (
        ("judge", "a"),
        {"seed": FRESH[0]},
        "bad_arguments: the server chooses seed and side of a confirmation; leave seed out. Next: check_baseline()",
    ),
    "with other flags": (
        ("judge", "a"),
        {"flags": ["--lr", "0.7"]},
        "flags_changed: a was declared with other flags (2 elements); leave them out, or declare a new name. "
        'Next: run_seed(experiment="a", role="confirm")',
    ),
    "of nothing": (
        ("judge", "a"),
        {"experiment": None},
        "confirm_not_due: only an experiment that is a WINNER is confirmed; name it. Next: check_baseline()",
    ),
    "of what was never declared": (
        ("judge", "a"),
        {"experiment": "b"},
        'experiment_unknown: no experiment b has been declared. Next: run_seed(experiment="b", flags=…, hypothesis=…)',
    ),
    "with an attempt out of turn": (
        ("judge", "a"),
        {"attempt": 2},
        "attempt_not_allowed: the run that is due has 0 attempts; attempt 2 at it is not allowed now. "
        'Next: run_seed(experiment="a", role="confirm")',
    ),
    "that has ended, before it is said": (
        ("confirm", "a"),
        {},
        'confirm_not_due: the confirmation of a has ended; there is one per experiment. Next: compare(experiment="a")',
    ),
    "that has ended": (
        ("confirm and compare", "a"),
        {"queue_all": True},
        "confirm_not_due: the confirmation of a has ended; there is one per experiment. "
        'Next: write_report(experiment="a")',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_confirmation_is_refused_with_the_next_call(project: Path, case: str) -> None:
    (stage, name), arguments, text = REFUSED[case]
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await call.measure(name, *FLAGS_OF[name])
        if stage != "measure":
            await judge(call, name)
        if stage.startswith("confirm"):
            await call("run_seed", **CONFIRM, queue_all=True)
        if stage.endswith("compare"):
            await call("compare", experiment=name)
        before = ProjectPaths(project).ledger.read_bytes()
        refused = await call("run_seed", **{**CONFIRM, **arguments})
    assert refused.text == text
    assert ProjectPaths(project).ledger.read_bytes() == before


async def test_fresh_seeds_that_are_not_fresh_are_bad_settings(project: Path) -> None:
    (project / "seedproof.toml").write_text("[rules]\nconfirm_seeds = [7, 42, 9]\n")
    async with quick_tools(project) as call:
        refused = await call("run_seed")
    assert refused.code == "bad_settings"
    assert "confirm_seeds are fresh: none of them may be a seed of baseline or experiment" in refused.text


# --- the four states ------------------------------------------------------------------------------

NOT = "WINNER (NOT confirmed on 3 fresh seeds)"
STATES: dict[str, tuple[dict[tuple[str, int], str], str]] = {
    "confirmed": ({}, "WINNER (confirmed on 3 fresh seeds)"),
    "not_confirmed": (
        dict(zip([("confirm_a", seed) for seed in FRESH], map(repr, CONTROL), strict=True)),
        NOT := "WINNER (NOT confirmed on 3 fresh seeds)",
    ),
    "not_confirmed by a diverged experiment run": ({("confirm_a", FRESH[1]): "nan"}, NOT),
    "incomplete by a diverged control": ({("control_a", FRESH[1]): "inf"}, "WINNER (confirmation incomplete)"),
}


@pytest.mark.parametrize("case", STATES)
async def test_the_headline_of_reply_list_and_report_names_the_state(project: Path, case: str) -> None:
    losses, word = STATES[case]
    trained = table()
    trained.losses |= losses
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await to_winner(call)
        said = await confirm_all(call)
        written = await call("write_report", experiment="a")
        row = (await call("list_experiments")).data["experiments"][0]
    headline = f"{word}: {SIGMA} sigma better"
    state = case.split()[0]
    assert said.data["headline"] == written.data["headline"] == row["headline"] == headline
    assert said.data["confirmation"]["state"] == row["confirmation"] == state
    text = (project / written.data["path"]).read_text()
    assert text.splitlines()[2] == f"- {headline}"
    assert f"Confirmation: {said.data['confirmation']['reason']}" in text.splitlines()[5]
    assert ("The effect: " in text) == (state == "confirmed")
    for name, seed in PLACES:
        side = "control" if name.startswith("control") else "experiment"
        shown = trained.losses[name, seed]
        assert (
            f"| a, fresh, {side} | {seed} | 1 | {'diverged' if shown in ('nan', 'inf') else 'succeeded'} | {shown} "
            in text
        )


async def test_a_slower_winner_says_so_in_its_headline_with_the_interval_in_the_report(project: Path) -> None:
    trained = table().wall("control_a", (10, 10, 10), FRESH).wall("confirm_a", (12.0, 12.1, 12.2), FRESH)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await to_winner(call)
        said = await confirm_all(call)
        written = await call("write_report", experiment="a")
    assert said.data["headline"].endswith(f"{SIGMA} sigma better; slower by 21.0 % in alternated runs")
    text = (project / written.data["path"]).read_text()
    # logs of 1.20, 1.21, 1.22: mean .19061, sd .00827; t(.975, 2) = 4.3027, so give or take .02053
    assert "Wall time in alternated runs on one machine: +21.0 % (95 % interval +18.5 to +23.5 %): a slowdown." in text


async def test_of_trainings_of_a_fraction_of_a_second_no_slowdown_is_claimed(project: Path) -> None:
    trained = table().wall("control_a", (0.1, 0.1, 0.1), FRESH).wall("confirm_a", (0.12, 0.121, 0.122), FRESH)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await to_winner(call)
        said = await confirm_all(call)
        written = await call("write_report", experiment="a")
    assert said.data["headline"].endswith(f"{SIGMA} sigma better")
    assert said.data["confirmation"]["wall_time"]["claim"] == "none"
    assert (
        "+21.0 % (95 % interval +18.5 to +23.5 %): no change that could be claimed, as the controls last less than a "
        "second: start-up and the load of the machine make that."
    ) in (project / written.data["path"]).read_text()


# --- bad luck -------------------------------------------------------------------------------------


async def test_a_failed_run_is_offered_again_by_its_attempt_and_the_rest_goes_on(project: Path) -> None:
    trained = table()
    trained.losses["confirm_a", FRESH[0]] = "crash"
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await to_winner(call)
        await call("run_seed", **CONFIRM)
        failed = await call("run_seed", **CONFIRM)
        assert failed.data["state"] == "failed"
        assert failed.next == "run_seed(experiment='a', role='confirm', attempt=2)"
        assert (await call("run_seed", **CONFIRM)).data["run_id"] == failed.data["run_id"]
        trained.losses["confirm_a", FRESH[0]] = "3.93"
        again = await call("run_seed", **failed.data["next"]["arguments"])
        assert (again.data["state"], again.data["attempt"], again.data["seed"]) == ("succeeded", 2, FRESH[0])
        assert (await confirm_all(call)).data["confirmation"]["state"] == "confirmed"
        written = await call("write_report", experiment="a")
    text = (project / written.data["path"]).read_text()
    assert f"| a, fresh, experiment | {FRESH[0]} | 1 | failed |" in text
    assert f"| a, fresh, experiment | {FRESH[0]} | 2 | succeeded |" in text


async def test_a_run_that_shows_its_metric_and_fails_twice_leaves_the_confirmation_incomplete(project: Path) -> None:
    trained = table()
    trained.losses["control_a", FRESH[2]] = "fail 4.01"
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await to_winner(call)
        await call("run_seed", **CONFIRM, queue_all=True)
        await call("run_seed", **CONFIRM, attempt=2)
        said = await call("compare", experiment="a")
        refused = await call("run_seed", **CONFIRM, attempt=3)
    assert said.data["headline"] == f"WINNER (confirmation incomplete): {SIGMA} sigma better"
    assert said.data["confirmation"]["reason"] == f"The run at fresh seed {FRESH[2]} failed for good."
    assert refused.code == "confirm_not_due"


async def test_a_stopped_run_is_offered_again_by_its_attempt(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_winner(call)
        engine.held = True
        running = await call("run_seed", **CONFIRM, wait_s=0)
        stopped = await call("stop_run", run_id=running.data["run_id"], reason="the machine is needed")
        assert (stopped.data["state"], stopped.data["role"]) == ("cancelled", "confirm")
        assert stopped.next == "run_seed(experiment='a', role='confirm', attempt=2)"
        engine.held = False
        await call("run_seed", **CONFIRM, attempt=2)
        assert (await confirm_all(call)).data["confirmation"]["state"] == "confirmed"


async def test_a_confirmation_outlives_the_restart_of_its_server(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_winner(call)
        for _ in range(3):
            await call("run_seed", **CONFIRM)
        engine.held = True
        running = await call("run_seed", **CONFIRM, wait_s=0)
    async with quick_tools(project, engine) as call:
        assert (await call("compare", experiment="a")).data["confirmation"]["reason"] == "3 of 6 runs on fresh seeds."
        joined = await call("run_seed", **CONFIRM, wait_s=0)
        assert (joined.data["run_id"], joined.data["state"]) == (running.data["run_id"], "running")
        engine.held = False
        engine.release()
        said = await confirm_all(call)
    assert (said.data["confirmation"]["state"], said.data["confirmation"]["done"]) == ("confirmed", 6)
    assert len([record for record in records(project, "run_requested") if record["role"] == "confirm"]) == 6


async def test_queued_runs_of_a_confirmation_are_not_needed_once_a_new_baseline_begins(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_winner(call)
        engine.held = True
        await call("run_seed", **CONFIRM, queue_all=True, wait_s=0)
        await call("run_seed", new_baseline="the data moved", wait_s=0)
        engine.held = False
        engine.release()
        await call("run_seed")
    ended = [record for record in records(project, "run_not_needed") if "confirm" in record["run_id"]]
    assert [record["reason"] for record in ended] == ["a newer baseline generation has begun"] * 5


def test_a_second_attempt_that_was_not_needed_is_asked_for_anew(project: Path) -> None:
    trained = table()
    trained.losses["control_a", FRESH[0]] = "crash"
    service = in_process_service(project, InProcessEngine(trained))
    service.request_run(RunRequest(queue_all=True))
    service.request_run(RunRequest(experiment="a", flags=FLAGS_OF["a"], hypothesis="it helps", queue_all=True))
    service.compare("a")
    service.request_run(RunRequest(experiment="a", role=Role.CONFIRM))
    # Requested, and the rules are another's when its turn comes.
    Service(project, InProcessEngine(trained), lambda paths: None).request_run(
        RunRequest(experiment="a", role=Role.CONFIRM, attempt=2)
    )
    settings = project / "seedproof.toml"
    settings.write_text("[rules]\nwinner_sigma = 3.0\n")
    run_id = next(iter(service._ledger.refresh().active))
    assert service.observe(run_id).state in ("queued", "not_needed")
    settings.unlink()
    trained.losses["control_a", FRESH[0]] = "4.0"
    following = service.compare("a").next
    assert following is not None
    run_id = service.request_run(RunRequest(**{**following.arguments, "role": Role.CONFIRM}))
    assert (service.observe(run_id).state, service.observe(run_id).attempt) == ("succeeded", 3)


# --- ledger and report ----------------------------------------------------------------------------


async def test_a_verdict_is_written_once_per_state(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_winner(call)
        await call("compare", experiment="a")
        await call("run_seed", **CONFIRM)
        await call("compare", experiment="a")
        assert len(records(project, "verdict_issued")) == 1
        await confirm_all(call)
        await call("compare", experiment="a")
        await call("write_report", experiment="a")
    first, second = records(project, "verdict_issued")
    assert (first["confirmation"]["state"], second["confirmation"]["state"]) == ("open", "confirmed")
    assert (len(first["runs"]), len(second["runs"])) == (3, 9)
    assert first["delta"] == second["delta"]


async def test_the_report_is_written_anew_after_the_confirmation_and_only_then(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_winner(call)
        first = await call("write_report", experiment="a")
        assert first.data["headline"].startswith("WINNER (unconfirmed): ")
        assert (await call("write_report", experiment="a")).data["sha256"] == first.data["sha256"]
        await call("run_seed", **CONFIRM, queue_all=True)
        kept = [f"checkpoints/{name}_1M_seed{seed}" for name, seed in PLACES]
        assert all((project / folder).is_dir() for folder in kept)
        second = await call("write_report", experiment="a")
        assert sorted(second.data["removed"]) == sorted(kept)
        assert not any((project / folder).exists() for folder in kept)
        text = (project / second.data["path"]).read_bytes()
        (project / second.data["path"]).unlink()
        assert (await call("write_report", experiment="a")).data["sha256"] == second.data["sha256"]
        assert (project / second.data["path"]).read_bytes() == text
    assert second.data["headline"].startswith("WINNER (confirmed on 3 fresh seeds): ")


async def test_a_report_written_while_the_runs_are_queued_is_written_anew_when_they_have_ended(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_winner(call)
        engine.held = True
        await call("run_seed", **CONFIRM, queue_all=True, wait_s=0)
        early = await call("write_report", experiment="a")
        assert early.data["headline"].startswith("WINNER (unconfirmed): ")
        engine.held = False
        engine.release()
        await call("run_seed", **CONFIRM)
        said = await call("compare", experiment="a")
        assert said.data["confirmation"]["state"] == "confirmed"
        assert said.next == "write_report(experiment='a')"
        late = await call("write_report", experiment="a")
    assert late.data["headline"] == said.data["headline"]
    assert "(confirmed on 3 fresh seeds)" in (project / late.data["path"]).read_text()


async def test_after_a_report_that_calls_a_winner_unconfirmed_the_confirmation_is_offered_again(
    project: Path,
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_winner(call)
        written = await call("write_report", experiment="a")
        assert written.next == "run_seed(experiment='a', role='confirm')"
        assert (await call("run_seed", **CONFIRM)).next == "run_seed(experiment='a', role='confirm')"
