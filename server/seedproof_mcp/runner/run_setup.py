"""Where a run is carried out: its working directory with the code of its arm, and what it is started with."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seedproof.admission.code import changed_seals, named
from seedproof.ledger.state import State
from seedproof.model.code import Code
from seedproof.model.refusals import NotComparable, SealedChanged, SnapshotMissing
from seedproof.model.rules import Rules
from seedproof.model.runs import Role, Run

from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.environment import import_path
from seedproof_mcp.host.fingerprint import interpreter, training_environment
from seedproof_mcp.host.settings import Config
from seedproof_mcp.system.paths import ProjectPaths

__all__ = [
    "Bench",
    "Place",
    "code_of",
    "time_limit_s",
]


@dataclass(frozen=True)
class Place:
    """What the bench holds ready for one run."""

    root: Path
    """The project."""
    code: Code | None
    """The code of the run; None in a ledger from before code was recorded."""
    working_directory: Path
    """Where the training is started."""
    flags: tuple[str, ...] = ()
    """What the run adds to the command."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that make imports find the code of the run."""

    def output_argument(self, folder: str) -> str:
        """The output folder as the command names it: absolute where the training starts elsewhere."""
        return folder if self.working_directory == self.root else str(self.root / folder)


class Bench:
    """Lays out the code of runs."""

    def __init__(self, paths: ProjectPaths, config: Config) -> None:
        self._paths = paths
        self._config = config
        self._workspace = Workspace(paths, config.settings)
        self._laid_out: dict[tuple[str, str], Place] = {}

    def lay_out(self, state: State, run: Run) -> Place:
        """What one run needs, checked out. Again is free for a snapshot, as nobody edits one.

        Raises:
            SnapshotMissing, NotComparable, SealedChanged: The code of its arm cannot be had any more.
        """
        code, flags = code_of(state, run), _flags_of(state, run)
        if code is None:
            return Place(self._paths.root, None, self._paths.root, flags)
        if code.snapshot is not None and (run.run_id, code.snapshot) in self._laid_out:
            return self._laid_out[run.run_id, code.snapshot]
        self._require(state, run, code)
        folder = self._workspace.working_directory(code)
        place = Place(self._paths.root, code, folder, flags, self._environment(code))
        if code.snapshot is not None:
            self._laid_out[run.run_id, code.snapshot] = place
        return place

    def _environment(self, code: Code) -> Mapping[str, str]:
        if code.held == "in-place":
            return {}
        settings = self._config.settings
        python = interpreter(self._paths, settings)
        found = import_path(python, training_environment(settings), self._paths.root)
        return self._workspace.environment(code, found)

    def created(self, state: State, run: Run) -> list[str]:
        """Files that are in the project now and were not in the run's code, where that is held in place."""
        code = code_of(state, run)
        if code is None or code.held == "snapshot":
            return []
        return self._workspace.created_since(code, state.created)

    def _require(self, state: State, run: Run, code: Code) -> None:
        if not self._workspace.is_kept(code):
            raise SnapshotMissing("the snapshot of this run is not in the repository")
        self._require_seals(state.rules_of(run.generation), state.generations[run.generation - 1].code, code)
        differing = self._workspace.differing(code, state.created)
        if differing:
            raise NotComparable(f"{named(differing)} changed since the run was requested")

    def _require_seals(self, rules: Rules, reference: Code | None, code: Code) -> None:
        if rules.sealed and reference is not None:
            changed = changed_seals(reference, self._workspace.sealed_now(code, rules.sealed))
            with suppress(OSError):  # then the large ones are read again
                self._workspace.remember()
            if changed:
                raise SealedChanged(f"{named(changed)} is sealed and not as it was when the baseline began")


def code_of(state: State, run: Run) -> Code | None:
    """The code that a run is trained with: its arm's, and the baseline's for the control side of a confirmation.

    In place nothing but the present files can be run: they are the experiment's, without its flags.
    """
    generation = state.generations[run.generation - 1]
    if run.experiment is None:
        return generation.code
    is_fresh_control = run.role is Role.CONFIRM and run.is_control
    if is_fresh_control and generation.code is not None and generation.code.held == "snapshot":
        return generation.code
    return generation.experiments[run.experiment].code


def _flags_of(state: State, run: Run) -> tuple[str, ...]:
    if run.experiment is None or run.is_control:
        return ()
    return state.generations[run.generation - 1].experiments[run.experiment].flags


# Before a baseline exists nobody knows how long a run takes; later, three times its slowest run.
FIRST_LIMIT_S = 24 * 3600.0


LIMIT_FACTOR = 3.0


LEAST_LIMIT_S = 600.0


def time_limit_s(state: State, config: Config, run: Run) -> float:
    """Seconds after which a run is ended: the setting, or what the baseline has taken, several times."""
    if config.settings.timeout_min is not None:
        return config.settings.timeout_min * 60
    slowest = _slowest_baseline_s(state, run.generation, config.rules)
    return FIRST_LIMIT_S if slowest is None else max(LEAST_LIMIT_S, LIMIT_FACTOR * slowest)


def _slowest_baseline_s(state: State, generation: int, rules: Rules) -> float | None:
    """Wall time of the slowest run of a complete baseline; None while it is not complete."""
    times = state.baseline_arm(generation).finite("wall_time_s")
    complete = all(seed in times for seed in rules.baseline_seeds)
    return max(times.values()) if complete else None
