"""The conductor: at most one per project, it takes the runs of the ledger through, one at a time."""

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from seedproof.command import output_dir, training_argv
from seedproof.counts import read_counts
from seedproof.errors import Refusal
from seedproof.gate import still_due
from seedproof.limits import check_room
from seedproof.log import BLOCK_BYTES, SEGMENT_LIMIT
from seedproof.metrics import LogReading, LogScanner, read_document, start_text
from seedproof.outcome import Ending, outcome
from seedproof.phases import rules_of
from seedproof.rules import MetricRule, Rules
from seedproof.state import State
from seedproof.values import MetricValue, Run, RunState

from seedproof_mcp import complaint, disk, garbage, outputs, run_folders
from seedproof_mcp.bench import Bench
from seedproof_mcp.config import Config, load_config, present_limits
from seedproof_mcp.engines import Engine
from seedproof_mcp.engines.local import LocalEngine
from seedproof_mcp.fingerprint import ask_ahead, interpreter, present_load, started_fields, training_environment
from seedproof_mcp.ledger import Ledger, Writer
from seedproof_mcp.paths import ProjectPaths, RunPaths
from seedproof_mcp.supervise import sweep

__all__ = ["LOST", "Conductor", "ensure_conductor", "read_log"]

logger = logging.getLogger(__name__)

LOST = "the supervisor or the machine was lost"
IDLE_S = 30.0
BUSY_POLL_S = 0.03
IDLE_POLL_S = 0.1
TAKEOVER_S = 2.0
MAX_METRIC_FILE = 64 << 20
# A conductor holds its lock 0.3 s after its start; on a very busy machine it takes longer.
STARTING_S = 10.0
# One that dies at once would die again: the pause between two doubles from the first to the second.
CRASH_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
START_BYTES = 256 << 10
# Before a baseline exists nobody knows how long a run takes; later, three times its slowest run.
FIRST_LIMIT_S = 24 * 3600.0
LIMIT_FACTOR = 3.0
LEAST_LIMIT_S = 600.0


def ensure_conductor(paths: ProjectPaths) -> None:
    """Start a conductor unless one lives, or one of ours is just starting or has just crashed.

    Raises:
        OSError: The state folder cannot be written, or no process can be started.
    """
    if disk.is_locked(paths.conductor_lock):
        return
    last = _last_starts.get(paths.root)
    if last is not None and last.is_enough(time.monotonic(), disk.signature(paths.conductor_lock)):
        return
    log = disk.open_output(paths.conductor_log)
    try:
        process = disk.spawn(
            [sys.executable, "-P", "-m", "seedproof_mcp.conductor", str(paths.root)],
            stdout=log,
            stderr=log,
            new_session=True,
        )
    finally:
        os.close(log)
    _children[:] = [*(child for child in _children if child.poll() is None), process]
    crashes = 0 if last is None or not last.has_crashed else last.crashes + 1
    _last_starts[paths.root] = _Start(process, time.monotonic(), crashes)


@dataclass
class _Start:
    """What became of a conductor that this process started."""

    process: subprocess.Popen[bytes]
    at_s: float
    """When, by the monotonic clock."""
    crashes: int
    """How many before it crashed in a row."""

    @property
    def has_crashed(self) -> bool:
        # Told to leave, it would not do so again by itself: a request in this moment must not wait.
        return self.process.poll() not in (None, 0, -signal.SIGTERM, -signal.SIGHUP)

    def is_enough(self, now_s: float, last_holder: str | None) -> bool:
        """Whether another one would come too early.

        Args:
            last_holder: Who had the conductor's lock, which is free now; if this one, it is on its way out.
        """
        if self.process.poll() is None:
            return last_holder != str(self.process.pid) and now_s - self.at_s < STARTING_S
        return self.has_crashed and now_s - self.at_s < min(CRASH_PAUSE_S * 2**self.crashes, LONGEST_PAUSE_S)


