"""The kept output of a run: its log, and copies of files of its output folder; reads it again by other rules."""

import hashlib
import itertools
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from seedproof.model.metric_rule import MetricFile
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, Unread
from seedproof.phases.read_again import KeptOutput
from seedproof.sources.metric_file import read_file_metric

from seedproof_mcp.runner.log_reader import kept_log_size, read_first_values, read_log
from seedproof_mcp.supervisor.metric_copies import is_later
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["keep_candidates", "kept_files", "kept_hashes", "read_kept"]

# Enough for what trainings write beside their checkpoints.
MOST_CANDIDATES = 20
MAX_CANDIDATE_BYTES = 1 << 20
_CANDIDATE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,95}\.(?:json|jsonl|csv|tsv)", re.IGNORECASE)
_LONGEST_PATH, _DEEPEST, _MOST_LOOKED_AT = 150, 4, 200
_COPY = "metric-"


def keep_candidates(paths: ProjectPaths, run: Run) -> None:
    """Copy small files of numbers from the output folder of a run without a value: one of them may hold it."""
    if run.output_dir is None:
        return
    source, folder = paths.root / run.output_dir, paths.run(run.run_id)
    with suppress(OSError):  # a hint is not worth waiting for room on the disk
        for name in itertools.islice(_candidates(source), MOST_CANDIDATES):
            copy = folder.metric_copy(_COPY + _quote(name))
            if not copy.exists() and not is_later(os.lstat(source / name), folder.exited):
                files.copy_file(source / name, copy)


def _candidates(folder: Path) -> Iterator[str]:
    """Paths of small files of numbers, those of a folder before those of the folders in it."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        within = Path(parent).relative_to(folder)
        found += [within / name for name in names if _CANDIDATE.fullmatch(name)]
        if len(within.parts) >= _DEEPEST or len(found) >= _MOST_LOOKED_AT:
            folders.clear()
    for path in sorted(found[:_MOST_LOOKED_AT], key=lambda one: (len(one.parts), one)):
        seen = os.lstat(folder / path)
        if stat.S_ISREG(seen.st_mode) and seen.st_size <= MAX_CANDIDATE_BYTES and len(str(path)) <= _LONGEST_PATH:
            yield path.as_posix()


def _quote(path: str) -> str:
    """A path below the output folder as one name."""
    return path.replace("%", "%25").replace("/", "%2F")


def _unquote(name: str) -> str:
    """The path of such a name."""
    return name.replace("%2F", "/").replace("%25", "%")


def kept_hashes(folder: RunPaths) -> dict[str, str]:
    """The hash of each copy in the folder of a run, by the copy's name."""
    if not folder.folder.is_dir():
        return {}
    copies = sorted(one for one in folder.folder.iterdir() if one.name.startswith(_COPY))
    return {copy.name: hashlib.sha256(copy.read_bytes()).hexdigest() for copy in copies}


def kept_files(paths: ProjectPaths, run: Run) -> dict[str, bytes]:
    """The copies that are as they were recorded, by the file's path from the output folder."""
    return {_unquote(name.removeprefix(_COPY)): data for name, data in _copies(paths, run).items()}


def _copies(paths: ProjectPaths, run: Run) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, sha256 in run.kept.items():
        with suppress(OSError):
            data = paths.run(run.run_id).metric_copy(name).read_bytes()
            if hashlib.sha256(data).hexdigest() == sha256:
                found[name] = data
    return found


def read_kept(paths: ProjectPaths, run: Run, rules: Rules) -> KeptOutput | str:
    """What the kept log and the kept files of an ended run say by these rules.

    Returns:
        Why they cannot be read, where they are gone or are not those of the run's record.
    """
    folder = paths.run(run.run_id)
    try:
        size = kept_log_size(folder) if folder.log.exists() else 0
        reading = read_log(folder.log, size, rules)
        first = read_first_values(folder.log, size, rules)
    except OSError as error:
        return f"its log cannot be read ({error.strerror})"
    if reading.sha256 != run.log_sha256:
        return "its log is not the one that was recorded" if folder.log.exists() else "its log is gone"
    copies, metrics, unread = _copies(paths, run), dict(reading.metrics), dict(reading.unread)
    for rule in rules.metrics:
        if not isinstance(rule.source, MetricFile):
            continue
        if rule.source.copy_name in copies:
            found = read_file_metric(copies[rule.source.copy_name], rule)
            if isinstance(found, Unread):
                unread[rule.name] = found
            elif found is not None:
                metrics[rule.name] = found
        elif rule is rules.metric:
            return f"no copy of {rule.source.name} was kept"
    return KeptOutput(metrics, unread, first)
