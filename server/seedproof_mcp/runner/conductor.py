"""The conductor: at most one per project, it takes the runs of the ledger through.

Over 300 lines, because every step of a run from the queue to its record stands here.
"""

import json
import logging
import math
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from seedproof.admission.gate import not_needed_reason, queued_behind
from seedproof.admission.guards import check_room
from seedproof.admission.queue import next_to_start, training_now
from seedproof.ledger.run_ends import RunEnded, RunFinished, RunNotNeeded
from seedproof.ledger.run_events import RunStarted
from seedproof.metrics.run_state import LOST
from seedproof.model.refusals import BadSettings, NotComparable, Refusal, SealedChanged, SnapshotMissing
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.phases.study import Study

from seedproof_mcp.host.placement import Placement, free_slots, placement, require_alike
from seedproof_mcp.host.settings import Config, load_config, present_limits
from seedproof_mcp.ledger.file import Ledger, Writer
from seedproof_mcp.runner import clean_up, conductor_status, outputs
from seedproof_mcp.runner.engines import Engine, Engines, Slot
from seedproof_mcp.runner.log_reader import keep_curve
from seedproof_mcp.runner.probes import LOOK_S, Probes
from seedproof_mcp.runner.run_record import lost_end, published_end
from seedproof_mcp.runner.run_setup import RunSetups
from seedproof_mcp.supervisor.run_contract import read_spec
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.file_watch import FileWatch
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["Conductor", "main"]

logger = logging.getLogger(__name__)

IDLE_S = 30.0
# How often it looks where changes of files are not told of, and after a problem.
BUSY_POLL_S, IDLE_POLL_S = 0.03, 0.1
TAKEOVER_S = 2.0


