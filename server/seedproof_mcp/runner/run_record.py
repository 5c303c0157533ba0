"""Makes the ledger record of how a run ended, from what its supervisor left in the run's folder."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, get_args

from seedproof.ledger.input_fields import recorded_inputs
from seedproof.ledger.run_ends import (
    FinishedState,
    LogRead,
    Measured,
    OutputFolder,
    RunCancelled,
    RunEnded,
    RunFinished,
    RunInterrupted,
)
from seedproof.ledger.state import State
from seedproof.metrics.run_state import Ending, is_complete, outcome, spoiled, uninjected
from seedproof.metrics.scanner import LogReading
from seedproof.model.lengths import Lengths
from seedproof.model.refusals import Refusal
from seedproof.model.rules import Rules
from seedproof.model.run_key import Side
from seedproof.model.runs import NoResult, Run, RunState
from seedproof.model.seeding import Seeding
from seedproof.sources.repeated_log import repeats

from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.environment import environment_sha256, packages_sha256
from seedproof_mcp.host.place import ThisMachine
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.inputs.recorder import InputRecorder
from seedproof_mcp.inputs.seeding import seeding_of
from seedproof_mcp.runner import outputs
from seedproof_mcp.runner.changed_meanwhile import changed_meanwhile
from seedproof_mcp.runner.engines import Engine
from seedproof_mcp.runner.kept_output import keep_candidates, kept_hashes
from seedproof_mcp.runner.log_reader import (
    read_first_values,
    read_is_bare,
    read_length_end,
    read_log,
    read_lost_loss,
    read_printed_counts,
)
from seedproof_mcp.runner.metric_files import printed_otherwise, read_metric_files
from seedproof_mcp.runner.no_result import find_draw, find_no_result
from seedproof_mcp.runner.run_setup import code_of
from seedproof_mcp.runner.trained_with import observe
from seedproof_mcp.supervisor.run_contract import read_place
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["lost_end", "published_end"]


def published_end(paths: ProjectPaths, state: State, run: Run, engine: Engine) -> RunEnded:
    """The end of a run whose supervisor has published its result.

    Args:
        engine: Carried it out.

    Raises:
        OSError: Its files cannot be read, or the copy of a metric file cannot be written.
    """
    folder = paths.run(run.run_id)
    result = json.loads(folder.result.read_bytes())
    rules = state.rules_of(run.generation)
    log_bytes = int(result["log_bytes"])
    if log_bytes and (not folder.log.exists() or folder.log.stat().st_size < log_bytes):
        # Its last value may be in what is missing.
        return lost_end(paths, state, run, engine, "output.log is shorter than it was when the training ended")
    reading = read_log(folder.log, log_bytes, rules)
    found = read_metric_files(paths, run, rules)
    metrics, unread = {**reading.metrics, **found.metrics}, {**reading.unread, **found.unread}
    lengths = read_length_end(folder.log, log_bytes)
    complete = is_complete(lengths, reading, metrics.get(rules.metric.name), _usual_step(state, run))
    # What ended it from outside cannot tell why.
    was_ended = result["end"] == "interrupted" or result["signal"] == "SIGKILL"
    told = engine.told_end(str(folder.folder)) if was_ended else None
    ending = _ending(result, folder) if told is None or result["end"] != "interrupted" else told
    ended = outcome(ending, metrics, rules, unread, is_training_complete=complete)
    changed, seeding = changed_meanwhile(paths, state, run), _seeding(folder, rules)
    ended = uninjected(ended if changed is None else spoiled(ended, changed), seeding, rules)
    if ended.state is RunState.UNREAD or (ended.state is RunState.FAILED and result["exit_code"] == 0):
        keep_candidates(paths, run)
    # The reason of the run says what is wrong with the metric that decides.
    faults = [*found.faults, *(f"{name} {one.why}" for name, one in unread.items() if name != rules.metric.name)]
    faults += [told.detail] if told is not None and told.detail and told is not ending else []
    if result.get("disk_was_full") and ended.state is RunState.FAILED:
        faults.append("the disk was full when it ended")
    end: dict[str, Any] = {
        "run_id": run.run_id,
        "reason": "; ".join([part for part in (ended.reason, *faults) if part]) or None,
        "metrics": metrics,
        "log": _log_read(folder.log, log_bytes, reading, lengths.lengths, rules),
        "measured": Measured(
            wall_time_s=result["wall_time_s"],
            exit_code=result["exit_code"],
            signal=result["signal"],
            counts=read_printed_counts(folder.log, log_bytes),
            load=result.get("load"),
            cpu_s=result.get("cpu_s"),
            waited_s=result.get("waited_s"),
            stopped_s=result.get("stopped_s"),
        ),
        "slept_s": result.get("slept_s", 0.0),
        "created": _created(paths, state, run),
        "output": _output(paths, run),
        "kept": kept_hashes(folder),
        "printed": printed_otherwise(folder.log, log_bytes, rules, found),
        "seeding": seeding,
        "repeats": _repeated(paths, state, run, log_bytes),
        **_told(paths, state, run, engine, result.get("place")),
    }
    if not ended.state.is_counted:
        end["no_result"] = find_no_result(folder.log, result, ending, rules, reading, metrics, unread)
    if ended.state is RunState.CANCELLED:
        return RunCancelled(**end)
    if ended.state is RunState.INTERRUPTED:
        return RunInterrupted(**end)
    finished: Any = ended.state
    assert finished in get_args(FinishedState)
    return RunFinished(end=finished, bad_exit=ended.bad_exit, changed_meanwhile=changed, **end)


# A longer log of a stopped training is not held against its repeat: that is read in one piece.
_MOST_REPEATED = 16 << 20


def _repeated(paths: ProjectPaths, state: State, run: Run, size: int) -> tuple[int, ...]:
    """The earlier attempts at its seed that were stopped, and whose log it repeats as far as that went."""
    if run.attempt == 1:
        return ()
    earlier = (one for one in state.runs.values() if replace(one.key, attempt=run.attempt) == run.key)
    stopped = [one for one in earlier if one.state is RunState.CANCELLED and one.log_sha256 is not None]
    return tuple(one.attempt for one in stopped if _is_repeat(paths, run, size, one))


def _is_repeat(paths: ProjectPaths, run: Run, size: int, stopped: Run) -> bool:
    try:
        with paths.run(stopped.run_id).log.open("rb") as before, paths.run(run.run_id).log.open("rb") as log:
            seen = before.read(_MOST_REPEATED)
            if hashlib.sha256(seen).hexdigest() != stopped.log_sha256:
                return False
            # Times take more or fewer digits, so the repeat may be longer up to there.
            return repeats(log.read(min(size, 2 * len(seen) + 4096)), seen)
    except FileNotFoundError:
        return False


def _usual_step(state: State, run: Run) -> int | None:
    """The last step of every other result of this run's side; None where there is none, or they differ."""
    steps = {one.step for one in state.runs.values() if one.state.is_counted and _is_on_side_of(run, one)}
    return steps.pop() if len(steps) == 1 else None


