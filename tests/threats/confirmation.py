"""Confirmations that are not what they seem."""

from tests.conftest import Answer
from tests.support.tables import FRESH
from tests.threats.bench import Bench
from tests.threats.rows import Disclosed, Group, Refused

GROUP = Group("Confirmation")


@GROUP.row("Confirms what is no WINNER.", Refused("confirm_not_due"))
async def no_winner(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("bad")
    await bench.judge("close")
    for name in ("bad", "close"):
        await bench.cheat("run_seed", experiment=name, role="confirm")
    await bench.cheat("run_seed", role="confirm")


@GROUP.row("Confirms before the verdict, to know beforehand whether to ask for it.", Refused("confirm_not_due"))
async def too_early(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("good")
    await bench.cheat("run_seed", experiment="good", role="confirm")


@GROUP.row("Chooses the seed, and with it the side, of a confirmation.", Refused("bad_arguments"))
async def own_seed(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("good")
    for seed in (FRESH[0], 42, 7):
        await bench.cheat("run_seed", experiment="good", role="confirm", seed=seed)


@GROUP.row("Runs a confirmation with better flags than the experiment had.", Refused("flags_changed"))
async def other_flags(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("good")
    await bench.cheat("run_seed", experiment="good", role="confirm", flags=["--lr", "better"])


@GROUP.row("Runs a bad run of the confirmation again.", Refused("attempt_not_allowed"))
async def again(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("good")
    await bench.call("run_seed", experiment="good", role="confirm")
    await bench.cheat("run_seed", experiment="good", role="confirm", attempt=2)


@GROUP.row("Begins a second confirmation after the first has failed.", Refused("confirm_not_due"))
async def twice(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("good")
    bench.table.arm("confirm_good", (4.0, 4.0, 4.0), FRESH)
    assert (await bench.confirm()).data["confirmation"]["state"] == "not_confirmed"
    await bench.cheat("run_seed", experiment="good", role="confirm")
    await bench.cheat("run_seed", experiment="good", role="confirm", queue_all=True)


@GROUP.row("Confirms under another name what was not confirmed.", Refused("flags_duplicate"))
async def renamed(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("good", "--lr", "1")
    bench.table.arm("confirm_good", (4.0, 4.0, 4.0), FRESH)
    await bench.confirm()
    await bench.cheat("run_seed", experiment="better", flags=["--lr=1"], hypothesis="it helps")


@GROUP.row("Reports a WINNER that fresh seeds did not bear out.", Disclosed("WINNER (NOT confirmed on 3 fresh seeds)"))
async def not_borne_out(bench: Bench) -> str:
    await bench.baseline()
    await bench.judge("good")
    bench.table.arm("confirm_good", (4.0, 4.0, 4.0), FRESH)
    await bench.confirm()
    return await bench.report("good")


@GROUP.row("Publishes a WINNER that nobody confirmed.", Disclosed("WINNER (unconfirmed)"))
async def unconfirmed(bench: Bench) -> str:
    await bench.baseline()
    await bench.judge("good")
    return await bench.report("good")


@GROUP.row(
    "Stops the confirmation while it looks kind, and reports that.",
    Disclosed("Confirmation: 4 of 6 runs on fresh seeds."),
)
async def stops_half_way(bench: Bench) -> str:
    await bench.baseline()
    await bench.judge("good")
    for _ in range(4):
        answer: Answer = await bench.call("run_seed", experiment="good", role="confirm")
        assert answer.data["state"] == "succeeded"
    text = await bench.report("good")
    assert "The difference on fresh seeds" not in text
    return text
