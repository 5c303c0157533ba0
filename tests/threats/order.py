"""Verdicts before the variance is known."""

from tests.threats.agent import Agent
from tests.threats.deeds import BASELINE, DECLARE, DECLARE_X, FAR, NEAR, compare, declare, run
from tests.threats.rows import Group, Refused

GROUP = Group("A verdict before the variance is known")


@GROUP.row("Asks for a verdict before a single baseline seed has run.", Refused("baseline_missing"))
async def compare_first(agent: Agent) -> None:
    await agent.cheat("compare", experiment="good")
    await agent.cheat("write_report", experiment="good")


@GROUP.row("Trains the experiment first and wants to measure the baseline later.", Refused("baseline_missing"))
async def experiment_first(agent: Agent) -> None:
    await agent.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Calls two baseline seeds enough, and goes on to the experiment.", Refused("baseline_incomplete"))
async def two_seeds(agent: Agent) -> None:
    for _ in range(2):
        await agent.call("run_seed")
    await agent.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")
    await agent.cheat("compare", experiment="good")


@GROUP.row("Claims a result after a single seed of the experiment.", Refused("experiment_incomplete"))
async def one_seed(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("good", queue_all=False)
    await agent.cheat("compare", experiment="good")


@GROUP.row("Has the report written instead, in the hope that it asks for less.", Refused("experiment_incomplete"))
async def report_instead(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("good", queue_all=False)
    await agent.cheat("write_report", experiment="good")


@GROUP.row("Stops after three seeds that lie within 2 sigma, while they still look kind.", Refused("more_seeds_needed"))
async def stops_early(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("close")
    await agent.cheat("compare", experiment="close")
    await agent.cheat("write_report", experiment="close")


@GROUP.row(
    "Adds the two extra seeds to a result that is clear, in the hope that they are kinder.", Refused("seed_not_due")
)
async def optional_extras(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("bad")
    await agent.cheat("run_seed", experiment="bad", seed=512)
    await agent.cheat("run_seed", experiment="bad", seed=1024)


@GROUP.row("Compares an experiment of an earlier baseline with a newer, kinder one.", Refused("experiment_unknown"))
async def other_generation(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("good")
    await agent.call("run_seed", new_baseline="a kinder one", queue_all=True)
    await agent.cheat("compare", experiment="good")


# --- refused in these words -----------------------------------------------------------------------

NO_BASELINE = (
    "baseline_missing: the baseline has 0 of 5 seeds; missing: 42, 137, 256, 512, 1024. Next: run_seed(seed=42)"
)
GROUP.refuses("compare first of all", NO_BASELINE, [compare("near")])
GROUP.refuses("an experiment first of all", NO_BASELINE, [FAR])
GROUP.refuses("a report first of all", NO_BASELINE, [("write_report", {})])
GROUP.refuses(
    "compare while the first seed is queued",
    "baseline_missing: the baseline has 0 of 5 seeds; missing: 42, 137, 256, 512, 1024. Next: run_seed(seed=42, "
    "attempt=1)",
    [run(wait_s=0), compare("near")],
    held=True,
)
TWO_OF_FIVE = "baseline_incomplete: the baseline has 2 of 5 seeds; missing: 256, 512, 1024. Next: run_seed(seed=256)"
GROUP.refuses("compare after two baseline seeds", TWO_OF_FIVE, [run(), run(), compare("near")])
GROUP.refuses("an experiment after two baseline seeds", TWO_OF_FIVE, [run(), run(), FAR])
GROUP.refuses(
    "a report after four baseline seeds",
    "baseline_incomplete: the baseline has 4 of 5 seeds; missing: 1024. Next: run_seed(seed=1024)",
    [run(), run(), run(), run(), ("write_report", {})],
)
NOT_DECLARED = f"experiment_unknown: no experiment x has been declared. Next: {DECLARE_X}"
GROUP.refuses("compare with a name never declared", NOT_DECLARED, [BASELINE, compare("x")])
GROUP.refuses("a report on a name never declared", NOT_DECLARED, [BASELINE, ("write_report", {"experiment": "x"})])
GROUP.refuses(
    "compare with a name of an earlier generation",
    "experiment_unknown: far was declared against baseline generation 1, not the present one; its verdict stays "
    'in the ledger. Declare it anew. Next: run_seed(experiment="far", flags=…, hypothesis=…)',
    [BASELINE, FAR, run(new_baseline="a new GPU", queue_all=True), compare("far")],
)
GROUP.refuses(
    "compare after one seed",
    'experiment_incomplete: far has 1 of 3 seeds; missing: 137, 256. Next: run_seed(experiment="far", seed=137)',
    [BASELINE, declare("far", "--shift", "-0.1"), compare("far")],
)
GROUP.refuses(
    "a report after two seeds",
    'experiment_incomplete: far has 2 of 3 seeds; missing: 256. Next: run_seed(experiment="far", seed=256)',
    [BASELINE, declare("far", "--shift", "-0.1"), run(experiment="far"), ("write_report", {"experiment": "far"})],
)
GROUP.refuses(
    "compare after a crashed seed",
    'experiment_incomplete: broken has 0 of 3 seeds; missing: 42, 137, 256. Next: run_seed(experiment="broken", '
    "flags=…, hypothesis=…)",
    [BASELINE, declare("broken", "--crash"), compare("broken")],
)
GROUP.refuses(
    "compare after three close seeds",
    "more_seeds_needed: after 3 seeds the mean of near is less than 2 sigma from the baseline's; seeds 512, 1024 "
    'are needed as well. Next: run_seed(experiment="near", seed=512)',
    [BASELINE, NEAR, compare("near")],
)
GROUP.refuses(
    "compare after four close seeds",
    "more_seeds_needed: after 3 seeds the mean of near is less than 2 sigma from the baseline's; seed 1024 is "
    'needed as well. Next: run_seed(experiment="near", seed=1024)',
    [BASELINE, NEAR, run(experiment="near"), compare("near")],
)
GROUP.refuses(
    "one more run of a complete baseline",
    "nothing_due: the baseline has every run that it needs. Next: write_report()",
    [BASELINE, run()],
)
GROUP.refuses(
    "all runs of a complete baseline",
    f"nothing_due: the baseline has every run that it needs. Next: {DECLARE}",
    [BASELINE, ("write_report", {}), BASELINE],
)
GROUP.refuses(
    "one more run of a clear result",
    'nothing_due: far has every run that it needs. Next: compare(experiment="far")',
    [BASELINE, FAR, run(experiment="far")],
)
GROUP.refuses(
    "one more run of a judged experiment",
    'nothing_due: far has every run that it needs. Next: run_seed(experiment="far", role="confirm")',
    [BASELINE, FAR, compare("far"), run(experiment="far")],
)
GROUP.refuses(
    "one more run of a diverged experiment",
    'nothing_due: x has every run that it needs. Next: compare(experiment="x")',
    [BASELINE, declare("x", "--nan_at", "42"), run(experiment="x")],
)
