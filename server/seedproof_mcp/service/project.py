"""The project folder as an admission reads it: code, surroundings, limits, output folders."""

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from seedproof.admission.guards import Limits
from seedproof.admission.request import Admission
from seedproof.commands.option_names import OptionNames, option_names
from seedproof.commands.seed_files import named_files, own_keys, seed_keys
from seedproof.ledger.beginnings import Beginnings
from seedproof.ledger.event import Event
from seedproof.ledger.run_events import RunRequested
from seedproof.ledger.state import Experiment, State
from seedproof.ledger.study_events import ExperimentDeclared, GenerationStarted
from seedproof.model.code import Change, Code
from seedproof.model.refusals import BadSettings, Refusal
from seedproof.model.rules import Rules
from seedproof.model.runs import RunState
from seedproof.verdict.comparability import require_comparable_now

from seedproof_mcp.code.project_repository import ProjectRepository
from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.command_check import command_fault
from seedproof_mcp.host.environment import environment_sha256
from seedproof_mcp.host.fingerprint import Surroundings
from seedproof_mcp.host.place import Place
from seedproof_mcp.host.settings import Config, present_limits
from seedproof_mcp.host.training_script import training_script
from seedproof_mcp.ledger.entry import began_with, script_hash
from seedproof_mcp.ledger.registry import Registry, state_folder
from seedproof_mcp.runner.outputs import is_in_the_way
from seedproof_mcp.runner.run_setup import code_of
from seedproof_mcp.service.verdicts import RandBelow, fresh_seeds_for
from seedproof_mcp.system.paths import ProjectPaths, account_state_dir, user_state_dir

__all__ = ["ProjectFolder"]

T = TypeVar("T")


