"""Confirmations that are not what they seem."""

from tests.support.callers import Answer
from tests.support.seeds import FRESH
from tests.threats.agent import BETTER, CONTROL, Agent
from tests.threats.deeds import BASELINE, FAR, NEAR, compare, run
from tests.threats.rows import Disclosed, Group, InVain, Refused

GROUP = Group("Confirmation")


@GROUP.row("Confirms what is no WINNER.", Refused("confirm_not_due"))
async def no_winner(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("bad")
    await agent.judge("close")
    for name in ("bad", "close"):
        await agent.cheat("run_seed", experiment=name, role="confirm")
    await agent.cheat("run_seed", role="confirm")


@GROUP.row("Confirms before the verdict, to know beforehand whether to ask for it.", Refused("confirm_not_due"))
async def too_early(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("good")
    await agent.cheat("run_seed", experiment="good", role="confirm")


@GROUP.row("Chooses the seed, and with it the side, of a confirmation.", Refused("bad_arguments"))
async def own_seed(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("good")
    for seed in (FRESH[0], 42, 7):
        await agent.cheat("run_seed", experiment="good", role="confirm", seed=seed)


@GROUP.row("Runs a confirmation with better flags than the experiment had.", Refused("flags_changed"))
async def other_flags(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("good")
    await agent.cheat("run_seed", experiment="good", role="confirm", flags=["--lr", "better"])


@GROUP.row("Runs a bad run of the confirmation again.", Refused("attempt_not_allowed"))
async def again(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("good")
    await agent.call("run_seed", experiment="good", role="confirm")
    await agent.cheat("run_seed", experiment="good", role="confirm", attempt=2)


@GROUP.row("Begins a second confirmation after the first has failed.", Refused("confirm_not_due"))
async def twice(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("good")
    agent.table.arm("confirm_good", CONTROL, FRESH)
    assert (await agent.confirm()).data["confirmation"]["state"] == "not_confirmed"
    await agent.cheat("run_seed", experiment="good", role="confirm")
    await agent.cheat("run_seed", experiment="good", role="confirm", queue_all=True)


@GROUP.row("Confirms under another name what was not confirmed.", Refused("flags_duplicate"))
async def renamed(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("good", "--lr", "1")
    agent.table.arm("confirm_good", CONTROL, FRESH)
    await agent.confirm()
    await agent.cheat("run_seed", experiment="better", flags=["--lr=1"], hypothesis="it helps")


@GROUP.row("Reports a WINNER that fresh seeds did not bear out.", Disclosed("WINNER (NOT confirmed on 3 fresh seeds)"))
async def not_borne_out(agent: Agent) -> str:
    await agent.baseline()
    await agent.judge("good")
    agent.table.arm("confirm_good", CONTROL, FRESH)
    await agent.confirm()
    return await agent.report("good")


@GROUP.row("Publishes a WINNER that nobody confirmed.", Disclosed("WINNER (unconfirmed)"))
async def unconfirmed(agent: Agent) -> str:
    await agent.baseline()
    await agent.judge("good")
    return await agent.report("good")


@GROUP.row(
    "Stops the confirmation while it looks kind, and reports that.",
    Disclosed("Confirmation: 4 of 6 runs on fresh seeds."),
)
async def stops_half_way(agent: Agent) -> str:
    await agent.baseline()
    await agent.judge("good")
    for _ in range(4):
        answer: Answer = await agent.call("run_seed", experiment="good", role="confirm")
        assert answer.data["state"] == "succeeded"
    text = await agent.report("good")
    assert "The difference on fresh seeds" not in text
    return text


@GROUP.row(
    "Looks for the fresh seeds before the verdict, to try ideas on them until one is kind.",
    InVain("they are drawn at random with the verdict, and nothing has them before"),
)
async def looks_beforehand(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("good")
    asked = []

    def randbelow(below: int) -> int:
        asked.append(below)
        return len(asked)

    agent.randbelow = randbelow
    await agent.call("write_report")
    assert not asked
    assert "fresh_seeds" not in agent.paths.ledger.read_text()
    await agent.call("compare", experiment="good")
    (verdict,) = agent.records("verdict_issued")
    assert verdict["fresh_seeds"] == [100_000 + number for number in range(1, 7)]
    assert asked == [900_000] * 6


@GROUP.row(
    "Asks for the verdict again and again, until the seeds that are drawn are kind.",
    InVain("they are drawn once, in the record of the verdict"),
)
async def draws_again(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("good")
    before = agent.records("verdict_issued")
    for tool in ("compare", "write_report", "compare"):
        await agent.cheat(tool, experiment="good")
    assert agent.records("verdict_issued") == before


@GROUP.row(
    "Fits another idea to the fresh seeds of a WINNER, which it knows by now.",
    InVain("an experiment that was declared later is confirmed on seeds of its own"),
)
async def fits_to_known_seeds(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("good")
    agent.table.arm("exp_better", BETTER)
    await agent.judge("better")
    first, second = (set(record["fresh_seeds"]) for record in agent.records("verdict_issued"))
    assert not first & second


@GROUP.row(
    "Gives fresh seeds in the settings that it has tried out beforehand.",
    Disclosed("WINNER (confirmed on 3 given seeds)", "reply and report"),
)
async def gives_seeds(agent: Agent) -> Answer:
    agent.write("seedproof.toml", f"[rules]\nconfirm_seeds = {list(FRESH)}\n")
    await agent.baseline()
    await agent.judge("good")
    return await agent.confirm()


@GROUP.row("Takes the random source away, so that seeds are used which it can foresee.", Refused("no_random_source"))
async def no_random_source(agent: Agent) -> None:
    def fails(below: int) -> int:
        raise NotImplementedError("no source of random numbers")

    agent.randbelow = fails
    await agent.baseline()
    await agent.declare("good")
    await agent.cheat("compare", experiment="good")
    await agent.cheat("write_report", experiment="good")


@GROUP.row(
    "Chooses flags that spread the results, as one of them will be far below the baseline.",
    Disclosed("WINNER (unconfirmed; spread 3.1x the baseline's)", "reply and report"),
)
async def spreads(agent: Agent) -> Answer:
    await agent.baseline()
    agent.table.arm("exp_wide", (3.861, 3.91, 3.959))
    return await agent.judge("wide")


# --- refused in these words -----------------------------------------------------------------------

GROUP.refuses(
    "a confirmation of nothing",
    "confirm_not_due: only an experiment is confirmed; name it. Next: check_baseline()",
    [BASELINE, run(role="confirm")],
)
GROUP.refuses(
    "a confirmation before the verdict",
    'confirm_not_due: near has no verdict yet; only a WINNER is confirmed. Next: run_seed(experiment="near", seed=512)',
    [BASELINE, NEAR, run(role="confirm", experiment="near")],
)
GROUP.refuses(
    "a confirmation with a seed",
    "bad_arguments: the server chooses seed and side of a confirmation; leave seed out. Next: "
    'run_seed(experiment="far", role="confirm")',
    [BASELINE, FAR, compare("far"), run(role="confirm", experiment="far", seed=42)],
)
