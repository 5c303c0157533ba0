"""Confirmations through the tools: pairs of fresh seeds in turn, evaluated after three pairs and after six."""

import re
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.model.run_key import Role
from seedproof_mcp.service.replies.plain import trimmed
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface import cli
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Answer, Caller
from tests.support.confirmations import (
    CONFIRM,
    CONTROL,
    FLAGS_OF,
    PLACES,
    SIGMA,
    confirm_all,
    judge,
    table,
)
from tests.support.in_process import InProcessEngine, in_process_service, quick_tools
from tests.support.real_runs import records
from tests.support.seeds import FRESH
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

# Three pairs leave a gain of .015 open, six confirm it: t = .015 / .00816 and .015 / .00527.
OPEN_GAIN = 0.015


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


async def to_winner(call: Caller) -> Answer:
    """Take the baseline through, and an experiment to its WINNER."""
    await call("run_seed", queue_all=True)
    return await judge(call)


NOTHING_YET: dict[str, Any] = {
    "state": "open",
    "kind": "winner",
    **dict.fromkeys(("pairs", "difference", "improvement", "p_better", "limit", "threshold", "at_least")),
    **dict.fromkeys(("std", "df", "wall_time")),
}


# --- the way through ------------------------------------------------------------------------------


@pytest.mark.parametrize(("gain", "runs"), [(0.07, 6), (OPEN_GAIN, 12)])
async def test_following_next_after_a_winner_runs_its_pairs_in_turn_and_says_nothing_before_the_last(
    project: Path, gain: float, runs: int
) -> None:
    trained = table(gain)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        answer = await to_winner(call)
        before = len(trained.argvs)
        for done in range(runs):
            needed = 6 if done < 6 else 12
            assert answer.next == "run_seed(experiment='a', role='confirm')"
            said = await call("compare", experiment="a")
            told = {"done": done, "needed": needed, "reason": f"{done} of {needed} runs on fresh seeds."}
            assert said.data["confirmation"] == trimmed(NOTHING_YET | told)
            assert said.data["headline"] == f"WINNER (unconfirmed): {SIGMA} sigma better"
            assert said.next == answer.next
            assert f"{done} of {needed} runs" in said.text
            assert "The effect:" not in said.text
            following = answer.data["next"]
            answer = await call(following["tool"], **following["arguments"])
            assert (answer.data["state"], answer.data["role"]) == ("succeeded", "confirm")
            assert answer.data["seed"] == PLACES[done][1]
            assert (answer.data["arm"] == "baseline") == PLACES[done][0].startswith("control")
        assert answer.next == "compare(experiment='a')"
        answer = await call("compare", experiment="a")
        assert answer.data["headline"] == f"WINNER (confirmed on {runs // 2} fresh seeds): {SIGMA} sigma better"
        assert answer.data["confirmation"]["difference"] == pytest.approx(-gain)
        # Sums of squares of two ten-thousandths each for the experiment and for every three fresh values of a side.
        std, t = {6: (0.01, 2.612), 12: ((10e-4 / 12) ** 0.5, 2.303)}[runs]
        threshold = t * std * (2 / (runs / 2)) ** 0.5
        assert answer.data["confirmation"]["threshold"] == pytest.approx(threshold, rel=1e-3)
        assert answer.next == "write_report(experiment='a')"
    commands = trained.argvs[before:]
    assert [Table.key(argv) for argv in commands] == PLACES[:runs]
    assert [FLAGS_OF["a"][0] in argv for argv in commands] == [
        not name.startswith("control") for name, _ in PLACES[:runs]
    ]
    seeds = {seed for _, seed in map(Table.key, commands)}
    assert seeds.isdisjoint(seed for _, seed in map(Table.key, trained.argvs[:before]))


async def test_three_hopeless_pairs_end_it(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table(0.004))) as call:  # t = .49, below .553
        await to_winner(call)
        await call("run_seed", **CONFIRM, queue_all=True)
        refused = await call("run_seed", **CONFIRM)
        said = await call("compare", experiment="a")
    assert (refused.code, refused.next) == ("confirm_not_due", "compare(experiment='a')")
    assert said.data["headline"] == f"WINNER (NOT confirmed on 3 fresh seeds): {SIGMA} sigma better"
    assert (said.data["confirmation"]["done"], said.data["confirmation"]["pairs"]) == (6, 3)


