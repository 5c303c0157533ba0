"""What a supervisor is told in spec.json, and what it tells in result.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

__all__ = ["End", "Result", "Spec", "read_spec"]

End = Literal["exited", "timed_out", "cancelled", "interrupted", "not_started"]


@dataclass(frozen=True)
class Spec:
    """What to run."""

    run_id: str
    """The run's name; unique in its project only, so it marks no process."""
    argv: tuple[str, ...]
    """The program and its arguments."""
    cwd: str
    """The working folder, absolute."""
    env: Mapping[str, str]
    """The complete environment, to which the supervisor adds its marker and PYTHONUNBUFFERED."""
    timeout_s: float | None
    """The time limit in seconds; None for no limit."""
    grace_s: float
    """Time in seconds between SIGTERM and SIGKILL."""
    slot: str
    """The name of the slot; one training at a time runs on it."""
    log_cap_bytes: int | None = None
    """How much of output.log is kept: the first and the last half of it; None for all."""


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    end: End
    """Why it ended; `exited` says nothing about success."""
    exit_code: int | None = None
    """The training's exit code; None if a signal ended it, or it never ran."""
    signal: str | None = None
    """The name of the signal that ended the training; None if it exited by itself."""
    wall_time_s: float | None = None
    """Time in seconds from just before the start to the exit; None if it never ran."""
    log_bytes: int = 0
    """How much of output.log had been written when the training ended; the rest does not count."""
    started_at: str | None = None
    """When the training was started (ISO 8601, UTC); None if it never was."""
    ended_at: str = ""
    """When the run ended (ISO 8601, UTC)."""
    error: str | None = None
    """What went wrong around the training; None if nothing did."""
    killed_leftovers: int = 0
    """How many of its other processes had to be ended."""
    slept_s: float = 0.0
    """Seconds that the machine slept meanwhile; the wall time does not hold them."""


def read_spec(path: Path) -> Spec:
    """Return the content of a spec.json.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not JSON.
        TypeError: Keys are missing or unknown.
    """
    spec = Spec(**json.loads(path.read_bytes()))
    return replace(spec, argv=tuple(spec.argv))
