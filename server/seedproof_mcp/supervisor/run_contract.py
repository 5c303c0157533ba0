"""The files between a supervisor and the rest: spec.json says what to run, result.json how it ended."""

import errno
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import RunPaths

__all__ = [
    "End",
    "Fault",
    "Result",
    "Spec",
    "WantedFile",
    "describe_error",
    "log_problem",
    "publish",
    "read_place",
    "read_spec",
]

_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)
# How late it may be noticed that a result can be written again.
_RETRY_S = 0.1


@dataclass(frozen=True)
class WantedFile:
    """A file of metrics that the training writes."""

    name: str
    """Its path from the folder on, which may hold `*` and `?`."""
    folder: str
    """The folder, absolute."""
    copy: str
    """The name of its copy in the run's folder."""
    outside: bool = False
    """Whether the folder is another than the output folder; then only a file that this run wrote counts."""
    or_folder: str | None = None
    """Where it is looked for, as outside the output folder, if this one does not have it."""


@dataclass(frozen=True)
class Fault:
    """Why a file of metrics has no copy."""

    why: str
    """What is wrong with it."""
    is_foreign: bool = False
    """Whether this run did not write it, or not before its end."""


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
    engine: str = "local"
    """The engine that places the run; nothing to the supervisor, all to whoever asks for the run later."""
    observe: bool = True
    """Whether the files that the training reads are recorded."""
    metric_files: tuple[WantedFile, ...] = ()
    """What is copied the moment the training ends."""
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    """The engine's own table of the settings, as the run was started with it."""
    asks: Mapping[str, Any] = field(default_factory=dict)
    """What another machine is asked of its interpreter: `python`, `env` and `cwd`; empty where this one knows."""
    like_hosts: tuple[str, ...] = ()
    """The hosts that trained the baseline, where the run has to be placed on others like them."""


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
    disk_was_full: bool = False
    """Whether there was no room for this result when the training had ended."""
    load: float | None = None
    """Load average of the machine over the last minute when the run ended; None where the system has none."""
    metric_faults: Mapping[str, Fault] = field(default_factory=dict)
    """Why a file of metrics was not copied when the training ended, by the name of the copy."""
    cpu_s: float | None = None
    """Processor time of its ended processes; None if it never ran."""
    waited_s: float | None = None
    """How long the process that waited longest could have run and had no processor; None where that is not known."""
    stopped_s: float = 0.0
    """How long one of its processes was seen stopped by a signal."""
    place: Mapping[str, Any] | None = None
    """The node that a scheduler chose, as it described itself before the start; None on the machine of the project."""


def read_spec(path: Path) -> Spec:
    """Return the content of a spec.json.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not JSON.
        TypeError: Keys are missing or unknown.
    """
    spec = Spec(**json.loads(path.read_bytes()))
    wanted: Any = spec.metric_files
    wanted_files = tuple(WantedFile(**one) for one in wanted)
    return replace(spec, argv=tuple(spec.argv), metric_files=wanted_files, like_hosts=tuple(spec.like_hosts))


def read_place(path: Path) -> dict[str, Any] | None:
    """Return what a node said of itself in a place.json; None if there is none."""
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def publish(run: RunPaths, alive: locks.Lock, result: Result) -> None:
    """Write down how the run ended, tried until it can be: the run is over and has its value."""
    is_logged = False
    while True:
        try:
            # Whoever removed the folder may have begun the run anew, under the same name: that one's end is not ours.
            if not locks.is_open_at(alive.fd, run.alive):
                log_problem("the run's folder was removed; nobody asks for the result")
                return
            files.write_atomic(run.result, json.dumps(asdict(_with_stored_log(run, result))).encode())
            return
        except OSError as problem:
            is_full = problem.errno in _DISK_IS_FULL
            if not is_logged:
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    signal.signal(number, signal.SIG_DFL)  # nothing is left to be ended, and the wait may be long
                wait = "waits for room on the disk" if is_full else "cannot be written, and is tried again"
                log_problem(f"the result {wait}: {problem}")
                is_logged = True
            result = replace(result, disk_was_full=result.disk_was_full or is_full)
        time.sleep(_RETRY_S)


def log_problem(words: str) -> None:
    """Write a line into supervise.log, unless that lies on the very disk that is full."""
    with suppress(OSError):
        print(words, file=sys.stderr, flush=True)


def _with_stored_log(run: RunPaths, result: Result) -> Result:
    """The result once its log is on the disk: after a power cut an earlier value would be the last one.

    Raises:
        OSError: The disk is full.
    """
    try:
        if result.log_bytes:
            files.sync_file(run.log)
    except OSError as problem:
        if problem.errno in _DISK_IS_FULL:
            raise
        return replace(result, end="interrupted", error=describe_error(problem))
    return result


def describe_error(problem: BaseException) -> str:
    """Return the message of an error without the folders of this machine: the report prints it."""
    if isinstance(problem, OSError) and problem.strerror:
        name = os.path.basename(str(problem.filename or ""))
        return f"{name}: {problem.strerror}" if name else problem.strerror
    return str(problem)
