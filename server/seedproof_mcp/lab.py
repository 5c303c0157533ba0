"""The use cases behind tools and command line; every surface goes through here and its gate."""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from seedproof.acceptance import check_now
from seedproof.declaration import Admission, RunRequest
from seedproof.errors import (
    WHERE_WE_STAND,
    BadArguments,
    NextCall,
    NothingDue,
    NotWritable,
    Refusal,
    RunEnded,
    RunUnknown,
    ScriptMissing,
)
from seedproof.gate import admit
from seedproof.phases import (
    baseline_next,
    experiment_next,
    present_baseline,
)
from seedproof.records import Record
from seedproof.rules import Rules
from seedproof.state import State
from seedproof.values import Notice, Run, RunState

from seedproof_mcp import complaint, disk
from seedproof_mcp.archive import Archive, judge_experiment, require_reportable, unverified_report
from seedproof_mcp.conductor_start import ensure_conductor
from seedproof_mcp.config import Config, load_config
from seedproof_mcp.declared import with_exclusions
from seedproof_mcp.engines import Engine
from seedproof_mcp.engines.local import LocalEngine
from seedproof_mcp.fingerprint import present_surroundings
from seedproof_mcp.ledger import Ledger
from seedproof_mcp.observe import Observer
from seedproof_mcp.overview import baseline_status, experiment_list
from seedproof_mcp.paths import ProjectPaths
from seedproof_mcp.remembered import Remembered
from seedproof_mcp.results import (
    BaselineStatus,
    ComparisonResult,
    ExperimentList,
    Follow,
    ReportResult,
    Result,
    RunResult,
)
from seedproof_mcp.site import ProjectSite
from seedproof_mcp.views import (
    comparison_result,
    notice_results,
)

__all__ = ["Lab"]

R = TypeVar("R", bound=Result)

