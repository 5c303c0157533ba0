"""The arguments of `run_seed`, each with the words that an agent reads. Together they cost each session some tokens."""

from typing import Annotated, Literal

from pydantic import Field

__all__ = [
    "LEFT_OUT",
    "Attempt",
    "CodeChange",
    "Flags",
    "Hypothesis",
    "NewBaseline",
    "QueueAll",
    "RoleName",
    "Seed",
    "ToRun",
    "TryRun",
    "Until",
    "WaitS",
]

LEFT_OUT = -1.0
"""Stands for a wait that was left out, and cannot be given; null is refused, as nan and inf are null in JSON."""

ToRun = Annotated[str | None, Field(description="Name of the experiment (a-z, 0-9, _, -); left out: the baseline.")]
Seed = Annotated[int | None, Field(description="A seed of the protocol; left out: the next one due.")]
Flags = Annotated[
    list[str] | None,
    Field(description='What the experiment adds to the command, such as ["--lr", "0.01"]. First call only.'),
]
Hypothesis = Annotated[
    str | None, Field(description="What you expect and why, before the first run; `null:` declares no effect.")
]
RoleName = Annotated[
    Literal["measure", "control", "confirm"],
    Field(
        description="`control`: changed code once without flags; `confirm`: the next run on a fresh seed; "
        "where `next` asks for it."
    ),
]
CodeChange = Annotated[
    bool, Field(description="Declares what was edited since the baseline as the experiment. First call only.")
]
Attempt = Annotated[int | None, Field(ge=1, description="2 repeats a failed run at `seed` where `next` offers it.")]
QueueAll = Annotated[bool, Field(description="Queue all that is due.")]
Until = Annotated[
    Literal["seed", "verdict"],
    Field(description="`verdict`: queues what is due, answers once the arm can be judged."),
]
NewBaseline = Annotated[str | None, Field(description="The reason for a new baseline generation; earlier ones stay.")]
WaitS = Annotated[
    float,
    Field(
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds to wait; by default as your host allows.",
        json_schema_extra=lambda schema: schema.pop("default", None),
    ),
]
TryRun = Annotated[bool, Field(description="Tries the command in short runs outside the ledger; only with `wait_s`.")]
