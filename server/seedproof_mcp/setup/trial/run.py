"""Tries the command of a project: two short runs of different seeds and a repeat, outside ledger and registry.

The runs go the way of recorded ones. Their records stand in memory, and their files in a folder that is removed.
Over 300 lines, because the whole of one try stands here.
"""

import json
import math
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from seedproof.admission.guards import check_room
from seedproof.admission.request import Admission
from seedproof.inputs.reads import Process
from seedproof.ledger.event import Event
from seedproof.ledger.fold import apply
from seedproof.ledger.run_events import RunRequested, RunStarted
from seedproof.ledger.state import State
from seedproof.ledger.study_events import GenerationStarted
from seedproof.model.code import Code
from seedproof.model.refusals import BadSettings
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import Run, RunState

from seedproof_mcp.code.git import GitFailed
from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.placement import placement
from seedproof_mcp.host.settings import Config, present_limits
from seedproof_mcp.inputs.observed import observation_of
from seedproof_mcp.runner import outputs
from seedproof_mcp.runner.engines import Slot, engine_for
from seedproof_mcp.runner.kept_output import keep_candidates, kept_files, kept_hashes
from seedproof_mcp.runner.run_record import lost_end, published_end
from seedproof_mcp.runner.run_setup import RunSetups
from seedproof_mcp.service.project import ProjectFolder
from seedproof_mcp.setup.trial.findings import Left, SnapshotContent, snapshot_content
from seedproof_mcp.setup.trial.folder import begin, clean_up, log_of, small_files
from seedproof_mcp.setup.trial.seeds import trial_seeds
from seedproof_mcp.system import files
from seedproof_mcp.system.file_watch import FileWatch
from seedproof_mcp.system.paths import ProjectPaths, RunPaths, ScratchPaths
from seedproof_mcp.system.tree_walk import walk

__all__ = ["LIMIT_S", "Tried", "TriedRun", "present_code", "try_command"]

LIMIT_S = 60.0
"""Seconds after which each run is ended, unless the caller chooses."""
# How often it looks where changes of files are not told of.
_POLL_S = 0.05
_TELL_S = 2.0
# How much longer than a run may take its engine may be out of reach: one that trained has ended by then, and its
# folder tells so without the engine.
_BEYOND_S = 30.0

T = TypeVar("T")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TriedRun:
    """One run, and what it left."""

    run: Run
    """The run as a ledger would have it."""
    cwd: str
    """Its working folder."""
    left: Left
    """Its log, and files that may hold its metric."""
    python: tuple[str, str] | None
    """Program and version of its main Python process; None where none told."""
    outputs: tuple[str, ...]
    """Files in its output folder, by their path from there."""
    output_bytes: int
    """What they take."""
    written: tuple[str, ...]
    """Files that it left in its working tree besides, by their path from there."""
    elsewhere: tuple[str, ...]
    """Files that it wrote elsewhere in the project, by their path from there."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a try has seen."""

    config: Config
    """The rules and settings that it was done with."""
    code: Code
    """The code that it was done with."""
    limit_s: float
    """Seconds after which each run was ended."""
    runs: tuple[TriedRun, ...]
    """The first seed, the second, and the first again; fewer where going on would have told nothing."""
    snapshot: SnapshotContent | None
    """What a snapshot holds; None where runs are trained in place."""


def present_code(paths: ProjectPaths, config: Config) -> Code:
    """The code that a try would be done with now.

    Raises:
        Refusal: A run of the baseline would be refused for its settings, its script or its code.
    """
    engine = engine_for(config.settings.engine)
    engine.configure(config.settings, paths.root)
    project = ProjectFolder(paths, config, engine.place(), secrets.randbelow)
    code = project.code()
    begin = GenerationStarted(generation=1, rules=config.rules, reason=None, code=code)
    project.require_sealed(Admission((begin,), ""))
    project.require_command()
    return code


def try_command(paths: ProjectPaths, config: Config, code: Code, limit_s: float, tell: Tell) -> Tried:
    """Carry out the runs of a try; nothing of it is left, however it ends. The caller holds the lock of tries.

    Args:
        paths: The project, resolved.
        config: Its rules and settings.
        code: What `present_code` gave.
        limit_s: Seconds after which each run is ended.
        tell: Called with what is going on, in words.

    Raises:
        Refusal: The code cannot be checked out, or there is no room on the disk.
        OSError: The project's folder cannot be written.
    """
    scratch = ScratchPaths(paths.root)
    clean_up(scratch)
    try:
        begin(scratch)
        trial = _Trial(scratch, config, code, limit_s, tell)
        try:
            runs = trial.all_runs()
        finally:
            trial.remove_created()
        return Tried(config, code, limit_s, runs, _content(paths, config, code))
    finally:
        clean_up(scratch)