class ProjectFolder:
    """Reads on demand and remembers each answer: a request is decided twice, before and under the lock."""

    def __init__(self, paths: ProjectPaths, config: Config, place: Place, randbelow: RandBelow) -> None:
        self.workspace = Workspace(paths, config.settings)
        self._paths = paths
        self._config = config
        self._randbelow = randbelow
        self._surroundings = Surroundings(paths, config, place)
        self._state = State()
        self._answers: dict[Hashable, Any] = {}

    def at(self, state: State) -> "ProjectFolder":
        """This folder, with answers for the given state."""
        self._state = state
        return self

    def is_in_the_way(self, folder: str) -> bool:
        """Whether an output folder exists that the ledger does not own."""
        return is_in_the_way(self._paths.root, self._state, folder)

    def surroundings(self) -> Mapping[str, Any]:
        """The fingerprint that a run would have now."""
        salt = self._state.first_hash
        return self._once("surroundings", lambda: self._surroundings.fingerprint(self.code(), salt))

    def environment_of(self, interpreter: str) -> str:
        """The hash of the environment that an interpreter has now."""
        return environment_sha256(self._surroundings.compared(interpreter)[1])

    def limits(self) -> Limits:
        """The limits for unattended runs."""
        return present_limits(self._paths, self._config.settings)

    def code(self) -> Code:
        """The code in the project now.

        Raises:
            BadSettings: The repository contains something that a snapshot cannot hold.
        """
        return self._once("code", lambda: self.workspace.take(self._config.rules.sealed, self._created()))

    def beginnings(self) -> Beginnings:
        """What a generation that begins now begins with, and which other ledgers began alike."""
        return self._once("beginnings", lambda: _beginnings(self._paths.root, self._state, self._config.rules))

    def change(self, old: Code, new: Code) -> Change | None:
        """How one code differs from another; None where their hashes are equal."""
        return self._once(("change", _key(old), _key(new)), lambda: self.workspace.change(old, new))

    def option_names(self, code: Code) -> OptionNames:
        """The options that the training script of a code defines, as far as they can be read."""
        return self._once(("options", _key(code)), lambda: self._option_names(code))

    def _option_names(self, code: Code) -> OptionNames:
        script = training_script(self._paths.root, self._config.rules.command)
        if script is None:
            return ()
        try:
            return option_names(self.workspace.content(code, script))
        except (Refusal, OSError):
            return ()  # a notice is no reason to refuse a run

    def seed_files(self, code: Code, flags: Sequence[str]) -> tuple[str, ...]:
        """Files of a code that flags name and that set a seed beside the command's, with the key: `a.yaml: seed`."""
        return self._once(("seeds", _key(code), tuple(flags)), lambda: self._seed_files(code, flags))

    def _seed_files(self, code: Code, flags: Sequence[str]) -> tuple[str, ...]:
        try:
            prefix = self.workspace.prefix(code)
            paths = [one.path.removeprefix(prefix) for one in self.workspace.listed(code)]
            found = named_files(flags, paths)
            texts = {path: self.workspace.content(code, path) for path in found}
        except (Refusal, OSError):
            return ()  # as with the names of options
        own = own_keys(self._config.rules)
        keys = {path: seed_keys(text or b"", found[path], own) for path, text in texts.items()}
        return tuple(f"{path}: {key}" for path, said in keys.items() for key in said)

    def is_kept(self, code: Code) -> bool:
        """Whether a run could still be started with this code."""
        return self._once(("is_kept", _key(code)), lambda: self.workspace.is_kept(code))

    def differing(self, code: Code) -> tuple[str, ...]:
        """Files of the project that differ from a code held in place; none for a snapshot."""
        return self._once(("differing", _key(code)), lambda: self.workspace.differing(code, self._created()))

    def fresh_seeds(self, experiment: Experiment) -> tuple[int, ...]:
        """Fresh seeds for an experiment whose verdict has none; new ones for each state of the ledger.

        Raises:
            NoRandomSource: They have to be drawn, and the system has no random source.
        """
        return fresh_seeds_for(self._state, experiment, self._randbelow)

    def sealed(self, code: Code) -> Mapping[str, str]:
        """Content hashes of the sealed files that a run with this code would see."""
        return self._once(("sealed", _key(code)), lambda: self.workspace.sealed_now(code, self._config.rules.sealed))

    def _created(self) -> set[str]:
        """Files that runs in place have created, including the new files of a run that trains now."""
        created = set(self._state.created)
        for run in (self._state.runs[run_id] for run_id in self._state.active):
            code = code_of(self._state, run) if run.state is RunState.RUNNING else None
            if code is not None:
                created.update(self.workspace.created_since(code, created))
        return created

    def _once(self, what: Hashable, look: Callable[[], T]) -> T:
        if what not in self._answers:
            self._answers[what] = look()
        found: T = self._answers[what]
        return found

    def require_sealed(self, admission: Admission) -> None:
        """Refuse to begin a baseline where a pattern of sealed files matches nothing.

        Raises:
            BadSettings: A pattern of `rules.sealed` names no file.
        """
        if admission.starts_generation:
            for pattern in self.workspace.unmatched(self.code(), self._config.rules.sealed):
                raise BadSettings(f"rules.sealed names {pattern!r}, and there is no such file in the project.")

    def require_comparable(self, admission: Admission) -> None:
        """Refuse runs that would have other packages, or another device, than the baseline's.

        Raises:
            NotComparable: These differ, and the settings do not accept it.
        """
        if admission.requests_run and not admission.starts_generation:
            require_comparable_now(self._state, self._config.settings.accepted, self._surroundings.compared)

    def require_command(self) -> None:
        """Refuse a command that cannot be started.

        Raises:
            ProgramMissing, ScriptMissing: Its interpreter, its program or its script does not exist.
        """
        fault = command_fault(self._paths, self._config)
        if fault is not None:
            raise fault

    def keep(self, event: Event) -> None:
        """Store the code and the change that an event names.

        Raises:
            OSError: They cannot be stored.
        """
        if isinstance(event, GenerationStarted | ExperimentDeclared | RunRequested) and event.code is not None:
            self.workspace.keep(event.code)
        if isinstance(event, ExperimentDeclared | RunRequested) and event.change is not None:
            self.workspace.keep_change(event.change)


def _key(code: Code) -> Hashable:
    return code.sha256, code.snapshot


def _beginnings(root: Path, state: State, rules: Rules) -> Beginnings:
    repository, registry = ProjectRepository(root.resolve()), Registry(root)
    script, commit = script_hash(root / (training_script(root, rules.command) or "")), repository.first_commit()
    began = [*began_with(root, state.generations), (script, commit, rules.metric.name)]
    # Later on, snapshots of the folder's old place are this ledger's own, where the folder was moved.
    stored = repository.snapshots() if not state.generations else {}
    here = state_folder(root.resolve())
    return Beginnings(
        script=script,
        first_commit=commit,
        state_folder=here,
        is_own_state=os.path.realpath(user_state_dir()) == os.path.realpath(account_state_dir()),
        snapshots=sum(count for place, count in stored.items() if not registry.knows_place(place)),
        others=registry.others_like(state.first_hash, began),
    )
