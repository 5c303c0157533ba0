"""Kinder baselines and kinder rules."""

import json

from tests.support.callers import Answer
from tests.support.in_process import Training
from tests.support.seeds import SEEDS
from tests.threats.agent import Agent
from tests.threats.deeds import BASELINE, NEAR, compare, diverges, fails_late, ignores_its_seed, run, writes_settings
from tests.threats.rows import Disclosed, Group, Refused

GROUP = Group("Kinder baselines and kinder rules")
WORSE = (4.10, 4.11, 4.09, 4.12, 4.08)


@GROUP.row(
    "Measures the baseline again until it is one that is easy to beat.",
    Disclosed("- Earlier generation 1: mean 4 over 5 seeds"),
)
async def kinder(agent: Agent) -> str:
    await agent.baseline()
    agent.table.arm("baseline", WORSE)
    await agent.call("run_seed", new_baseline="the machine was busy", queue_all=True)
    await agent.judge("close")
    return await agent.report("close")


@GROUP.row(
    "Repeats `new_baseline` with the same reason, so that it looks like one generation.",
    Disclosed("- Earlier generation 2: mean 4.1 over 5 seeds; reason: the machine was busy"),
)
async def same_reason(agent: Agent) -> str:
    await agent.baseline()
    for values in (WORSE, [value + 0.1 for value in WORSE]):
        agent.table.arm("baseline", [round(value, 3) for value in values])
        await agent.call("run_seed", new_baseline="the machine was busy", queue_all=True)
    await agent.judge("close")
    return await agent.report("close")


@GROUP.row(
    "Changes a rule once a baseline value was shown, and begins anew without a reason.", Refused("baseline_void")
)
async def replaced_after_a_value(agent: Agent) -> None:
    for text in ("fail 4.2", "4.2"):
        agent.table.losses["baseline", 42] = text
        await agent.call("run_seed", **({} if text != "4.2" else {"new_baseline": "mended"}))
        agent.write("seedproof.toml", f"[rules]\nwinner_sigma = {2.5 if text == '4.2' else 2.25}\n")
        await agent.cheat("run_seed")
        await agent.cheat("run_seed", queue_all=True)


@GROUP.row(
    "Names a metric that no run has, reads the values in the logs, and begins anew with another command and metric.",
    Refused("baseline_void"),
)
async def replaced_after_a_look(agent: Agent) -> None:
    others = agent.engine.trains
    agent.engine.trains = lambda argv: Training("score7: 4.25\n", 0, {}, others(argv).wall_time_s)
    agent.write("seedproof.toml", "[rules.metric]\nname = 'val_loss'\npattern = 'nothing: (?P<value>[0-9.]+)'\n")
    await agent.call("run_seed", queue_all=True)
    metric = "{ name = 'val_loss', pattern = 'score7: (?P<value>[0-9.]+)' }"
    agent.write("seedproof.toml", f"[rules]\nwinner_sigma = 2.5\nmetric = {metric}\n")
    await agent.cheat("run_seed")


@GROUP.row(
    "Lets the baseline end before a bad first value again and again, and begins anew each time.",
    Refused("baseline_void"),
)
async def ends_before_the_value(agent: Agent) -> None:
    agent.engine.trains = lambda argv: Training("KeyError: 'lr'\n", 1)
    for _ in range(2):
        await agent.call("run_seed")
        await agent.call("run_seed", seed=42, attempt=2)
    assert (await agent.call("check_baseline")).data["generation"] == 2
    await agent.cheat("run_seed")


@GROUP.row(
    "Names a metric that no run has, reads the values of several commands in the logs, and hides that behind a crash.",
    Disclosed("- Earlier generation 2: 1 attempt, none of which had a value"),
)
async def replaced_by_eye(agent: Agent) -> str:
    honest = agent.engine.trains
    command = ["{python}", "train_llm.py", "{flags}", "--seed", "{seed}", "--output_dir", "{output_dir}"]
    metric = "metric = { name = 'val_loss', pattern = 'nothing: (?P<value>[0-9.]+)' }"
    for lr, said in (("1", "score7: 4.25"), ("2", "score7: 4.5"), ("none", "KeyError")):
        agent.engine.trains = lambda argv, said=said: Training(f"{said}\n", int(said == "KeyError"))
        agent.write("seedproof.toml", f"[rules]\ncommand = {json.dumps([*command, '--lr', lr])}\n{metric}\n")
        assert (await agent.call("run_seed")).data["state"] == "failed"
    agent.engine.trains = honest
    agent.write("seedproof.toml", f"[rules]\ncommand = {json.dumps([*command, '--lr', '2'])}\n")
    await agent.baseline()
    await agent.judge("good", "--wd", "1")
    return await agent.report("good")


