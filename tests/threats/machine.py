"""Other machines, packages and variables."""

from typing import Any

from tests.conftest import Answer
from tests.support.fake_python import fake_python
from tests.threats.bench import INTERPRETER, Bench
from tests.threats.rows import Disclosed, Group, Refused

GROUP = Group("Machine, packages and environment")


def trained_with(bench: Bench, **answers: Any) -> None:
    """Let the project be trained with an interpreter that answers this, from now on."""
    fake_python(bench.project / INTERPRETER, **answers)


def settings(bench: Bench, *lines: str) -> None:
    """Settings of the project."""
    bench.write("seedproof.toml", "\n".join(["[settings]", *lines]) + "\n")


@GROUP.row("Installs other packages for the experiment alone.", Refused("not_comparable"))
async def other_packages(bench: Bench) -> None:
    await bench.baseline()
    trained_with(bench, packages={"torch": "4", "numpy": "2"})
    await bench.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Names another interpreter in the settings for the experiment.", Refused("not_comparable"))
async def other_interpreter(bench: Bench) -> None:
    await bench.baseline()
    trained_with(bench, version="3.13")
    await bench.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Measures the baseline on a slower, other device.", Refused("not_comparable"))
async def other_device(bench: Bench) -> None:
    trained_with(bench, gpus=["NVIDIA A100"])
    await bench.baseline()
    trained_with(bench, gpus=["NVIDIA H100"])
    await bench.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row(
    "Names an interpreter that does not tell its packages, so that nobody sees that they are others.",
    Disclosed("environment_unknown", "reply and report"),
)
async def silent_interpreter(bench: Bench) -> Answer:
    await bench.baseline()
    bench.write(INTERPRETER, "#!/bin/sh\nexit 3\n").chmod(0o755)
    return await bench.judge("good")


@GROUP.row(
    "Accepts such a difference in the settings, and keeps quiet about it.",
    Disclosed("(unconfirmed; accepted: other packages)", "reply and report"),
)
async def accepted(bench: Bench) -> Answer:
    await bench.baseline()
    trained_with(bench, packages={"torch": "4", "numpy": "2"})
    settings(bench, 'accept_differences = ["packages"]')
    return await bench.judge("good")


@GROUP.row(
    "Gives the experiment other threads or devices through the settings.",
    Disclosed("variables_differ", "reply and report"),
)
async def other_variables(bench: Bench) -> Answer:
    await bench.baseline()
    settings(bench, 'env = { OMP_NUM_THREADS = "64" }')
    return await bench.judge("good")


@GROUP.row("Claims a speed-up that comes from more threads.", Disclosed("wall_time_withheld", "reply and report"))
async def faster_machine(bench: Bench) -> Answer:
    await bench.baseline()
    settings(bench, 'env = { OMP_NUM_THREADS = "64" }')
    bench.table.wall("exp_good", (1.0, 1.0, 1.0))
    answer = await bench.judge("good")
    assert answer.data["wall_time_change_percent"] is None
    return answer


@GROUP.row(
    "Hands the experiment a secret flag through a variable of the settings.",
    Disclosed("variables_differ", "reply and report"),
)
async def secret_flag(bench: Bench) -> Answer:
    await bench.baseline()
    settings(bench, 'env = { BETTER_LR = "1" }')
    return await bench.judge("good")


@GROUP.row(
    "Gives the experiment another value of a variable of the settings that the baseline has as well.",
    Disclosed("variables_differ", "reply and report"),
)
async def other_value(bench: Bench) -> Answer:
    settings(bench, 'env = { LR = "1" }')
    await bench.baseline()
    settings(bench, 'env = { LR = "9" }')
    return await bench.judge("good")


@GROUP.row("Lets another module be found first, through PYTHONPATH.", Disclosed("variables_differ", "reply and report"))
async def python_path(bench: Bench) -> Answer:
    await bench.baseline()
    settings(bench, 'env = { PYTHONPATH = "better" }')
    return await bench.judge("good")
