"""Makes the ledger record of how a run ended, from what its supervisor left in the run's folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from seedproof.ledger.state import State
from seedproof.metrics.run_state import Ending, outcome
from seedproof.model.refusals import Refusal
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.phases.baseline import rules_of

from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.runner import outputs
from seedproof_mcp.runner.log_reader import read_log, read_metric_file, read_printed_counts, read_start
from seedproof_mcp.runner.run_setup import code_of
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["lost_end", "published_end"]


def published_end(paths: ProjectPaths, state: State, run: Run) -> tuple[str, dict[str, Any]]:
    """Kind and fields of the record of a run whose supervisor has published its result.

    Raises:
        OSError: Its files cannot be read, or the copy of a metric file cannot be written.
    """
    folder = paths.run(run.run_id)
    result = json.loads(folder.result.read_bytes())
    rules = rules_of(state.generations[run.generation - 1])
    log_bytes = int(result["log_bytes"])
    if log_bytes and (not folder.log.exists() or folder.log.stat().st_size < log_bytes):
        # Its last value may be in what is missing.
        return lost_end(paths, state, run, "output.log is shorter than it was when the training ended")
    reading = read_log(folder.log, log_bytes, rules)
    found, faults = _from_files(paths, run, rules)
    metrics = {**reading.metrics, **found}
    ended = outcome(_ending(result, folder), metrics, rules)
    if result.get("disk_was_full") and ended.state is RunState.FAILED:
        faults.append("the disk was full when it ended")
    fields = {
        "reason": "; ".join([part for part in (ended.reason, *faults) if part]) or None,
        "metrics": {name: asdict(value) for name, value in metrics.items()},
        "wall_time_s": result["wall_time_s"],
        "exit_code": result["exit_code"],
        "signal": result["signal"],
        "step": reading.step,
        "start_text": read_start(folder.log, rules),
        "counts": read_printed_counts(folder.log, log_bytes),
        "log_sha256": reading.sha256,
        "log_bytes": reading.size,
        "load": result.get("load"),
        **({"slept_s": result["slept_s"]} if result.get("slept_s") else {}),
        **_left_behind(paths, state, run),
    }
    kind = {RunState.CANCELLED: "run_cancelled", RunState.INTERRUPTED: "run_interrupted"}.get(ended.state)
    return (kind, fields) if kind is not None else ("run_finished", {**fields, "state": str(ended.state)})


def lost_end(paths: ProjectPaths, state: State, run: Run, reason: str) -> tuple[str, dict[str, Any]]:
    """Kind and fields of the record of a lost run.

    Whoever ended it from outside has seen its values, so the record shows them to every reader.
    """
    rules = rules_of(state.generations[run.generation - 1])
    log = paths.run(run.run_id).log
    left = _left_behind(paths, state, run)
    try:
        reading = read_log(log, log.stat().st_size, rules)
    except OSError:
        return "run_interrupted", {"reason": reason, **left}
    ended = outcome(Ending("interrupted", detail=reason), reading.metrics, rules)
    fields = {
        "reason": ended.reason,
        "metrics": {name: asdict(value) for name, value in reading.metrics.items()},
        "step": reading.step,
        "start_text": read_start(log, rules),
        "log_sha256": reading.sha256,
        "log_bytes": reading.size,
        **left,
    }
    if ended.state is RunState.DIVERGED:
        return "run_finished", {**fields, "state": str(ended.state)}
    return "run_interrupted", fields


def _from_files(paths: ProjectPaths, run: Run, rules: Rules) -> tuple[dict[str, MetricValue], list[str]]:
    """The metrics that are read from files, and what is wrong with such files."""
    metrics: dict[str, MetricValue] = {}
    faults: list[str] = []
    for metric in rules.metrics:
        if metric.file is None:
            continue
        assert metric.path is not None and run.output_dir is not None
        copy = paths.run(run.run_id).metric_copy(f"metric-{metric.file}")
        found = read_metric_file(paths.root / run.output_dir / metric.file, copy, metric.path)
        if isinstance(found, str):
            faults.append(found)
        elif found is not None:
            metrics[metric.name] = found
    return metrics, faults


def _left_behind(paths: ProjectPaths, state: State, run: Run) -> dict[str, Any]:
    """What the run leaves: files beside its output folder, and that folder itself, which the clean-up removes."""
    found: dict[str, Any] = {}
    created = _created(paths, state, run)
    if created:
        found["created"] = created
    folder = None if run.output_dir is None else paths.root / run.output_dir
    identity = None if folder is None else outputs.identity(folder)
    if folder is not None and identity is not None:
        found |= {"output_id": identity, "output_bytes": outputs.size(folder)}
    return found


def _created(paths: ProjectPaths, state: State, run: Run) -> list[str]:
    """Files that a run in place left beside its output folder: not the project's code, whatever they look like."""
    code = code_of(state, run)
    if code is None or code.held == "snapshot":
        return []
    try:
        return Workspace(paths, load_config(paths.settings).settings).created_since(code, state.created)
    except Refusal:
        return []  # unreadable settings must not keep a result from being recorded


def _ending(result: Mapping[str, Any], folder: RunPaths) -> Ending:
    detail = result["error"]
    if result["end"] == "cancelled":
        try:
            detail = str(json.loads(folder.cancel.read_bytes())["reason"])
        except (OSError, ValueError, KeyError):
            detail = None
    elif result["end"] == "timed_out":
        detail = f"ended at its time limit of {json.loads(folder.spec.read_bytes())['timeout_s'] / 60:g} min"
    return Ending(result["end"], result["exit_code"], result["signal"], result["error"], detail)
