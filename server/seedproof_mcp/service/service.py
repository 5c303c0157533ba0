"""The use cases behind tools and command line; every surface goes through here and its gate."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from seedproof.admission.gate import admit
from seedproof.admission.request import RunRequest
from seedproof.ledger.events import ReportWritten
from seedproof.ledger.state import State
from seedproof.model.refusals import BadArguments, Refusal, RunEnded
from seedproof.model.results import Comparison, Notice
from seedproof.phases.next_call import baseline_next, experiment_next, require_baseline
from seedproof.phases.study import Memory, Study

from seedproof_mcp.host.settings import Config, load_config
from seedproof_mcp.ledger.file import Ledger, Writer
from seedproof_mcp.runner import conductor_status
from seedproof_mcp.runner.engines import Engine, Engines
from seedproof_mcp.runner.launcher import ensure_conductor
from seedproof_mcp.service.cache import ResultCache
from seedproof_mcp.service.os_errors import writing
from seedproof_mcp.service.overview import baseline_status, experiment_list
from seedproof_mcp.service.project import ProjectFolder
from seedproof_mcp.service.reports import Reports, unverified_report
from seedproof_mcp.service.results import (
    BaselineStatus,
    ComparisonResult,
    ExperimentList,
    Follow,
    ReportResult,
    Result,
    RunResult,
)
from seedproof_mcp.service.run_status import Observer, with_exclusions
from seedproof_mcp.service.stop_resume import StopResume, known_run, require_reason
from seedproof_mcp.service.verdicts import issue_verdict, judge_experiment
from seedproof_mcp.service.views import comparison_result, notice_results
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Lab"]

R = TypeVar("R", bound=Result)

CANCEL_PATIENCE_S = 5.0


class Lab:
    """One project, as every surface sees it. Safe to call from several threads."""

    def __init__(
        self,
        project: Path,
        engine: Engine | None = None,
        start_conductor: Callable[[ProjectPaths], None] = ensure_conductor,
    ) -> None:
        """Open a project; nothing is created before the first run is requested.

        Args:
            engine: Takes every run; by default the one that the settings choose.
            start_conductor: Makes sure that somebody works on the queue.
        """
        self.paths = ProjectPaths(project.resolve())
        self._engines = Engines(engine)
        self._start_conductor = start_conductor
        self._ledger = Ledger(self.paths)
        self._observer = Observer(self.paths, self._engines)
        self._stop_resume = StopResume(self.paths, self._ledger, self._engines)
        self._reports = Reports(self.paths, self._ledger)
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
        """What keeps the queue from going on; None if nothing does."""
        return conductor_status.read_problem(self.paths)

    def check_baseline(self) -> BaselineStatus:
        """Where the baseline of the present generation stands."""
        with self._reading() as (study, _):
            beside = (*unverified_report(self.paths, study.state, study.rules), *self._ledger.past())
            status = self._cache.get(study, ("check_baseline", beside), lambda: baseline_status(study, beside))
            return self._finishing_first(study, status)

    def observe(self, run_id: str) -> RunResult:
        """One run as it stands now; a dead conductor is replaced on the way.

        Raises:
            RunUnknown: The ledger has no such run.
        """
        with self._reading(run_id) as (study, config):
            run = known_run(study.state, run_id)
            if self._ledger.state.active:  # those that are lost included: somebody has to write that down
                with writing():
                    self._start_conductor(self.paths)
            seen = self._observer.run_result(study, run)
            if seen.is_active:
                return with_exclusions(seen, study.state, run, config)
            return self._finishing_first(study, seen)

    def open_runs(self, run_id: str) -> list[str]:
        """A run, and after it what is queued or training of the same arm, in that order."""
        with self._reading() as (study, _):
            state, first = study.state, study.state.runs[run_id]
            active = [state.runs[one] for one in state.active if one != run_id]
            same = [run for run in active if (run.generation, run.experiment) == (first.generation, first.experiment)]
            return [run_id, *(run.run_id for run in same if run.role is first.role)]

    def list_experiments(self, offset: int = 0, limit: int = 20) -> ExperimentList:
        """A page of all experiments of the ledger, in the order of their declaration."""
        if offset < 0 or not 1 <= limit <= 100:
            raise BadArguments("offset is at least 0 and limit is 1 to 100.")
        with self._reading() as (study, _):
            page = ("list_experiments", offset, limit)
            shown = self._cache.get(study, page, lambda: experiment_list(study, offset, limit))
            return self._finishing_first(study, shown)

    # --- running ------------------------------------------------------------------------------

    def request_run(self, request: RunRequest) -> str:
        """Pass the gate, write the request down, see to it that somebody works; the run's id.

        Raises:
            Refusal: With its code and the next allowed call.
        """
        with self._lock:
            config = load_config(self.paths.settings)
            project = ProjectFolder(self.paths, config, self._engines.chosen(config.settings).place())
            # Refused requests must leave no trace, not even an empty state folder.
            with writing():
                study = self._study(self._ledger.refresh(), config)
                first = admit(study, request, project.at(study.state))
                project.require_comparable(first)
                project.require_sealed(first)
            project.require_script()
        with writing(), self._ledger.writing() as writer:
            study = self._study(writer.state, config)
            admission = admit(study, request, project.at(study.state))
            project.require_comparable(admission)
            for event in admission.events:
                project.keep(event)
                writer.append(event)
        if admission.refusal is not None:
            raise admission.refusal
        # After the lock is given up: a conductor that retires has looked at the queue under it.
        with self._lock, writing():
            if self._ledger.state.active:
                self._start_conductor(self.paths)
        return admission.run_id

    def stop_run(self, run_id: str, reason: str) -> RunResult:
        """Cancel a queued or running run.

        Raises:
            RunUnknown, RunEnded, BadArguments: Nothing to stop, or no reason given.
        """
        grace_s = load_config(self.paths.settings).settings.grace_s
        with writing():
            self._stop_resume.stop(run_id, reason)
        return self._await_end(run_id, grace_s)

    def stop_all(self, reason: str) -> Iterator[RunResult]:
        """Cancel everything that is queued or running, the newest request first; each run as it stands then.

        Raises:
            BadArguments: No reason given.
        """
        require_reason(reason, "the runs are stopped")
        with self._reading() as (study, _):
            active = list(study.state.active)
        for run_id in reversed(active):
            try:
                yield self.stop_run(run_id, reason)
            except RunEnded:
                continue  # by itself, in this moment

    def resume(self, reason: str) -> int:
        """Write down that a person has looked at a row of failures; how many they were.

        Raises:
            NothingDue, BadArguments: Nothing is held back, or no reason given.
        """
        with writing():
            return self._stop_resume.resume(reason)

    def _await_end(self, run_id: str, grace_s: float) -> RunResult:
        """Wait until the training is gone: as long as it is granted, and a little longer."""
        deadline = time.monotonic() + grace_s + CANCEL_PATIENCE_S
        while True:
            seen = self.observe(run_id)
            if not seen.is_active or time.monotonic() > deadline:
                return seen
            time.sleep(0.05)

    # --- judging ------------------------------------------------------------------------------

    def compare(self, name: str) -> ComparisonResult:
        """The verdict on an experiment; written down once for each state of the arm.

        Raises:
            Refusal: The baseline or the experiment is not complete, with the next call.
        """
        with self._lock:
            config = load_config(self.paths.settings)
            judged = self._judge(self._study(self._ledger.refresh(), config), config, name)
        with writing(), self._ledger.writing() as writer:
            comparison = self._issue(writer, judged, config, name)
            study = Study(writer.state, config.rules, self._memory.of(writer.state))
            return self._finishing_first(study, comparison_result(study, comparison, self._ledger.past()))

    def _judge(self, study: Study, config: Config, name: str) -> "_Judged":
        return _Judged(study.state, study.state.seq, judge_experiment(study, name, config.settings.accepted))

    def _issue(self, writer: Writer, judged: "_Judged", config: Config, name: str) -> Comparison:
        """Write the verdict down; judged again where records came between the decision and the lock."""
        if judged.state is not writer.state or judged.seq != writer.state.seq:
            study = Study(writer.state, config.rules, self._memory.of(writer.state))
            judged = self._judge(study, config, name)
        issue_verdict(writer, judged.comparison)
        return judged.comparison

    # --- reporting ----------------------------------------------------------------------------

    def write_report(self, name: str | None = None) -> ReportResult:
        """Write the baseline's or an experiment's report, then remove its checkpoints.

        A report that was written from the same runs is restored byte for byte instead.

        Raises:
            Refusal: As for `compare`; for the baseline while it is not complete.
        """
        with self._lock:
            config, judged = load_config(self.paths.settings), None
            study = self._study(self._ledger.refresh(), config)
            if name is None:
                require_baseline(study)
            else:
                judged = self._judge(study, config, name)
        with writing(), self._ledger.writing() as writer:
            files.remove_leftovers(self.paths.research)  # only reports are written there, under this lock
            comparison = None
            if judged is not None and name is not None:
                comparison = self._issue(writer, judged, config, name)
            report, moved = self._reports.record_report(writer, config.rules, comparison)
            self._reports.restore(report)
            removed, freed, left = self._reports.clean_up(writer, name)
            self._ledger.write_mirror()
            study = Study(writer.state, config.rules, self._memory.of(writer.state))
            return self._report_result(study, report, removed, freed, [*moved, *left])

    def _report_result(
        self, study: Study, report: ReportWritten, removed: list[str], freed: int, notices: list[Notice]
    ) -> ReportResult:
        experiment = None if report.experiment is None else study.find(report.experiment)
        written = ReportResult.model_validate(
            {
                "path": report.path,
                "sha256": report.sha256,
                "headline": report.headline,
                "verdict": report.verdict,
                "figures": list(report.figures),
                "removed": removed,
                "freed_bytes": freed,
                "ledger_head": study.state.head_label,
                "notices": notice_results(notices),
                "next": Follow.of(baseline_next(study) if experiment is None else experiment_next(study, experiment)),
            }
        )
        return self._finishing_first(study, written)

    # --- shared -------------------------------------------------------------------------------

    @contextmanager
    def _reading(self, awaited: str | None = None) -> Iterator[tuple[Study, Config]]:
        with self._lock:
            config = load_config(self.paths.settings)
            yield self._study(self._ledger.refresh(), config, awaited), config

    def _study(self, state: State, config: Config, awaited: str | None = None) -> Study:
        """The study of this moment, with runs as they can be seen."""
        return Study(self._observer.with_live_states(state, awaited), config.rules, self._memory.of(state))

    def _finishing_first(self, study: Study, result: R) -> R:
        """The result; a report whose writing was cut short comes before anything new, and before a confirmation."""
        if result.next is None or not ("experiment" in result.next.you_choose or "role" in result.next.arguments):
            return result
        unfinished = self._reports.unfinished(study)
        return result if unfinished is None else result.model_copy(update={"next": Follow.of(unfinished)})


@dataclass(frozen=True)
class _Judged:
    """A verdict, and the state that it was given on."""

    state: State
    seq: int
    """How many records the state held; more may be added to the same object."""
    comparison: Comparison
