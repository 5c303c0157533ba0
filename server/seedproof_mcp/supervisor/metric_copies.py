"""Copies the files that a training wrote its metrics into, at the moment when it ends."""

import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seedproof_mcp.supervisor.run_contract import Fault, WantedFile, log_problem
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import RunPaths

__all__ = ["MAX_METRIC_FILE", "MetricCopies", "NotOfThisRun", "copy_metric_file", "is_later"]

MAX_METRIC_FILE = 64 << 20


class NotOfThisRun(ValueError):
    """A file that this run did not write, or that was written after its end."""


class MetricCopies:
    """The copies of one run, taken once."""

    def __init__(self, run: RunPaths, wanted: Sequence[WantedFile]) -> None:
        self._run = run
        self._wanted = wanted
        self.faults: dict[str, Fault] = {}
        """Why a file is not copied, by the name of the copy; a copy for which there was no room has none."""

    def take(self) -> None:
        """Copy what is there now; never raises."""
        try:
            # Nothing later counts, and this says what is later by the clock of the file system.
            files.write_expendable(self._run.exited, b"")
            for one in self._wanted:
                try:
                    copy_metric_file(self._run, one, self._run.exited)
                except ValueError as problem:
                    self.faults[one.copy] = Fault(str(problem), isinstance(problem, NotOfThisRun))
        except OSError as problem:
            log_problem(f"metric files are not copied yet: {problem}")


def copy_metric_file(run: RunPaths, wanted: WantedFile, ended: Path) -> None:
    """Copy one metric file into the run's folder.

    Args:
        run: The run.
        wanted: The file.
        ended: A file that was written when the training had ended.

    Raises:
        NotOfThisRun: It is older than the run, or was written after its end.
        ValueError: What else is wrong with the file, in words.
        OSError: The copy cannot be written.
    """
    if wanted.or_folder is not None and not _is_there(Path(wanted.folder), wanted.name):
        wanted = replace(wanted, folder=wanted.or_folder, outside=True)
    folder, found = Path(wanted.folder), None
    copy = run.metric_copy(wanted.copy)
    try:
        found = _find(folder, wanted.name)
        seen = os.lstat(found)
        # A fifo would block us for ever, a link would read what is not the training's.
        if not stat.S_ISREG(seen.st_mode):
            raise ValueError("is not a regular file")
        if seen.st_size > MAX_METRIC_FILE:
            raise ValueError(f"is larger than {MAX_METRIC_FILE >> 20} MB")
        if wanted.outside:
            _require_written_by(run, seen, ended)
        elif not found.parent.resolve().is_relative_to(folder.resolve()):
            raise ValueError("a link leads out of the output folder")
        if is_later(seen, run.exited):
            raise NotOfThisRun("stands in a file that was written after the training had ended")
        files.copy_file(found, copy)
    except OSError as error:
        if found is not None and str(error.filename) != str(found):
            raise
        raise ValueError(error.strerror or str(error)) from error


def _is_there(folder: Path, name: str) -> bool:
    return any(glob.iglob(name.replace("[", "[[]"), root_dir=folder))


def _find(folder: Path, name: str) -> Path:
    """The file of that name; of several that a name with `*` or `?` stands for, the one that was written last.

    Raises:
        ValueError: There is none, or two are equally new.
    """
    if not any(sign in name for sign in "*?"):
        return folder / name
    pattern = name.replace("[", "[[]")  # brackets are no wildcards here
    found = [folder / one for one in glob.glob(pattern, root_dir=folder)]
    regular = [(seen.st_mtime_ns, one) for one in found if stat.S_ISREG((seen := os.lstat(one)).st_mode)]
    if not regular:
        raise ValueError("there is no such file" if not found else "is not a regular file")
    newest = [one for written, one in regular if written == max(regular)[0]]
    # A folder that is reached through a link as well, such as W&B's latest-run, is one folder.
    if len({one.resolve() for one in newest}) > 1:
        names = sorted(str(one.relative_to(folder)) for one in newest)
        raise ValueError(f"{len(names)} files are equally new: {', '.join(names)[:200]}")
    return newest[0]


def _require_written_by(run: RunPaths, seen: os.stat_result, ended: Path) -> None:
    """Accept a file that was written while the run went on.

    Both marks are files of the supervisor beside the log: what compares are times of one clock. The first one is
    written as soon as the training process exists, so that no training can have written before it.

    Raises:
        NotOfThisRun: It is older, or was written after the end, when another program may have been it.
    """
    if not run.started.exists() or seen.st_mtime_ns < run.started.stat().st_mtime_ns:
        raise NotOfThisRun("stands in a file outside the output folder that this run did not write: it is older")
    if seen.st_mtime_ns > ended.stat().st_mtime_ns:
        raise NotOfThisRun("stands in a file outside the output folder that was written after this run's end")


def is_later(seen: os.stat_result, exited: Path) -> bool:
    """Whether a file was written once the training had ended, as by what it left; False where that is not known.

    Args:
        seen: The file.
        exited: The mark of the supervisor, `RunPaths.exited`.
    """
    try:
        mark = exited.stat()
    except OSError:
        return False
    # Another file system may have another clock.
    return seen.st_dev == mark.st_dev and seen.st_ctime_ns > mark.st_mtime_ns
