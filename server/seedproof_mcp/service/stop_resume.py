"""Stops a run, withdraws an experiment, or resumes after failures in a row; each needs a reason."""

from collections.abc import Callable

from seedproof.admission.withdrawal import admit_withdrawal, known_experiment, unended_runs
from seedproof.ledger.run_ends import RunCancelled
from seedproof.ledger.state import Experiment, State
from seedproof.ledger.study_events import Resumed
from seedproof.model.refusals import WHERE_WE_STAND, BadArguments, NextCall, NothingDue, RunEnded, RunUnknown
from seedproof.model.runs import Run, RunState
from seedproof.phases.calls import show_experiments_call, stop_call, withdraw_call
from seedproof.phases.study import Study

from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner.engines import Engines
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["StopResume", "known_run", "require_reason"]

MAX_REASON = 2000
_SHOWS = "Shows what is running and queued."
Stuck = Callable[[Study, Experiment], bool]


class StopResume:
    """Cancels runs, withdraws experiments and resumes the queue of one project."""

    def __init__(self, paths: ProjectPaths, ledger: Ledger, engines: Engines) -> None:
        self._paths = paths
        self._ledger = ledger
        self._engines = engines

    def stop(self, run_id: str, reason: str) -> None:
        """Cancel a queued run; ask the engine to end a running one, which takes a while.

        Raises:
            RunUnknown, RunEnded, BadArguments: Nothing to stop, or no reason given.
        """
        _require_active(self._ledger.refresh(), run_id)
        require_reason(reason, "the run is stopped", stop_call(run_id))
        with self._ledger.writing() as writer:
            run = _require_active(writer.state, run_id)
            if run.state is RunState.QUEUED:
                writer.append(RunCancelled(run_id=run_id, reason=reason, metrics={}))
                return
        # Behind the lock: a cluster may take its time to answer, and others write meanwhile.
        folder = self._paths.run(run_id)
        self._engines.of(folder).cancel(str(folder.folder), reason)

    def runs_to_end(self, study: Study, name: str, reason: str, stuck: Stuck) -> list[Run]:
        """The runs that have to end before an experiment can be withdrawn or closed.

        Args:
            stuck: Whether an experiment can get no further run.

        Raises:
            ExperimentUnknown, ExperimentMeasured, BadArguments: It cannot be withdrawn, or no reason given.
        """
        experiment = known_experiment(study, name)
        require_reason(reason, "the experiment is withdrawn", withdraw_call(name))
        running = unended_runs(study.state, experiment)
        if not running:
            admit_withdrawal(study, experiment, reason, stuck)
        return running

    def withdraw(self, study_of: Callable[[State], Study], name: str, reason: str, stuck: Stuck) -> Experiment:
        """Cancel the queued runs of an experiment and withdraw it; nothing is recorded where it is withdrawn already.

        Args:
            study_of: Makes a study of the state that is written to.
            stuck: Whether an experiment can get no further run.

        Raises:
            ExperimentUnknown, ExperimentMeasured: It cannot be withdrawn.
        """
        with self._ledger.writing() as writer:
            study = study_of(writer.state)
            experiment = known_experiment(study, name)
            for event in admit_withdrawal(study, experiment, reason, stuck):
                writer.append(event)
            return experiment

    def resume(self, reason: str) -> int:
        """Record that a person has looked at the failures in a row; return their number.

        Raises:
            NothingDue, BadArguments: There are none, or no reason given.
        """
        require_reason(reason, "the runs failed")
        _require_failures(self._ledger.refresh())
        with self._ledger.writing() as writer:
            failures = _require_failures(writer.state)
            writer.append(Resumed(reason=reason, failures=failures, is_told=True))
            return failures


def known_run(state: State, run_id: str) -> Run:
    """The run with this id.

    Raises:
        RunUnknown: The ledger has no such run.
    """
    run = state.runs.get(run_id)
    if run is None:
        raise RunUnknown(f"the ledger has no run {run_id!r:.80}.", show_experiments_call(_SHOWS))
    return run


def require_reason(reason: str, of_what: str, retry_call: NextCall = WHERE_WE_STAND) -> None:
    """Refuse an empty or overlong reason.

    Args:
        of_what: What the reason is for, in the refusal's sentence.
        retry_call: The call that the refusal names.

    Raises:
        BadArguments: It has no character but space, or too many.
    """
    if not reason.strip() or len(reason) > MAX_REASON:
        raise BadArguments(f"reason says in 1 to {MAX_REASON} characters why {of_what}.", retry_call)


def _require_active(state: State, run_id: str) -> Run:
    run = known_run(state, run_id)
    if not run.state.is_active:
        raise RunEnded(
            f"the run has ended already ({run.state}).",
            show_experiments_call(_SHOWS),
        )
    return run


def _require_failures(state: State) -> int:
    if not state.failures_in_row:
        raise NothingDue("the last run did not fail, so nothing is held back.")
    return state.failures_in_row
