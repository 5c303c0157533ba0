"""Reads metrics from the copies that are kept of the files that a training writes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seedproof.model.metric_rule import MetricFile, MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, Run, Unread
from seedproof.sources.metric_file import read_file_metric
from seedproof.sources.printed import is_printed_value, log_rule

from seedproof_mcp.runner import outputs
from seedproof_mcp.runner.log_reader import read_log
from seedproof_mcp.supervisor.metric_copies import NotOfThisRun, copy_metric_file
from seedproof_mcp.supervisor.run_contract import Fault, WantedFile
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["FileMetrics", "printed_otherwise", "read_metric_files", "wanted_files"]


@dataclass(frozen=True, slots=True)
class FileMetrics:
    """What the files of a run say."""

    metrics: Mapping[str, MetricValue]
    """The result of each metric that was read from a file."""
    unread: Mapping[str, Unread]
    """Metrics whose file is there, and whose result could not be read."""
    faults: tuple[str, ...]
    """What is wrong with files that could not be copied."""


def read_metric_files(paths: ProjectPaths, run: Run, rules: Rules) -> FileMetrics:
    """Read the metrics of an ended run from the copies of its files.

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
                _keep(paths, run, rules, source)
        except NotOfThisRun as problem:
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


def printed_otherwise(log: Path, size: int, rules: Rules, found: FileMetrics) -> dict[str, str]:
    """What a log printed last of metrics that a file holds, where it printed the file's value neither last nor as best.

    Returns:
        The last printed values as printed, by name.
    """
    last = {rule: log_rule(rule) for rule in rules.metrics if rule.name in found.metrics}
    if not last or not log.exists():
        return {}
    others = {}
    printed = read_log(log, size, rules.with_metrics(*_some(last.values()))).metrics
    for rule in last:
        value = found.metrics[rule.name]
        if rule.name not in printed or is_printed_value(value, printed[rule.name]):
            continue
        best = read_log(log, size, rules.with_metrics(log_rule(rule, best=True), ())).metrics.get(rule.name)
        if best is None or not is_printed_value(value, best):
            others[rule.name] = printed[rule.name].text
    return others


def _some(metrics: Iterable[MetricRule]) -> tuple[MetricRule, tuple[MetricRule, ...]]:
    first, *others = metrics
    return first, tuple(others)


def wanted_files(rules: Rules, output: str, working_directory: str) -> tuple[WantedFile, ...]:
    """The files that the metrics of a run are read from.

    Args:
        output: Its output folder, absolute.
        working_directory: The folder that it is started in, likewise.
    """
    sources = dict.fromkeys(rule.source for rule in rules.metrics if isinstance(rule.source, MetricFile))
    wanted = {
        source.copy_name: _wanted(source, rules, output, working_directory)
        for source in sources
        if isinstance(source, MetricFile)
    }
    return tuple(wanted.values())


def _wanted(source: MetricFile, rules: Rules, output: str, working_directory: str) -> WantedFile:
    """A file to copy; a script that nobody tells its output folder writes below the one that it is started in."""
    if source.outside:
        return WantedFile(source.name, working_directory, source.copy_name, outside=True)
    other = None if rules.names_output_dir else working_directory
    return WantedFile(source.name, output, source.copy_name, or_folder=other)


def _keep(paths: ProjectPaths, run: Run, rules: Rules, source: MetricFile) -> None:
    """Copy a metric file, where the supervisor did not: it had no room, or none was asked for.

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
    told = json.loads(run_paths.result.read_bytes()).get("metric_faults", {}).get(source.copy_name)
    if told is not None:
        fault = Fault(**told)
        raise (NotOfThisRun if fault.is_foreign else ValueError)(fault.why)
    ended = run_paths.exited if run_paths.exited.exists() else run_paths.result
    cwd = str(json.loads(run_paths.spec.read_bytes())["cwd"])
    copy_metric_file(run_paths, _wanted(source, rules, str(folder), cwd), ended)