def _is_on_side_of(run: Run, other: Run) -> bool:
    is_same_arm = run.experiment == other.experiment or run.key.side is Side.BASELINE
    return other.generation == run.generation and other.key.side is run.key.side and is_same_arm


def lost_end(paths: ProjectPaths, state: State, run: Run, engine: Engine | None, reason: str) -> RunEnded:
    """The end of a lost run.

    Whoever ended it from outside has seen its values, so the record shows them to every reader.

    Args:
        engine: Carried it out, and may know better why it is lost; None where its folder is gone.
        reason: Why it is lost.
    """
    told = None if engine is None else engine.told_end(str(paths.run(run.run_id).folder))
    lost = told or Ending("interrupted", detail=reason)
    rules = state.rules_of(run.generation)
    log, seeding = paths.run(run.run_id).log, _seeding(paths.run(run.run_id), rules)
    end: dict[str, Any] = {"run_id": run.run_id, "created": _created(paths, state, run), "output": _output(paths, run)}
    end |= {**_told(paths, state, run, engine, read_place(paths.run(run.run_id).place)), "seeding": seeding}
    try:
        size = log.stat().st_size
        reading = read_log(log, size, rules)
    except OSError:
        return RunInterrupted(reason=lost.detail, **end)
    ended = uninjected(outcome(lost, reading.metrics, rules, reading.unread), seeding, rules)
    why = [ended.reason, lost.detail if lost.signal is not None else None]
    end |= {
        "reason": "; ".join(part for part in why if part) or None,
        "metrics": reading.metrics,
        "log": _log_read(log, size, reading, read_length_end(log, size).lengths, rules),
    }
    if not ended.state.is_counted:
        end["no_result"] = NoResult(find_draw(log, size, rules, reading, reading.metrics, reading.unread))
    if ended.state is RunState.INTERRUPTED:
        return RunInterrupted(**end)
    finished: Any = ended.state
    return RunFinished(end=finished, **end)