async def test_after_three_pairs_that_leave_it_open_the_next_call_tells_how_many_are_done(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table(OPEN_GAIN))) as call:
        await to_winner(call)
        await call("run_seed", **CONFIRM, queue_all=True)
        said = await call("compare", experiment="a")
        assert said.data["next"]["why"] == "Confirms the WINNER on fresh seeds: 6 of 12 runs."
        assert len(records(project, "verdict_issued")) == 1
        written = await call("write_report", experiment="a")
    assert written.next == "run_seed(experiment='a', role='confirm')"


async def test_queue_all_queues_six_then_the_other_six_and_repeating_it_trains_nothing_twice(project: Path) -> None:
    engine = InProcessEngine(table(OPEN_GAIN))
    async with quick_tools(project, engine) as call:
        await to_winner(call)
        for stage in (PLACES[:6], PLACES):
            engine.held = True
            first = await call("run_seed", **CONFIRM, queue_all=True, wait_s=0)
            again = await call("run_seed", **CONFIRM, queue_all=True, wait_s=0)
            joined = await call("run_seed", **CONFIRM, wait_s=0)
            assert first.data["run_id"] == again.data["run_id"] == joined.data["run_id"]
            assert (joined.data["state"], joined.next) == ("running", "run_seed(experiment='a', role='confirm')")
            assert (await call("list_experiments")).data["queued"] == 5
            engine.held = False
            engine.release()
            assert (await call("run_seed", **CONFIRM)).data["run_id"] == first.data["run_id"]
            trained = [record for record in records(project, "run_requested") if record["role"] == "confirm"]
            assert [(record["arm"], record["seed"], record["attempt"]) for record in trained] == [
                ("baseline" if name.startswith("control") else "experiment", seed, 1) for name, seed in stage
            ]
        said = await call("compare", experiment="a")
    assert said.data["headline"].startswith("WINNER (confirmed on 6 fresh seeds)")


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
        "confirm_not_due: same is NEUTRAL; only a WINNER is confirmed, and a NEUTRAL whose same-seed pairs say more. "
        'Next: write_report(experiment="same")',
    ),
    "of a LOSER": (
        ("judge", "worse"),
        {"experiment": "worse"},
        "confirm_not_due: worse is LOSER; only a WINNER is confirmed, and a NEUTRAL whose same-seed pairs say more. "
        'Next: write_report(experiment="worse")',
    ),
    "with a seed": (
        ("judge", "a"),
        {"seed": FRESH[0]},
        "bad_arguments: the server chooses seed and side of a confirmation; leave seed out. Next: "
        'run_seed(experiment="a", role="confirm")',
    ),
    "with other flags": (
        ("judge", "a"),
        {"flags": ["--lr", "0.7"]},
        'flags_changed: a was declared with the flags ["--lr", "0.1"]; leave them out, or declare a new name. '
        'Next: run_seed(experiment="a", role="confirm")',
    ),
    "of nothing": (
        ("judge", "a"),
        {"experiment": None},
        "confirm_not_due: only an experiment is confirmed; name it. Next: check_baseline()",
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
        await call("run_seed", queue_all=True)
        if stage == "measure":
            await call.measure(name, *FLAGS_OF[name])
        else:
            await judge(call, name)
        if stage.startswith("confirm"):
            await call("run_seed", **CONFIRM, queue_all=True)
        if stage.endswith("compare"):
            await call("compare", experiment=name)
        before = ProjectPaths(project).ledger.read_bytes()
        refused = await call("run_seed", **{**CONFIRM, **arguments})
    assert refused.text == text
    assert ProjectPaths(project).ledger.read_bytes() == before


# --- how it ends ----------------------------------------------------------------------------------

NOT = "WINNER (NOT confirmed on 3 fresh seeds)"
Losses = dict[tuple[str, int], str]
STATES: dict[str, tuple[Losses, str, int]] = {
    "confirmed": ({}, "WINNER (confirmed on 3 fresh seeds)", 6),
    "not_confirmed": ({("confirm_a", seed): f"{value}" for seed, value in zip(FRESH, CONTROL, strict=False)}, NOT, 6),
    "not_confirmed by a diverged experiment run": (
        {("confirm_a", FRESH[1]): "nan"},
        "WINNER (NOT confirmed on 2 fresh seeds)",
        3,
    ),
    "incomplete by a diverged control": ({("control_a", FRESH[1]): "inf"}, "WINNER (confirmation incomplete)", 4),
}


@pytest.mark.parametrize("case", STATES)
async def test_the_headline_of_reply_list_and_report_names_the_state(project: Path, case: str) -> None:
    losses, word, runs = STATES[case]
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
    assert (said.data["confirmation"]["done"], said.data["confirmation"]["needed"]) == (runs, runs)
    text = (project / written.data["path"]).read_text()
    assert text.splitlines()[2] == f"- {headline}"
    assert said.data["confirmation"]["reason"] in text
    for place, (name, seed) in enumerate(PLACES[:6]):
        side, shown = "without" if name.startswith("control") else "with", trained.losses[name, seed]
        end = "diverged" if shown in ("nan", "inf") else "succeeded"
        row = f"{end} | {shown} " if place < runs else "not_needed |"
        assert f"| a, fresh, {side} the change | {seed} | 1 | {row}" in text


async def test_queued_runs_are_not_needed_once_a_run_has_ended_the_confirmation(project: Path) -> None:
    trained = table()
    trained.losses["confirm_a", FRESH[0]] = "nan"
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await to_winner(call)
        before = len(trained.argvs)
        last = await call("run_seed", **CONFIRM, queue_all=True)
        refused = await call("run_seed", **CONFIRM)
        said = await call("compare", experiment="a")
    assert [Table.key(argv) for argv in trained.argvs[before:]] == PLACES[:2]
    ended = [record["run_id"] for record in records(project, "run_not_needed")]
    assert ended == [record["run_id"] for record in records(project, "run_requested")][-4:]
    assert last.next == "compare(experiment='a')"
    assert refused.text == (
        'confirm_not_due: the confirmation of a has ended; there is one per experiment. Next: compare(experiment="a")'
    )
    assert said.data["confirmation"]["reason"] == (
        f"The last val_loss of the experiment at fresh seed {FRESH[0]} is not finite."
    )


async def test_a_maximised_metric_is_confirmed_by_higher_values(project: Path) -> None:
    (project / "seedproof.toml").write_text(
        '[rules.metric]\nname = "val_loss"\ndirection = "maximize"\npattern = \'val_loss: (?P<value>[-0-9.]+|nan)\'\n'
    )
    trained = Table({key: text if text == "nan" else f"-{text}" for key, text in table(OPEN_GAIN).losses.items()})
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await to_winner(call)
        said = await confirm_all(call)
    assert said.data["headline"] == f"WINNER (confirmed on 6 fresh seeds): {SIGMA} sigma better"
    assert said.data["confirmation"]["difference"] == pytest.approx(OPEN_GAIN)
    assert said.data["confirmation"]["improvement"] == pytest.approx(OPEN_GAIN)


# Standard deviation .049 against .01581.
WIDE = (3.861, 3.91, 3.959)
BRACKET = "spread 3.1x the baseline's"


@pytest.mark.parametrize(
    ("gain", "pairs", "said"),
    [
        (0.30, 6, "WINNER (confirmed on 6 fresh seeds)"),
        (0.04, 6, f"WINNER (NOT confirmed on 6 fresh seeds; {BRACKET})"),
        (0.0, 3, f"WINNER (NOT confirmed on 3 fresh seeds; {BRACKET})"),
    ],
)
async def test_a_winner_of_another_spread_says_so_until_six_pairs_have_confirmed_it(
    project: Path, gain: float, pairs: int, said: str
) -> None:
    trained = table(gain).arm("exp_a", WIDE)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        first = await to_winner(call)
        assert first.data["headline"] == f"WINNER (unconfirmed; {BRACKET}): {SIGMA} sigma better"
        assert (first.data["verdict"], first.data["brackets"]) == ("WINNER", [BRACKET])
        last = await confirm_all(call)
        written = await call("write_report", experiment="a")
    assert last.data["headline"] == written.data["headline"] == f"{said}: {SIGMA} sigma better"
    assert (last.data["confirmation"]["pairs"], last.data["confirmation"]["limit"]) == (pairs, 0.002)
    assert last.data["brackets"] == ([] if "(confirmed" in said else [BRACKET])
    one, two = records(project, "verdict_issued")
    assert (one["brackets"], two.get("brackets", [])) == ([BRACKET], last.data["brackets"])


async def test_values_in_coarse_steps_are_confirmed_by_their_step(project: Path) -> None:
    trained = table().arm("exp_a", ("3.9", "3.9", "3.9"))
    trained.arm("control_a", ("4.0",) * 3, FRESH).arm("confirm_a", ("3.9",) * 3, FRESH)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await to_winner(call)
        said = await confirm_all(call)
    assert said.data["confirmation"]["std"] == pytest.approx(0.1 / 12**0.5)
    assert said.data["confirmation"]["state"] == "confirmed"


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
        "+21.0 % (95 % interval +18.5 to +23.5 %): no change that could be claimed, as the runs without the change "
        "last less than a second: start-up and the load of the machine make that."
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
    assert f"| a, fresh, with the change | {FRESH[0]} | 1 | failed |" in text
    assert f"| a, fresh, with the change | {FRESH[0]} | 2 | succeeded |" in text


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
    assert (
        said.data["confirmation"]["reason"] == f"The run without the change at fresh seed {FRESH[2]} failed for good."
    )
    assert refused.code == "confirm_not_due"


async def test_a_run_that_is_stopped_after_its_value_ends_the_confirmation(project: Path) -> None:
    """A second draw would be a choice: the stopped one was seen."""
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_winner(call)
        engine.held = True
        running = await call("run_seed", **CONFIRM, wait_s=0)
        stopped = await call("stop_run", run_id=running.data["run_id"], reason="the machine is needed")
        assert (stopped.data["state"], stopped.data["role"]) == ("cancelled", "confirm")
        assert stopped.next == "compare(experiment='a')"
        engine.held = False
        refused = await call("run_seed", **CONFIRM, attempt=2)
        said = await call("compare", experiment="a")
    assert refused.code == "confirm_not_due"
    assert said.data["headline"].startswith("WINNER (confirmation incomplete): ")
    assert "was stopped after it had shown its val_loss" in said.data["confirmation"]["reason"]


async def test_a_queued_run_that_is_stopped_is_offered_again_by_its_attempt(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_winner(call)
        engine.held = True
        await call("run_seed", **CONFIRM, queue_all=True, wait_s=0)
        queued = [one["run_id"] for one in records(project, "run_requested") if one["role"] == "confirm"][-1]
        assert (await call("stop_run", run_id=queued, reason="the machine is needed")).data["state"] == "cancelled"
        engine.held = False
        engine.release()
        await call("run_seed", **CONFIRM)
        again = await call("run_seed", **CONFIRM, attempt=2)
        said = await call("compare", experiment="a")
    assert again.data["state"] == "succeeded"
    assert said.data["confirmation"]["state"] == "confirmed"


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


def confirming_folders(project: Path) -> list[str]:
    return [run["output_dir"] for run in records(project, "run_started") if "-confirm" in run["run_id"]]


async def test_both_sides_of_a_confirmation_run_in_folders_of_one_form_that_nobody_can_foresee(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_winner(call)
        for folder in ("confirm_a_1M_seed100000", "control_a_1M_seed100000"):
            (project / "checkpoints" / folder).mkdir()  # once in the way
        await call("run_seed", **CONFIRM, queue_all=True)
        assert (await call("compare", experiment="a")).data["confirmation"]["state"] == "confirmed"
    folders = confirming_folders(project)
    seeds = [re.fullmatch(r"checkpoints/confirm_a_1M_seed(\d+)_[0-9a-f]{8}", one) for one in folders]
    assert [int(one[1]) for one in seeds if one] == [seed for _, seed in PLACES[:6]]
    assert len({one.rpartition("_")[2] for one in folders}) == 6


async def test_the_report_is_written_anew_after_the_confirmation_and_only_then(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_winner(call)
        first = await call("write_report", experiment="a")
        assert first.data["headline"].startswith("WINNER (unconfirmed): ")
        assert (await call("write_report", experiment="a")).data["sha256"] == first.data["sha256"]
        await call("run_seed", **CONFIRM, queue_all=True)
        kept = confirming_folders(project)
        assert len(kept) == 6
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
        assert "(confirmed on 3 fresh seeds)" in (project / early.data["path"]).read_text()
        late = await call("write_report", experiment="a")
    assert late.data["headline"] == said.data["headline"]


async def test_after_a_report_that_calls_a_winner_unconfirmed_the_confirmation_is_offered_again(
    project: Path,
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_winner(call)
        written = await call("write_report", experiment="a")
        assert written.next == "run_seed(experiment='a', role='confirm')"
        assert (await call("run_seed", **CONFIRM)).next == "run_seed(experiment='a', role='confirm')"


async def test_verify_recomputes_confirmations_and_reports_regenerate_byte_for_byte(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = table(OPEN_GAIN)
    trained.losses["confirm_b", FRESH[0]] = "nan"
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call("run_seed", queue_all=True)
        await call.measure("b", *FLAGS_OF["b"])  # declared before a's verdict, so that it shares a's controls
        await judge(call)
        await call("compare", experiment="b")
        for name in ("a", "b"):
            await call("write_report", experiment=name)
            await confirm_all(call, name)
            await call("write_report", experiment=name)
    assert cli.main(["verify", "--project", str(project), "--regenerate"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "OK    verdicts: 4 verdicts recomputed from the records before them" in said
    assert "OK    regenerate: 6 reports regenerated byte for byte, figures too" in said
