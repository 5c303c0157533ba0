"""What a training prints."""

from tests.conftest import Answer
from tests.support.in_process import Training
from tests.threats.bench import Bench
from tests.threats.rows import Disclosed, Group, InVain, Refused

GROUP = Group("What a training prints")


def prints(bench: Bench, *lines: str, exit_code: int = 0) -> None:
    """Let the trainings of the experiment `x` print these lines, and the others what they did."""
    others = bench.engine.trains

    def trains(argv):  # type: ignore[no-untyped-def]
        if bench.table.key(argv)[0] != "exp_x":
            return others(argv)
        bench.table.argvs.append(tuple(argv))
        log = "\n".join(line.format(seed=bench.table.key(argv)[1]) for line in lines) + "\n"
        return Training(log, exit_code, {"model.bin": "x"})

    bench.engine.trains = trains


@GROUP.row("Prints its best value first, so that the best epoch counts.", InVain("the last value of a run counts"))
async def best_first(bench: Bench) -> None:
    await bench.baseline()
    prints(bench, "Step 50 | val_loss: 3.0", "Step {seed} | val_loss: 4.{seed}")
    answer = await bench.judge("x")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] > 4.1


@GROUP.row(
    "Prints the best value again under a name that ends in the metric's.",
    InVain("a best, averaged or otherwise labelled value is not read"),
)
async def best_again(bench: Bench) -> None:
    await bench.baseline()
    prints(bench, "Step {seed} | val_loss: 4.{seed}", "best val_loss: 3.0", "ema_val_loss: 3.0", "min val_loss=3.0")
    answer = await bench.judge("x")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] > 4.1


@GROUP.row("Prints a good value and ends in nan.", Disclosed("LOSER (diverged: 1 of 1 seeds)", "reply and report"))
async def ends_in_nan(bench: Bench) -> Answer:
    await bench.baseline()
    prints(bench, "Step 50 | val_loss: 3.0", "Step 100 | val_loss: nan")
    return await bench.judge("x")


@GROUP.row(
    "Prints minus infinity, the best of all losses.", Disclosed("LOSER (diverged: 1 of 1 seeds)", "reply and report")
)
async def minus_infinity(bench: Bench) -> Answer:
    await bench.baseline()
    prints(bench, "Step 100 | val_loss: -inf")
    return await bench.judge("x")


@GROUP.row("Prints a good value and fails before the end.", Refused("experiment_incomplete"))
async def fails_after_it(bench: Bench) -> None:
    await bench.baseline()
    prints(bench, "Step {seed} | val_loss: 3.{seed}", exit_code=1)
    await bench.declare("x", queue_all=False)
    await bench.cheat("compare", experiment="x")


@GROUP.row(
    "Leaves a process behind that prints a better value once the training has ended.",
    InVain("a log is read to where the training ended"),
)
async def prints_later(bench: Bench) -> None:
    await bench.baseline()

    def boast(run) -> None:  # type: ignore[no-untyped-def]
        with run.log.open("a") as log:
            log.write("Step 101 | val_loss: 0.1\n")

    bench.engine.after_end = boast
    answer = await bench.judge("bad")
    assert answer.data["verdict"] == "LOSER"
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == 4.10


@GROUP.row("Lets the experiment ignore `--seed` and print one value.", Disclosed("same_values", "reply and report"))
async def one_value(bench: Bench) -> Answer:
    await bench.baseline()
    bench.table.arm("exp_x", (3.9, 3.9, 3.9))
    return await bench.judge("x")


@GROUP.row("Prints the log of a good seed for the others as well.", Disclosed("identical_logs", "reply and report"))
async def one_log(bench: Bench) -> Answer:
    await bench.baseline()
    prints(bench, "Step 100 | val_loss: 3.9000 | the lucky one")
    return await bench.judge("x")


@GROUP.row("Rounds what is printed, so that the spread is small.", Disclosed("coarse_resolution", "reply and report"))
async def rounds(bench: Bench) -> Answer:
    await bench.baseline()
    bench.table.arm("exp_x", ("3.9", "3.8", "3.9"))
    return await bench.judge("x")