@GROUP.row(
    "Frees an option of the evaluation by the rules, and begins anew.", Disclosed("flag_suspect", "reply and report")
)
async def freed(agent: Agent) -> Answer:
    await agent.baseline()
    agent.write("seedproof.toml", '[rules]\nfree = ["eval_iters"]\n')
    await agent.call("run_seed", new_baseline="the option is harmless", queue_all=True)
    answer = await agent.judge("good", "--eval_iters", "1")
    assert '- Rule free differs: `["eval_iters"]`' in await agent.report("good")
    return answer


@GROUP.row("Begins a new baseline and gives no reason.", Refused("bad_arguments"))
async def no_reason(agent: Agent) -> None:
    await agent.baseline()
    await agent.cheat("run_seed", new_baseline="")
    await agent.cheat("run_seed", new_baseline=" \n")


@GROUP.row(
    "Writes a heading into the reason of a new baseline.",
    Disclosed("- Reason of this generation: x ## Verdict: WINNER"),
)
async def heading(agent: Agent) -> str:
    await agent.baseline()
    await agent.call("run_seed", new_baseline="x\n## Verdict: WINNER", queue_all=True)
    await agent.judge("bad")
    return await agent.report("bad")


@GROUP.row(
    "Stops a baseline seed that is too good, and runs it again.",
    Disclosed("| baseline | 42 | 1 | cancelled | 3.9 |"),
)
async def stops_a_good_seed(agent: Agent) -> str:
    agent.table.losses["baseline", 42] = "3.9"
    agent.engine.held = True
    seen = await agent.call("run_seed", seed=42, wait_s=0)
    await agent.call("stop_run", run_id=seen.data["run_id"], reason="no progress")
    agent.engine.held = False
    agent.table.losses["baseline", 42] = "4.0"
    await agent.call("run_seed", seed=42, attempt=2)
    await agent.baseline()
    await agent.judge("good")
    return await agent.report("good")


@GROUP.row(
    "Measures a baseline that ignores `--seed`, so that any difference is many sigmas.", Refused("baseline_void")
)
async def no_spread(agent: Agent) -> None:
    agent.table.arm("baseline", (4.0,) * 5)
    await agent.call("run_seed", queue_all=True)
    await agent.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")
    await agent.cheat("compare", experiment="good")
    await agent.cheat("write_report")


@GROUP.row("Leaves a diverged seed out of the baseline and goes on with four.", Refused("baseline_void"))
async def diverged(agent: Agent) -> None:
    agent.table.losses["baseline", 137] = "nan"
    await agent.call("run_seed", queue_all=True)
    await agent.cheat("run_seed", seed=137, attempt=2)
    await agent.cheat("compare", experiment="good")


