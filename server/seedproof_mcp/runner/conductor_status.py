"""The problem that keeps the conductor from its work, published for servers and the command line."""

import logging
import math
import re
import time
from collections.abc import Callable
from pathlib import Path

from seedproof.model.refusals import Refusal

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["ProblemReporter", "describe_problem", "publish_problem", "read_problem"]

logger = logging.getLogger(__name__)

# A run's small files need more.
FULL_BYTES = 64 * 1024
# Free space changes with every look, and each publication is synced to a disk that has other worries.
SAME_KIND_PAUSE_S = 10.0


def describe_problem(paths: ProjectPaths, problem: Refusal | OSError) -> str:
    """The problem in a sentence that names files relative to the project."""
    if isinstance(problem, Refusal):
        return f"{problem.code}: {problem.message}"
    if not problem.filename:
        return problem.strerror or str(problem)
    file = Path(str(problem.filename))
    name = file.relative_to(paths.root) if file.is_relative_to(paths.root) else file.name
    return f"{name}: {problem.strerror}"


class ProblemReporter:
    """Publishes a conductor's problem, and logs it where its kind changes. Published numbers are seconds old."""

    def __init__(self, paths: ProjectPaths, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._clock_s = clock_s
        self._published = read_problem(paths)  # by the conductor before this one
        self._published_at_s = -math.inf

    def report(self, problem: str | None) -> None:
        """Publish what cannot be done now; None if nothing is wrong."""
        if problem == self._published:
            return
        is_same_kind = _without_numbers(problem) == _without_numbers(self._published)
        now_s = self._clock_s()
        if is_same_kind and now_s - self._published_at_s < SAME_KIND_PAUSE_S:
            return
        publish_problem(self._paths, problem, is_new=not is_same_kind)
        self._published, self._published_at_s = problem, now_s


def _without_numbers(problem: str | None) -> str | None:
    return None if problem is None else re.sub(r"[\d.]+", "#", problem)


def publish_problem(paths: ProjectPaths, problem: str | None, is_new: bool = True) -> None:
    """Write down what the conductor cannot do; None once it can.

    Args:
        paths: The project.
        problem: In a sentence.
        is_new: Whether it is logged as well.
    """
    try:
        if problem is None:
            files.remove_file(paths.complaint)
        else:
            if is_new:
                logger.warning("%s", problem)
            files.write_atomic(paths.complaint, problem.encode())
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("%s cannot be written: %s", paths.complaint.name, error.strerror)


def read_problem(paths: ProjectPaths) -> str | None:
    """What the conductor cannot do now; None if nothing is wrong."""
    try:
        return paths.complaint.read_text(errors="replace") or None
    except OSError:
        free = files.free_bytes(paths.root)
        # On a full disk the conductor cannot write down its problem.
        return "the disk is full: free space" if free is not None and free < FULL_BYTES else None
