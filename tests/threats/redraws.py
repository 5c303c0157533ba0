"""Attempts that are thrown away and drawn again, and the same idea under another spelling."""

import json

from seedproof_mcp.system.paths import RunPaths

from tests.support.callers import Answer
from tests.support.in_process import Training
from tests.threats.agent import Agent
from tests.threats.code import a_repository
from tests.threats.rows import Disclosed, Group, Refused
from tests.threats.seeds import stopped

GROUP = Group("Attempts that are drawn again")
PRESET = '[rules.metric]\npreset = "llm-research-kit"\n'


def prints(agent: Agent, log: str, arm: str = "exp_x", exit_code: int = 0) -> None:
    """Let the trainings of an arm print this and nothing else."""
    others = agent.engine.trains

    def trains(argv):  # type: ignore[no-untyped-def]
        training = others(argv)
        if agent.table.key(argv)[0] != arm:
            return training
        return Training(log, exit_code, {}, training.wall_time_s)

    agent.engine.trains = trains


def writes_a_file(agent: Agent) -> None:
    """Let the value be read from the file of the preset; the log shows it in the default words."""
    agent.write("seedproof.toml", PRESET)
    table = agent.table

    def trains(argv):  # type: ignore[no-untyped-def]
        training = table(argv)
        value = training.log.partition("val_loss: ")[2].split()[0]
        values = {"final_metrics": {"val_loss": float(value), "val_accuracy": 0.5}}
        log = f"Step 100 | Val Loss: {value}, Val Acc: 0.5\n"
        return Training(log, training.exit_code, {"metrics.json": json.dumps(values)}, training.wall_time_s)

    agent.engine.trains = trains


@GROUP.row(
    "Lets the script crash after a bad value in words that only the default pattern reads, again and again.",
    Refused("arm_failed"),
)
async def crashes_after_the_value(agent: Agent) -> None:
    writes_a_file(agent)
    await agent.baseline()
    prints(agent, "Step 100 | Val Loss: 4.1, Val Acc: 0.5\nKilled worker 7\n", exit_code=1)
    await agent.declare("x", queue_all=False)
    await agent.call("run_seed", experiment="x", seed=42, attempt=2)
    await agent.cheat("run_seed", experiment="x", seed=42, attempt=3)


@GROUP.row(
    "Stops a run whose log shows a bad value, where the metric is read from a file that is written at the end.",
    Disclosed("NEUTRAL (capped: cancelled seed)", "reply and report"),
)
async def stops_after_the_value(agent: Agent) -> Answer:
    writes_a_file(agent)
    await agent.baseline()
    agent.table.losses["exp_good", 42] = "4.1"
    without_file = agent.engine.trains
    agent.engine.trains = lambda argv: Training(without_file(argv).log)
    await stopped(agent, "good", 42)
    agent.engine.trains = without_file
    agent.table.losses["exp_good", 42] = "3.9"
    await agent.call("run_seed", experiment="good", seed=42, attempt=2)
    await agent.call("run_seed", experiment="good", queue_all=True)
    lines = (await agent.report("good")).splitlines()
    # The rule reads a file that is not there; what the log showed is a reason and no value.
    stopped_run = next(line for line in lines if line.startswith("| good | 42 | 1 | cancelled | - |"))
    assert "its last value 4.1" in stopped_run
    return await agent.call("compare", experiment="good")


@GROUP.row(
    "Stops runs after minutes of training, before they show a value that can be read.",
    Disclosed("trained for 214 s, no readable value"),
)
async def stops_before_the_value(agent: Agent) -> str:
    await agent.baseline()
    agent.engine.trains, others = lambda argv: Training("warming up\n"), agent.engine.trains
    agent.engine.after_end = lasted(214.0)
    await stopped(agent, "good", 42)
    agent.engine.trains, agent.engine.after_end = others, None
    await agent.call("run_seed", experiment="good", seed=42, attempt=2)
    await agent.call("run_seed", experiment="good", queue_all=True)
    return await agent.report("good")


def lasted(seconds: float):  # type: ignore[no-untyped-def]
    """Let a run have lasted so long."""

    def after_end(run: RunPaths) -> None:
        result = json.loads(run.result.read_bytes())
        run.result.write_text(json.dumps({**result, "wall_time_s": seconds}))

    return after_end


ALIASES = 'parser.add_argument("--learning_rate", "--lr", "-r", dest="rate")\n'


@GROUP.row(
    "Writes the same option by its other names and abbreviations, so that the flags are new ones.",
    Disclosed("declared_before", "reply and report"),
)
async def aliases(agent: Agent) -> Answer:
    agent.write("train_llm.py", f"import argparse\nparser = argparse.ArgumentParser()\n{ALIASES}")
    await agent.baseline()
    await agent.judge("bad", "--learning_rate", "0.01")
    for number, flags in enumerate((["--learning_r", "0.01"], ["-r", "0.01"], ["-r0.01"])):
        answer = await agent.judge(f"other{number}", *flags)
        assert "declared_before" in answer.text, flags
    return await agent.judge("good", "--lr", "0.01")


@GROUP.row(
    "Declares flags that lost as a change of code, with a statement that does nothing for a change.",
    Disclosed("declared_before", "reply and report"),
)
async def flags_with_a_near_empty_edit(agent: Agent) -> Answer:
    await a_repository(agent)
    await agent.judge("bad", "--lr", "1")
    agent.write("train_llm.py", "shift = 0.0\nx = 1\n")
    return await agent.judge("good", "--lr", "1", code_change=True)


@GROUP.row(
    "Declares the same change of code again and again, each time with another comment.", Refused("flags_duplicate")
)
async def another_comment(agent: Agent) -> None:
    await a_repository(agent)
    agent.write("train_llm.py", "shift = 0.0  # one\nx = 1\n")
    await agent.judge("bad", flags=[], code_change=True)
    agent.write("train_llm.py", "shift = 0.0  # another\nx = 1\n")
    await agent.cheat("run_seed", experiment="good", flags=[], hypothesis="it helps", code_change=True, queue_all=True)


@GROUP.row(
    "Draws a ticket upon a ticket by experiments that it declares without effect, and shows the lucky one.",
    Disclosed("2 of them declared without effect", "reply and report"),
)
async def null_tickets(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.judge("bad", flags=[], hypothesis="null: nothing changes")
    return await agent.judge("good", flags=[], hypothesis="null: nothing changes")