def _seeding(folder: RunPaths, rules: Rules) -> Seeding | None:
    """How a run seeded itself; None where the rules replace no seed."""
    return seeding_of(folder) if rules.seed == "inject" else None


def _log_read(log: Path, size: int, reading: LogReading, lengths: Lengths, rules: Rules) -> LogRead:
    first = read_first_values(log, size, rules)
    return LogRead(
        step=reading.step,
        start_text=first.start_text,
        early=first.early,
        lengths=lengths,
        bare_log=read_is_bare(log, size, rules),
        log_sha256=reading.sha256,
        log_bytes=reading.size,
        lost_loss=read_lost_loss(log, size),
    )


# What a conductor remembers of the lists of earlier runs; it serves one project.
_recorder = lru_cache(maxsize=1)(InputRecorder)


def _told(
    paths: ProjectPaths, state: State, run: Run, engine: Engine | None, said: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the run told: what its processes read, which interpreter trained, and where.

    Args:
        engine: Carried it out; None where that is not known.
        said: What the node said of itself; None where the run was carried out on the machine of its start.
    """
    found, placed = _recorder(paths).record(state, run, code_of(state, run)), _placed(run, said)
    told: dict[str, Any] = {"inputs": None, "placed": placed}
    if found is not None:
        place = ThisMachine if engine is None else partial(engine.ran_at, str(paths.run(run.run_id).folder))
        as_placed = replace(run, surroundings={**run.surroundings, **placed})
        observed = observe(paths, state, as_placed, place, found.trained)
        # Maps that the ledger has are named only.
        told["inputs"] = recorded_inputs(found.inputs, state.input_maps)
        told |= {"trained_with": observed.trained_with, "environment": observed.environment}
    trained = told.get("trained_with")
    if said is not None and (trained is None or trained.environment_sha256 is None):
        is_known = placed.get("environment_sha256", "") in ("", *state.environments)
        told["environment"] = None if is_known else said["environment"]
    return told


def _placed(run: Run, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the start of the run says of its place otherwise than the node itself."""
    if said is None:
        return {}
    document = said["environment"]
    now = {**said["machine"], "environment_sha256": environment_sha256(document)}
    now |= {"packages_sha256": packages_sha256(document)}
    before = {**run.surroundings, "load": run.load}
    return {name: part for name, part in now.items() if before.get(name) != part}


def _output(paths: ProjectPaths, run: Run) -> OutputFolder | None:
    """The output folder that the run leaves, which the clean-up removes."""
    folder = None if run.output_dir is None else paths.root / run.output_dir
    identity = None if folder is None else outputs.identity(folder)
    return None if folder is None or identity is None else OutputFolder(tuple(identity), outputs.size(folder))


def _created(paths: ProjectPaths, state: State, run: Run) -> tuple[str, ...]:
    """Files that a run in place left beside its output folder: not the project's code, whatever they look like."""
    code = code_of(state, run)
    if code is None or code.held == "snapshot":
        return ()
    try:
        return tuple(Workspace(paths, load_config(paths.settings).settings).created_since(code, state.created))
    except Refusal:
        return ()  # unreadable settings must not keep a result from being recorded


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
