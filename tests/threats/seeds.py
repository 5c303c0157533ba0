"""Lucky seeds and second attempts."""

import shutil

from tests.conftest import Answer
from tests.support.tables import FRESH
from tests.threats.bench import Bench
from tests.threats.rows import Disclosed, Group, InVain, Refused

GROUP = Group("Lucky seeds and second attempts")


@GROUP.row("Runs a seed that it likes better than those of the protocol.", Refused("seed_unknown"))
async def lucky_seed(bench: Bench) -> None:
    await bench.cheat("run_seed", seed=7)
    await bench.baseline()
    await bench.declare("close", queue_all=False)
    await bench.cheat("run_seed", experiment="close", seed=7)
    await bench.cheat("run_seed", experiment="other", flags=["--wd", "1"], hypothesis="it helps", seed=-1)


@GROUP.row("Runs a seed of the confirmation as an ordinary one, to see it beforehand.", Refused("seed_unknown"))
async def fresh_seed_by_hand(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("good")
    await bench.cheat("run_seed", experiment="good", seed=FRESH[0])


@GROUP.row("Begins with the extra seeds and leaves out those that are due.", Refused("seed_not_due"))
async def extras_first(bench: Bench) -> None:
    await bench.baseline()
    await bench.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps", seed=512)


@GROUP.row("Runs a seed with a bad result again.", Refused("attempt_not_allowed"))
async def again(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("bad")
    await bench.cheat("run_seed", experiment="bad", seed=42, attempt=2)
    await bench.cheat("run_seed", seed=42, attempt=2)


@GROUP.row("Runs a diverged seed again, as it must have been an accident.", Refused("attempt_not_allowed"))
async def diverged_again(bench: Bench) -> None:
    bench.table.losses["exp_wild", 137] = "nan"
    await bench.baseline()
    await bench.declare("wild")
    await bench.cheat("run_seed", experiment="wild", seed=137, attempt=2)


@GROUP.row("Numbers its attempts by itself, to leave a bad one out.", Refused("attempt_not_allowed"))
async def attempt_numbers(bench: Bench) -> None:
    await bench.baseline()
    bench.table.losses["exp_x", 42] = "crash"
    await bench.declare("x", queue_all=False)
    for attempt in (3, 9):
        await bench.cheat("run_seed", experiment="x", seed=42, attempt=attempt)
    await bench.cheat("run_seed", experiment="x", seed=137, attempt=2)


@GROUP.row(
    "Repeats the call for a seed until its number is a better one.",
    InVain("the recorded result is returned, and nothing trains"),
)
async def repeats_the_call(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("bad")
    bench.table.arm("exp_bad", (3.0, 3.0, 3.0))
    for _ in range(3):
        answer = await bench.cheat("run_seed", experiment="bad", seed=42)
        assert answer.data["metrics"]["val_loss"] == 4.10
    assert not any(attempt.started for attempt in bench.tried)


@GROUP.row("Lets the script exit with an error whenever the value is bad, and tries on and on.", Refused("arm_failed"))
async def fails_when_bad(bench: Bench) -> None:
    bench.table.losses["exp_x", 42] = "fail 4.1"
    await bench.baseline()
    await bench.declare("x", queue_all=False)
    await bench.call("run_seed", experiment="x", seed=42, attempt=2)
    await bench.cheat("run_seed", experiment="x", seed=42, attempt=3)
    await bench.cheat("run_seed", experiment="x", seed=137)
    await bench.cheat("compare", experiment="x")


@GROUP.row(
    "Lets the script exit with an error after a bad value, and succeeds at the second attempt.",
    Disclosed("| x | 42 | 1 | failed | 4.1 |"),
)
async def fails_once(bench: Bench) -> str:
    bench.table.losses["exp_x", 42] = "fail 4.1"
    await bench.baseline()
    await bench.declare("x", queue_all=False)
    bench.table.arm("exp_x", (3.90, 3.91, 3.92))
    await bench.call("run_seed", experiment="x", seed=42, attempt=2)
    await bench.call("run_seed", experiment="x", queue_all=True)
    return await bench.report("x")


async def stopped(bench: Bench, name: str, seed: int, attempt: int = 1) -> Answer:
    """Stop a run of an experiment after it has shown a value."""
    bench.engine.held = True
    more = {"attempt": attempt} if attempt > 1 else {"flags": ["--lr", name], "hypothesis": "it helps"}
    seen = await bench.call("run_seed", experiment=name, seed=seed, wait_s=0, **more)
    answer = await bench.call("stop_run", run_id=seen.data["run_id"], reason="no progress")
    bench.engine.held = False
    assert answer.data["state"] == "cancelled", answer.text
    return answer


@GROUP.row("Stops a seed whose value looks bad, and runs it again.", Disclosed("| good | 42 | 1 | cancelled | 4.1 |"))
async def stops_a_bad_seed(bench: Bench) -> str:
    await bench.baseline()
    bench.table.losses["exp_good", 42] = "4.1"
    await stopped(bench, "good", 42)
    bench.table.losses["exp_good", 42] = "3.9"
    await bench.call("run_seed", experiment="good", seed=42, attempt=2)
    await bench.call("run_seed", experiment="good", queue_all=True)
    return await bench.report("good")


@GROUP.row(
    "Stops a bad seed, runs it again, and wants to be called WINNER for it.",
    Disclosed("NEUTRAL (capped: cancelled seed)", "reply and report"),
)
async def stops_and_wins(bench: Bench) -> Answer:
    await stops_a_bad_seed(bench)
    return await bench.call("compare", experiment="good")


@GROUP.row("Stops the seed a second time, and a third.", Refused("arm_failed"))
async def stops_again(bench: Bench) -> None:
    await bench.baseline()
    await stopped(bench, "good", 42)
    await stopped(bench, "good", 42, attempt=2)
    await bench.cheat("run_seed", experiment="good", seed=42, attempt=3)
    await bench.cheat("compare", experiment="good")


@GROUP.row("Stops a run that has ended already, so that its value does not count.", Refused("run_ended"))
async def stops_the_ended(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("bad")
    for seed in (42, 137, 256):
        await bench.cheat("stop_run", run_id=f"g1-exp-bad-s{seed}-a1", reason="a bad value")


@GROUP.row(
    "Kills the supervisor of a run whose value looks bad, as if the machine had failed, and runs the seed again.",
    Disclosed("| good | 42 | 1 | interrupted | 4.1 |"),
)
async def kills_the_supervisor(bench: Bench) -> str:
    await bench.baseline()
    bench.table.losses["exp_good", 42] = "4.1"
    bench.engine.held = True
    seen = await bench.call("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps", wait_s=0)
    bench.engine.lose(seen.data["run_id"])
    bench.engine.held = False
    bench.table.losses["exp_good", 42] = "3.9"
    await bench.call("run_seed", experiment="good", seed=42)
    await bench.call("run_seed", experiment="good", seed=42, attempt=2)
    await bench.call("run_seed", experiment="good", queue_all=True)
    return await bench.report("good")


@GROUP.row(
    "Kills the supervisor of a run whose last value is nan, so that it counts as interrupted.",
    Disclosed("LOSER (diverged: 1 of 1 seeds)", "reply and report"),
)
async def kills_the_diverged(bench: Bench) -> Answer:
    await bench.baseline()
    bench.table.losses["exp_good", 42] = "nan"
    bench.engine.held = True
    seen = await bench.call("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps", wait_s=0)
    bench.engine.lose(seen.data["run_id"])
    bench.engine.held = False
    await bench.call("run_seed", experiment="good", seed=42)
    assert (await bench.cheat("run_seed", experiment="good", seed=42, attempt=2)).code == "attempt_not_allowed"
    return await bench.call("compare", experiment="good")


@GROUP.row(
    "Deletes the folder of a run whose value looks bad, and runs the seed again.",
    Disclosed("| good | 42 | 1 | interrupted | - | - | - | its folder under .seedproof/runs is gone |"),
)
async def deletes_the_run(bench: Bench) -> str:
    await bench.baseline()
    bench.engine.held = True
    seen = await bench.call("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps", wait_s=0)
    shutil.rmtree(bench.paths.run(seen.data["run_id"]).folder)
    bench.engine.lose(seen.data["run_id"])
    bench.engine.held = False
    await bench.call("run_seed", experiment="good", seed=42)
    await bench.call("run_seed", experiment="good", seed=42, attempt=2)
    await bench.call("run_seed", experiment="good", queue_all=True)
    return await bench.report("good")
