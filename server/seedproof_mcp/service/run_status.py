"""Observes runs: state, progress, notices, and the end of the log.

Over 300 lines, because all of it is read from the same files of a run in one look.
"""

import itertools
import json
from dataclasses import dataclass, replace

from seedproof.ledger.queue_times import expected_s
from seedproof.ledger.state import State
from seedproof.metrics.run_state import LOST, Ending, lacks_value, outcome
from seedproof.model.metric_rule import MetricRule
from seedproof.model.refusals import BadSettings
from seedproof.model.results import Notice
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import NoResult, Run, RunState
from seedproof.model.untrusted import fenced, safe_tail
from seedproof.notices.attempts import draw_words
from seedproof.notices.control import control_notices
from seedproof.notices.declarations import declared_notices
from seedproof.notices.environment import exclusion_notices, exclusions_of, place_notices, scripts_of
from seedproof.notices.readings import near_miss_notices
from seedproof.notices.repeats import log_notices
from seedproof.notices.runs import arm_notices, beside_baseline_notices
from seedproof.phases.looks import failure_words
from seedproof.phases.next_call import run_next
from seedproof.phases.study import Study
from seedproof.sources.near_misses import near_misses

from seedproof_mcp.host.missing_module import missing_module_words
from seedproof_mcp.host.settings import Config
from seedproof_mcp.runner import conductor_status
from seedproof_mcp.runner.engines import Engines
from seedproof_mcp.runner.kept_output import kept_files
from seedproof_mcp.runner.no_result import find_draw
from seedproof_mcp.runner.trained_with import trained_by_notices
from seedproof_mcp.service.log_follower import LogFollower, Progress
from seedproof_mcp.service.queue_waits import QueueWaits
from seedproof_mcp.service.replies.result import Follow
from seedproof_mcp.service.replies.rows import FailedRow
from seedproof_mcp.service.replies.run import RunResult, waiting_words
from seedproof_mcp.service.reports import unverified_report
from seedproof_mcp.service.views import declared_command, notice_results, remaining_seeds
from seedproof_mcp.supervisor.run_contract import read_spec
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["Observer", "with_exclusions"]


TAIL_BYTES = 256 * 1024
# What is searched for the metric where nothing was read.
HINT_BYTES = 1 << 20
_MOST_HINTED = 32


_WITH_OUTPUT = (RunState.FAILED, RunState.TIMED_OUT, RunState.DIVERGED, RunState.UNREAD)


@dataclass(frozen=True, slots=True)
class _Status:
    """The fields of a result that depend on whether the run has ended."""

    state: RunState
    metrics: dict[str, float | None]
    step: int | None = None
    elapsed_s: float | None = None
    eta_s: float | None = None
    queue_position: int | None = None
    reason: str | None = None


