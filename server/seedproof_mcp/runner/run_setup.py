"""What a run is started with: the code of its arm, checked out, its command, and its time limit."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedproof.admission.code import changed_seals, list_files
from seedproof.commands.argv import REPLACES, training_argv, training_env
from seedproof.ledger.state import State
from seedproof.model.code import Code
from seedproof.model.refusals import NotComparable, SealedChanged, SnapshotMissing
from seedproof.model.run_key import Role
from seedproof.model.runs import Run
from seedproof.phases.probe import limit_s
from seedproof.phases.study import Study
from seedproof.report.provenance import shorten_path

from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host import variables
from seedproof_mcp.host.fingerprint import Surroundings
from seedproof_mcp.host.place import Place
from seedproof_mcp.host.settings import Config
from seedproof_mcp.host.training_env import expand_home
from seedproof_mcp.runner.metric_files import wanted_files
from seedproof_mcp.runner.own_paths import OwnPaths, outside_script, source_texts, tracked_files
from seedproof_mcp.supervisor.run_contract import Spec
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["RunSetup", "RunSetups", "code_of"]

# Before a baseline exists nobody knows how long a run takes; later, three times its slowest run.
FIRST_LIMIT_S = 24 * 3600.0
LIMIT_FACTOR = 3.0
LEAST_LIMIT_S = 600.0

# The words in the sources of a code, by its hash: a conductor starts many runs with few codes.
_words: dict[str, set[str]] = {}
_MAX_WORDS = 8


@dataclass(frozen=True)
class RunSetup:
    """What one run is started with."""

    code: Code | None
    """The code of the run; None in a ledger from before code was recorded."""
    working_directory: Path
    """Where the training is started."""
    flags: tuple[str, ...] = ()
    """What the run adds to the command."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that make imports find the code of the run."""
    command: tuple[str, ...] | None = None
    """The command of the rules as it is run; None for the very same."""
    noted: Mapping[str, Any] = field(default_factory=dict)
    """What its fingerprint says of it beside the surroundings."""