class Conductor:
    """Takes each requested run to its end. It may be killed in any step: the next conductor continues."""

    def __init__(self, paths: ProjectPaths, engine: Engine | None = None, prepares: bool = False) -> None:
        """Take over a project.

        Args:
            paths: The project.
            engine: Takes every run; by default the one that the settings choose.
            prepares: Lets the engine make ready what many runs need.
        """
        self._paths = paths
        self._engines = Engines(engine, paths.root)
        self._ledger = Ledger(paths)
        self._probes = Probes(paths, self._ledger)
        self._prepares = prepares
        self._look_s: float | None = None
        """How often to look whether the engine lets the next run start; None where it is told of."""
        self._slot_files: list[Path] = []
        """What the next run waits for: the closing of one of them."""

    def step(self) -> bool:
        """Do what can be done now; whether any run is still open."""
        self._slot_files, self._look_s = [], None
        started = training_now(self._ledger.refresh())
        self._attend_all(started)
        if started and not self._has_room(started):
            return True
        self._probes.tend()
        if not self._ledger.state.active:
            return False
        while self._take_next() and self._has_room(training_now(self._ledger.state)):
            pass
        return True

    def wait(self, watch: FileWatch, bound_s: float, blind_s: float) -> None:
        """Wait for what the next step may act on; not where it was not followed during the last one.

        Args:
            bound_s: The longest.
            blind_s: How long where changes of files are not told of.
        """
        started = training_now(self._ledger.state)
        folders = [self._paths.run(run.run_id) for run in started]
        locked = [self._paths.ledger, *(one.alive for one in folders), *self._slot_files]
        if not watch.follow(files=locked, folders=[one.folder for one in folders]):
            is_probing = any(run.role is Role.PROBE for run in started)  # it is ended by what its log shows
            # Another machine writes there: nothing tells of that, and each look may be one across the network.
            looks_s = [one for one in (self._look_s, *(self._engines.of(folder).look_s for folder in folders)) if one]
            bounds_s = [bound_s, *looks_s, *([LOOK_S] if is_probing else [])]
            watch.wait(min(bounds_s), max([blind_s, *looks_s]))

    def is_in_charge(self, lock: locks.Lock) -> bool:
        """Whether the lock that this conductor holds is still the one of the project."""
        try:
            return locks.is_open_at(lock.fd, self._paths.conductor_lock)
        except OSError:
            return False

    def retire(self, lock: locks.Lock) -> bool:
        """Give up the conductor's lock unless work has come; no request can fall between."""
        try:
            with self._ledger.writing() as writer:
                if writer.state.active:
                    return False
                # Both locks are held, and with them the right to write there.
                for folder in (self._paths.state, self._paths.code, self._paths.diffs):
                    files.remove_leftovers(folder)
                clean_up.release(self._paths, writer.state)
                lock.release()
        except locks.LockHeld:
            return False  # whoever holds the ledger may be writing a request, and counts on this conductor
        except (Refusal, OSError):
            lock.release()
        return True

    # --- starting ---------------------------------------------------------------------------

    def _has_room(self, seen: list[Run]) -> bool:
        """Whether another run may start beside those that train; never where one at a time is trained.

        Args:
            seen: The runs that were training a moment ago.
        """
        try:
            settings = load_config(self._paths.settings).settings
            if any(self._engines.name_of(self._paths.run(run.run_id)) != settings.engine for run in seen):
                return False  # of another engine, whose slots are others
            slots = self._engines.chosen(settings).slots(settings)
        except Refusal:
            return False  # said once nothing trains any more
        return len(training_now(self._ledger.state)) < len(slots) > 1

    def _take_next(self) -> bool:
        """Start the next run if a slot is free, or write down why it is not started; whether either was done."""
        engine = self._engines.chosen((config := load_config(self._paths.settings)).settings)
        slots = engine.slots(config.settings)
        if self._prepares:
            engine.prepare()
        if next_to_start(self._ledger.state) is None:
            return False
        require_alike(self._paths, config, slots, engine.place())
        free = free_slots(slots, training_now(self._ledger.state), "slots" in engine.capabilities())
        for named in free:
            # The slot first: code, room on the disk and surroundings are those of the moment when the training starts.
            with engine.reserve(named.name) as slot:
                if slot is not None:
                    placed = placement(self._paths, config, slots, named)
                    return self._begin_next(placed, engine, slot, engine.neighbours(slots, named.name))
        self._slot_files = [file for named in free if (file := engine.slot_file(named.name)) is not None]
        return False

    def _begin_next(self, placed: Placement, engine: Engine, slot: Slot, beside: int) -> bool:
        config = placed.config
        setups = RunSetups(placed.paths, config, engine.place(), placed.at_once)
        # Before the lock is taken: servers would have to wait for it.
        self._prepare(setups, engine)
        if engine.is_waiting():
            self._look_s = engine.look_s
            return False
        with self._ledger.writing() as writer:
            run = next_to_start(writer.state)
            if run is None:
                return False
            try:
                unneeded = not_needed_reason(Study(writer.state, config.rules), run.run_id)
            except Refusal as refusal:
                unneeded = refusal.message
            if unneeded:
                writer.append(RunNotNeeded(run_id=run.run_id, reason=unneeded))
            if unneeded or not self._start(writer, run, config, setups, beside):
                return True
        engine.submit(self._paths.run(run.run_id).folder, slot)
        return True

    def _prepare(self, setups: RunSetups, engine: Engine) -> None:
        """Check out the code of the next run, and ask the interpreter and the node that it is trained with."""
        state = self._ledger.state
        run = next_to_start(state)
        if run is not None:
            setups.surroundings.preload(state.first_hash)
            with suppress(Refusal):  # said when the run is started
                setups.make(state, run)
            engine.require_like(setups.like_hosts(state, run))

    def _start(self, writer: Writer, run: Run, config: Config, setups: RunSetups, beside: int) -> bool:
        """Write down that a run starts, and what its supervisor is told; false if it cannot start.

        Args:
            beside: How many slots besides its own are taken.
        """
        folder = run.key.output_dir(config.rules.label, mark=os.urandom(4).hex())
        try:
            setup = setups.make(writer.state, run)
        except BadSettings:
            raise  # nothing of the run's own: those behind it would meet the same
        except Refusal as refusal:
            return self._turn_away(writer, run, f"{refusal.code}: {refusal.message}")
        if not self._make_way(writer, run, folder):
            return False
        check_room(writer.state, present_limits(self._paths, config.settings))
        run_paths = self._paths.run(run.run_id)
        outputs.make_new(run_paths)
        spec = setups.spec(writer.state, run, setup, folder)
        # The environment may hold secrets: for the owner's eyes only.
        files.write_atomic(run_paths.spec, json.dumps(asdict(spec)).encode(), mode=0o600)
        fingerprint, environment = setups.surroundings.recorded(writer.state, setup.code)
        writer.append(
            RunStarted(
                run_id=run.run_id,
                argv=spec.argv,
                output_dir=folder,
                timeout_s=spec.timeout_s,
                fingerprint=fingerprint | dict(setup.noted),
                environment=environment,
                neighbours=beside,
            )
        )
        return True

    def _make_way(self, writer: Writer, run: Run, folder: str) -> bool:
        """Remove the leftover of an earlier attempt; refuse what is not ours."""
        if not os.path.lexists(self._paths.root / folder):
            return True
        reason = f"output_exists: {folder} exists and this ledger does not own it; move it away"
        try:
            if outputs.remove_ours(self._paths.root, writer.state, folder) is not None:
                return True
        except OSError as error:
            if not outputs.stays(error):
                raise
            # No waiting makes it ours to delete, and the runs behind it need not wait.
            reason = f"output_exists: {folder}, left by an earlier run, cannot be removed: {error.strerror}"
            reason += "; remove it and ask again"
        return self._turn_away(writer, run, reason)

    def _turn_away(self, writer: Writer, run: Run, reason: str) -> bool:
        """Write down why a run was not started; always false."""
        # The training never started, so this does not count towards the runaway limit.
        failed = RunFinished(run_id=run.run_id, end=RunState.FAILED, reason=reason, metrics={}, never_started=True)
        writer.append(failed)
        return False

    # --- finishing --------------------------------------------------------------------------

    def _attend_all(self, started: list[Run]) -> None:
        """Look at every run that trains, also where one of them meets a problem, such as a full disk."""
        problems: list[Refusal | OSError] = []
        for run in started:
            try:
                self._attend(run)
            except (Refusal, OSError) as problem:
                problems.append(problem)
        if problems:
            raise problems[0]

    def _attend(self, run: Run) -> None:
        folder = self._paths.run(run.run_id)
        if not folder.folder.is_dir():
            self._lose(run, None, "its folder under .seedproof/runs is gone")
            return
        engine = self._engines.of(folder)
        state = engine.poll(str(folder.folder))
        if state == "done":
            self._record(published_end(self._paths, self._ledger.state, run, engine))
        elif state == "lost":
            self._recover(run, folder, engine)
        else:
            self._probes.watch(run, engine)

    def _recover(self, run: Run, folder: RunPaths, engine: Engine) -> None:
        """Start a run that has no supervisor if it never began; otherwise record that it was lost."""
        if folder.spec.exists() and not folder.log.exists():
            if folder.cancel.exists():
                engine.submit(folder.folder)  # which starts nothing any more, and says so
                return
            if engine.told_end(str(folder.folder)) is not None:
                self._lose(run, engine, LOST)
                return
            with engine.reserve(name := read_spec(folder.spec).slot) as slot:
                if slot is not None:
                    self._place_again(run, folder, engine, slot)
                else:
                    self._slot_files += [file] if (file := engine.slot_file(name)) is not None else []
            return
        engine.sweep(str(folder.folder))
        self._lose(run, engine, LOST)

    def _place_again(self, run: Run, folder: RunPaths, engine: Engine, slot: Slot) -> None:
        """Start a run whose start was cut short, if all is as its record says."""
        state, config = self._ledger.state, load_config(self._paths.settings)
        check_room(state, present_limits(self._paths, config.settings))
        engine.configure(config.settings, self._paths.root)
        slots = engine.slots(config.settings)
        placed = placement(self._paths, config, slots, next((one for one in slots if one.name == slot.name), slots[0]))
        setups = RunSetups(placed.paths, placed.config, engine.place(), placed.at_once)
        try:
            setup = setups.make(state, run)
        except (SnapshotMissing, NotComparable, SealedChanged) as refusal:
            self._lose(run, engine, f"{refusal.code}: {refusal.message}")
            return
        present = setups.surroundings.fingerprint(setup.code, state.first_hash) | dict(setup.noted)
        told_at_end = dict.fromkeys(engine.told_at_end())
        if {**present, **told_at_end} != {**run.surroundings, **told_at_end}:
            self._lose(run, engine, "its surroundings changed before it could be started")
            return
        engine.submit(folder.folder, slot)

    def _lose(self, run: Run, engine: Engine | None, reason: str) -> None:
        self._record(lost_end(self._paths, self._ledger.state, run, engine, reason))

    def _record(self, end: RunEnded) -> None:
        """Write down how a run ended, unless somebody else has, or its metrics have changed: then it is read anew."""
        read_at = self._ledger.state.seq
        with self._ledger.writing() as writer:
            if not writer.state.awaits_end(end.run_id, read_at):
                return
            # Its supervisor is gone, and whoever else writes there holds the ledger's lock.
            files.remove_leftovers(self._paths.run(end.run_id).folder)
            writer.append(replace(end, neighbours=self._neighbours(writer.state.runs[end.run_id])))
            for run_id, reason in queued_behind(writer.state, end.run_id):
                writer.append(RunNotNeeded(run_id=run_id, reason=reason))
        # Behind the record: of a long log it takes seconds, which the result need not wait for.
        rules = self._ledger.state.rules_of(self._ledger.state.runs[end.run_id].generation)
        keep_curve(self._paths.run(end.run_id), end.metrics or {}, rules)

    def _neighbours(self, run: Run) -> int:
        """The most other runs that trained beside a run that has just ended, those of other projects among them."""
        if run.slot is None:
            return 0
        engine = self._engines.of(self._paths.run(run.run_id))
        try:
            slots = engine.slots(load_config(self._paths.settings).settings)
        except Refusal:
            slots = ()
        return max(run.neighbours, engine.neighbours(slots, run.slot))


