"""What is recorded of the surroundings of a run: interpreter, environment, code and place."""

import functools
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedproof.commands.argv import fixed_env
from seedproof.ledger.state import State
from seedproof.model.code import Code
from seedproof.verdict.place import DEVICE_VARIABLES, SLOT_VARIABLES, THREAD_VARIABLES

from seedproof_mcp.host.describe import asked_env
from seedproof_mcp.host.environment import environment_sha256, packages_sha256
from seedproof_mcp.host.place import Place
from seedproof_mcp.host.settings import Config, Settings
from seedproof_mcp.host.training_env import training_env
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.system.tree_walk import walk

__all__ = ["Surroundings", "interpreter", "value_sha256"]

_NO_CODE = frozenset({"checkpoints", "node_modules", "__pycache__"})
# Values of these may be recorded: they change numbers or wall time and hold no secret.
RECORDED_VALUES = (*DEVICE_VARIABLES, *THREAD_VARIABLES, "PYTHONHASHSEED", "PYTHONPATH")


def interpreter(paths: ProjectPaths, settings: Settings) -> str:
    """The Python of the training: the setting, the project's .venv, $VIRTUAL_ENV, python3."""
    if settings.python is not None:
        chosen = Path(settings.python).expanduser()
        return str(chosen if chosen.is_absolute() or "/" not in settings.python else paths.root / chosen)
    candidates = [paths.root / ".venv"]
    if os.environ.get("VIRTUAL_ENV"):
        candidates.append(Path(os.environ["VIRTUAL_ENV"]))
    for folder in candidates:
        python = folder / "bin" / "python"
        if python.exists():
            return str(python)
    return shutil.which("python3") or "python3"


