"""Other machines, packages and variables."""

from typing import Any

from tests.support.callers import Answer
from tests.support.fake_python import fake_python
from tests.threats.agent import INTERPRETER, Agent
from tests.threats.deeds import BASELINE, FAR, accepts_differences, accepts_no_difference, compare, moves_to
from tests.threats.rows import Disclosed, Group, Refused

GROUP = Group("Machine, packages and environment")


def trained_with(agent: Agent, **answers: Any) -> None:
    """Let the project be trained with an interpreter that answers this, from now on."""
    fake_python(agent.project / INTERPRETER, **answers)


def settings(agent: Agent, *lines: str) -> None:
    """Settings of the project."""
    agent.write("seedproof.toml", "\n".join(["[settings]", *lines]) + "\n")


@GROUP.row("Installs other packages for the experiment alone.", Refused("not_comparable"))
async def other_packages(agent: Agent) -> None:
    await agent.baseline()
    trained_with(agent, packages={"torch": "4", "numpy": "2"})
    await agent.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Names another interpreter in the settings for the experiment.", Refused("not_comparable"))
async def other_interpreter(agent: Agent) -> None:
    await agent.baseline()
    trained_with(agent, version="3.13")
    await agent.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Measures the baseline on a slower, other device.", Refused("not_comparable"))
async def other_device(agent: Agent) -> None:
    trained_with(agent, gpus=["NVIDIA A100"])
    await agent.baseline()
    trained_with(agent, gpus=["NVIDIA H100"])
    await agent.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row(
    "Names an interpreter that does not tell its packages, so that nobody sees that they are others.",
    Disclosed("environment_unknown", "reply and report"),
)
async def silent_interpreter(agent: Agent) -> Answer:
    await agent.baseline()
    agent.write(INTERPRETER, "#!/bin/sh\nexit 3\n").chmod(0o755)
    return await agent.judge("good")


@GROUP.row(
    "Accepts such a difference in the settings, and keeps quiet about it.",
    Disclosed("(unconfirmed; accepted: other packages)", "reply and report"),
)
async def accepted(agent: Agent) -> Answer:
    await agent.baseline()
    trained_with(agent, packages={"torch": "4", "numpy": "2"})
    settings(agent, 'accept_differences = ["packages"]')
    return await agent.judge("good")


@GROUP.row(
    "Gives the experiment other threads or devices through the settings.",
    Disclosed("variables_differ", "reply and report"),
)
async def other_variables(agent: Agent) -> Answer:
    await agent.baseline()
    settings(agent, 'env = { OMP_NUM_THREADS = "64" }')
    return await agent.judge("good")


@GROUP.row("Claims a speed-up that comes from more threads.", Disclosed("wall_time_withheld", "reply and report"))
async def faster_machine(agent: Agent) -> Answer:
    await agent.baseline()
    settings(agent, 'env = { OMP_NUM_THREADS = "64" }')
    agent.table.wall("exp_good", (1.0, 1.0, 1.0))
    answer = await agent.judge("good")
    assert answer.data["wall_time_change_percent"] is None
    return answer


@GROUP.row(
    "Hands the experiment a secret flag through a variable of the settings.",
    Disclosed("variables_differ", "reply and report"),
)
async def secret_flag(agent: Agent) -> Answer:
    await agent.baseline()
    settings(agent, 'env = { BETTER_LR = "1" }')
    return await agent.judge("good")


@GROUP.row(
    "Gives the experiment another value of a variable of the settings that the baseline has as well.",
    Disclosed("variables_differ", "reply and report"),
)
async def other_value(agent: Agent) -> Answer:
    settings(agent, 'env = { LR = "1" }')
    await agent.baseline()
    settings(agent, 'env = { LR = "9" }')
    return await agent.judge("good")


@GROUP.row("Lets another module be found first, through PYTHONPATH.", Disclosed("variables_differ", "reply and report"))
async def python_path(agent: Agent) -> Answer:
    await agent.baseline()
    settings(agent, 'env = { PYTHONPATH = "better" }')
    return await agent.judge("good")


# --- refused in these words -----------------------------------------------------------------------

GROUP.refuses(
    "an experiment on another machine",
    "not_comparable: a run that starts now would differ from the baseline's in device (GPU NVIDIA A100 → NVIDIA "
    'H100). Bring back what the baseline had, begin a new baseline, or set accept_differences = ["device"] in '
    "[settings] of seedproof.toml, which the headline will say. Next: run_seed(new_baseline=…)",
    [moves_to("NVIDIA A100"), BASELINE, moves_to("NVIDIA H100"), FAR],
)
TWO_MACHINES = (
    "not_comparable: the runs of far and its baseline differ in device (GPU NVIDIA A100 → NVIDIA H100). Bring "
    'back what the baseline had, begin a new baseline, or set accept_differences = ["device"] in [settings] of '
    "seedproof.toml, which the headline will say. Next: run_seed(new_baseline=…)"
)
GROUP.refuses(
    "a verdict on runs of two machines",
    TWO_MACHINES,
    [
        moves_to("NVIDIA A100"),
        BASELINE,
        moves_to("NVIDIA H100"),
        accepts_differences,
        FAR,
        accepts_no_difference,
        compare("far"),
    ],
)
GROUP.refuses(
    "a report on runs of two machines",
    TWO_MACHINES,
    [
        moves_to("NVIDIA A100"),
        BASELINE,
        moves_to("NVIDIA H100"),
        accepts_differences,
        FAR,
        accepts_no_difference,
        ("write_report", {"experiment": "far"}),
    ],
)
