"""Finds out which interpreter trained a run, where a launcher chose another one than the settings."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seedproof.inputs.reads import Process
from seedproof.ledger.state import State
from seedproof.model.refusals import Refusal
from seedproof.model.results import Notice
from seedproof.model.runs import Run, TrainedWith
from seedproof.phases.looks import ended_without_value

from seedproof_mcp.host.environment import environment_sha256, packages_sha256
from seedproof_mcp.host.fingerprint import Surroundings
from seedproof_mcp.host.place import Place
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.supervisor.run_contract import read_spec
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Observed", "observe", "trained_by_notices"]


@dataclass(frozen=True, slots=True)
class Observed:
    """What the record of an end says of the interpreter."""

    trained_with: TrainedWith | None = None
    """None where the interpreter of the start trained."""
    environment: Mapping[str, Any] | None = None
    """Its environment, where the ledger does not have it."""


def observe(
    paths: ProjectPaths, state: State, run: Run, place: Callable[[], Place], process: Process | None
) -> Observed:
    """Which interpreter trained a run, and its environment if that is not the recorded one.

    Args:
        run: With the surroundings of the place where it was carried out.
        place: Returns that place, which asks the interpreter.
        process: The process that trained; None where no Python told what it opened.
    """
    try:
        return _observe(paths, state, run, place, process)
    except (Refusal, OSError, ValueError, KeyError, TypeError):
        return Observed(TrainedWith())  # it is never worth a result


def _observe(
    paths: ProjectPaths, state: State, run: Run, place: Callable[[], Place], process: Process | None
) -> Observed:
    spec = read_spec(paths.run(run.run_id).spec)
    named = str(run.surroundings.get("interpreter", ""))
    asked = _found(str(paths.root / named) if "/" in named else named, spec.env, str(paths.root))
    if process is None or not process.executable:
        return Observed() if _is_started_by(spec.argv, spec.env, spec.cwd, asked) else Observed(TrainedWith())
    if _is_same(process.executable, asked):
        return Observed()
    surroundings = Surroundings(paths, load_config(paths.settings), place())
    # Links of a snapshot lead to the project's own folders, and another snapshot has other ones.
    python = os.path.join(_folder(process.executable), os.path.basename(process.executable))
    document = surroundings.compared(python)[1]
    sha256 = environment_sha256(document)
    if sha256 == run.surroundings.get("environment_sha256"):
        return Observed()  # a link or a wrapper that leads to it
    if document["packages"] is None:
        return Observed(TrainedWith())
    trained_with = TrainedWith(surroundings.shown(python), sha256, packages_sha256(document))
    return Observed(trained_with, None if sha256 in state.environments else document)


def _found(program: str, env: Mapping[str, str], cwd: str) -> str:
    """The path of a program as it is started."""
    path = program if "/" in program else shutil.which(program, path=env.get("PATH", os.defpath)) or program
    return os.path.normpath(os.path.join(cwd, path))


def _is_same(one: str, other: str) -> bool:
    """Whether two paths are one interpreter of one environment: those of two environments may be links to one file."""
    return os.path.realpath(one) == os.path.realpath(other) and _folder(one) == _folder(other)


def _folder(path: str) -> str:
    return os.path.realpath(os.path.dirname(path))


def _is_started_by(argv: tuple[str, ...], env: Mapping[str, str], cwd: str, asked: str) -> bool:
    """Whether the command names the interpreter, or begins with a program of its environment."""
    program = _found(argv[0], env, cwd)
    if any(_is_same(os.path.join(cwd, part), asked) for part in (program, *argv) if "/" in part):
        return True
    has_environment = os.path.exists(os.path.join(os.path.dirname(os.path.dirname(asked)), "pyvenv.cfg"))
    return has_environment and _folder(program) == _folder(asked)


def trained_by_notices(run: Run, metric: str) -> list[Notice]:
    """Which interpreter a training had that ended by itself without a value: packages may be missing there."""
    trained = run.trained_with
    named = run.surroundings.get("interpreter") if trained is None else trained.interpreter
    if not named or not run.exit_code or not ended_without_value(run, metric):
        return []
    is_own = _folder(named) == _folder(sys.executable)
    whose = "Seedproof's own, which may lack the project's packages" if is_own else "not Seedproof's own"
    text = f"{run.run_id} was trained by {named}, {whose}; `python` in [settings] of seedproof.toml names another."
    return [Notice("trained_by", text)]