class Surroundings:
    """What a run of a project would be carried out with now: interpreter, environment and place."""

    def __init__(self, paths: ProjectPaths, config: Config, place: Place) -> None:
        """Choose interpreter and environment, once for all questions.

        Args:
            place: Where the engine would start the run.
        """
        self.python = interpreter(paths, config.settings)
        # Variables of the rules replace inherited ones; what differs from run to run is no part of the surroundings.
        env = training_env(paths.root, self.python, config.settings)
        others = {name: value for name, value in env.items() if name not in config.rules.env}
        self.env = {**others, **fixed_env(config.rules)}
        self._root = paths.root
        self._settings = config.settings
        self._place = place
        slot_env = config.settings.slot_env
        self._of_slot = (
            None if slot_env is None else {name: slot_env[name] for name in SLOT_VARIABLES if name in slot_env}
        )
        """Variables by which the slot of the run chooses its place; None where one run at a time is trained."""

    def fingerprint(self, code: Code | None = None, salt: str | None = None) -> dict[str, Any]:
        """What is recorded of a run: names of added variables, values of few, hashes of the others.

        Args:
            code: What it is trained with; the project's Python files are hashed if None.
            salt: What the hashes of this ledger are made with; there are none without it.
        """
        return self._fingerprint(code, salt, self._environment())

    def recorded(self, state: State, code: Code | None = None) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Fingerprint and environment for the record of a run; the environment with the first run in it only.

        Args:
            state: What the ledger says, environments that it has among it.
            code: What the run is trained with.
        """
        document = self._environment()
        fingerprint = self._fingerprint(code, state.first_hash, document)
        is_known = fingerprint["environment_sha256"] in state.environments
        return fingerprint, None if is_known else document

    def compared(self, python: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """What decides whether a run can be compared with others: variables, interpreter, and the environment.

        Args:
            python: An interpreter as it was recorded; None for the one that the settings choose.
        """
        shown = self.shown(self.python) if python is None else python
        return {"env": self._recorded_values(), **self._slot(), "interpreter": shown}, self._environment(python)

    def import_path(self, python: str | None = None) -> tuple[str, ...]:
        """Where an interpreter imports from, as `compared` names it; empty if it cannot answer."""
        return self._place.import_path(self._asked(python), self.env, self._root)

    def question(self) -> dict[str, Any]:
        """What another machine is asked of the interpreter."""
        return {"python": self._asked(None), "env": asked_env(self.env), "cwd": str(self._root)}

    def preload(self, salt: str | None) -> None:
        """Find out the slow parts, which are remembered, before a lock is taken that others wait for."""
        self._environment()
        self._hashes(salt)

    def _fingerprint(self, code: Code | None, salt: str | None, document: Mapping[str, Any]) -> dict[str, Any]:
        machine = self._place.machine()
        return {
            "code_sha256": _code_sha256(self._root) if code is None else code.sha256,
            **({} if code is None else {"snapshot": code.snapshot}),
            "packages_sha256": packages_sha256(document),
            "environment_sha256": environment_sha256(document),
            "interpreter": self.shown(self.python),
            "host": machine.host,
            "platform": machine.platform,
            "cpu_count": machine.cpu_count,
            "load": machine.load,
            "slot": self._settings.slot,
            **self._slot(),
            "env_names": sorted(self._settings.env.keys() - (self._of_slot or {}).keys()),
            "env": self._recorded_values(),
            "not_code": sorted(self._settings.not_code),
            **self._hashes(salt),
        }

    def shown(self, python: str) -> str:
        """The path of an interpreter as it is recorded: relative where it lies in the project."""
        return os.path.relpath(python, self._root) if python.startswith(f"{self._root}/") else python

    def _environment(self, python: str | None = None) -> dict[str, Any]:
        return self._place.environment(self._asked(python), self.env, self._root)

    def _asked(self, python: str | None) -> str:
        asked = self.python if python is None else python
        return str(self._root / asked) if "/" in asked else asked

    def _slot(self) -> dict[str, Any]:
        return {} if self._of_slot is None else {"slot_env": self._of_slot}

    def _recorded_values(self) -> dict[str, str]:
        return {
            name: self.env[name] for name in RECORDED_VALUES if name in self.env and name not in (self._of_slot or ())
        }

    def _hashes(self, salt: str | None) -> dict[str, Any]:
        """Show whether an added variable keeps its value; absent where there is nothing to tell."""
        others = (*RECORDED_VALUES, *(self._of_slot or ()))
        added = {name: value for name, value in sorted(self._settings.env.items()) if name not in others}
        if salt is None or not added:
            return {}
        return {"env_sha256": {name: value_sha256(salt, name, value) for name, value in added.items()}}


def _code_sha256(root: Path) -> str:
    """Hash of every Python file of the project, by name and content; hidden folders and virtual environments aside."""
    digest = hashlib.sha256()
    for parent, folders, names in walk(root):
        keep = [name for name in folders if not name.startswith(".") and name not in _NO_CODE]
        folders[:] = sorted(name for name in keep if not os.path.exists(os.path.join(parent, name, "pyvenv.cfg")))
        for name in sorted(names):
            if name.endswith(".py"):
                path = Path(parent, name)
                try:
                    content = path.read_bytes()
                except OSError:
                    content = b"unreadable"
                digest.update(os.fsencode(path.relative_to(root)) + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()


# About 20 ms each: whoever has the ledger can guess values, and a short secret is found by guessing. That can only
# be made slow; a value of 128 random bits is out of reach anyway.
ROUNDS = 50_000
_LENGTH = 16


@functools.lru_cache(maxsize=1024)
def value_sha256(salt: str, name: str, value: str) -> str:
    """A slow hash of a variable's value, the same within a ledger and another one everywhere else.

    Args:
        salt: The ledger's own: the hash of its first record.
        name: The variable; two of them with one value have two hashes.
        value: What may be a secret.
    """
    salted = f"{salt} {name}".encode("utf-8", "surrogateescape")
    secret = value.encode("utf-8", "surrogateescape")
    return hashlib.pbkdf2_hmac("sha256", secret, salted, ROUNDS).hex()[:_LENGTH]
