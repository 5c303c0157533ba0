"""Reads metrics from the files that a training writes, and keeps a copy of each in the run's folder."""

import glob
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedproof.model.metric_rule import MetricFile
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, Run, Unread
from seedproof.sources.metric_file import read_file_metric

from seedproof_mcp.runner import outputs
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["FileMetrics", "read_metric_files"]

MAX_METRIC_FILE = 64 << 20


@dataclass(frozen=True, slots=True)
class FileMetrics:
    """What the files of a run say."""

    metrics: Mapping[str, MetricValue]
    """The result of each metric that was read from a file."""
    unread: Mapping[str, Unread]
    """Metrics whose file is there, and whose result could not be read."""
    faults: tuple[str, ...]
    """What is wrong with files that could not be copied."""


class _NotOfThisRun(ValueError):
    """A file outside the output folder that this run did not write."""


def read_metric_files(paths: ProjectPaths, run: Run, rules: Rules) -> FileMetrics:
    """Keep a copy of each metric file of an ended run, and read the metrics from the copies.

    Raises:
        OSError: A copy, which is ours, cannot be written: a full disk is waited for, and the run keeps its value.
    """
    metrics: dict[str, MetricValue] = {}
    unread: dict[str, Unread] = {}
    faults: list[str] = []
    for rule in rules.metrics:
        source = rule.source
        if not isinstance(source, MetricFile):
            continue
        copy = paths.run(run.run_id).metric_copy(source.copy_name)
        try:
            if not copy.exists():
                _keep(paths, run, source, copy)
        except _NotOfThisRun as problem:
            unread[rule.name] = Unread(None, source.name, str(problem))
            continue
        except ValueError as problem:
            faults.append(f"{source.name}: {problem}")
            continue
        found = read_file_metric(copy.read_bytes(), rule)
        if isinstance(found, Unread):
            unread[rule.name] = found
        elif found is not None:
            metrics[rule.name] = found
    return FileMetrics(metrics, unread, tuple(dict.fromkeys(faults)))


def _keep(paths: ProjectPaths, run: Run, source: MetricFile, copy: Path) -> None:
    """Copy a metric file.

    Raises:
        ValueError: What is wrong with the file, in words.
        OSError: The copy cannot be written.
    """
    run_paths = paths.run(run.run_id)
    assert run.output_dir is not None
    folder = paths.root / run.output_dir
    if run.output_id is not None and outputs.identity(folder) != list(run.output_id):
        # It ended long ago, and another attempt may have written there since.
        raise ValueError("the output folder of this run is gone")
    if source.outside:
        folder = Path(json.loads(run_paths.spec.read_bytes())["cwd"])
    found: Path | None = None
    try:
        found = _find(folder, source.name)
        seen = os.lstat(found)
        # A fifo would block the conductor for ever, a link would read what is not the training's.
        if not stat.S_ISREG(seen.st_mode):
            raise ValueError("is not a regular file")
        if seen.st_size > MAX_METRIC_FILE:
            raise ValueError(f"is larger than {MAX_METRIC_FILE >> 20} MB")
        if source.outside:
            _require_written_by(run_paths, seen)
        elif not found.parent.resolve().is_relative_to(folder.resolve()):
            raise ValueError("a link leads out of the output folder")
        files.copy_file(found, copy)
    except OSError as error:
        if found is not None and str(error.filename) != str(found):
            raise
        raise ValueError(error.strerror or str(error)) from error


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


def _require_written_by(run: RunPaths, seen: os.stat_result) -> None:
    """Accept a file that was written while the run went on.

    Both marks are files of the supervisor beside the log: what compares are times of one clock. The first one is
    written as soon as the training process exists, so that no training can have written before it.

    Raises:
        _NotOfThisRun: It is older, or was written after the end, when another program may have been it.
    """
    if not run.started.exists() or seen.st_mtime_ns < run.started.stat().st_mtime_ns:
        raise _NotOfThisRun("stands in a file outside the output folder that this run did not write: it is older")
    if seen.st_mtime_ns > run.result.stat().st_mtime_ns:
        raise _NotOfThisRun("stands in a file outside the output folder that was written after this run's end")
