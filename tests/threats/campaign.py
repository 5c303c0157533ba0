"""Names, hypotheses, and many experiments of which the best is shown."""

from tests.support.callers import Answer
from tests.support.seeds import SEEDS
from tests.threats.agent import Agent
from tests.threats.deeds import BASELINE, DECLARE, DECLARE_X, compare, declare, run, writes_settings
from tests.threats.rows import Disclosed, Group, Refused

GROUP = Group("Names, hypotheses and many tries")


@GROUP.row("Declares no hypothesis, to find one that fits the result.", Refused("hypothesis_missing"))
async def no_hypothesis(agent: Agent) -> None:
    await agent.baseline()
    await agent.cheat("run_seed", experiment="x", flags=["--lr", "1"])
    await agent.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis=" \n")


@GROUP.row("Changes the hypothesis once the result is known.", Refused("flags_changed"))
async def other_hypothesis(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("bad")
    await agent.cheat("run_seed", experiment="bad", hypothesis="it hurts, as expected")
    await agent.cheat("run_seed", experiment="bad", hypothesis="null: it does nothing")


@GROUP.row("Writes a verdict into the hypothesis, as a heading of the report.", Disclosed("> ## Verdict: WINNER"))
async def heading(agent: Agent) -> str:
    await agent.baseline()
    await agent.judge("bad", hypothesis="it helps\n## Verdict: WINNER\n99 sigma better")
    text = await agent.report("bad")
    assert "\n## Verdict: WINNER" not in text
    return text


@GROUP.row("Gives the experiment a name that looks like another one, or that is a path.", Refused("name_invalid"))
async def look_alike(agent: Agent) -> None:
    await agent.baseline()
    for name in ("Good", "g\u043eod", "good\u200b", "../good", "good\n", "-good", "\uff47ood", "good/../bad"):
        await agent.cheat("run_seed", experiment=name, flags=["--lr", "1"], hypothesis="it helps")
        await agent.cheat("compare", experiment=name)


@GROUP.row(
    "Tries twenty ideas and shows the best of them.",
    Disclosed("Ideas tried: 20. If none helped, 20 ideas would show a WINNER by luck"),
)
async def twenty(agent: Agent) -> str:
    agent.write("seedproof.toml", "[settings]\nrunaway_after = 100\n")
    await agent.baseline()
    for number in range(19):
        agent.table.losses[f"exp_idea{number}", 42] = "4.1"
        await agent.declare(f"idea{number}", queue_all=False)
    await agent.judge("good")
    return await agent.report("good")


@GROUP.row(
    "Declares an experiment without effect, to measure flags a second time that are known already.",
    Disclosed("1 of them declared without effect", "reply and report"),
)
async def null_again(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.judge("bad", "--lr", "1")
    return await agent.judge("good", "--lr", "1", hypothesis="null: the same again")


@GROUP.row(
    "Declares experiments without effect until one of them is a WINNER.",
    Disclosed("declared without effect)", "reply and report"),
)
async def null_winner(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.judge("close", "--lr", "1", hypothesis="null: nothing changes")
    return await agent.judge("good", "--lr", "2", hypothesis="null: nothing changes")


@GROUP.row(
    "Reads another metric in the next generation, until one shows what it wants.",
    Disclosed("same flags under 1 other metric in earlier generations", "reply and report"),
)
async def other_metrics(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.judge("bad", "--lr", "1")
    for name in ("baseline", "exp_good"):
        agent.table.prints |= {(name, seed): f"score: {seed % 7}.{seed}\n" for seed in SEEDS}
    agent.write("seedproof.toml", "[rules.metric]\nname = 'val_loss'\npattern = 'score: (?P<value>[0-9.]+)'\n")
    await agent.call("run_seed", new_baseline="a better metric", queue_all=True)
    return await agent.judge("good", "--lr", "1")


@GROUP.row(
    "Gives up a name that went badly and never asks for its verdict.",
    Disclosed("- bad: measured, 3 seeds done, 0 needed", "`list_experiments`"),
)
async def abandoned(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.declare("bad")
    await agent.judge("good")
    return await agent.call("list_experiments")


@GROUP.row(
    "Uses the name of an earlier LOSER again, on the next baseline.",
    Disclosed("- Earlier verdict on this name, generation 1: LOSER"),
)
async def name_again(agent: Agent) -> str:
    await agent.baseline()
    await agent.judge("bad")
    await agent.call("run_seed", new_baseline="a new data set", queue_all=True)
    agent.table.arm("exp_bad", (3.9, 3.9, 3.9))
    await agent.judge("bad", "--lr", "other")
    return await agent.report("bad")


@GROUP.row("Goes on declaring while every run fails, until one of them lives.", Refused("runaway"))
async def runaway(agent: Agent) -> None:
    agent.write("seedproof.toml", "[settings]\nrunaway_after = 3\n")
    await agent.baseline()
    for number in range(3):
        agent.table.losses[f"exp_idea{number}", 42] = "crash"
        await agent.declare(f"idea{number}", queue_all=False)
    await agent.cheat("run_seed", experiment="next", flags=["--lr", "next"], hypothesis="it helps")


# --- refused in these words -----------------------------------------------------------------------

NAME_INVALID = (
    "name_invalid: the name of an experiment is 1 to 64 characters of a-z, 0-9, _ and -, beginning with a letter "
    f"or digit. Next: {DECLARE}"
)
GROUP.refuses("a capital in the name", NAME_INVALID, [BASELINE, declare("Muon", "--lr", "1")])
GROUP.refuses("an empty name", NAME_INVALID, [BASELINE, declare("", "--lr", "1")])
GROUP.refuses("a name of 65 characters", NAME_INVALID, [BASELINE, declare("a" * 65, "--lr", "1")])
GROUP.refuses("a name that is a path", NAME_INVALID, [BASELINE, declare("../x", "--lr", "1")])
GROUP.refuses("a name that begins with a dash", NAME_INVALID, [BASELINE, declare("-x", "--lr", "1")])
GROUP.refuses("a name with a newline", NAME_INVALID, [BASELINE, declare("x\n", "--lr", "1")])
GROUP.refuses("a name with an umlaut", NAME_INVALID, [BASELINE, declare("ä", "--lr", "1")])
GROUP.refuses(
    "a capital in the name before the baseline",
    NAME_INVALID,
    [declare("Muon", "--lr", "1")],
    leads_to="baseline_missing",
)
GROUP.refuses("compare with a capital in the name", NAME_INVALID, [BASELINE, compare("Near")])
NO_HYPOTHESIS = f"hypothesis_missing: x is new: say what you expect and why, before the first run. Next: {DECLARE_X}"
GROUP.refuses("no hypothesis", NO_HYPOTHESIS, [BASELINE, run(experiment="x", flags=["--lr", "1"])])
GROUP.refuses(
    "a blank hypothesis", NO_HYPOTHESIS, [BASELINE, run(experiment="x", flags=["--lr", "1"], hypothesis=" \n")]
)
GROUP.refuses("nothing but a name", NO_HYPOTHESIS, [BASELINE, run(experiment="x")])
GROUP.refuses(
    "a new experiment after failure upon failure",
    "runaway: the last 2 runs failed or diverged; a new experiment would too. A person looks at the cause and "
    "runs `seedproof resume`. Next: list_experiments()",
    [
        BASELINE,
        declare("x", "--crash"),
        declare("y", "--crash", "--lr", "1"),
        writes_settings("[settings]\nrunaway_after = 2\n"),
        declare("next", "--shift", "0.3"),
    ],
)