class Observer:
    """Observes the runs of one project."""

    def __init__(self, paths: ProjectPaths, engines: Engines, waits: QueueWaits) -> None:
        self._paths = paths
        self._engines = engines
        self._waits = waits
        self._logs = LogFollower(engines)
        self._hints: dict[tuple[str, MetricRule], list[Notice]] = {}
        self._newest_hints: tuple[str, list[Notice]] = ("", [])
        """The ledger head that they were looked for at, and what was found."""

    def with_live_states(self, state: State, awaited: str | None = None) -> State:
        """The state with the present states of running runs; the ledger only says that they were handed to the engine.

        A run that waits for its slot is queued. A run that has lost its supervisor, as after a restart of the machine,
        is interrupted; the next conductor records that.

        Args:
            awaited: A run whose end somebody waits for: it stays active until the conductor has cleaned up after it.
        """
        running = [run for run_id in state.active if (run := state.runs[run_id]).state is RunState.RUNNING]
        changed: dict[str, Run] = {}
        for run in running:
            if not self._paths.run(run.run_id).started.exists():
                changed[run.run_id] = replace(run, state=RunState.QUEUED)
            elif run.run_id != awaited and self._is_lost(run):
                changed[run.run_id] = self._as_lost(state, run)
        if not changed:
            return state
        runs = state.runs | changed
        return replace(state, runs=runs, active={one: None for one in state.active if runs[one].state.is_active})

    def _as_lost(self, state: State, run: Run) -> Run:
        """A lost run as the conductor will record it, with its metrics: without them its arm could change its code."""
        rules = state.rules_of(run.generation)
        shown = self._logs.look(self._paths.run(run.run_id), rules).reading
        ended = outcome(Ending("interrupted", detail=LOST), shown.metrics, rules, shown.unread)
        log = self._paths.run(run.run_id).log
        try:
            draw = find_draw(log, log.stat().st_size, rules, shown, shown.metrics, shown.unread)
        except OSError:
            draw = None
        left = None if ended.state.is_counted else NoResult(draw)
        metrics = dict(shown.metrics)
        return replace(run, state=ended.state, reason=ended.reason, metrics=metrics, step=shown.step, no_result=left)

    def _is_lost(self, run: Run) -> bool:
        folder = self._paths.run(run.run_id)
        engine = self._engines.of(folder)
        if engine.look_s is not None:
            return False  # each look may cost many seconds: the conductor looks, and records it
        try:
            return engine.poll(str(folder.folder)) == "lost"
        except (OSError, BadSettings):
            return False  # not known

    def run_result(self, study: Study, run: Run) -> RunResult:
        """The present result of a run.

        Args:
            study: A study of the state that `with_live_states` returns.
        """
        state = study.state
        rules = state.rules_of(run.generation)
        status = self._active_status(state, rules, run) if run.state.is_active else self._ended_status(rules, run)
        return RunResult(
            run_id=run.run_id,
            role=run.role.value,
            arm="baseline" if run.experiment is None or run.is_control else "experiment",
            experiment=run.experiment,
            seed=run.seed,
            attempt=run.attempt,
            state=status.state.value,
            metrics=status.metrics,
            step=status.step,
            elapsed_s=status.elapsed_s,
            eta_s=status.eta_s,
            queue_position=status.queue_position,
            remaining=remaining_seeds(study, run),
            reason=status.reason,
            untrusted_output=self._untrusted_output(run),
            ledger_head=state.head_label,
            notices=notice_results(
                [
                    *self._notices(study, rules, run),
                    *self._near_misses(rules, run),
                    *trained_by_notices(run, rules.metric.name),
                ]
            ),
            next=_run_follow(study, run, status),
            command=None if status.state.is_active else declared_command(study, run),  # replies that wait are short
        )

    def _ended_status(self, rules: Rules, run: Run) -> _Status:
        self._logs.forget(self._paths.run(run.run_id))
        metrics = {name: found.value for name, found in run.metrics.items()}
        if run.wall_time_s is not None:
            metrics["wall_time_s"] = run.wall_time_s
        said = None if run.no_result is None else run.no_result.last_line
        missing = missing_module_words(said, _python_of(run), self._paths.root)
        reason = "; ".join(part for part in (run.reason, draw_words(run, rules.metric.name), missing) if part) or None
        return _Status(run.state, metrics, run.step, run.wall_time_s, reason=reason)

    def _active_status(self, state: State, rules: Rules, run: Run) -> _Status:
        if run.state is RunState.QUEUED:
            position = list(state.active).index(run.run_id) + 1
            reason = self._conductor_problem() or self._waits.words(state, run, position)
            ends = self._waits.expected_ends(state).get(run.run_id)
            return _Status(RunState.QUEUED, {}, eta_s=ends, queue_position=position, reason=reason)
        progress = self._logs.look(self._paths.run(run.run_id), rules)
        whole_s, elapsed_s = expected_s(state, run), progress.elapsed_s
        left_s = None if whole_s is None or elapsed_s is None else max(0.0, whole_s - elapsed_s)
        return _Status(
            RunState.RUNNING,
            {name: found.value for name, found in progress.reading.metrics.items()},
            progress.reading.step,
            elapsed_s,
            left_s,
            reason=self._conductor_problem() or _idle_words(self._paths.run(run.run_id), progress, rules),
        )

    def _conductor_problem(self) -> str | None:
        """The problem that the conductor has left a message on; None where there is none."""
        problem = conductor_status.read_problem(self._paths)
        return None if problem is None else f"the conductor cannot go on: {problem}"

    def _notices(self, study: Study, rules: Rules, run: Run) -> list[Notice]:
        state = study.state
        if run.experiment is None:
            base = state.baseline_arm(run.generation)
            found = [*arm_notices(base, rules, None), *place_notices(base)]
            return [*_baseline_void(study, run), *found, *unverified_report(self._paths, state, rules)]
        experiment = state.generations[run.generation - 1].experiments[run.experiment]
        standing = study.standing(experiment)
        arm, ended = standing.arm, failure_words(standing.look)
        failed = [Notice("arm_failed", f"{run.experiment}: {ended}.")] if ended and run.role is Role.MEASURE else []
        base = state.baseline_arm(run.generation)
        declared = declared_notices(study, experiment, verdicts=False) if run.run_id == experiment.run_ids[0] else []
        controls = control_notices(standing.baseline, arm)
        beside = [*beside_baseline_notices(base, arm, rules), *log_notices(state, experiment)]
        return [*failed, *declared, *controls, *arm_notices(arm, rules, None, base), *beside, *place_notices(base, arm)]

    def notices(self, study: Study) -> list[Notice]:
        """Notices on a baseline report that is not in the ledger, and on near misses."""
        return [*unverified_report(self._paths, study.state, study.rules), *self.hints(study)]

    def failed_rows(self, study: Study) -> list[FailedRow]:
        """The seeds of the present generation whose newest attempt brought no value, in the order of their runs."""
        number = len(study.state.generations)
        newest = {replace(run.key, attempt=0): run for run in study.state.runs.values() if run.generation == number}
        rules, root = study.state.rules_of(number) if number else Rules(), self._paths.root
        return [
            FailedRow(
                run_id=run.run_id,
                experiment=run.experiment,
                seed=run.seed,
                attempt=run.attempt,
                state=run.state.value,
                reason=self._ended_status(rules, run).reason,
                log_path=str(self._paths.run(run.run_id).log.relative_to(root)),
            )
            for run in newest.values()
            if run.state in (*_WITH_OUTPUT, RunState.INTERRUPTED)
        ]

    def hints(self, study: Study) -> list[Notice]:
        """Near misses of the newest run of the present generation whose seed has no result for want of a value."""
        if self._newest_hints[0] != study.state.head:
            self._newest_hints = (study.state.head, self._find_hints(study.state))
        return self._newest_hints[1]

    def _find_hints(self, state: State) -> list[Notice]:
        number = len(state.generations)
        rules = state.rules_of(number) if number else Rules()
        # Few runs lack a value, and there may be many runs: what costs more is asked of these alone.
        without = (
            run
            for run in reversed(state.runs.values())
            if run.generation == number and lacks_value(run, rules.metric.name) and not _has_result(state, run)
        )
        return next((found for run in without if (found := self._near_misses(rules, run))), [])

    def _near_misses(self, rules: Rules, run: Run) -> list[Notice]:
        if not lacks_value(run, rules.metric.name):
            return []
        key = (run.run_id, rules.metric)
        if key not in self._hints:
            folder = self._paths.run(run.run_id)
            try:
                log = self._engines.of(folder).read_log(str(folder.folder), -HINT_BYTES, HINT_BYTES)
            except OSError:
                log = b""
            if len(self._hints) >= _MOST_HINTED:
                self._hints.clear()
            found = near_misses(rules.metric, log, kept_files(self._paths, run))
            self._hints[key] = near_miss_notices(run.run_id, rules.metric.name, found)
        return self._hints[key]

    def _untrusted_output(self, run: Run) -> str | None:
        if run.state not in _WITH_OUTPUT:
            return None
        folder = self._paths.run(run.run_id)
        try:
            data = self._engines.of(folder).read_log(str(folder.folder), -TAIL_BYTES, TAIL_BYTES)
        except OSError:
            return None
        tail = safe_tail(data)
        return fenced(tail) if tail else None


