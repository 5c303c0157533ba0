"""Studies up to a confirmation: trainings by a table, and the calls that lead there."""

from typing import Any

from tests.support.callers import Answer, Caller
from tests.support.seeds import FRESH_SIX
from tests.support.tables import Table

__all__ = ["BASE", "CONFIRM", "CONTROL", "FLAGS_OF", "PLACES", "SIGMA", "confirm_all", "gains", "judge", "table"]

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
"""Standard deviation .01581."""
BETTER, NEUTRAL, WORSE = (3.90, 3.91, 3.92), (3.99, 4.01, 3.995, 4.0, 4.0), (4.10, 4.11, 4.12)
SIGMA = "5.69"
"""The distance of a WINNER: .09 over .01581."""
CONTROL = (4.00, 4.02, 4.01, 4.00, 4.02, 4.01)
FLAGS_OF = {name: ("--lr", value) for name, value in {"a": "0.1", "b": "0.4", "same": "0.2", "worse": "0.3"}.items()}
CONFIRM = {"experiment": "a", "role": "confirm"}
PLACES = [
    *(("control_a", FRESH_SIX[0]), ("confirm_a", FRESH_SIX[0])),
    *(("confirm_a", FRESH_SIX[1]), ("control_a", FRESH_SIX[1])),
    *(("control_a", FRESH_SIX[2]), ("confirm_a", FRESH_SIX[2])),
    *(("confirm_a", FRESH_SIX[3]), ("control_a", FRESH_SIX[3])),
    *(("control_a", FRESH_SIX[4]), ("confirm_a", FRESH_SIX[4])),
    *(("confirm_a", FRESH_SIX[5]), ("control_a", FRESH_SIX[5])),
]
"""Arm and seed of the twelve runs of a confirmation, in their order."""


def table(gain: float = 0.07) -> Table:
    """Two WINNERs that hold with this gain, an experiment that changes nothing, and one that is worse."""
    made = Table().arm("baseline", BASE).arm("exp_same", NEUTRAL).arm("exp_worse", WORSE)
    for name in ("a", "b"):
        made.arm(f"exp_{name}", BETTER).arm(f"control_{name}", CONTROL, FRESH_SIX)
        gains(made, name, gain)
    return made


def gains(made: Table, name: str, gain: float) -> None:
    """Write down by how much the runs of an experiment are better on fresh seeds."""
    made.arm(f"confirm_{name}", [f"{value - gain:.3f}" for value in CONTROL], FRESH_SIX)


async def judge(call: Caller, name: str = "a", **more: Any) -> Answer:
    """Take an experiment to its verdict."""
    arguments = {"experiment": name, "flags": list(FLAGS_OF[name]), "hypothesis": "it helps", "queue_all": True}
    await call("run_seed", **{**arguments, **more})
    answer = await call("compare", experiment=name)
    if answer.code == "more_seeds_needed":
        await call("run_seed", experiment=name, queue_all=True)
        answer = await call("compare", experiment=name)
    assert not answer.is_error, answer.text
    return answer


async def confirm_all(call: Caller, name: str = "a") -> Answer:
    """All runs of a confirmation, and what they say."""
    answer = await call("run_seed", experiment=name, role="confirm", queue_all=True)
    while answer.data["next"]["arguments"].get("role") == "confirm":
        answer = await call("run_seed", experiment=name, role="confirm", queue_all=True)
        assert not answer.is_error, answer.text
    return await call("compare", experiment=name)
