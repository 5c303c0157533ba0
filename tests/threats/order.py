"""Verdicts before the variance is known."""

from tests.threats.bench import Bench
from tests.threats.rows import Group, Refused

GROUP = Group("A verdict before the variance is known")


@GROUP.row("Asks for a verdict before a single baseline seed has run.", Refused("baseline_missing"))
async def compare_first(bench: Bench) -> None:
    await bench.cheat("compare", experiment="good")
    await bench.cheat("write_report", experiment="good")


@GROUP.row("Trains the experiment first and wants to measure the baseline later.", Refused("baseline_missing"))
async def experiment_first(bench: Bench) -> None:
    await bench.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Calls two baseline seeds enough, and goes on to the experiment.", Refused("baseline_incomplete"))
async def two_seeds(bench: Bench) -> None:
    for _ in range(2):
        await bench.call("run_seed")
    await bench.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")
    await bench.cheat("compare", experiment="good")


@GROUP.row("Claims a result after a single seed of the experiment.", Refused("experiment_incomplete"))
async def one_seed(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("good", queue_all=False)
    await bench.cheat("compare", experiment="good")


@GROUP.row("Has the report written instead, in the hope that it asks for less.", Refused("experiment_incomplete"))
async def report_instead(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("good", queue_all=False)
    await bench.cheat("write_report", experiment="good")


@GROUP.row("Stops after three seeds that lie within 2 sigma, while they still look kind.", Refused("more_seeds_needed"))
async def stops_early(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("close")
    await bench.cheat("compare", experiment="close")
    await bench.cheat("write_report", experiment="close")


@GROUP.row(
    "Adds the two extra seeds to a result that is clear, in the hope that they are kinder.", Refused("seed_not_due")
)
async def optional_extras(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("bad")
    await bench.cheat("run_seed", experiment="bad", seed=512)
    await bench.cheat("run_seed", experiment="bad", seed=1024)


@GROUP.row("Compares an experiment of an earlier baseline with a newer, kinder one.", Refused("experiment_unknown"))
async def other_generation(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("good")
    await bench.call("run_seed", new_baseline="a kinder one", queue_all=True)
    await bench.cheat("compare", experiment="good")