# Conductors that this process started, kept so that they can be reaped.
_children: list[subprocess.Popen[bytes]] = []
# By project: the newest conductor that this process started.
_last_starts: dict[Path, _Start] = {}


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

    def is_in_charge(self, lock: disk.Lock) -> bool:
        """Whether the lock that this conductor holds is still the one of the project."""
        try:
            return disk.is_open_at(lock.fd, self._paths.conductor_lock)
        except OSError:
            return False

    def retire(self, lock: disk.Lock) -> bool:
        """Give up the conductor's lock unless work has come; no request can fall between."""
        with self._ledger.writing() as writer:
            if writer.state.active:
                return False
            # Both locks are held, and with them the right to write there.
            for folder in (self._paths.state, self._paths.code, self._paths.diffs):
                disk.remove_leftovers(folder)
            garbage.release(self._paths, writer.state)
            lock.release()
            return True

    def _active(self, state: State) -> list[Run]:
        return [state.runs[run_id] for run_id in state.active]

    # --- starting ---------------------------------------------------------------------------

    def _take_next(self) -> None:
        config = load_config(self._paths.settings)
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
            check_room(writer.state, present_limits(self._paths, config.settings))
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
        except Refusal as refusal:
            return self._turn_away(writer, run, f"{refusal.code}: {refusal.message}")
        if not self._make_way(writer, run, folder):
            return False
        python = interpreter(self._paths, config.settings)
        argv = training_argv(config.rules, python, run.seed, place.flags, place.output_argument(folder))
        env = training_environment(config.settings)
        run_paths = self._paths.run(run.run_id)
        run_folders.make_new(run_paths)
        limit_s = _time_limit(writer.state, config, run)
        spec = {
            "run_id": run.run_id,
            "argv": argv,
            "cwd": str(place.working_directory),
            "env": {**env, **place.environment},
            "timeout_s": limit_s,
            "grace_s": config.settings.grace_s,
            "slot": config.settings.slot,
            "log_cap_bytes": int(config.settings.log_cap_mb * 1e6),
        }
        # The environment may hold secrets: for the owner's eyes only.
        disk.write_atomic(run_paths.spec, json.dumps(spec).encode(), mode=0o600)
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
        if outputs.remove_ours(self._paths.root, writer.state, folder) is not None:
            return True
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
        folder = self._paths.run(run.run_id)
        if not folder.folder.is_dir():
            self._interrupt(run, "its folder under .seedproof/runs is gone")
            return
        place = self._engine.poll(str(folder.folder))
        if place == "done":
            self._finish(run, folder)
        elif place == "lost":
            self._recover(run, folder)

    def _recover(self, run: Run, folder: RunPaths) -> None:
        """A run without a supervisor: never started, so start it; or lost, so say so."""
        if folder.spec.exists() and not folder.log.exists() and not folder.cancel.exists():
            self._engine.submit(folder.folder)
            return
        sweep(folder.folder)
        self._interrupt(run, LOST)

    def _interrupt(self, run: Run, reason: str) -> None:
        kind, shown = self._shown(run, reason)
        with self._ledger.writing() as writer:
            if writer.state.runs[run.run_id].state.is_active:
                self._tidy(run)
                writer.append(kind, run_id=run.run_id, **shown, **self._created(run), **self._output(run))

    def _shown(self, run: Run, reason: str) -> tuple[str, dict[str, Any]]:
        """What a lost run had shown, and how it is recorded: who ends it from outside has seen it, so readers shall."""
        rules = rules_of(self._ledger.state.generations[run.generation - 1])
        log = self._paths.run(run.run_id).log
        try:
            reading = read_log(log, log.stat().st_size, rules)
        except OSError:
            return "run_interrupted", {"reason": reason}
        ended = outcome(Ending("interrupted", detail=reason), reading.metrics, rules)
        fields = {
            "reason": ended.reason,
            "metrics": {name: asdict(value) for name, value in reading.metrics.items()},
            "step": reading.step,
            "start_text": _read_start(log, rules),
            "log_sha256": reading.sha256,
            "log_bytes": reading.size,
        }
        if ended.state is RunState.DIVERGED:
            return "run_finished", {**fields, "state": str(ended.state)}
        return "run_interrupted", fields

    def _finish(self, run: Run, folder: RunPaths) -> None:
        result = json.loads(folder.result.read_bytes())
        rules = rules_of(self._ledger.state.generations[run.generation - 1])
        reading = read_log(folder.log, int(result["log_bytes"]), rules)
        metrics = dict(reading.metrics)
        faults: list[str] = []
        for metric in rules.metrics:
            if metric.file is not None:
                self._read_file(run, folder, metric, metrics, faults)
        ended = outcome(_ending(result, folder), metrics, rules)
        reason = "; ".join([part for part in (ended.reason, *faults) if part]) or None
        fields = {
            "run_id": run.run_id,
            "reason": reason,
            "metrics": {name: asdict(value) for name, value in metrics.items()},
            "wall_time_s": result["wall_time_s"],
            "exit_code": result["exit_code"],
            "signal": result["signal"],
            "step": reading.step,
            "start_text": _read_start(folder.log, rules),
            "counts": _read_counts(folder.log, int(result["log_bytes"])),
            "log_sha256": reading.sha256,
            "log_bytes": reading.size,
            "load": present_load(),
            **({"slept_s": result["slept_s"]} if result.get("slept_s") else {}),
            **self._created(run),
            **self._output(run),
        }
        kind = {RunState.CANCELLED: "run_cancelled", RunState.INTERRUPTED: "run_interrupted"}.get(
            ended.state, "run_finished"
        )
        if kind == "run_finished":
            fields["state"] = str(ended.state)
        with self._ledger.writing() as writer:
            if writer.state.runs[run.run_id].state.is_active:
                self._tidy(run)
                writer.append(kind, **fields)

    def _created(self, run: Run) -> dict[str, Any]:
        """What a run in place left beside its output folder: no code of the project's, however it looks."""
        try:
            created = Bench(self._paths, load_config(self._paths.settings)).created(self._ledger.state, run)
        except Refusal:
            return {}  # unreadable settings must not keep a result from being written down
        return {"created": created} if created else {}

    def _tidy(self, run: Run) -> None:
        """Before its end is written down: its supervisor is gone, and whoever else writes holds the ledger's lock."""
        disk.remove_leftovers(self._paths.run(run.run_id).folder)

    def _output(self, run: Run) -> dict[str, Any]:
        """What the run leaves as its output folder: the clean-up removes this and nothing else."""
        folder = None if run.output_dir is None else self._paths.root / run.output_dir
        found = None if folder is None else outputs.identity(folder)
        return {} if folder is None or found is None else {"output_id": found, "output_bytes": outputs.size(folder)}

    def _read_file(
        self, run: Run, folder: RunPaths, metric: MetricRule, metrics: dict[str, MetricValue], faults: list[str]
    ) -> None:
        """Keep a copy of the training's metric file and read the metric from the copy."""
        assert metric.file is not None and metric.path is not None and run.output_dir is not None
        source = self._paths.root / run.output_dir / metric.file
        copy = folder.metric_copy(f"metric-{metric.file}")
        try:
            if not copy.exists():
                _check_metric_file(source)
                disk.copy_file(source, copy)
            found = read_document(copy.read_bytes(), metric.path)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and str(error.filename) != str(source):
                raise  # the copy is ours: a full disk is waited for, and the run keeps its value
            faults.append(f"{metric.file}: {getattr(error, 'strerror', None) or error}")
            return
        if found is not None:
            metrics[metric.name] = found