class _Trial:
    """The runs of one try."""

    def __init__(self, paths: ScratchPaths, config: Config, code: Code, limit_s: float, tell: Tell) -> None:
        self._paths, self._config, self._limit_s, self._tell = paths, config, limit_s, tell
        self._engine = engine_for(config.settings.engine)
        self._engine.configure(config.settings, paths.root)
        self._unknown_since_s: float | None = None
        """Since when the engine cannot be asked; None while it can."""
        self._code, self._own = code, set[str]()
        self._state = State()
        self._note(GenerationStarted(generation=1, rules=config.rules, reason=None, code=code))

    def all_runs(self) -> tuple[TriedRun, ...]:
        """The runs in their order; what fails for every seed is not tried again."""
        first, second = trial_seeds(self._config.rules)
        found: list[TriedRun] = []
        for number, (seed, attempt) in enumerate(((first, 1), (second, 1), (first, 2)), start=1):
            self._tell(f"run {number} of 3: seed {seed}{' again' if attempt > 1 else ''}")
            found.append(self._run(RunKey(1, Role.MEASURE, Side.BASELINE, None, seed, attempt), number))
            if not _tells_more(found[-1].run):
                break
        return tuple(found)

    def remove_created(self) -> None:
        """Remove what runs in place created and wrote themselves: the baseline's code would be another with it."""
        top = Workspace(self._paths, self._config.settings).places(self._code)[0] if self._state.created else None
        for name in self._state.created:
            place = os.path.realpath(f"{top}/{name}")
            if place in self._own:
                with suppress(OSError):
                    files.remove_file(Path(place))

    def _run(self, key: RunKey, number: int) -> TriedRun:
        folder = self._paths.outputs / os.path.basename(key.output_dir(self._config.rules.label))
        if os.path.lexists(folder):  # of the first run of this seed
            files.remove_tree(folder)
        self._note(RunRequested(key=key))
        with self._slot() as (slot, config):
            run_paths = self._start(key, str(folder.relative_to(self._paths.root)), slot, config)
        self._await(run_paths, number)
        run = self._state.runs[key.run_id]
        if run_paths.result.exists():
            end = published_end(self._paths, self._state, run, self._engine)
        else:
            end = lost_end(self._paths, self._state, run, self._engine, "its supervisor was lost")
        self._note(end)
        return self._look(self._state.runs[key.run_id])

    def _note(self, event: Event) -> None:
        """Add an event to the state in memory."""
        number = self._state.seq + 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        apply(self._state, {"seq": number, "time": now, "hash": f"{number}", "kind": event.kind, **event.fields()})

    @contextmanager
    def _slot(self) -> Iterator[tuple[Slot, Config]]:
        """A slot of the settings, as soon as one is free, with the settings of a run that takes it."""
        slots, engine = self._engine.slots(self._config.settings), self._engine
        with FileWatch() as watch:
            while True:
                for one in slots:
                    with engine.reserve(one.name) as slot:
                        if slot is not None:
                            yield slot, placement(self._paths, self._config, slots, one).config
                            return
                holder = engine.slot_holder(slots[0].name, None) or "another training"
                self._tell(f"waiting: {holder} holds the slot {slots[0].name}")
                if not watch.follow(files=filter(None, (engine.slot_file(one.name) for one in slots))):
                    watch.wait(math.inf, _POLL_S)

    def _start(self, key: RunKey, output_dir: str, slot: Slot, config: Config) -> RunPaths:
        settings, run = config.settings, self._state.runs[key.run_id]
        setups = RunSetups(self._paths, config, self._engine.place())
        setups.surroundings.preload(None)
        is_waiting = self._ask(self._engine.is_waiting)
        if is_waiting:
            self._tell(f"waiting for {self._engine.slot_holder(settings.slot, None) or 'a first look at a node'}")
        while is_waiting is not False:
            time.sleep(self._engine.look_s or _POLL_S)
            is_waiting = self._ask(self._engine.is_waiting)
        setup = setups.make(self._state, run)
        check_room(State(), present_limits(self._paths, settings))
        run_paths = self._paths.run(run.run_id)
        outputs.make_new(run_paths)
        files.make_folder(self._paths.outputs)
        spec = replace(setups.spec(self._state, run, setup, output_dir), timeout_s=self._limit_s)
        files.write_atomic(run_paths.spec, json.dumps(asdict(spec)).encode(), mode=0o600)
        noted = {"not_code": sorted(settings.not_code)}
        self._note(RunStarted(run_id=run.run_id, argv=spec.argv, output_dir=output_dir, fingerprint=noted))
        self._engine.submit(run_paths.folder, slot)
        return run_paths

    def _await(self, run_paths: RunPaths, number: int) -> None:
        handle, told_s = str(run_paths.folder), 0.0
        with FileWatch() as watch:
            watch.follow(files=[run_paths.alive], folders=[run_paths.folder])
            while self._ask(lambda: self._engine.poll(handle)) not in ("done", "lost"):
                elapsed_s = self._engine.elapsed_s(handle) or 0.0
                if elapsed_s - told_s >= _TELL_S:
                    told_s = elapsed_s
                    self._tell(f"run {number} of 3: {elapsed_s:.0f} s of at most {self._limit_s:g} s")
                watch.wait(math.inf, _POLL_S)

    def _ask(self, question: Callable[[], T]) -> T | None:
        """What the engine answers; None where it cannot be asked at present, as a scheduler that is restarted.

        Raises:
            BadSettings: That has lasted longer than a run may take.
        """
        try:
            answer = question()
        except OSError as problem:
            now_s = time.monotonic()
            if self._unknown_since_s is None:
                self._unknown_since_s = now_s
                self._tell(f"waiting: {problem}")
            if now_s - self._unknown_since_s > self._limit_s + self._config.settings.grace_s + _BEYOND_S:
                raise BadSettings(f"the try was given up: {problem}.") from problem
            return None
        self._unknown_since_s = None
        return answer

    def _look(self, run: Run) -> TriedRun:
        """What a run left, before the next one begins."""
        run_paths = self._paths.run(run.run_id)
        spec = json.loads(run_paths.spec.read_bytes())
        observation = observation_of(run_paths, is_off=not self._config.settings.observe_inputs)
        written = self._written(run, spec["cwd"], observation.processes)
        self._own.update(written)
        with suppress(OSError):
            keep_candidates(self._paths, run)
        kept = kept_files(self._paths, replace(run, kept=kept_hashes(run_paths)))
        folder = self._paths.root / (run.output_dir or "")
        names = [os.path.relpath(os.path.join(at, one), folder) for at, _, found in walk(folder) for one in found]
        cwd = os.path.realpath(spec["cwd"])
        return TriedRun(
            run=run,
            cwd=cwd,
            left=Left(log_of(run_paths), kept, small_files(cwd, self._paths.root, written)),
            python=_main_python(observation.processes),
            outputs=tuple(sorted(names)),
            output_bytes=outputs.size(folder) if folder.is_dir() else 0,
            written=tuple(os.path.relpath(one, cwd) for one in written if one.startswith(f"{cwd}/")),
            elsewhere=tuple(self._elsewhere(cwd, written)),
        )

    def _written(self, run: Run, cwd: str, told: tuple[Process, ...]) -> list[str]:
        """Files that a run wrote outside its output folder and that are still there, by their real paths."""
        found = {os.path.realpath(one.path) for process in told for one in process.opened if one.kind == "w"}
        began_ns = self._paths.run(run.run_id).spec.stat().st_mtime_ns
        if Path(cwd).is_relative_to(self._paths.worktrees.resolve()):  # nobody else writes there
            for at, folders, names in walk(Path(cwd)):
                folders[:] = [name for name in folders if name not in ("__pycache__", ".git")]
                places = (os.path.join(at, name) for name in names if name != ".git")
                found |= {os.path.realpath(one) for one in places if _is_since(one, began_ns)}
        own = (f"{(self._paths.root / (run.output_dir or '')).resolve()}/", f"{self._paths.runs.resolve()}/")
        kept = (one for one in found if os.path.isfile(one) and not one.startswith(own))
        return sorted(one for one in kept if "/__pycache__/" not in one)

    def _elsewhere(self, cwd: str, written: list[str]) -> Iterator[str]:
        root = str(self._paths.root)
        for one in written:
            if one.startswith(f"{root}/") and not one.startswith((f"{cwd}/", f"{self._paths.state.resolve()}/")):
                yield os.path.relpath(one, root)


def _tells_more(run: Run) -> bool:
    """Whether another run would tell more than this one; what crashed crashes again."""
    return run.state in (RunState.SUCCEEDED, RunState.TIMED_OUT) or (
        run.state in (RunState.FAILED, RunState.UNREAD) and run.exit_code == 0 and run.changed_meanwhile is None
    )


def _main_python(told: tuple[Process, ...]) -> tuple[str, str] | None:
    """Program and version of the process that did the work: it opened the most files, as imports do."""
    main = max(told, key=lambda one: len(one.opened), default=None)
    return None if main is None else (main.executable, main.version)


def _is_since(path: str, began_ns: int) -> bool:
    try:
        seen = os.lstat(path)
    except OSError:
        return False
    return not os.path.islink(path) and seen.st_mtime_ns >= began_ns


def _content(paths: ProjectPaths, config: Config, code: Code) -> SnapshotContent | None:
    try:
        return snapshot_content(paths, config.settings, code)
    except GitFailed:
        return None
