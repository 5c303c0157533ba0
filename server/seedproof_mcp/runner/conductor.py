"""The conductor: at most one per project, it takes the runs of the ledger through, one at a time."""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seedproof.admission.gate import still_due
from seedproof.admission.guards import check_room
from seedproof.ledger.state import State
from seedproof.metrics.run_state import LOST
from seedproof.model.command import output_dir, training_argv
from seedproof.model.refusals import BadSettings, NotComparable, Refusal, SealedChanged, SnapshotMissing
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState

from seedproof_mcp.code import gc
from seedproof_mcp.host.fingerprint import ask_ahead, interpreter, started_fields, training_environment
from seedproof_mcp.host.settings import Config, load_config, present_limits
from seedproof_mcp.ledger.file import Ledger, Writer
from seedproof_mcp.runner import conductor_status, outputs
from seedproof_mcp.runner.engines import Engine
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.runner.run_record import lost_end, published_end
from seedproof_mcp.runner.run_setup import Bench, time_limit_s
from seedproof_mcp.supervisor.processes import sweep
from seedproof_mcp.supervisor.run_contract import Spec, read_spec
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["Conductor", "main"]

logger = logging.getLogger(__name__)

IDLE_S = 30.0
BUSY_POLL_S = 0.03
IDLE_POLL_S = 0.1
TAKEOVER_S = 2.0


