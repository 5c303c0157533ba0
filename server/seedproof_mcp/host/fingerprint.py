"""What a run is carried out with: interpreter, environment, machine."""

import functools
import hashlib
import os
import platform
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedproof.ledger.state import State
from seedproof.model.code import Code
from seedproof.verdict.comparability import DEVICE_VARIABLES, THREAD_VARIABLES

from seedproof_mcp.host.environment import environment, environment_sha256, packages_sha256
from seedproof_mcp.host.settings import Config, Settings
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.system.tree_walk import walk

__all__ = [
    "ask_ahead",
    "fingerprint",
    "interpreter",
    "present_fingerprint",
    "present_load",
    "present_surroundings",
    "started_fields",
    "training_environment",
    "value_sha256",
]


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


def training_environment(settings: Settings) -> dict[str, str]:
    """The complete environment of the training."""
    return {**os.environ, **settings.env, "PYTHONUNBUFFERED": "1"}


def present_fingerprint(
    paths: ProjectPaths, config: Config, code: Code | None = None, salt: str | None = None
) -> dict[str, Any]:
    """What would be recorded of a run that started now."""
    settings = config.settings
    return fingerprint(paths, config, interpreter(paths, settings), training_environment(settings), code, salt)


def present_surroundings(paths: ProjectPaths, config: Config) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a run that started now is set beside others by: recorded variables, and its environment."""
    env = training_environment(config.settings)
    recorded = {"env": {name: env[name] for name in RECORDED_VALUES if name in env}}
    return recorded, environment(interpreter(paths, config.settings), env, paths.root)


def fingerprint(
    paths: ProjectPaths,
    config: Config,
    python: str,
    env: Mapping[str, str],
    code: Code | None = None,
    salt: str | None = None,
) -> dict[str, Any]:
    """What is recorded of a run's surroundings; names of added variables, values of few, hashes of the others.

    Args:
        paths: The project.
        config: Its settings.
        python: The interpreter of the training.
        env: The complete environment of the training, with the project's own PYTHONPATH.
        code: What it is trained with; the project's Python files are hashed if None.
        salt: What the hashes of this ledger are made with; there are none without it.
    """
    return _fingerprint(paths, config, python, env, code, environment(python, env, paths.root), salt)


def ask_ahead(state: State, paths: ProjectPaths, config: Config) -> None:
    """Find out what takes long of a fingerprint and is remembered, before a lock is taken that others wait for."""
    environment(interpreter(paths, config.settings), training_environment(config.settings), paths.root)
    _hashes(config.settings, state.first_hash)


def started_fields(
    state: State,
    paths: ProjectPaths,
    config: Config,
    python: str,
    env: Mapping[str, str],
    code: Code | None = None,
) -> dict[str, Any]:
    """The fields of a `run_started` record on surroundings: an environment is written out by the first run that has it.

    Args:
        state: What the ledger says, environments that it has among it.
        paths: As of `fingerprint`, like the others.
    """
    document = environment(python, env, paths.root)
    fields = _fingerprint(paths, config, python, env, code, document, state.first_hash)
    written_out = {} if fields["environment_sha256"] in state.environments else {"environment": document}
    return {"fingerprint": fields, **written_out}


def present_load() -> float | None:
    """The machine's load average over the last minute; None where the system has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def _fingerprint(
    paths: ProjectPaths,
    config: Config,
    python: str,
    env: Mapping[str, str],
    code: Code | None,
    document: Mapping[str, Any],
    salt: str | None,
) -> dict[str, Any]:
    inside = python.startswith(f"{paths.root}/")
    return {
        **({"code_sha256": _code_sha256(paths.root)} if code is None else _code_fields(code)),
        "packages_sha256": packages_sha256(document),
        "environment_sha256": environment_sha256(document),
        "interpreter": os.path.relpath(python, paths.root) if inside else python,
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "load": present_load(),
        "slot": config.settings.slot,
        "env_names": sorted(config.settings.env),
        "env": {name: env[name] for name in RECORDED_VALUES if name in env},
        "not_code": sorted(config.settings.not_code),
        **_hashes(config.settings, salt),
    }


def _hashes(settings: Settings, salt: str | None) -> dict[str, Any]:
    """Whether an added variable keeps its value can be told by these; absent where there is nothing to tell."""
    added = {name: value for name, value in sorted(settings.env.items()) if name not in RECORDED_VALUES}
    if salt is None or not added:
        return {}
    return {"env_sha256": {name: value_sha256(salt, name, value) for name, value in added.items()}}


def _code_fields(code: Code) -> dict[str, Any]:
    return {"code_sha256": code.sha256, "snapshot": code.snapshot}


def _code_sha256(root: Path) -> str:
    """Hash of every Python file of the project, by name and content; hidden folders and virtual environments aside."""
    digest = hashlib.sha256()
    for parent, folders, names in walk(root):
        keep = [name for name in folders if not name.startswith(".") and name not in _NO_CODE]
        folders[:] = sorted(name for name in keep if not os.path.exists(os.path.join(parent, name, "pyvenv.cfg")))
        for name in sorted(names):
            if name.endswith(".py"):
                _add(digest, root, Path(parent, name))
    return digest.hexdigest()


def _add(digest: Any, root: Path, path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError:
        content = b"unreadable"
    digest.update(os.fsencode(path.relative_to(root)) + b"\0" + hashlib.sha256(content).digest())


# About 20 ms: who reads a ledger can try values, and a short secret is found by trying. That cannot be prevented,
# only be made slow; a value of 128 random bits is out of reach anyway.
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
