"""The use cases behind tools and command line; every surface goes through here and its gate."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from seedproof.admission.gate import admit
from seedproof.admission.request import RunRequest
from seedproof.ledger.records import Record
from seedproof.ledger.state import State
from seedproof.model.refusals import BadArguments, Refusal, RunEnded
from seedproof.model.results import Notice
from seedproof.model.rules import Rules
from seedproof.phases.next_call import baseline_next, experiment_next, present_baseline

from seedproof_mcp.host.settings import Config, load_config
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner import conductor_status
from seedproof_mcp.runner.engines import Engine, Engines
from seedproof_mcp.runner.launcher import ensure_conductor
from seedproof_mcp.service.cache import Remembered
from seedproof_mcp.service.os_errors import writing
from seedproof_mcp.service.overview import baseline_status, experiment_list
from seedproof_mcp.service.project import ProjectSite
from seedproof_mcp.service.reports import Archive, unverified_report
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
from seedproof_mcp.service.stop_resume import Interventions, known_run, require_reason
from seedproof_mcp.service.verdicts import judge_experiment, require_reportable
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
        self._interventions = Interventions(self.paths, self._ledger, self._engines)
        self._archive = Archive(self.paths, self._ledger)
        self._remembered = Remembered()
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
        with self._reading() as (state, config):
            beside = (*unverified_report(self.paths, state, config.rules), *self._ledger.past())
            status = self._remembered.get(
                state,
                config.rules,
                ("check_baseline", beside),
                lambda: baseline_status(state, config.rules, beside),
            )
            return self._finishing_first(state, config.rules, status)

    def observe(self, run_id: str) -> RunResult:
        """One run as it stands now; a dead conductor is replaced on the way.

        Raises:
            RunUnknown: The ledger has no such run.
        """
        with self._reading(run_id) as (state, config):
            run = known_run(state, run_id)
            if self._ledger.state.active:  # those that are lost included: somebody has to write that down
                with writing():
                    self._start_conductor(self.paths)
            seen = self._observer.run_result(state, config.rules, run)
            if seen.is_active:
                return with_exclusions(seen, state, run, config)
            return self._finishing_first(state, config.rules, seen)

    def open_runs(self, run_id: str) -> list[str]:
        """A run, and after it what is queued or training of the same arm, in that order."""
        with self._reading() as (state, _):
            first = state.runs[run_id]
            active = [state.runs[one] for one in state.active if one != run_id]
            same = [run for run in active if (run.generation, run.experiment) == (first.generation, first.experiment)]
            return [run_id, *(run.run_id for run in same if run.role is first.role)]

    def list_experiments(self, offset: int = 0, limit: int = 20) -> ExperimentList:
        """A page of all experiments of the ledger, in the order of their declaration."""
        if offset < 0 or not 1 <= limit <= 100:
            raise BadArguments("offset is at least 0 and limit is 1 to 100.")
        with self._reading() as (state, config):
            rules, page = config.rules, ("list_experiments", offset, limit)
            shown = self._remembered.get(state, rules, page, lambda: experiment_list(state, rules, offset, limit))
            return self._finishing_first(state, rules, shown)

    # --- running ------------------------------------------------------------------------------

    def request_run(self, request: RunRequest) -> str:
        """Pass the gate, write the request down, see to it that somebody works; the run's id.

        Raises:
            Refusal: With its code and the next allowed call.
        """
        with self._lock:
            config = load_config(self.paths.settings)
            site = ProjectSite(self.paths, config, self._engines.chosen(config.settings).place())
            # Refused requests must leave no trace, not even an empty state folder.
            with writing():
                seen = self._seen()
                first = admit(seen, config.rules, request, site.at(seen))
                site.require_comparable(first)
                site.require_sealed(first)
            site.require_script()
        with writing(), self._ledger.writing() as writer:
            newest = self._observer.as_seen(writer.state)
            admission = admit(newest, config.rules, request, site.at(newest))
            site.require_comparable(admission)
            for kind, fields in admission.records:
                site.keep(fields)
                writer.append(kind, **fields)
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
            self._interventions.stop(run_id, reason)
        return self._await_end(run_id, grace_s)

    def stop_all(self, reason: str) -> Iterator[RunResult]:
        """Cancel everything that is queued or running, the newest request first; each run as it stands then.

        Raises:
            BadArguments: No reason given.
        """
        require_reason(reason, "the runs are stopped")
        with self._reading() as (state, _):
            active = list(state.active)
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
            return self._interventions.resume(reason)

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
            judge_experiment(self._seen(), config.rules, name, config.settings.accepted)
        with writing(), self._ledger.writing() as writer:
            comparison = self._archive.issue_verdict(writer, config.rules, name, config.settings.accepted)
            compared = comparison_result(writer.state, comparison, self._ledger.past())
            return self._finishing_first(writer.state, config.rules, compared)

    # --- reporting ----------------------------------------------------------------------------

    def write_report(self, name: str | None = None) -> ReportResult:
        """Write the baseline's or an experiment's report, then remove its checkpoints.

        A report that was written from the same runs is restored byte for byte instead.

        Raises:
            Refusal: As for `compare`; for the baseline while it is not complete.
        """
        with self._lock:
            config = load_config(self.paths.settings)
            require_reportable(self._seen(), config.rules, name, config.settings.accepted)
        with writing(), self._ledger.writing() as writer:
            files.remove_leftovers(self.paths.research)  # only reports are written there, under this lock
            record, moved = self._archive.record_report(writer, config.rules, name, config.settings.accepted)
            self._archive.restore(record)
            removed, freed, left = self._archive.clean_up(writer, name)
            self._ledger.write_mirror()
            return self._report_result(record, config.rules, removed, freed, [*moved, *left])

    def _report_result(
        self, record: Record, rules: Rules, removed: list[str], freed: int, notices: list[Notice]
    ) -> ReportResult:
        state, name = self._ledger.state, record["experiment"]
        following = baseline_next(state, rules)
        if name is not None:
            following = experiment_next(state, state.generations[-1].experiments[name], present_baseline(state, rules))
        written = ReportResult(
            path=record["path"],
            sha256=record["sha256"],
            headline=record["headline"],
            verdict=record["verdict"],
            figures=record["figures"],
            removed=removed,
            freed_bytes=freed,
            ledger_head=state.head_label,
            notices=notice_results(notices),
            next=Follow.of(following),
        )
        return self._finishing_first(state, rules, written)

    # --- shared -------------------------------------------------------------------------------

    @contextmanager
    def _reading(self, awaited: str | None = None) -> Iterator[tuple[State, Config]]:
        with self._lock:
            config = load_config(self.paths.settings)
            yield self._observer.as_seen(self._ledger.refresh(), awaited), config

    def _finishing_first(self, state: State, rules: Rules, result: R) -> R:
        """The result; a report whose writing was cut short comes before anything new, and before a confirmation."""
        if result.next is None or not ("experiment" in result.next.you_choose or "role" in result.next.arguments):
            return result
        unfinished = self._archive.unfinished(state, rules)
        return result if unfinished is None else result.model_copy(update={"next": Follow.of(unfinished)})

    def _seen(self) -> State:
        """The newest state, with runs as they can be seen."""
        return self._observer.as_seen(self._ledger.refresh())