class Conductor:
    """Brings each requested run to its end. Any step may be the last: the next one takes over."""

    def __init__(self, paths: ProjectPaths, engine: Engine) -> None:
        self._paths = paths
        self._engine = engine
        self._ledger = Ledger(paths)

    def step(self) -> bool:
        """Do what can be done now; whether any run is still open."""
        state = self._ledger.refresh()
        if not state.active:
            return False
        started = [run for run in self._active(state) if run.state is RunState.RUNNING]
        for run in started:
            self._attend(run)
        if not started:
            self._take_next()
        return True

    def is_in_charge(self, lock: locks.Lock) -> bool:
        """Whether the lock that this conductor holds is still the one of the project."""
        try:
            return locks.is_open_at(lock.fd, self._paths.conductor_lock)
        except OSError:
            return False

    def retire(self, lock: locks.Lock) -> bool:
        """Give up the conductor's lock unless work has come; no request can fall between."""
        with self._ledger.writing() as writer:
            if writer.state.active:
                return False
            # Both locks are held, and with them the right to write there.
            for folder in (self._paths.state, self._paths.code, self._paths.diffs):
                files.remove_leftovers(folder)
            gc.release(self._paths, writer.state)
            lock.release()
            return True

    def _active(self, state: State) -> list[Run]:
        return [state.runs[run_id] for run_id in state.active]

    # --- starting ---------------------------------------------------------------------------

    def _take_next(self) -> None:
        config = load_config(self._paths.settings)
        # The slot first: code, room on the disk and surroundings are those of the moment when the training starts.
        with self._engine.reserve(config.settings.slot) as is_free:
            if is_free:
                self._begin_next(config)

    def _begin_next(self, config: Config) -> None:
        bench = Bench(self._paths, config)
        # Before the lock is taken: servers would have to wait for it.
        self._prepare(bench, config)
        with self._ledger.writing() as writer:
            run = self._first_queued(writer.state)
            if run is None:
                return
            unneeded = self._unneeded(writer.state, config.rules, run)
            if unneeded:
                writer.append("run_not_needed", run_id=run.run_id, reason=unneeded)
                return
            if not self._start(writer, run, config, bench):
                return
        self._engine.submit(self._paths.run(run.run_id).folder)

    def _first_queued(self, state: State) -> Run | None:
        return next((run for run in self._active(state) if run.state is RunState.QUEUED), None)

    def _prepare(self, bench: Bench, config: Config) -> None:
        """Check out the code of the next run, and ask the interpreter that it is trained with."""
        run = self._first_queued(self._ledger.state)
        if run is not None:
            ask_ahead(self._ledger.state, self._paths, config)
            with suppress(Refusal):  # said when the run is started
                bench.lay_out(self._ledger.state, run)

    def _unneeded(self, state: State, rules: Rules, run: Run) -> str | None:
        try:
            return still_due(state, rules, run.run_id)
        except Refusal as refusal:
            return refusal.message

    def _start(self, writer: Writer, run: Run, config: Config, bench: Bench) -> bool:
        folder = output_dir(config.rules, run.role, run.experiment, run.seed, run.is_control)
        try:
            place = bench.lay_out(writer.state, run)
        except BadSettings:
            raise  # nothing of the run's own: those behind it would meet the same
        except Refusal as refusal:
            return self._turn_away(writer, run, f"{refusal.code}: {refusal.message}")
        if not self._make_way(writer, run, folder):
            return False
        check_room(writer.state, present_limits(self._paths, config.settings))
        python = interpreter(self._paths, config.settings)
        argv = training_argv(config.rules, python, run.seed, place.flags, place.output_argument(folder))
        env = training_environment(config.settings)
        run_paths = self._paths.run(run.run_id)
        outputs.make_new(run_paths)
        limit_s = time_limit_s(writer.state, config, run)
        spec = Spec(
            run_id=run.run_id,
            argv=argv,
            cwd=str(place.working_directory),
            env={**env, **place.environment},
            timeout_s=limit_s,
            grace_s=config.settings.grace_s,
            slot=config.settings.slot,
            log_cap_bytes=int(config.settings.log_cap_mb * 1e6),
        )
        # The environment may hold secrets: for the owner's eyes only.
        files.write_atomic(run_paths.spec, json.dumps(asdict(spec)).encode(), mode=0o600)
        writer.append(
            "run_started",
            run_id=run.run_id,
            argv=list(argv),
            output_dir=folder,
            timeout_s=limit_s,
            **started_fields(writer.state, self._paths, config, python, env, place.code),
        )
        return True

    def _make_way(self, writer: Writer, run: Run, folder: str) -> bool:
        """Remove the leftover of an earlier attempt; refuse what is not ours."""
        target = self._paths.root / folder
        if not os.path.lexists(target):
            return True
        try:
            if outputs.remove_ours(self._paths.root, writer.state, folder) is not None:
                return True
        except OSError as error:
            if not outputs.stays(error):
                raise
            # No waiting makes it ours to delete, and the runs behind it need not wait.
            reason = f"output_exists: {folder}, left by an earlier run, cannot be removed: {error.strerror}"
            return self._turn_away(writer, run, f"{reason}; remove it and ask again")
        reason = f"output_exists: {folder} exists and this ledger does not own it; move it away"
        return self._turn_away(writer, run, reason)

    def _turn_away(self, writer: Writer, run: Run, reason: str) -> bool:
        """Write down why a run was not started; never true."""
        # Of the trainings it says nothing, so it is none of the failures that call for a person.
        never = {"never_started": True}
        writer.append("run_finished", run_id=run.run_id, state="failed", reason=reason, metrics={}, **never)
        return False

    # --- finishing --------------------------------------------------------------------------

    def _attend(self, run: Run) -> None:
        folder = self._paths.run(run.run_id).folder
        if not folder.is_dir():
            self._lose(run, "its folder under .seedproof/runs is gone")
            return
        place = self._engine.poll(str(folder))
        if place == "done":
            self._record(run, *published_end(self._paths, self._ledger.state, run))
        elif place == "lost":
            self._recover(run, self._paths.run(run.run_id))

    def _recover(self, run: Run, folder: RunPaths) -> None:
        """A run without a supervisor: never started, so start it; or lost, so say so."""
        if folder.spec.exists() and not folder.log.exists():
            if folder.cancel.exists():
                self._engine.submit(folder.folder)  # which starts nothing any more, and says so
                return
            with self._engine.reserve(read_spec(folder.spec).slot) as is_free:
                if is_free:
                    self._place_again(run, folder)
            return
        sweep(folder.folder)
        self._lose(run, LOST)

    def _place_again(self, run: Run, folder: RunPaths) -> None:
        """Start a run whose start was cut short, if all is as its record says."""
        state, config = self._ledger.state, load_config(self._paths.settings)
        check_room(state, present_limits(self._paths, config.settings))
        try:
            place = Bench(self._paths, config).lay_out(state, run)
        except (SnapshotMissing, NotComparable, SealedChanged) as refusal:
            self._lose(run, f"{refusal.code}: {refusal.message}")
            return
        python, env = interpreter(self._paths, config.settings), training_environment(config.settings)
        present = started_fields(state, self._paths, config, python, env, place.code)["fingerprint"]
        if {**present, "load": None} != {**run.surroundings, "load": None}:
            self._lose(run, "its surroundings changed before it could be started")
            return
        self._engine.submit(folder.folder)

    def _lose(self, run: Run, reason: str) -> None:
        self._record(run, *lost_end(self._paths, self._ledger.state, run, reason))

    def _record(self, run: Run, kind: str, fields: Mapping[str, Any]) -> None:
        """Write down how a run ended, unless somebody else has."""
        with self._ledger.writing() as writer:
            if writer.state.runs[run.run_id].state.is_active:
                # Its supervisor is gone, and whoever else writes there holds the ledger's lock.
                files.remove_leftovers(self._paths.run(run.run_id).folder)
                writer.append(kind, run_id=run.run_id, **fields)