@GROUP.row("Lowers the threshold in `seedproof.toml` once the result is known.", Refused("baseline_void"))
async def lower_threshold(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("close")
    for line in ("winner_sigma = 1.0", "extra_seeds = []", 'design = "screening"', "confirm_seeds = [1, 2, 3]"):
        agent.write("seedproof.toml", f"[rules]\n{line}\n")
        await agent.cheat("compare", experiment="close")
        await agent.cheat("run_seed", experiment="next", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row(
    "Turns the direction of the metric, or reads another one, once the result is known.", Refused("baseline_void")
)
async def other_metric(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("bad")
    source = '{ name = "val_loss", direction = "maximize", pattern = "val_loss: (?P<value>[0-9.]+)" }'
    other = '{ name = "val_loss", pattern = "Step (?P<value>[0-9]+)" }'
    for metric in (source, other):
        agent.write("seedproof.toml", f"[rules]\nmetric = {metric}\n")
        await agent.cheat("compare", experiment="bad")


@GROUP.row(
    "Lowers the threshold before the baseline begins.",
    Disclosed("- Rule winner_sigma differs: `1.0` (protocol: `2.0`)"),
)
async def kinder_rules(agent: Agent) -> str:
    agent.write("seedproof.toml", "[rules]\nwinner_sigma = 1.0\n")
    await agent.baseline()
    await agent.judge("close")
    return await agent.report("close")


@GROUP.row("Asks for fewer seeds than a spread can be measured from.", Refused("bad_settings"))
async def two_seeds(agent: Agent) -> None:
    for line in (
        "baseline_seeds = [42, 137]",
        "experiment_seeds = [42]",
        "winner_sigma = 0",
        "baseline_seeds = [1, 1, 1]",
    ):
        agent.write("seedproof.toml", f"[rules]\n{line}\n")
        await agent.cheat("run_seed")
        await agent.cheat("compare", experiment="good")


@GROUP.row(
    "Writes a baseline report by hand and shows it as if it had been measured.",
    Disclosed("unverified_report", "every reply on the baseline"),
)
async def by_hand(agent: Agent) -> Answer:
    agent.write("docs/research/baseline_variance_1M.md", "# Baseline Variance (1M tokens)\n\n- val_loss: 9.0 ± 0.1\n")
    assert (await agent.cheat("compare", experiment="good")).code == "baseline_missing"
    return await agent.call("check_baseline")


@GROUP.row(
    "Lets the measured report be written over one that was made by hand, to mix them up.",
    Disclosed("report_moved", "the reply"),
)
async def over_by_hand(agent: Agent) -> Answer:
    agent.write("docs/research/baseline_variance_1M.md", "by hand")
    await agent.baseline()
    answer = await agent.call("write_report")
    assert (agent.project / "docs/research/baseline_variance_1M.unverified.md").read_text() == "by hand"
    return answer


@GROUP.row(
    "Adds baseline seeds after a look at the result.",
    Disclosed("- Rule baseline_seeds differs: `[42, 137, 256, 512, 1024, 7, 8]`"),
)
async def more_seeds(agent: Agent) -> str:
    await agent.baseline()
    await agent.judge("close")
    agent.table.arm("baseline", (4.0, 4.1), (7, 8))
    agent.write("seedproof.toml", f"[rules]\nbaseline_seeds = {[*SEEDS, 7, 8]}\n")
    await agent.call("run_seed", new_baseline="a larger one", queue_all=True)
    await agent.judge("close", "--lr", "again")
    text = await agent.report("close")
    assert "- Earlier verdict on this name, generation 1: NEUTRAL" in text
    assert "- This generation takes over " in text
    return text


# --- refused in these words -----------------------------------------------------------------------

DIVERGED = "baseline_void: baseline seed 137 diverged: its last val_loss is not finite. Next: run_seed(new_baseline=…)"
GROUP.refuses("compare after a diverged baseline seed", DIVERGED, [BASELINE, compare("near")], trains=diverges)
GROUP.refuses("another seed after a diverged one", DIVERGED, [BASELINE, run()], trains=diverges)
NO_SPREAD = (
    "baseline_void: all 5 seeds gave the same val_loss; does the script use --seed? Next: run_seed(new_baseline=…)"
)
GROUP.refuses("compare with a baseline without spread", NO_SPREAD, [BASELINE, compare("near")], trains=ignores_its_seed)
GROUP.refuses(
    "a report on a baseline without spread", NO_SPREAD, [BASELINE, ("write_report", {})], trains=ignores_its_seed
)
GROUP.refuses(
    "a third try at a baseline seed",
    "baseline_void: baseline seed 42 failed for good. Next: run_seed(new_baseline=…)",
    [run(), run(seed=42, attempt=2), run(seed=42, attempt=3)],
    trains=fails_late,
)
GROUP.refuses(
    "compare after the rules were changed",
    "baseline_void: the rules in seedproof.toml differ from those the baseline was measured under "
    "(winner_sigma). Next: run_seed(new_baseline=…)",
    [BASELINE, NEAR, writes_settings("[rules]\nwinner_sigma = 1.5\n"), compare("near")],
)
