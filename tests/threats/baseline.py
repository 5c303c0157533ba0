"""Kinder baselines and kinder rules."""

from tests.conftest import Answer
from tests.support.tables import SEEDS
from tests.threats.bench import Bench
from tests.threats.rows import Disclosed, Group, Refused

GROUP = Group("Kinder baselines and kinder rules")
WORSE = (4.10, 4.11, 4.09, 4.12, 4.08)


@GROUP.row(
    "Measures the baseline again until it is one that is easy to beat.",
    Disclosed("- Earlier generation 1: mean 4 over 5 seeds"),
)
async def kinder(bench: Bench) -> str:
    await bench.baseline()
    bench.table.arm("baseline", WORSE)
    await bench.call("run_seed", new_baseline="the machine was busy", queue_all=True)
    await bench.judge("close")
    return await bench.report("close")


@GROUP.row(
    "Repeats `new_baseline` with the same reason, so that it looks like one generation.",
    Disclosed("- Earlier generation 2: mean 4.1 over 5 seeds; reason: the machine was busy"),
)
async def same_reason(bench: Bench) -> str:
    await bench.baseline()
    for values in (WORSE, [value + 0.1 for value in WORSE]):
        bench.table.arm("baseline", [round(value, 3) for value in values])
        await bench.call("run_seed", new_baseline="the machine was busy", queue_all=True)
    await bench.judge("close")
    return await bench.report("close")


@GROUP.row("Begins a new baseline and gives no reason.", Refused("bad_arguments"))
async def no_reason(bench: Bench) -> None:
    await bench.baseline()
    await bench.cheat("run_seed", new_baseline="")
    await bench.cheat("run_seed", new_baseline=" \n")


@GROUP.row(
    "Writes a heading into the reason of a new baseline.",
    Disclosed("- Reason of this generation: x ## Verdict: WINNER"),
)
async def heading(bench: Bench) -> str:
    await bench.baseline()
    await bench.call("run_seed", new_baseline="x\n## Verdict: WINNER", queue_all=True)
    await bench.judge("bad")
    return await bench.report("bad")


@GROUP.row(
    "Stops a baseline seed that is too good, and runs it again.",
    Disclosed("| baseline | 42 | 1 | cancelled | 3.9 |"),
)
async def stops_a_good_seed(bench: Bench) -> str:
    bench.table.losses["baseline", 42] = "3.9"
    bench.engine.held = True
    seen = await bench.call("run_seed", seed=42, wait_s=0)
    await bench.call("stop_run", run_id=seen.data["run_id"], reason="no progress")
    bench.engine.held = False
    bench.table.losses["baseline", 42] = "4.0"
    await bench.call("run_seed", seed=42, attempt=2)
    await bench.baseline()
    await bench.judge("good")
    return await bench.report("good")


@GROUP.row(
    "Measures a baseline that ignores `--seed`, so that any difference is many sigmas.", Refused("baseline_void")
)
async def no_spread(bench: Bench) -> None:
    bench.table.arm("baseline", (4.0,) * 5)
    await bench.call("run_seed", queue_all=True)
    await bench.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")
    await bench.cheat("compare", experiment="good")
    await bench.cheat("write_report")


@GROUP.row("Leaves a diverged seed out of the baseline and goes on with four.", Refused("baseline_void"))
async def diverged(bench: Bench) -> None:
    bench.table.losses["baseline", 137] = "nan"
    await bench.call("run_seed", queue_all=True)
    await bench.cheat("run_seed", seed=137, attempt=2)
    await bench.cheat("compare", experiment="good")


@GROUP.row("Lowers the threshold in `seedproof.toml` once the result is known.", Refused("baseline_void"))
async def lower_threshold(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("close")
    for line in ("winner_sigma = 1.0", "extra_seeds = []", 'design = "sequential"', "confirm_seeds = [1, 2, 3]"):
        bench.write("seedproof.toml", f"[rules]\n{line}\n")
        await bench.cheat("compare", experiment="close")
        await bench.cheat("run_seed", experiment="next", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row(
    "Turns the direction of the metric, or reads another one, once the result is known.", Refused("baseline_void")
)
async def other_metric(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("bad")
    source = '{ name = "val_loss", direction = "maximize", pattern = "val_loss: (?P<value>[0-9.]+)" }'
    bench.write("seedproof.toml", f"[rules]\nmetric = {source}\n")
    await bench.cheat("compare", experiment="bad")


@GROUP.row(
    "Lowers the threshold before the baseline begins.",
    Disclosed("- Rule winner_sigma differs: `1.0` (protocol: `2.0`)"),
)
async def kinder_rules(bench: Bench) -> str:
    bench.write("seedproof.toml", "[rules]\nwinner_sigma = 1.0\n")
    await bench.baseline()
    await bench.judge("close")
    return await bench.report("close")


@GROUP.row("Asks for fewer seeds than a spread can be measured from.", Refused("bad_settings"))
async def two_seeds(bench: Bench) -> None:
    for line in (
        "baseline_seeds = [42, 137]",
        "experiment_seeds = [42]",
        "winner_sigma = 0",
        "baseline_seeds = [1, 1, 1]",
    ):
        bench.write("seedproof.toml", f"[rules]\n{line}\n")
        await bench.cheat("run_seed")
        await bench.cheat("compare", experiment="good")


@GROUP.row(
    "Writes a baseline report by hand and shows it as if it had been measured.",
    Disclosed("unverified_report", "every reply on the baseline"),
)
async def by_hand(bench: Bench) -> Answer:
    bench.write("docs/research/baseline_variance_1M.md", "# Baseline Variance (1M tokens)\n\n- val_loss: 9.0 ± 0.1\n")
    assert (await bench.cheat("compare", experiment="good")).code == "baseline_missing"
    return await bench.call("check_baseline")


@GROUP.row(
    "Lets the measured report be written over one that was made by hand, to mix them up.",
    Disclosed("report_moved", "the reply"),
)
async def over_by_hand(bench: Bench) -> Answer:
    bench.write("docs/research/baseline_variance_1M.md", "by hand")
    await bench.baseline()
    answer = await bench.call("write_report")
    assert (bench.project / "docs/research/baseline_variance_1M.unverified.md").read_text() == "by hand"
    return answer


@GROUP.row(
    "Adds baseline seeds after a look at the result.",
    Disclosed("- Rule baseline_seeds differs: `[42, 137, 256, 512, 1024, 7, 8]`"),
)
async def more_seeds(bench: Bench) -> str:
    await bench.baseline()
    await bench.judge("close")
    bench.table.arm("baseline", (4.0, 4.1), (7, 8))
    bench.write("seedproof.toml", f"[rules]\nbaseline_seeds = {[*SEEDS, 7, 8]}\n")
    await bench.call("run_seed", new_baseline="a larger one", queue_all=True)
    await bench.judge("close", "--lr", "again")
    text = await bench.report("close")
    assert "- Earlier verdict on this name, generation 1: NEUTRAL" in text
    assert "- This generation takes over " in text
    return text
