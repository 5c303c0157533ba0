"""Reads what a supervisor left of the files that a run's processes opened."""

import json
import os
from dataclasses import dataclass
from typing import get_args

from seedproof.inputs.reads import Process, read_process
from seedproof.model.inputs import Observed

from seedproof_mcp.system.paths import RunPaths

__all__ = ["Observation", "observation_of"]

_NOTHING = "its supervisor left no record of what was read"
_OFF = "settings.observe_inputs is false"
_TORN = "a part of the record of what was read cannot be read"
_LOST = "its supervisor was lost"


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of the files that a run's processes opened."""

    observed: Observed
    """How much of it is known."""
    why: str | None = None
    """Why that is not all."""
    processes: tuple[Process, ...] = ()
    """What processes told."""
    sampled: tuple[str, ...] = ()
    """Paths that others were seen to use."""


def observation_of(run: RunPaths, *, is_off: bool = False) -> Observation:
    """What a supervisor left; without its word on how sure that is, it was lost.

    Args:
        run: The run.
        is_off: Whether the supervisor was told to observe nothing.

    Raises:
        OSError: It cannot be read.
    """
    if is_off:
        return Observation("off", _OFF)
    if not run.reads.is_dir():
        return Observation("not", _NOTHING)
    told = [read_process(_text(path)) for path in sorted(run.reads.glob("*.reads"))]
    processes = tuple(one for one in told if one is not None)
    try:
        document = json.loads(run.observed.read_bytes())
        observed, why, sampled = document["observed"], document["why"], tuple(map(str, document["sampled"]))
        if observed not in get_args(Observed) or not (why is None or isinstance(why, str)):
            raise ValueError(observed)
    except FileNotFoundError:
        return Observation("partly" if processes else "not", _LOST, processes)
    except (ValueError, TypeError, KeyError):
        return Observation("partly" if processes else "not", _TORN, processes)
    if observed == "fully" and (len(processes) < len(told) or not all(one.is_whole for one in processes)):
        observed, why = "partly", _TORN
    return Observation(observed, why, processes, sampled)


def _text(path: os.PathLike[str]) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return file.read()