class RunSetups:
    """Makes what the runs of one project are started with."""

    def __init__(self, paths: ProjectPaths, config: Config, place: Place, at_once: int = 1) -> None:
        """Look at the surroundings of runs that would start now.

        Args:
            at_once: How many runs may train at the same time.
        """
        self._root = paths.root
        self._at_once = at_once
        self._config = config
        self.surroundings = Surroundings(paths, config, place)
        self._workspace = Workspace(paths, config.settings)
        self._made: dict[tuple[str, str], RunSetup] = {}

    def make(self, state: State, run: Run) -> RunSetup:
        """Check out the code of one run. Again is free for a snapshot, as nobody edits one.

        Raises:
            SnapshotMissing, NotComparable, SealedChanged: The code of its arm cannot be had any more.
        """
        code, flags = code_of(state, run), _flags_of(state, run)
        if code is None:
            return RunSetup(None, self._root, flags)
        if code.snapshot is not None and (run.run_id, code.snapshot) in self._made:
            return self._made[run.run_id, code.snapshot]
        self._require(state, run, code)
        folder = self._workspace.working_directory(code)
        is_in_place = code.held == "in-place"
        environment = {} if is_in_place else self._workspace.environment(code, self._import_path(state))
        command, flags, noted = self._command(flags, code, folder)
        noted |= self._held(state, run, code) | self._variables(state, code)
        setup = RunSetup(code, folder, flags, environment, command, noted)
        if code.snapshot is not None:
            self._made[run.run_id, code.snapshot] = setup
        return setup

    def spec(self, state: State, run: Run, setup: RunSetup, output_dir: str) -> Spec:
        """What the supervisor of a run is told.

        Args:
            state: The ledger, which says how long the baseline has taken.
            run: The run.
            setup: What it is started with.
            output_dir: Its output folder, in the project.
        """
        rules, settings = self._config.rules, self._config.settings
        if setup.command is not None:
            rules = rules.model_copy(update={"command": setup.command})
        # Where the training starts elsewhere, a relative folder would lie there.
        output = output_dir if setup.working_directory == self._root else str(self._root / output_dir)
        # A server that a training started has the variable of that training.
        inherited = {name: value for name, value in self.surroundings.env.items() if name != REPLACES}
        return Spec(
            run_id=run.run_id,
            argv=training_argv(rules, self.surroundings.python, run.seed, setup.flags, output, _replaced(state, run)),
            cwd=str(setup.working_directory),
            env={**inherited, **setup.environment, **training_env(rules, run.seed, output)},
            timeout_s=_time_limit_s(state, self._config, run, self._at_once),
            grace_s=settings.grace_s,
            slot=settings.slot,
            log_cap_bytes=int(settings.log_cap_mb * 1e6),
            engine=settings.engine,
            observe=settings.observe_inputs,
            metric_files=wanted_files(
                state.rules_of(run.generation), str(self._root / output_dir), str(setup.working_directory)
            ),
            **self._for_engine(state, run),
        )

    def _for_engine(self, state: State, run: Run) -> dict[str, Any]:
        """What a run of another engine than this machine's needs besides."""
        settings = self._config.settings
        if settings.engine == "local":
            return {}
        options, like = settings.options_of_engine, self.like_hosts(state, run)
        return {"engine_options": options, "asks": self.surroundings.question(), "like_hosts": like}

    def like_hosts(self, state: State, run: Run) -> tuple[str, ...]:
        """The hosts whose kind of device a run has to get; empty where it may have any."""
        if not self._config.settings.options_of_engine.get("same_device_as_baseline"):
            return ()
        return tuple(sorted({one.host for one in state.baseline_arm(run.generation).counted.values() if one.host}))

    def _command(
        self, flags: tuple[str, ...], code: Code, folder: Path
    ) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, Any]]:
        """The command and the flags as they are run, and what is recorded of that."""
        command, noted = tuple(map(expand_home, self._config.rules.command)), dict[str, Any]()
        top, tree = self._workspace.places(code)
        if code.held == "snapshot" and any(part.startswith("/") or "=/" in part for part in (*command, *flags)):
            own = OwnPaths(top, tree, folder, tracked_files(top, code))
            was, (command, flags) = (*command, *flags), (own.rewritten(command), own.rewritten(flags))
            changed = [shorten_path(old) for old, new in zip(was, (*command, *flags), strict=True) if old != new]
            noted |= {"rewritten": changed} if changed else {}
        script = outside_script(command, folder, (self._root.resolve(), top, tree))
        return command, flags, noted | ({"script": script} if script is not None else {})

    def _import_path(self, state: State) -> tuple[str, ...]:
        """Where the interpreter of the settings imports from, and that which trained the baseline instead, if any."""
        found = self.surroundings.import_path()
        arm = None if state.generation is None else state.baseline_arm(state.generation.number)
        runs = [] if arm is None else [run.trained_with for run in arm.counted.values()]
        trained = next((one.interpreter for one in runs if one is not None and one.interpreter is not None), None)
        return found if trained is None else (*found, *self.surroundings.import_path(trained))

    @staticmethod
    def _held(state: State, run: Run, code: Code) -> dict[str, Any]:
        """How the code is held, where that is not how the baseline's is."""
        reference = state.generations[run.generation - 1].code
        return {"held": code.held} if reference is not None and reference.held != code.held else {}

    def _variables(self, state: State, code: Code) -> dict[str, Any]:
        """Hashes of inherited variables that the code names."""
        env = self.surroundings.env
        names = variables.candidates(env, {*self._config.settings.env, *self._config.rules.env})
        if names and code.sha256 not in _words:
            _words[code.sha256] = variables.words_of(source_texts(self._workspace, code))
            if len(_words) > _MAX_WORDS:
                _words.pop(next(iter(_words)))
        salt = state.first_hash or ""
        return {"variables": variables.hashes(salt, env, names & _words[code.sha256]) if names else {}}

    def _require(self, state: State, run: Run, code: Code) -> None:
        if not self._workspace.is_kept(code):
            raise SnapshotMissing("the snapshot of this run is not in the repository")
        rules, reference = state.rules_of(run.generation), state.generations[run.generation - 1].code
        if rules.sealed and reference is not None:
            changed = changed_seals(reference, self._workspace.sealed_now(code, rules.sealed))
            with suppress(OSError):  # then the large ones are read again
                self._workspace.remember()
            if changed:
                raise SealedChanged(f"{list_files(changed)} is sealed and not as it was when the baseline began")
        differing = self._workspace.differing(code, state.created)
        if differing:
            raise NotComparable(f"{list_files(differing)} changed since the run was requested")
        if code.held == "in-place":  # a ledger that was copied here has no list of its files, which the end asks for
            self._workspace.keep(code)


def code_of(state: State, run: Run) -> Code | None:
    """The code that a run is trained with: its arm's, or of a confirmation's run without the change what that needs."""
    generation = state.generations[run.generation - 1]
    if run.experiment is None:
        return generation.code
    experiment = generation.experiments[run.experiment]
    return state.unchanged_code(experiment) if run.role is Role.CONFIRM and run.is_control else experiment.code


def _flags_of(state: State, run: Run) -> tuple[str, ...]:
    if run.experiment is None or run.is_control:
        return ()
    return state.generations[run.generation - 1].experiments[run.experiment].flags


def _replaced(state: State, run: Run) -> tuple[int, ...]:
    """Places in the command of what the run's flags replace."""
    if run.experiment is None or run.is_control:
        return ()
    return state.generations[run.generation - 1].experiments[run.experiment].replaces


def _time_limit_s(state: State, config: Config, run: Run, at_once: int) -> float:
    """Seconds after which a run is ended: the setting, or several times what the slowest baseline run took.

    Args:
        at_once: How many runs may train at the same time: each may be as much slower than a baseline that had less
            company.
    """
    setting_s = math.inf if config.settings.timeout_min is None else config.settings.timeout_min * 60
    if run.role is Role.PROBE:
        baseline = Study(state, config.rules).baseline_of(run.generation)
        assert baseline is not None  # no probe is started without one
        return min(setting_s, limit_s(baseline))
    if setting_s < math.inf:
        return setting_s
    arm = state.baseline_arm(run.generation)
    times, company = arm.finite("wall_time_s"), 1 + max((one.neighbours for one in arm.counted.values()), default=0)
    if any(seed not in times for seed in config.rules.baseline_seeds):
        return FIRST_LIMIT_S
    return max(LEAST_LIMIT_S, LIMIT_FACTOR * max(1.0, at_once / company) * max(times.values()))