def _check_metric_file(source: Path) -> None:
    """A fifo would block the conductor for ever, a link would read what is not the training's."""
    seen = os.lstat(source)
    if not stat.S_ISREG(seen.st_mode):
        raise ValueError("is not a regular file")
    if seen.st_size > MAX_METRIC_FILE:
        raise ValueError(f"is larger than {MAX_METRIC_FILE >> 20} MB")


def read_log(path: Path, size: int, rules: Rules) -> LogReading:
    """Read the first `size` bytes: what daemons print after the end does not count."""
    scanner = LogScanner(rules.metrics)
    if path.exists():
        with path.open("rb") as log:
            seen = 0
            for start, end in disk.data_parts(log.fileno(), size):
                # Of the line that the log cap cut nothing is read: half a number is another number.
                first = start if start == seen else _after_first_line_end(log, start, end)
                last = end if end == size else _after_last_line_end(log, first, end)
                if first > seen:
                    scanner.feed(b"\n[the log cap left out %d bytes here]\n" % (first - seen))
                _feed(scanner, log, first, last)
                seen = last
    return scanner.finish()


def _after_first_line_end(log: BinaryIO, start: int, end: int) -> int:
    log.seek(start)
    piece = log.read(min(SEGMENT_LIMIT, end - start))
    found = [place for place in (piece.find(b"\n"), piece.find(b"\r")) if place >= 0]
    return start + (min(found) + 1 if found else len(piece))


