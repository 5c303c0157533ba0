"""Ledger records are folded into the state that they add up to."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from seedproof.ledger.records import Record, damaged, make_record, read_line
from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.code import Change, Code
from seedproof.model.runs import MetricValue, Role, Run, RunState
from seedproof.stats.summary import PriorVariance

__all__ = ["Experiment", "Generation", "Record", "State", "apply", "fold", "make_record", "read_line"]


def fold(records: Iterable[Record]) -> State:
    """The state that verified records add up to."""
    state = State()
    for record in records:
        apply(state, record)
    return state


def apply(state: State, record: Record) -> None:
    """Take one verified record into account.

    Raises:
        LedgerDamaged: The record lacks a field or contradicts those before it.
    """
    try:
        _BY_KIND[record["kind"]](state, record)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise damaged(record["seq"], f"contradicts those before it ({error!r:.80})") from error
    state.seq, state.head = record["seq"], record["hash"]
    state.first_hash = state.first_hash or record["hash"]
    state.began = state.began or record["time"]


def _generation_started(state: State, record: Record) -> None:
    number = record["generation"]
    if number != len(state.generations) + 1:
        raise ValueError("generation out of order")
    state.previous = state.previous or record.get("previous")
    adopted = list(record.get("adopted", ()))
    if not all(state.runs[run_id].experiment is None for run_id in adopted):
        raise ValueError("a baseline takes over runs of a baseline only")
    state.generations.append(
        Generation(
            number,
            record["rules"],
            record["reason"],
            record["time"],
            adopted,
            record.get("adoption"),
            list(adopted),
            code=Code.from_document(record.get("code")),
        )
    )
    state.unsettled.clear()


def _experiment_declared(state: State, record: Record) -> None:
    generation = state.generations[record["generation"] - 1]
    name = record["experiment"]
    if name in generation.experiments:
        raise ValueError("declared twice")
    declared = generation.experiments[name] = Experiment(
        name,
        generation.number,
        tuple(record["flags"]),
        record["hypothesis"],
        record["code_change"],
        record.get("primary", "unpaired"),
        record.get("primary_reason", "by default"),
        PriorVariance(**record["prior"]) if record.get("prior") else None,
        place=len(state.experiments),
        declared_at=record["seq"],
        code=Code.from_document(record.get("code")),
        change=Change.from_document(record.get("change")),
    )
    state.experiments.append(declared)
    state.nulls += declared.is_null
    state.memo.clear()
    _touch(state, declared)


def _run_requested(state: State, record: Record) -> None:
    run = Run(
        run_id=record["run_id"],
        generation=record["generation"],
        role=Role(record["role"]),
        experiment=record["experiment"],
        seed=record["seed"],
        attempt=record["attempt"],
        state=RunState.QUEUED,
        is_control=record["experiment"] is not None and record.get("arm") == "baseline",
    )
    if run.run_id in state.runs:
        raise ValueError("requested twice")
    generation = state.generations[run.generation - 1]
    owner = generation if run.experiment is None else generation.experiments[run.experiment]
    if record.get("code") is not None:  # until an arm has shown its metric, its next attempt takes new code
        owner.code = Code.from_document(record["code"])
        if isinstance(owner, Experiment):
            owner.change = Change.from_document(record.get("change"))
    owner.run_ids.append(run.run_id)
    if run.role is Role.CONTROL and isinstance(owner, Experiment) and owner.code is not None:
        generation.controls.setdefault(owner.code.sha256, []).append(run.run_id)
    state.runs[run.run_id] = run
    _touch_owner(state, run)
    state.active[run.run_id] = None


def _run_started(state: State, record: Record) -> None:
    run = _active_run(state, record)
    folder = record["output_dir"]
    surroundings = record.get("fingerprint", {})
    name = surroundings.get("environment_sha256")
    if record.get("environment") is not None:  # with the first run that has it
        state.environments[name] = dict(record["environment"])
    state.runs[run.run_id] = replace(
        run,
        state=RunState.RUNNING,
        argv=tuple(record["argv"]),
        output_dir=folder,
        started=record["time"],
        surroundings=_as_before(state, {key: value for key, value in surroundings.items() if key != "load"}),
        environment=state.environments.get(name, {}),
        load=surroundings.get("load"),
    )
    state.owned_folders[folder] = run.run_id
    _touch_owner(state, run)


def _as_before(state: State, surroundings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same object for runs with the same surroundings: almost all of a ledger's, and they are large."""
    if surroundings != state.surroundings:
        state.surroundings = surroundings
    return state.surroundings


def _run_finished(state: State, record: Record) -> None:
    _end(state, record, RunState(record["state"]))


def _run_interrupted(state: State, record: Record) -> None:
    _end(state, record, RunState.INTERRUPTED)


