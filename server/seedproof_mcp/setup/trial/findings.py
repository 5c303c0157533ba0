"""Finds what may be the metric in what tried runs left, and what a snapshot of the project would hold."""

import io
import itertools
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from seedproof.metrics.lines import clean_line
from seedproof.metrics.scanner import LogScanner
from seedproof.model.code import Code
from seedproof.model.metric_patterns import is_default_pattern
from seedproof.model.metric_rule import LogPattern, MetricFile, MetricRule
from seedproof.model.presets import PRESETS
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue
from seedproof.sources.metric_file import read_file_metric
from seedproof.sources.near_misses import LOG, MOST_HINTS, NearMiss, likely_metrics, near_misses

from seedproof_mcp.code.identity import matches
from seedproof_mcp.code.project_repository import ProjectRepository
from seedproof_mcp.code.snapshot import list_files
from seedproof_mcp.code.worktree import linked_names
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Left", "SnapshotContent", "Suggestion", "snapshot_content", "suggestions", "whole_line"]


@dataclass(frozen=True, slots=True)
class Left:
    """What one run left that may hold its metric."""

    log: bytes
    """Its log."""
    files: Mapping[str, bytes]
    """Small files of numbers in its output folder, by their path from there."""
    beside: Mapping[str, bytes]
    """The same that it wrote elsewhere, by their path from its working folder."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Settings that read a number which may be the metric; every run that came to its end has one."""

    fields: Mapping[str, Any]
    """What stands in [rules.metric]."""
    rule: MetricRule
    """The metric that they make."""
    where: str
    """`the log`, or the file."""
    text: str
    """What stands there, escaped and cut."""
    value: str
    """The number of the first run as printed."""


def suggestions(rules: Rules, runs: Sequence[Left]) -> list[Suggestion]:
    """What may be the metric that was not found, the likeliest first; each was read from every given run.

    Args:
        rules: The present rules.
        runs: What the runs left.
    """
    found: dict[tuple[str, str], Suggestion] = {}
    for fields, miss in _candidates(rules.metric, runs[0]):
        rule = _rule(fields)
        values = [] if rule is None else [read(rule, one) for one in runs]
        if rule is None or not all(values):
            continue
        value = values[0]
        assert value is not None
        where, text = (LOG, whole_line(value, runs[0].log)) if miss is None else (miss.where, miss.text)
        found.setdefault((where, value.text), Suggestion(fields, rule, where, text, value.text))
        if len(found) == MOST_HINTS:
            break
    return list(found.values())


def read(rule: MetricRule, left: Left) -> MetricValue | None:
    """The value of a metric in what a run left."""
    source = rule.source
    if isinstance(source, LogPattern):
        scanner = LogScanner((rule,))
        scanner.feed(left.log)
        return scanner.finish().metrics.get(rule.name)
    assert isinstance(source, MetricFile)
    names = left.beside if source.outside else left.files
    for name in names:
        found = read_file_metric(names[name], rule) if matches(name, source.name) else None
        if isinstance(found, MetricValue):
            return found
    return None


def whole_line(value: MetricValue, log: bytes) -> str:
    """The line of the log that a value was read from; what matched, where the line is not there."""
    if value.line is None:
        return value.matched
    line = next(itertools.islice(io.BytesIO(log), value.line - 1, None), b"")
    segments = (clean_line(segment) for segment in reversed(line.rstrip(b"\r\n").split(b"\r")))
    return next((one for one in segments if value.matched in one), value.matched)


_Candidate = tuple[Mapping[str, Any], NearMiss | None]


def _candidates(metric: MetricRule, left: Left) -> Iterator[_Candidate]:
    """Fields of [rules.metric] that may read it, the likeliest first; where a preset does, without a near miss."""
    presets = list(_presets(left))
    same = [one for one in presets if PRESETS[one[0]["preset"]][0]["name"] == metric.name]
    yield from presets if is_default_pattern(metric.pattern) else same
    yield from _near(near_misses(metric, left.log, left.files), near_misses(metric, b"", left.beside))
    yield from presets
    yield from _near(likely_metrics(left.log, left.files), likely_metrics(b"", left.beside))


def _presets(left: Left) -> Iterator[_Candidate]:
    for name in PRESETS:
        rule = _rule({"preset": name})
        if rule is not None and read(rule, left) is not None:
            yield {"preset": name}, None


def _near(inside: Sequence[NearMiss], beside: Sequence[NearMiss]) -> Iterator[_Candidate]:
    for miss, outside in [*((one, {}) for one in inside), *((one, {"outside": True}) for one in beside)]:
        way = {"direction": miss.direction} if miss.direction != "minimize" else {}
        yield {"name": miss.name, **way, **tomllib.loads("\n".join(miss.settings)), **outside}, miss


def _rule(fields: Mapping[str, Any]) -> MetricRule | None:
    """The metric that the fields of [rules.metric] make; None where they make none."""
    given = {**fields}
    preset = given.pop("preset", None)
    try:
        return MetricRule.model_validate({**(PRESETS[preset][0] if preset else {}), **given})
    except ValidationError:
        return None


# --- what a snapshot would hold ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SnapshotContent:
    """What a snapshot of the project would hold."""

    tracked: int
    """Files that git tracks."""
    untracked: tuple[str, ...]
    """Files that it does not, and that a snapshot takes all the same."""
    size_bytes: int
    """What all of them take."""
    linked: tuple[str, ...]
    """Ignored files and folders that runs reach through links."""
    not_linked: tuple[str, ...]
    """Ignored ones that `settings.not_linked` keeps from them."""


def snapshot_content(paths: ProjectPaths, settings: Settings, code: Code) -> SnapshotContent | None:
    """What a snapshot of the code holds; None where runs are trained in place.

    Raises:
        GitFailed: git cannot list it.
    """
    repository = ProjectRepository(paths.root).find() if code.snapshot is not None else None
    if repository is None or code.snapshot is None:
        return None
    git = repository.git()
    tracked = set(git("ls-files", "-z", "--full-name", f":(top){repository.prefix}").names())
    held = [file.path for file in list_files(git, code.snapshot)]
    linked = linked_names(paths, repository, settings.not_linked)
    everything = linked_names(paths, repository, ())
    size_bytes = sum(_size(repository.top / name) for name in held)
    return SnapshotContent(
        tracked=sum(name in tracked for name in held),
        untracked=tuple(name for name in held if name not in tracked),
        size_bytes=size_bytes,
        linked=tuple(name for name in linked if name != f"{repository.prefix}checkpoints"),
        not_linked=tuple(sorted(set(everything) - set(linked))),
    )


def _size(path: Path) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0