def _after_last_line_end(log: BinaryIO, start: int, end: int) -> int:
    start = max(start, end - SEGMENT_LIMIT)
    log.seek(start)
    piece = log.read(end - start)
    return start + max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1


def _feed(scanner: LogScanner, log: BinaryIO, start: int, end: int) -> None:
    log.seek(start)
    while start < end and (chunk := log.read(min(BLOCK_BYTES, end - start))):
        scanner.feed(chunk)
        start += len(chunk)


def _read_start(path: Path, rules: Rules) -> str | None:
    """The deciding metric at step 0; it stands near the beginning of a log or nowhere."""
    try:
        with path.open("rb") as log:
            return start_text(log.read(START_BYTES), rules.metric)
    except FileNotFoundError:
        return None


def _read_counts(path: Path, size: int) -> dict[str, str]:
    """Sizes of the evaluation: programs print them where they begin or where they end, so nothing between is read."""
    try:
        with path.open("rb") as log:
            head = log.read(min(size, START_BYTES))
            log.seek(max(len(head), size - START_BYTES))
            return read_counts(head, log.read(max(0, size - log.tell())))
    except FileNotFoundError:
        return {}


def _ending(result: Mapping[str, Any], folder: RunPaths) -> Ending:
    detail = result["error"]
    if result["end"] == "cancelled":
        detail = _cancel_reason(folder)
    elif result["end"] == "timed_out":
        detail = f"ended at its time limit of {json.loads(folder.spec.read_bytes())['timeout_s'] / 60:g} min"
    return Ending(result["end"], result["exit_code"], result["signal"], result["error"], detail)


def _cancel_reason(folder: RunPaths) -> str | None:
    try:
        return str(json.loads(folder.cancel.read_bytes())["reason"])
    except (OSError, ValueError, KeyError):
        return None


def _time_limit(state: State, config: Config, run: Run) -> float:
    if config.settings.timeout_min is not None:
        return config.settings.timeout_min * 60
    slowest = slowest_baseline_s(state, run.generation, config.rules)
    return FIRST_LIMIT_S if slowest is None else max(LEAST_LIMIT_S, LIMIT_FACTOR * slowest)


def slowest_baseline_s(state: State, generation: int, rules: Rules) -> float | None:
    """Wall time of the slowest run of a complete baseline; None while it is not complete."""
    times = state.baseline_arm(generation).finite("wall_time_s")
    complete = all(seed in times for seed in rules.baseline_seeds)
    return max(times.values()) if complete else None


# --- the process ------------------------------------------------------------------------------


def _lock(paths: ProjectPaths) -> disk.Lock | None:
    """The conductor's lock; a moment's patience, because servers test it by touching it."""
    deadline = time.monotonic() + TAKEOVER_S
    while True:
        lock = disk.try_lock(paths.conductor_lock)
        if lock is not None:
            with suppress(OSError):  # a full disk: who waits for us to start waits a little longer then
                lock.sign(str(os.getpid()))
        if lock is not None or time.monotonic() > deadline:
            return lock
        time.sleep(IDLE_POLL_S)


def _work(paths: ProjectPaths, conductor: Conductor, lock: disk.Lock, idle_s: float) -> None:
    idle_since = time.monotonic()
    complaints = complaint.Complaints(paths)
    # Without the folder, or with another one in its place, somebody else conducts, or nobody should.
    while conductor.is_in_charge(lock):
        words = None
        try:
            busy = conductor.step()
        except (Refusal, OSError) as problem:
            # Settings, ledger or disk must be mended by a person; running trainings go on meanwhile.
            words = complaint.words_for(paths, problem)
            busy = False
        complaints.tell(words)
        if busy:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > idle_s and _retire(conductor, lock):
            return
        time.sleep(BUSY_POLL_S if busy else IDLE_POLL_S)


def _retire(conductor: Conductor, lock: disk.Lock) -> bool:
    try:
        return conductor.retire(lock)
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
        complaint.tell(paths, complaint.words_for(paths, problem))
        return 1
    if lock is None:
        return 0
    try:
        _work(paths, Conductor(paths, LocalEngine()), lock, float(os.environ.get("SEEDPROOF_IDLE_S", IDLE_S)))
    except Exception:
        logger.exception("the conductor ends; the next request starts another")
        complaint.tell(paths, "an unexpected error; .seedproof/conductor.log has the details")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