def _lock(paths: ProjectPaths) -> locks.Lock | None:
    """Take the conductor's lock. Wait a moment for it: a server that tests the lock holds it briefly."""
    deadline = time.monotonic() + TAKEOVER_S
    while (lock := locks.try_lock(paths.conductor_lock)) is None and time.monotonic() <= deadline:
        time.sleep(IDLE_POLL_S)
    if lock is not None:
        with suppress(OSError):  # a full disk: who waits for us to start waits a little longer then
            lock.sign(str(os.getpid()))
    return lock


def _work(paths: ProjectPaths, conductor: Conductor, lock: locks.Lock, idle_s: float) -> None:
    idle_since = time.monotonic()
    reporter = conductor_status.ProblemReporter(paths)
    # Without the folder, or with another one in its place, somebody else conducts, or nobody should.
    with FileWatch() as watch:
        while conductor.is_in_charge(lock):
            problem = None
            try:
                busy = conductor.step()
            except (Refusal, OSError) as error:
                # Settings, ledger or disk must be mended by a person; running trainings go on meanwhile.
                problem = conductor_status.describe_problem(paths, error)
                busy = False
            reporter.report(problem)
            if busy:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > idle_s and conductor.retire(lock):
                return
            if problem is not None:
                time.sleep(IDLE_POLL_S)  # what a step changes before it fails would wake the next one
            if busy:
                conductor.wait(watch, math.inf, BUSY_POLL_S)
            else:
                left_s = idle_since + idle_s - time.monotonic()
                conductor.wait(watch, left_s if left_s > 0 else IDLE_POLL_S, IDLE_POLL_S)


def main(arguments: list[str], prepares: bool = False) -> int:
    """Run the conductor of one project until there is nothing left to do; `prepares`: see `Conductor`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    paths = ProjectPaths(Path(arguments[0]))
    try:
        lock = _lock(paths)
    except OSError as problem:
        conductor_status.publish_problem(paths, conductor_status.describe_problem(paths, problem))
        return 1
    if lock is None:
        return 0
    try:
        _work(paths, Conductor(paths, prepares=prepares), lock, float(os.environ.get("SEEDPROOF_IDLE_S", IDLE_S)))
    except Exception:
        logger.exception("the conductor ends; the next request starts another")
        conductor_status.publish_problem(paths, "an unexpected error; .seedproof/conductor.log has the details")
        return 1
    return 0


if __name__ == "__main__":
    # A process inherits what its starter ignores; under nohup nobody could ask this one to leave.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:], prepares=True))
