"""How a run ended, as its record in the ledger says it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seedproof.ledger.state import State
from seedproof.metrics.run_state import Ending, outcome
from seedproof.model.refusals import Refusal
from seedproof.model.rules import JsonFile, Rules
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.phases.baseline import rules_of

from seedproof_mcp.host.fingerprint import present_load
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.runner import outputs
from seedproof_mcp.runner.log_reader import read_log, read_metric_file, read_printed_counts, read_start
from seedproof_mcp.runner.run_setup import Bench
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
    if _size(folder.log) < log_bytes:
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
        "load": present_load(),
        **({"slept_s": result["slept_s"]} if result.get("slept_s") else {}),
        **_left_behind(paths, state, run),
    }
    kind = {RunState.CANCELLED: "run_cancelled", RunState.INTERRUPTED: "run_interrupted"}.get(ended.state)
    return (kind, fields) if kind is not None else ("run_finished", {**fields, "state": str(ended.state)})


def lost_end(paths: ProjectPaths, state: State, run: Run, reason: str) -> tuple[str, dict[str, Any]]:
    """Kind and fields of the record of a run that was lost: who ends it from outside has seen it, so readers shall."""
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


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _from_files(paths: ProjectPaths, run: Run, rules: Rules) -> tuple[dict[str, MetricValue], list[str]]:
    """The metrics that are read from files, and what is wrong with such files."""
    metrics: dict[str, MetricValue] = {}
    faults: list[str] = []
    for metric in rules.metrics:
        source = metric.source
        if not isinstance(source, JsonFile):
            continue
        assert run.output_dir is not None
        copy = paths.run(run.run_id).metric_copy(f"metric-{source.name}")
        found = read_metric_file(paths.root / run.output_dir / source.name, copy, source.path)
        if isinstance(found, str):
            faults.append(found)
        elif found is not None:
            metrics[metric.name] = found
    return metrics, faults


def _left_behind(paths: ProjectPaths, state: State, run: Run) -> dict[str, Any]:
    """What the run leaves: its output folder, which the clean-up removes and nothing else, and files beside it."""
    return {**_created(paths, state, run), **_output(paths, run)}


def _created(paths: ProjectPaths, state: State, run: Run) -> dict[str, Any]:
    """What a run in place left beside its output folder: no code of the project's, however it looks."""
    try:
        created = Bench(paths, load_config(paths.settings)).created(state, run)
    except Refusal:
        return {}  # unreadable settings must not keep a result from being written down
    return {"created": created} if created else {}


def _output(paths: ProjectPaths, run: Run) -> dict[str, Any]:
    folder = None if run.output_dir is None else paths.root / run.output_dir
    found = None if folder is None else outputs.identity(folder)
    return {} if folder is None or found is None else {"output_id": found, "output_bytes": outputs.size(folder)}


def _ending(result: Mapping[str, Any], folder: RunPaths) -> Ending:
    detail = result["error"]
    if result["end"] == "cancelled":
        detail = _cancel_reason(folder)
    elif result["end"] == "timed_out":
        detail = f"ended at its time limit of {json.loads(folder.spec.read_bytes())['timeout_s'] / 60:g} min"
    return Ending(result["end"], result["exit_code"], result["signal"], result["error"], detail)


def _cancel_reason(folder: RunPaths) -> str | None:
    try:
        return str(json.loads(folder.cancel.read_bytes())["reason"])
    except (OSError, ValueError, KeyError):
        return None