MAX_REASON = 2000
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
            engine: Where logs are read and runs cancelled; the local one by default.
            start_conductor: Makes sure that somebody works on the queue.
        """
        self.paths = ProjectPaths(project.resolve())
        self._engine = engine or LocalEngine()
        self._start_conductor = start_conductor
        self._ledger = Ledger(self.paths)
        self._observer = Observer(self.paths, self._engine)
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
        return complaint.read(self.paths)

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
            run = state.runs.get(run_id)
            if run is None:
                raise _unknown_run(run_id)
            if self._ledger.state.active:  # those that are lost included: somebody has to write that down
                with _writing():
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
            site = ProjectSite(self.paths, config)
            # Refused requests must leave no trace, not even an empty state folder.
            with _writing():
                seen = self._seen()
                first = admit(seen, config.rules, request, site.at(seen))
                self._require_comparable(seen, first, config)
                site.require_sealed(first)
            self._require_script(config.rules)
        with _writing(), self._ledger.writing() as writer:
            newest = self._observer.as_seen(writer.state)
            admission = admit(newest, config.rules, request, site.at(newest))
            self._require_comparable(newest, admission, config)
            for kind, fields in admission.records:
                site.keep(fields)
                writer.append(kind, **fields)
        if admission.refusal is not None:
            raise admission.refusal
        # After the lock is given up: a conductor that retires has looked at the queue under it.
        with self._lock, _writing():
            if self._ledger.state.active:
                self._start_conductor(self.paths)
        return admission.run_id

    def stop_run(self, run_id: str, reason: str) -> RunResult:
        """Cancel a queued or running run.

        Raises:
            RunUnknown, RunEnded, BadArguments: Nothing to stop, or no reason given.
        """
        grace_s = load_config(self.paths.settings).settings.grace_s
        with self._lock, _writing():
            self._require_active(self._ledger.refresh(), run_id)
        again = NextCall("stop_run", "Stops the run.", {"run_id": run_id}, ("reason",))
        _require_reason(reason, "the run is stopped", again)
        with _writing(), self._ledger.writing() as writer:
            run = self._require_active(writer.state, run_id)
            if run.state is RunState.QUEUED:
                writer.append("run_cancelled", run_id=run_id, reason=reason, metrics={})
            else:
                self._engine.cancel(str(self.paths.run(run_id).folder), reason)
        return self._await_end(run_id, grace_s)

    def stop_all(self, reason: str) -> Iterator[RunResult]:
        """Cancel everything that is queued or running, the newest request first; each run as it stands then.

        Raises:
            BadArguments: No reason given.
        """
        _require_reason(reason, "the runs are stopped")
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
        _require_reason(reason, "the runs failed")
        with self._lock, _writing():
            _require_failures(self._ledger.refresh())
        with _writing(), self._ledger.writing() as writer:
            failures = _require_failures(writer.state)
            writer.append("resumed", reason=reason, failures=failures)
            return failures

    def _require_active(self, state: State, run_id: str) -> Run:
        run = state.runs.get(run_id)
        if run is None:
            raise _unknown_run(run_id)
        if not run.state.is_active:
            raise RunEnded(
                f"the run has ended already ({run.state}).",
                NextCall("list_experiments", "Shows what is running and queued."),
            )
        return run

    def _await_end(self, run_id: str, grace_s: float) -> RunResult:
        """Wait until the training is gone: as long as it is granted, and a little longer."""
        deadline = time.monotonic() + grace_s + CANCEL_PATIENCE_S
        while True:
            seen = self.observe(run_id)
            if not seen.is_active or time.monotonic() > deadline:
                return seen
            time.sleep(0.05)

    def _require_script(self, rules: Rules) -> None:
        if not (self.paths.root / rules.script).is_file():
            raise ScriptMissing(
                f"{rules.script} is not in the project folder; the command in seedproof.toml names the script.",
                NextCall("check_baseline", "Shows where the protocol stands once the script is there."),
            )

    def _require_comparable(self, state: State, admission: Admission, config: Config) -> None:
        """Refuse runs that would be carried out with other packages, or on another device, than the baseline's."""
        check_now(state, admission.records, config.settings.accepted, lambda: present_surroundings(self.paths, config))

    # --- judging ------------------------------------------------------------------------------

    def compare(self, name: str) -> ComparisonResult:
        """The verdict on an experiment; written down once for each state of the arm.

        Raises:
            Refusal: The baseline or the experiment is not complete, with the next call.
        """
        with self._lock:
            config = load_config(self.paths.settings)
            judge_experiment(self._seen(), config.rules, name, config.settings.accepted)
        with _writing(), self._ledger.writing() as writer:
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
        with _writing(), self._ledger.writing() as writer:
            disk.remove_leftovers(self.paths.research)  # only reports are written there, under this lock
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


@contextmanager
def _writing() -> Iterator[None]:
    """What the file system refuses becomes a refusal that says what to do.

    Raises:
        NotWritable: No permission, no space, no file locks, a lock not given up, a file where a folder is needed.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EIO,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.ENOENT,
            errno.EISDIR,
            errno.EFBIG,
            errno.ESTALE,
        ) and not isinstance(error, disk.NoFileLocks | disk.LockHeld):
            raise
        raise NotWritable(
            complaint.cure(error),
            NextCall("check_baseline", "Shows where the protocol stands; works without writing."),
        ) from error


def _require_reason(reason: str, of_what: str, again: NextCall = WHERE_WE_STAND) -> None:
    if not reason.strip() or len(reason) > MAX_REASON:
        raise BadArguments(f"reason says in 1 to {MAX_REASON} characters why {of_what}.", again)


def _require_failures(state: State) -> int:
    if not state.failures_in_row:
        raise NothingDue("the last run did not fail, so nothing is held back.")
    return state.failures_in_row


def _unknown_run(run_id: str) -> RunUnknown:
    return RunUnknown(
        f"the ledger has no run {run_id!r:.80}.", NextCall("list_experiments", "Shows what is running and queued.")
    )
