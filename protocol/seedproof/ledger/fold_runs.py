"""Applies the events on runs to the state: requested, started, ended, read again."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from seedproof.ledger.event import Event
from seedproof.ledger.run_ends import RUN_ENDS, LogRead, RunEnded, RunFinished
from seedproof.ledger.run_events import MetricsReadAgain, RunReading, RunRequested, RunStarted
from seedproof.ledger.state import Experiment, Generation, State
from seedproof.metrics.numbers import printed_step
from seedproof.model.arms import FreshPlan
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState, TrainedWith
from seedproof.stats.coincidence import FINE_SHARE, share_step
from seedproof.stats.summary import summarize

__all__ = ["APPLY_TO_RUNS"]


def _run_requested(state: State, event: RunRequested) -> None:
    key = event.key
    if event.run_id in state.runs:
        raise ValueError("requested twice")
    generation = state.generations[key.generation - 1]
    owner = generation if key.experiment is None else generation.experiments[key.experiment]
    if event.code is not None:  # an arm that has not shown its metric may change its code
        owner.code = event.code
        if isinstance(owner, Experiment):
            owner.change, owner.set_at = event.change, event.seq
    if key.role is Role.PROBE and isinstance(owner, Generation):
        owner.probe_ids.append(event.run_id)
    else:
        owner.run_ids.append(event.run_id)
    if key.role is Role.CONTROL and isinstance(owner, Experiment) and owner.code is not None:
        generation.controls.setdefault(owner.code.sha256, []).append(event.run_id)
    earlier = generation.rules.earlier
    if key.role is Role.CONFIRM and isinstance(owner, Experiment) and owner.fresh_plan is None and earlier is not None:
        owner.fresh_plan, owner.fresh_plan_at = FreshPlan(earlier.confirm_seeds, "earlier"), event.seq
    run = state.runs[event.run_id] = Run(
        run_id=event.run_id, key=key, state=RunState.QUEUED, requested=event.time, requested_at=event.seq
    )
    state.active[event.run_id] = None
    _mark_changed(state, run, event)


def _run_started(state: State, event: RunStarted) -> None:
    run = _active_run(state, event.run_id)
    name = event.environment_sha256
    if event.environment is not None:  # with the first run that has it
        state.environments[name] = event.environment
    state.runs[run.run_id] = replace(
        run,
        state=RunState.RUNNING,
        argv=event.argv,
        output_dir=event.output_dir,
        started=event.time,
        surroundings=_share_surroundings(state, event.surroundings),
        environment=state.environments.get(name, {}),
        load=event.load,
        neighbours=_neighbours(state, event),
    )
    state.owned_folders[event.output_dir] = run.run_id
    _mark_changed(state, run, event)


def _neighbours(state: State, event: RunStarted) -> int:
    """How many train beside a run that starts; each of them has one more from now on."""
    others = [one for run_id in state.active if (one := state.runs[run_id]).state is RunState.RUNNING]
    for one in others:
        state.runs[one.run_id] = replace(one, neighbours=max(one.neighbours, len(others)))
    return max(event.neighbours, len(others))


def _share_surroundings(state: State, surroundings: Mapping[str, Any]) -> Mapping[str, Any]:
    """One object for consecutive runs with equal surroundings, which are large and nearly always equal."""
    if surroundings != state.surroundings:
        state.surroundings = surroundings
    return state.surroundings


def _run_ended(state: State, event: RunEnded) -> None:
    run = _active_run(state, event.run_id)
    log, measured = event.log or LogRead(), event.measured
    if event.inputs is not None:
        state.input_maps.update(event.inputs.maps)
    if event.placed:  # before all else: it says what the run was started with
        run = _placed(state, run, event)
    elif event.environment is not None and event.trained_with is not None:
        state.environments[event.trained_with.environment_sha256 or ""] = event.environment
    ended = state.runs[run.run_id] = replace(
        run,
        state=event.state,
        metrics=event.metrics or {},
        reason=event.reason,
        ended=event.time,
        slept_s=event.slept_s,
        neighbours=max(run.neighbours, event.neighbours),
        output_id=None if event.output is None else event.output.output_id,
        output_bytes=0 if event.output is None else event.output.output_bytes,
        step=log.step,
        start_text=log.start_text,
        early=log.early,
        lengths=log.lengths,
        bare_log=log.bare_log,
        bad_exit=event.bad_exit if isinstance(event, RunFinished) else None,
        changed_meanwhile=event.changed_meanwhile if isinstance(event, RunFinished) else None,
        log_sha256=log.log_sha256,
        kept=event.kept,
        printed=event.printed,
        lost_loss=log.lost_loss,
        wall_time_s=None if measured is None else measured.wall_time_s,
        exit_code=None if measured is None else measured.exit_code,
        held_up_s=0.0 if measured is None else (measured.waited_s or 0.0) + (measured.stopped_s or 0.0),
        counts={} if measured is None else measured.counts,
        seeding=event.seeding,
        trained_with=event.trained_with,
        environment=_environment(state, run, event.trained_with),
        repeats_attempts=event.repeats,
        no_result=event.no_result,
        ended_at=event.seq,
        repeats=run.role is Role.CONTROL and state.repeats.were_shown_for(run),
        inputs=None if event.inputs is None else event.inputs.whole(state.input_maps),
    )
    if _tells_repeats(state, ended):
        state.repeats.add(ended, _command_key(state, run), state.rules_of(run.generation).metric.name)
    state.created.update(event.created)
    del state.active[run.run_id]
    if ended.log_sha256 is not None and run.role is not Role.PROBE:
        state.logs.setdefault(ended.log_sha256, []).append(run.run_id)
    _mark_changed(state, run, event)
    if run.role is not Role.PROBE:
        _count_outcome(state, ended, event)


def _placed(state: State, run: Run, event: RunEnded) -> Run:
    """A run with the surroundings of the node that a scheduler chose after its start was written down."""
    trained = None if event.trained_with is None else event.trained_with.environment_sha256
    name = str(event.placed.get("environment_sha256", ""))
    if event.environment is not None:
        state.environments[trained or name] = event.environment
    surroundings = {**run.surroundings, **{one: part for one, part in event.placed.items() if one != "load"}}
    load = event.placed.get("load", run.load)
    return replace(run, surroundings=surroundings, load=load, environment=state.environments.get(name, run.environment))


def _environment(state: State, run: Run, trained_with: TrainedWith | None) -> Mapping[str, Any]:
    """What a run was trained with: of an unknown interpreter, the devices alone."""
    if trained_with is None:
        return run.environment
    if trained_with.environment_sha256 is not None:
        return state.environments.get(trained_with.environment_sha256, {})
    return {name: one for name, one in run.environment.items() if name in ("gpus", "driver", "cpu")}


def _tells_repeats(state: State, run: Run) -> bool:
    """Whether a run says something about repeats: values that a probe prints coarsely are equal by chance.

    A control that is asked for the very same value fails where that was chance.
    """
    rules = state.rules_of(run.generation)
    if rules.seed == "unseeded":  # equal seeds are no repeats there
        return False
    if run.role is not Role.PROBE:
        return True
    name, arm = rules.metric.name, state.baseline_arm(run.generation)
    values, text = arm.finite(name), run.metrics.get(name)
    if text is None or len(values) < 2 or values.get(run.seed) != text.value:
        return True
    spread = summarize(list(values.values())).std
    # An accuracy over 200 cases comes in steps of a case, however many digits are printed.
    return spread is not None and share_step(list(values.values()), printed_step([text.text])) <= FINE_SHARE * spread


def _count_outcome(state: State, run: Run, event: RunEnded) -> None:
    if event.state.is_counted and event.output is not None:
        # Only of runs with a result: one that broke off may have filled the disk.
        state.largest_output_bytes = max(state.largest_output_bytes, event.output.output_bytes)
    if event.state is RunState.SUCCEEDED:
        state.failures_in_row = 0
        state.failed_arms.clear()
    elif _is_failure(event) and not _has_failed_before(state, run):
        state.failures_in_row += 1


def _has_failed_before(state: State, run: Run) -> bool:
    """Whether an arm fails without a value once more: one cause, which closes the arm by itself."""
    arm = (run.generation, run.experiment)
    if run.no_result is None or run.no_result.draw is not None:
        return False
    is_known = arm in state.failed_arms
    state.failed_arms.add(arm)
    return is_known


def _is_failure(event: RunEnded) -> bool:
    """Whether the end counts towards the limit of failures; a value that could not be read is none."""
    return isinstance(event, RunFinished) and not event.never_started and event.state is not RunState.UNREAD


def _metrics_read_again(state: State, event: MetricsReadAgain) -> None:
    generation = state.generations[event.generation - 1]
    if event.generation != len(state.generations):
        raise ValueError("of an earlier generation")
    old = generation.rules.metric.name
    generation.rules = generation.rules.with_metrics(event.metric, event.extra_metrics)
    generation.readings.append(event)
    for run_id, read in event.runs.items():
        run = state.runs[run_id]
        before = RunReading(run.state, run.reason, run.metrics, run.start_text, run.early)
        if before != read.before or run.log_sha256 != read.log_sha256 or run.state.is_active:
            raise ValueError(f"{run_id} was another one")
        now = read.now
        read_now = state.runs[run_id] = replace(
            run,
            state=now.state,
            reason=now.reason,
            metrics=now.metrics,
            start_text=now.start_text,
            early=now.early,
        )
        command = _command_key(state, run)
        state.repeats.forget(run, command, old)
        if _tells_repeats(state, read_now):
            state.repeats.add(read_now, command, event.metric.name)
        state.failures_in_row = max(0, state.failures_in_row - _was_mended(before.state, now.state))
    for experiment in generation.experiments.values():
        experiment.changed_at = event.seq


_FAILURES = (RunState.FAILED, RunState.TIMED_OUT, RunState.DIVERGED)


def _was_mended(before: RunState, now: RunState) -> int:
    """By how many the failures in a row are fewer: 1, 0 or, for a run that turns out to have diverged, -1."""
    return (before in _FAILURES) - (now in _FAILURES)


def _command_key(state: State, run: Run) -> Any:
    """Command, variables and flags of a run, without seed and output folder; hashable."""
    rules, experiments = state.rules_of(run.generation), state.generations[run.generation - 1].experiments
    experiment = experiments.get(run.experiment or "")
    given = (rules.command, tuple(sorted(rules.env.items())), rules.replace_seed, rules.train_tokens)
    return *given, run.key.flags(() if experiment is None else experiment.flags)


def _mark_changed(state: State, run: Run, event: Event) -> None:
    if run.experiment is not None:
        state.generations[run.generation - 1].experiments[run.experiment].changed_at = event.seq


def _active_run(state: State, run_id: str) -> Run:
    run = state.runs[run_id]
    if not run.state.is_active:
        raise ValueError("the run has ended already")
    return run


APPLY_TO_RUNS: Mapping[type[Event], Callable[[State, Any], None]] = {
    RunRequested: _run_requested,
    RunStarted: _run_started,
    **dict.fromkeys(RUN_ENDS, _run_ended),
    MetricsReadAgain: _metrics_read_again,
}
"""What each kind of event on a run changes in the state."""