def _run_follow(study: Study, run: Run, status: _Status) -> Follow | None:
    """The next call; where that waits for this run, it says when to call."""
    follow, generation = Follow.of(run_next(study, run)), study.generation
    is_present = generation is not None and run.generation == generation.number
    if follow is None or not status.state.is_active or not is_present or run.role is Role.PROBE:
        return follow
    return follow.model_copy(update={"why": waiting_words(status.eta_s)})


def _has_result(state: State, run: Run) -> bool:
    """Whether some attempt at the seed of a run counts."""
    ids = (replace(run.key, attempt=number).run_id for number in itertools.count(1))
    attempts = (state.runs[run_id] for run_id in itertools.takewhile(state.runs.__contains__, ids))
    return any(one.state.is_counted for one in attempts)


def _python_of(run: Run) -> str | None:
    """The interpreter that trained a run, as far as it is recorded."""
    recorded: str | None = run.surroundings.get("interpreter")
    return recorded if run.trained_with is None else run.trained_with.interpreter


def _idle_words(folder: RunPaths, progress: Progress, rules: Rules) -> str | None:
    """That the training neither prints nor uses a processor, and what will become of it; None where that is not so."""
    try:
        since_s = float(json.loads(folder.idle.read_bytes())["since_elapsed_s"])
        timeout_s = read_spec(folder.spec).timeout_s
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if progress.elapsed_s is None:
        return None
    step = "" if progress.reading.step is None else f", since step {progress.reading.step}"
    idle = f"the training has printed nothing and used no processor for {(progress.elapsed_s - since_s) / 60:.0f} min"
    ends = "nothing ends it but stop_run" if timeout_s is None else f"its time limit of {timeout_s / 60:g} min ends it"
    counts = "counts" if rules.accept_exit == "value" else 'counts if rules.accept_exit is "value"'
    return f"{idle}{step}; {ends}, and a value that it printed at its own end {counts}"


def _baseline_void(study: Study, run: Run) -> list[Notice]:
    """A notice where the run belongs to the present baseline, and that is void."""
    if study.generation is None or run.generation != study.generation.number:
        return []
    phase = study.phase_of(run.generation)
    return [Notice("baseline_void", phase.reason)] if phase.phase == "void" and phase.reason else []


def with_exclusions(result: RunResult, state: State, run: Run, config: Config) -> RunResult:
    """The result, with notices on what the settings exclude from the code of this run and of the baseline's."""
    counted = tuple(state.baseline_arm(run.generation).counted.values())
    # A queued run will use the settings at its start; the present ones are the newest known.
    excluded = exclusions_of([run]) or [tuple(sorted(config.settings.not_code))]
    sides = {"baseline": exclusions_of(counted), "this run": excluded}
    found = notice_results(exclusion_notices(sides, scripts_of([*counted, run])))
    codes = {notice.code for notice in found}
    others = [notice for notice in result.notices if notice.code not in codes]
    return result.model_copy(update={"notices": [*others, *found]}) if found else result
