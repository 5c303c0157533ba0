"""The machine that a supervisor runs on: its name, processors, load and clocks."""

import os
import time
from typing import Any

__all__ = ["asleep_s", "description", "load_average", "now"]


def description() -> dict[str, Any]:
    """Return what a supervisor writes down of this machine when a training starts."""
    return {"host": os.uname().nodename, "cpu_count": os.cpu_count(), "load": load_average()}


def load_average() -> float | None:
    """Return the load average over the last minute; None where the system has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def asleep_s() -> float:
    """Return how many seconds the machine has slept since it started: what the monotonic clock left out."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def now() -> str:
    """Return the time in ISO 8601, UTC, with milliseconds."""
    now_s = time.time()
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
    return f"{seconds}.{int(now_s % 1 * 1000):03d}Z"