# --- the process ------------------------------------------------------------------------------


def _lock(paths: ProjectPaths) -> locks.Lock | None:
    """The conductor's lock; a moment's patience, because servers test it by touching it."""
    deadline = time.monotonic() + TAKEOVER_S
    while True:
        lock = locks.try_lock(paths.conductor_lock)
        if lock is not None:
            with suppress(OSError):  # a full disk: who waits for us to start waits a little longer then
                lock.sign(str(os.getpid()))
        if lock is not None or time.monotonic() > deadline:
            return lock
        time.sleep(IDLE_POLL_S)


def _work(paths: ProjectPaths, conductor: Conductor, lock: locks.Lock, idle_s: float) -> None:
    idle_since = time.monotonic()
    complaints = conductor_status.Complaints(paths)
    # Without the folder, or with another one in its place, somebody else conducts, or nobody should.
    while conductor.is_in_charge(lock):
        words = None
        try:
            busy = conductor.step()
        except (Refusal, OSError) as problem:
            # Settings, ledger or disk must be mended by a person; running trainings go on meanwhile.
            words = conductor_status.words_for(paths, problem)
            busy = False
        complaints.tell(words)
        if busy:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > idle_s and _retire(conductor, lock):
            return
        time.sleep(BUSY_POLL_S if busy else IDLE_POLL_S)


def _retire(conductor: Conductor, lock: locks.Lock) -> bool:
    try:
        return conductor.retire(lock)
    except locks.LockHeld:
        return False  # whoever holds the ledger may be writing a request, and counts on this conductor
    except (Refusal, OSError):
        lock.release()
        return True


def main(arguments: list[str]) -> int:
    """Run the conductor of one project until there is nothing left to do."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    paths = ProjectPaths(Path(arguments[0]))
    try:
        lock = _lock(paths)
    except OSError as problem:
        conductor_status.tell(paths, conductor_status.words_for(paths, problem))
        return 1
    if lock is None:
        return 0
    try:
        _work(paths, Conductor(paths, LocalEngine()), lock, float(os.environ.get("SEEDPROOF_IDLE_S", IDLE_S)))
    except Exception:
        logger.exception("the conductor ends; the next request starts another")
        conductor_status.tell(paths, "an unexpected error; .seedproof/conductor.log has the details")
        return 1
    return 0


if __name__ == "__main__":
    # A process inherits what its starter ignores; under nohup nobody could ask this one to leave.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
