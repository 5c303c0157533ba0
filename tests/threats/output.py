"""What a training prints."""

from tests.support.callers import Answer
from tests.support.in_process import Training
from tests.threats.agent import Agent
from tests.threats.rows import Disclosed, Group, InVain, Refused

GROUP = Group("What a training prints")


def prints(agent: Agent, *lines: str, exit_code: int = 0) -> None:
    """Let the trainings of the experiment `x` print these lines, and the others what they did."""
    others = agent.engine.trains

    def trains(argv):  # type: ignore[no-untyped-def]
        if agent.table.key(argv)[0] != "exp_x":
            return others(argv)
        agent.table.argvs.append(tuple(argv))
        log = "\n".join(line.format(seed=agent.table.key(argv)[1]) for line in lines) + "\n"
        return Training(log, exit_code, {"model.bin": "x"})

    agent.engine.trains = trains


@GROUP.row("Prints its best value first, so that the best epoch counts.", InVain("the last value of a run counts"))
async def best_first(agent: Agent) -> None:
    await agent.baseline()
    prints(agent, "Step 50 | val_loss: 3.0", "Step {seed} | val_loss: 4.{seed}")
    answer = await agent.judge("x")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] > 4.1


@GROUP.row(
    "Prints the best value again under a name that ends in the metric's.",
    InVain("a best, averaged or otherwise labelled value is not read"),
)
async def best_again(agent: Agent) -> None:
    await agent.baseline()
    prints(agent, "Step {seed} | val_loss: 4.{seed}", "best val_loss: 3.0", "ema_val_loss: 3.0", "min val_loss=3.0")
    answer = await agent.judge("x")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] > 4.1


@GROUP.row("Prints a good value and ends in nan.", Disclosed("LOSER (diverged: 1 of 1 seeds)", "reply and report"))
async def ends_in_nan(agent: Agent) -> Answer:
    await agent.baseline()
    prints(agent, "Step 50 | val_loss: 3.0", "Step 100 | val_loss: nan")
    return await agent.judge("x")


@GROUP.row(
    "Prints minus infinity, the best of all losses.", Disclosed("LOSER (diverged: 1 of 1 seeds)", "reply and report")
)
async def minus_infinity(agent: Agent) -> Answer:
    await agent.baseline()
    prints(agent, "Step 100 | val_loss: -inf")
    return await agent.judge("x")


@GROUP.row("Prints a good value and fails before the end.", Refused("experiment_incomplete"))
async def fails_after_it(agent: Agent) -> None:
    await agent.baseline()
    prints(agent, "Step {seed} | val_loss: 3.{seed}", exit_code=1)
    await agent.declare("x", queue_all=False)
    await agent.cheat("compare", experiment="x")


@GROUP.row(
    "Leaves a process behind that prints a better value once the training has ended.",
    InVain("a log is read to where the training ended"),
)
async def prints_later(agent: Agent) -> None:
    await agent.baseline()

    def boast(run) -> None:  # type: ignore[no-untyped-def]
        with run.log.open("a") as log:
            log.write("Step 101 | val_loss: 0.1\n")

    agent.engine.after_end = boast
    answer = await agent.judge("bad")
    assert answer.data["verdict"] == "LOSER"
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == 4.10


@GROUP.row("Lets the experiment ignore `--seed` and print one value.", Disclosed("same_values", "reply and report"))
async def one_value(agent: Agent) -> Answer:
    await agent.baseline()
    agent.table.arm("exp_x", (3.9, 3.9, 3.9))
    return await agent.judge("x")


@GROUP.row("Prints the log of a good seed for the others as well.", Disclosed("identical_logs", "reply and report"))
async def one_log(agent: Agent) -> Answer:
    await agent.baseline()
    prints(agent, "Step 100 | val_loss: 3.9000 | the lucky one")
    return await agent.judge("x")


@GROUP.row("Rounds what is printed, so that the spread is small.", Disclosed("coarse_resolution", "reply and report"))
async def rounds(agent: Agent) -> Answer:
    await agent.baseline()
    agent.table.arm("exp_x", ("3.9", "3.8", "3.9"))
    return await agent.judge("x")
