"""The use cases behind tools and command line; every surface calls them.

Over 300 lines, because every use case of a project stands here.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from seedproof.admission.gate import admit
from seedproof.admission.request import RunRequest
from seedproof.admission.withdrawal import is_stuck, known_experiment, measured_refusal
from seedproof.ledger.state import Experiment, State
from seedproof.model.refusals import (
    BadArguments,
    Refusal,
    RunEnded,
)
from seedproof.model.results import Comparison, Notice
from seedproof.model.run_key import Role
from seedproof.model.runs import TRAINED_S, Run
from seedproof.phases.calls import is_after_reports
from seedproof.phases.next_call import require_baseline
from seedproof.phases.study import Memory, Study

from seedproof_mcp.host.command_check import command_fault
from seedproof_mcp.host.placement import placement, require_alike
from seedproof_mcp.host.settings import Config, load_config
from seedproof_mcp.ledger.file import Ledger, Writer
from seedproof_mcp.runner import conductor_status
from seedproof_mcp.runner.clean_up import clean_up, left_by_runs, left_lines, remove_unneeded
from seedproof_mcp.runner.engines import Engine, Engines
from seedproof_mcp.runner.launcher import ensure_conductor
from seedproof_mcp.service.cache import ResultCache
from seedproof_mcp.service.os_errors import writing
from seedproof_mcp.service.overview import (
    against_result,
    baseline_status,
    earlier_result,
    experiment_list,
    queued_rows,
    withdrawn_result,
)
from seedproof_mcp.service.project import ProjectFolder
from seedproof_mcp.service.queue_waits import QueueWaits
from seedproof_mcp.service.read_again import Rereader
from seedproof_mcp.service.replies.baseline import BaselineStatus
from seedproof_mcp.service.replies.comparison import ComparisonResult
from seedproof_mcp.service.replies.experiments import ExperimentList
from seedproof_mcp.service.replies.report import ReportResult
from seedproof_mcp.service.replies.result import Follow, Result
from seedproof_mcp.service.replies.rows import FailedRow
from seedproof_mcp.service.replies.run import RunResult, WithdrawnResult
from seedproof_mcp.service.reports import Reports
from seedproof_mcp.service.run_status import Observer, with_exclusions
from seedproof_mcp.service.stop_resume import StopResume, known_run, require_reason
from seedproof_mcp.service.study_files import keep_earlier_baseline, study_result, write_study
from seedproof_mcp.service.verdicts import RandBelow, issue_verdict, judge_experiment
from seedproof_mcp.service.views import comparison_result, report_result
from seedproof_mcp.system import files
from seedproof_mcp.system.file_watch import FileWatch
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["BLIND_S", "Service"]

R = TypeVar("R", bound=Result)

CANCEL_PATIENCE_S = 5.0
# How often a waiting call looks though no change was told of: a look takes 3 ms.
SLOW_S = 2.0
BLIND_S = 0.1
"""How often a waiting call looks where changes of files are not told of."""


class Service:
    """The use cases of one project. Safe to call from several threads."""

    def __init__(
        self,
        project: Path,
        engine: Engine | None = None,
        start_conductor: Callable[[ProjectPaths], None] = ensure_conductor,
        randbelow: RandBelow = secrets.randbelow,
    ) -> None:
        """Open a project; nothing is created before the first run is requested.

        Args:
            engine: Takes every run; by default the one that the settings choose.
            start_conductor: Starts a conductor for the queue, where none runs.
            randbelow: Random source of the fresh seeds; by default the operating system's.
        """
        self.paths = ProjectPaths(project.resolve())
        self._engines = Engines(engine, self.paths.root)
        self._start_conductor = start_conductor
        self._randbelow = randbelow
        self._ledger = Ledger(self.paths)
        self._waits = QueueWaits(self.paths, self._engines)
        self._observer = Observer(self.paths, self._engines, self._waits)
        self._stop_resume = StopResume(self.paths, self._ledger, self._engines)
        self._reports = Reports(self.paths, self._ledger)
        self._rereader = Rereader(self.paths, self._ledger)
        self._cache = ResultCache()
        self._memory = Memory()
        self._lock = self._ledger.thread_lock

    # --- reading ------------------------------------------------------------------------------

    def head(self) -> str:
        """The ledger head for a refusal; the last known one where the ledger cannot be read."""
        with self._lock:
            try:
                return self._ledger.refresh().head_label
            except (Refusal, OSError):
                return self._ledger.state.head_label

    def complaint(self) -> str | None:
        """Why the conductor cannot work on the queue; None where it can."""
        return conductor_status.read_problem(self.paths)

    def check_baseline(self) -> BaselineStatus:
        """The baseline of the present generation."""
        with self.reading() as (study, config):
            fault = command_fault(self.paths, config)
            if fault is not None and study.generation is None:
                raise fault  # nothing has been recorded that anybody could want to read
            broken = () if fault is None else (Notice(fault.code, fault.message),)
            pending, past = self._rereader.pending(study.state, config.rules), self._ledger.past()
            notices = (*self._observer.notices(study), *pending, *broken, *config.notices(study.generation), *past)
            status = self._cache.get(study, ("check_baseline", notices), lambda: baseline_status(study, notices))
            return self._with_unfinished_report(study, status)

    def observe(self, run_id: str) -> RunResult:
        """The present result of a run; starts a conductor where runs are active and none runs.

        Raises:
            RunUnknown: The ledger has no such run.
        """
        with self.reading(run_id) as (study, config):
            run = known_run(study.state, run_id)
            if self._ledger.state.active:  # including lost runs, which a conductor has to record
                with writing():
                    self._start_conductor(self.paths)
            result = self._observer.run_result(study, run)
            if result.is_active:
                return with_exclusions(result, study.state, run, config)
            return self._with_unfinished_report(study, result)

    @property
    def engines(self) -> Engines:
        """The engines of the project's runs."""
        return self._engines

    @property
    def waits(self) -> QueueWaits:
        """What queued runs wait for, and when each has ended; asked with the state of a study from `reading`."""
        return self._waits

    def run_now(self, study: Study, run: Run) -> RunResult:
        """The present result of a run of a study from `reading`; unlike `observe`, it starts nothing."""
        return self._observer.run_result(study, run)

    def run_times(self, run_id: str) -> tuple[str, str]:
        """When a run was requested, and when its state last changed (ISO 8601, UTC).

        Raises:
            RunUnknown: The ledger has no such run.
        """
        with self._lock:
            run = known_run(self._ledger.refresh(), run_id)
            requested = run.requested or ""
            return requested, run.ended or run.started or requested

    def watch(self) -> FileWatch:
        """What wakes whoever waits for a run, as its end is a record of the ledger; look between this and the wait."""
        watch = FileWatch(SLOW_S)
        watch.follow(files=[self.paths.ledger])
        return watch

    def failed_runs(self) -> list[FailedRow]:
        """The seeds of the present generation whose newest attempt brought no value, in the order of their runs."""
        with self.reading() as (study, _):
            return self._observer.failed_rows(study)

    def list_experiments(self, offset: int = 0, limit: int = 20) -> ExperimentList:
        """A page of all experiments of the ledger, in the order of their declaration."""
        if offset < 0 or not 1 <= limit <= 100:
            raise BadArguments("offset is at least 0 and limit is 1 to 100.")
        with self.reading() as (study, _):
            page, hints = ("list_experiments", offset, limit), self._observer.hints
            result = self._cache.get(study, page, lambda: experiment_list(study, offset, limit, hints(study)))
            if study.state.active:
                queue = queued_rows(study.state, self._waits.expected_ends(study.state))
                result = result.model_copy(update={"queue": queue})
            return self._with_unfinished_report(study, result)

    # --- running ------------------------------------------------------------------------------

    def request_run(self, request: RunRequest) -> str:
        """Admit a request, record it, and start a conductor where none runs; return the run's id.

        Raises:
            Refusal: With its code and the next allowed call.
        """
        config = self._rereader.settings()
        with self._lock:
            project = self._project(config, is_asked=True)
            # A refused request must leave nothing behind, not even an empty state folder.
            with writing():
                study = self._study(self._ledger.refresh(), config)
                first = admit(study, request, project.at(study.state))
                project.require_comparable(first)
                project.require_sealed(first)
            project.require_command()
        with writing(), self._ledger.writing() as writer:
            study = self._study(writer.state, config)
            admission = admit(study, request, project.at(study.state))
            project.require_comparable(admission)
            for event in admission.events:
                project.keep(event)
                writer.append(event)
        if admission.refusal is not None:
            raise admission.refusal
        # Outside the file lock: a conductor checks the queue under that lock before it retires.
        with self._lock, writing():
            if self._ledger.state.active:
                self._start_conductor(self.paths)
        if request.role is Role.CONFIRM and request.experiment is not None:
            with suppress(OSError), self._ledger.writing() as writer:  # the run is requested, whatever the disk does
                self._rewrite_report(writer, config, request.experiment)
        return admission.run_id

    def stop(self, run_id: str | None, experiment: str | None, reason: str) -> RunResult | WithdrawnResult:
        """Cancel a run, or withdraw an experiment.

        Raises:
            BadArguments: Not exactly one of the two is named.
        """
        if run_id is not None and experiment is None:
            return self.stop_run(run_id, reason)
        if experiment is not None and run_id is None:
            return self.stop_experiment(experiment, reason)
        raise BadArguments("name either the run (run_id) or the experiment that is withdrawn (experiment).")

    def stop_run(self, run_id: str, reason: str) -> RunResult:
        """Cancel a queued or running run.

        Raises:
            RunUnknown, RunEnded, BadArguments: Nothing to stop, or no reason given.
        """
        grace_s = load_config(self.paths.settings).settings.grace_s
        with writing():
            self._stop_resume.stop(run_id, reason)
        return self._await_end(run_id, grace_s)

    def stop_experiment(self, name: str, reason: str) -> WithdrawnResult:
        """Withdraw an experiment of which nothing was seen; its runs are cancelled, and none is due any more.

        One with values that can get no further run is closed.

        Raises:
            ExperimentUnknown, ExperimentMeasured, BadArguments: It cannot be withdrawn, or no reason given.
        """
        with self.reading() as (study, config):
            stuck = self._stuck(config)
            running = self._stop_resume.runs_to_end(study, name, reason, stuck)
            shown = [self._observer.run_result(study, run) for run in running]
            if any(self._may_be_known(study, one) for one in shown):
                raise measured_refusal(study, known_experiment(study, name))
        for run in running:
            with suppress(RunEnded):  # it has just ended by itself
                self.stop_run(run.run_id, reason)
        with writing(), self.reading() as (_, config):
            self._stop_resume.withdraw(lambda state: self._study(state, config), name, reason, stuck)
        with self.reading() as (study, _):
            return withdrawn_result(study, known_experiment(study, name))

    def _stuck(self, config: Config) -> Callable[[Study, Experiment], bool]:
        """Tells whether an experiment can get no further run in the project as it is."""

        def stuck(study: Study, experiment: Experiment) -> bool:
            project = self._project(config).at(study.state)
            return is_stuck(study, experiment, lambda one: project.require_comparable(admit(study, one, project)))

        return stuck

    def _may_be_known(self, study: Study, seen: RunResult) -> bool:
        """Whether a run of an experiment that goes on has shown its metric, or trained so long that it is a draw."""
        name = study.rules.metric.name
        return name in seen.metrics or (seen.elapsed_s or 0.0) >= TRAINED_S

    def stop_all(self, reason: str) -> Iterator[RunResult]:
        """Cancel every queued or running run, the newest request first; yield the result of each.

        Raises:
            BadArguments: No reason given.
        """
        require_reason(reason, "the runs are stopped")
        with self.reading() as (study, _):
            active = list(study.state.active)
        for run_id in reversed(active):
            try:
                yield self.stop_run(run_id, reason)
            except RunEnded:
                continue  # it has just ended by itself

    def resume(self, reason: str) -> int:
        """Record that a person has looked at the failures in a row; return their number.

        Raises:
            NothingDue, BadArguments: There are none, or no reason given.
        """
        with writing():
            return self._stop_resume.resume(reason)

    def _await_end(self, run_id: str, grace_s: float) -> RunResult:
        """Wait until the run has ended, at most a little longer than its grace period; return its result."""
        deadline = time.monotonic() + grace_s + CANCEL_PATIENCE_S
        with self.watch() as watch:
            while True:
                result = self.observe(run_id)
                if not result.is_active or time.monotonic() > deadline:
                    return result
                watch.wait(deadline - time.monotonic(), BLIND_S)

    # --- judging ------------------------------------------------------------------------------

    def compare(self, name: str, against: str | None = None) -> ComparisonResult:
        """The verdict on an experiment; recorded once per set of runs. One of an earlier generation is as issued.

        Args:
            against: Another experiment of its generation, beside which it is shown without a verdict.

        Raises:
            Refusal: The baseline or the experiment is incomplete; with the next call.
        """
        config = self._rereader.settings()
        with self._lock:
            study = self._study(self._ledger.refresh(), config)
            if against is not None:
                return against_result(study, name, against, self._ledger.past())
            earlier = earlier_result(study, name, self._ledger.past())
            if earlier is not None:
                return earlier
            judged = self._judge(study, config, name)
        with writing(), self._ledger.writing() as writer:
            comparison = self._issue(writer, judged, config, name)
            rewritten = self._rewrite_report(writer, config, name, comparison)
            study = self._rereader.study(writer.state, config.rules, self._memory.of(writer.state))
            notices = [*self._ledger.past(), *rewritten]
            return self._with_unfinished_report(study, comparison_result(study, comparison, notices))

    def _judge(self, study: Study, config: Config, name: str) -> "_Judged":
        return _Judged(study.state, study.state.seq, judge_experiment(study, name, config.settings.accepted))

    def _issue(self, writer: Writer, judged: "_Judged", config: Config, name: str) -> Comparison:
        """Record the verdict; judge again where records were appended before the lock was taken."""
        if judged.state is not writer.state or judged.seq != writer.state.seq:
            study = self._rereader.study(writer.state, config.rules, self._memory.of(writer.state))
            judged = self._judge(study, config, name)
        issue_verdict(writer, judged.comparison, self._randbelow)
        return judged.comparison

    # --- reporting ----------------------------------------------------------------------------

    def _rewrite_report(
        self, writer: Writer, config: Config, name: str, comparison: Comparison | None = None
    ) -> list[Notice]:
        """Let no report outlive its verdict; return notices on what was written again."""
        found = self._reports.rewrite(writer, config, name, comparison)
        if found:
            write_study(self.paths, writer.state)
            self._ledger.write_mirror()
        return found

    def write_report(self, name: str | None = None) -> ReportResult:
        """Write the baseline's or an experiment's report, then remove what its runs left and nothing keeps.

        A report on the same runs is restored byte for byte instead.

        Raises:
            Refusal: As for `compare`; for the baseline while it is incomplete.
        """
        config, judged = self._rereader.settings(), None
        with self._lock:
            study = self._study(self._ledger.refresh(), config)
            if name is None:
                require_baseline(study)
            else:
                judged = self._judge(study, config, name)
        with writing(), self._ledger.writing() as writer:
            files.remove_leftovers(self.paths.research)  # safe: only reports are written there, under this lock
            comparison = None if judged is None or name is None else self._issue(writer, judged, config, name)
            kept = keep_earlier_baseline(self.paths, self._ledger, writer, config.rules.label) if name is None else []
            report, moved = self._reports.record_report(writer, config.rules, comparison)
            self._reports.restore(report)
            done = clean_up(self.paths, writer, name, config.settings)
            _, replaced = write_study(self.paths, writer.state)
            self._ledger.write_mirror()
            study = self._rereader.study(writer.state, config.rules, self._memory.of(writer.state))
            result = report_result(study, report, done, [*kept, *moved, *replaced, *done.notices])
            return self._with_unfinished_report(study, result)

    def write_study(self) -> ReportResult:
        """Write the study page alone.

        Raises:
            BaselineMissing: The ledger has no generation.
        """
        config = self._rereader.settings()
        with self._lock:
            if not self._ledger.refresh().generations:
                require_baseline(self._study(self._ledger.state, config))
        with writing(), self._ledger.writing() as writer:
            writer.disclose()
            text, notices = write_study(self.paths, writer.state)
            self._ledger.write_mirror()  # it has to hold the head that the page names
            study = self._rereader.study(writer.state, config.rules, self._memory.of(writer.state))
            return study_result(study, self.paths, text, notices)

    def left_by_runs(self, *, remove: bool) -> list[str]:
        """What runs left besides their output folders, a line for each arm.

        Args:
            remove: Whether what no arm needs any more is removed.
        """
        settings = load_config(self.paths.settings).settings
        with self._lock:
            state = self._ledger.refresh()
        if not state.generations:
            return []
        if not remove:
            return left_lines(self.paths.root, state, left_by_runs(self.paths, state, settings), removed=False)
        with writing(), self._ledger.writing() as writer:
            found = remove_unneeded(self.paths, writer, settings)
            return left_lines(self.paths.root, writer.state, found, removed=True)

    # --- shared -------------------------------------------------------------------------------

    def _project(self, config: Config, is_asked: bool = False) -> ProjectFolder:
        """The project as a run on its first slot would meet it.

        Args:
            is_asked: Whether a run is asked for, which slots with unlike devices would make worthless.
        """
        engine = self._engines.chosen(config.settings)
        slots, place = engine.slots(config.settings), engine.place()
        if is_asked:
            require_alike(self.paths, config, slots, place)
        return ProjectFolder(self.paths, placement(self.paths, config, slots, slots[0]).config, place, self._randbelow)

    @contextmanager
    def reading(self, awaited: str | None = None) -> Iterator[tuple[Study, Config]]:
        """The study with the present states of running runs, and the settings; the state stays as it is meanwhile.

        Args:
            awaited: The run that somebody waits for, if any.
        """
        with self._lock:
            config = load_config(self.paths.settings)
            yield self._study(self._ledger.refresh(), config, awaited), config

    def _study(self, state: State, config: Config, awaited: str | None = None) -> Study:
        """A study of the state, with the present states of running runs."""
        live = self._observer.with_live_states(state, awaited)
        return self._rereader.study(live, config.rules, self._memory.of(state))

    def _with_unfinished_report(self, study: Study, result: R) -> R:
        """The result; an unfinished report becomes its next call, before a new experiment or a confirmation."""
        if result.next is None or not is_after_reports(result.next.arguments, result.next.you_choose):
            return result
        unfinished = self._reports.unfinished(study)
        return result if unfinished is None else result.model_copy(update={"next": Follow.of(unfinished)})


@dataclass(frozen=True)
class _Judged:
    """A verdict, and the state that it was given on."""

    state: State
    seq: int
    """Number of records at that time; the same object may have more now."""
    comparison: Comparison