def _run_cancelled(state: State, record: Record) -> None:
    _end(state, record, RunState.CANCELLED)


def _run_not_needed(state: State, record: Record) -> None:
    _end(state, record, RunState.NOT_NEEDED)


def _verdict_issued(state: State, record: Record) -> None:
    judged = _declared(state, record)
    before = judged.verdict
    judged.verdict = record
    state.judged += before is None
    state.winners += (record["verdict"] == "WINNER") - (before is not None and before["verdict"] == "WINNER")
    key, written = (judged.generation, judged.name), (record.get("campaign") or {}).get("p_better")
    state.p_values.pop(key, None)
    if written is not None:
        state.p_values[key] = float(written)
    state.memo.clear()
    _touch(state, judged)


def _report_written(state: State, record: Record) -> None:
    state.reports.pop(record["path"], None)  # so that the newest is the last one
    state.reports[record["path"]] = record
    if record["experiment"] is None:
        state.generations[record["generation"] - 1].report = record
    else:
        reported = _declared(state, record)
        reported.report = record
        _touch(state, reported)


def _files_removed(state: State, record: Record) -> None:
    for folder in record["paths"]:
        state.owned_folders.pop(folder, None)


def _resumed(state: State, record: Record) -> None:
    """A person has looked."""
    state.failures_in_row = 0


def _ledger_disclosed(state: State, record: Record) -> None:
    state.disclosures.append(record)


def _declared(state: State, record: Record) -> Experiment:
    experiment: Experiment = state.generations[record["generation"] - 1].experiments[record["experiment"]]
    return experiment


def _touch(state: State, experiment: Experiment) -> None:
    """A record about it: what was known to come next may not be."""
    experiment.following = None
    at = bisect_left(state.unsettled, experiment.place)
    if experiment.generation == len(state.generations) and state.unsettled[at : at + 1] != [experiment.place]:
        state.unsettled.insert(at, experiment.place)


def _command_of(state: State, run: Run) -> Any:
    """What a run was started with, but for folder and seed."""
    generation = state.generations[run.generation - 1]
    rules = generation.parsed_rules()
    flags = () if run.experiment is None or run.is_control else generation.experiments[run.experiment].flags
    return rules.command, rules.train_tokens, flags


def _touch_owner(state: State, run: Run) -> None:
    if run.experiment is not None:
        _touch(state, state.generations[run.generation - 1].experiments[run.experiment])


def _active_run(state: State, record: Record) -> Run:
    run = state.runs[record["run_id"]]
    if not run.state.is_active:
        raise ValueError("the run has ended already")
    return run


def _end(state: State, record: Record, end: RunState) -> None:
    run = _active_run(state, record)
    metrics = {name: MetricValue(**value) for name, value in record.get("metrics", {}).items()}
    state.runs[run.run_id] = replace(
        run,
        state=end,
        output_id=tuple(record["output_id"]) if record.get("output_id") else None,
        metrics=metrics,
        wall_time_s=record.get("wall_time_s"),
        reason=record.get("reason"),
        step=record.get("step"),
        exit_code=record.get("exit_code"),
        log_sha256=record.get("log_sha256"),
        start_text=record.get("start_text"),
        counts=record.get("counts", {}),
        slept_s=record.get("slept_s", 0.0),
        ended=record["time"],
        repeats=run.role is Role.CONTROL and state.repeats.are_shown_by(run),
    )
    state.repeats.add(state.runs[run.run_id], _command_of(state, run), state.rules_of(run.generation).metric.name)
    state.created.update(record.get("created", ()))
    del state.active[run.run_id]
    if record.get("log_sha256") is not None:
        state.logs.setdefault(record["log_sha256"], []).append(run.run_id)
    _touch_owner(state, run)
    # One that broke off may have filled the disk: no measure of what others need.
    if end in (RunState.SUCCEEDED, RunState.DIVERGED):
        state.largest_output_bytes = max(state.largest_output_bytes, record.get("output_bytes", 0))
    if end is RunState.SUCCEEDED:
        state.failures_in_row = 0
    elif end in (RunState.FAILED, RunState.TIMED_OUT, RunState.DIVERGED) and not record.get("never_started"):
        state.failures_in_row += 1


_BY_KIND: Mapping[str, Callable[[State, Record], None]] = {
    "generation_started": _generation_started,
    "experiment_declared": _experiment_declared,
    "run_requested": _run_requested,
    "run_started": _run_started,
    "run_finished": _run_finished,
    "run_interrupted": _run_interrupted,
    "run_cancelled": _run_cancelled,
    "run_not_needed": _run_not_needed,
    "verdict_issued": _verdict_issued,
    "report_written": _report_written,
    "files_removed": _files_removed,
    "resumed": _resumed,
    "ledger_disclosed": _ledger_disclosed,
}
