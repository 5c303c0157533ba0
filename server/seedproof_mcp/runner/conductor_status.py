"""What keeps the conductor from its work, said where every server and the command line see it."""

import logging
import math
import re
import time
from collections.abc import Callable
from pathlib import Path

from seedproof.model.refusals import Refusal

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Complaints", "read", "tell", "words_for"]

logger = logging.getLogger(__name__)

# A run's small files need more.
FULL_BYTES = 64 * 1024
# Free space changes with every look, and each publication is synced to a disk that has other worries.
SAME_KIND_PAUSE_S = 10.0


def words_for(paths: ProjectPaths, problem: Refusal | OSError) -> str:
    """The problem in a sentence, files named from the project's folder on."""
    if isinstance(problem, Refusal):
        return f"{problem.code}: {problem.message}"
    if not problem.filename:
        return problem.strerror or str(problem)
    file = Path(str(problem.filename))
    name = file.relative_to(paths.root) if file.is_relative_to(paths.root) else file.name
    return f"{name}: {problem.strerror}"


class Complaints:
    """What a conductor complains of: logged where its kind changes; where it is read, its numbers are seconds old."""

    def __init__(self, paths: ProjectPaths, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._clock_s = clock_s
        self._told = read(paths)  # by the conductor before this one
        self._told_at_s = -math.inf

    def tell(self, words: str | None) -> None:
        """Publish what cannot be done now; None if nothing is wrong."""
        if words == self._told:
            return
        is_same_kind = _kind(words) == _kind(self._told)
        now_s = self._clock_s()
        if is_same_kind and now_s - self._told_at_s < SAME_KIND_PAUSE_S:
            return
        tell(self._paths, words, is_news=not is_same_kind)
        self._told, self._told_at_s = words, now_s


def _kind(words: str | None) -> str | None:
    """The words without their numbers."""
    return None if words is None else re.sub(r"[\d.]+", "#", words)


def tell(paths: ProjectPaths, words: str | None, is_news: bool = True) -> None:
    """Publish what the conductor cannot do; None once it is over."""
    try:
        if words is None:
            files.remove_file(paths.complaint)
        else:
            if is_news:
                logger.warning("%s", words)
            files.write_atomic(paths.complaint, words.encode())
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("%s cannot be written: %s", paths.complaint.name, error.strerror)


def read(paths: ProjectPaths) -> str | None:
    """What the conductor cannot do now; None if it has no complaint."""
    try:
        return paths.complaint.read_text(errors="replace") or None
    except OSError:
        free = files.free_bytes(paths.root)
        # On a disk without room nothing can be complained of in writing.
        return "the disk is full: free space" if free is not None and free < FULL_BYTES else None
