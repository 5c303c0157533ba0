"""Bounded waiting, and the end of whatever a test has started."""

import time
from collections.abc import Callable
from pathlib import Path

from seedproof.model.refusals import Refusal
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["PATIENCE_S", "stop_everything", "wait_until"]

PATIENCE_S = 60


def stop_everything(folder: Path) -> None:
    service = Service(folder)
    try:
        page = service.list_experiments()
        while page.running or page.queued:
            for run in list(service._ledger.refresh().active)[-1:]:  # none where the last has just ended
                service.stop_run(run, "the test has ended")
            page = service.list_experiments()
    except (Refusal, OSError):
        pass  # a test that broke the project on purpose has nothing running
    wait_until(lambda: not locks.is_locked(ProjectPaths(folder).conductor_lock))


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll a condition; fail if it never comes true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)
