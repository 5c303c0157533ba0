"""What a run is carried out with: interpreter, environment, machine."""

import hashlib
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedproof.code import Code

from seedproof_mcp import disk
from seedproof_mcp.config import Config, Settings
from seedproof_mcp.paths import ProjectPaths

__all__ = ["fingerprint", "interpreter", "present_fingerprint", "training_environment"]

# An interpreter answers in 20 ms; one that takes this long is none.
ASK_S = 10.0
_NO_CODE = frozenset({"checkpoints", "node_modules", "__pycache__"})
# Values of these may be recorded: they change numbers or wall time and hold no secret.
RECORDED_VALUES = (
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONPATH",
)


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


def present_fingerprint(paths: ProjectPaths, config: Config, code: Code | None = None) -> dict[str, Any]:
    """What would be recorded of a run that started now."""
    settings = config.settings
    return fingerprint(paths, config, interpreter(paths, settings), training_environment(settings), code)


def fingerprint(
    paths: ProjectPaths, config: Config, python: str, env: Mapping[str, str], code: Code | None = None
) -> dict[str, Any]:
    """What is recorded of a run's surroundings; names of added variables, values of few."""
    settings = config.settings
    inside = python.startswith(f"{paths.root}/")
    return {
        "code_sha256": _code_sha256(paths.root) if code is None else code.sha256,
        "snapshot": None if code is None else code.snapshot,
        "packages_sha256": _packages_sha256(python),
        "interpreter": os.path.relpath(python, paths.root) if inside else python,
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "slot": settings.slot,
        "env_names": sorted(settings.env),
        "env": {name: env[name] for name in RECORDED_VALUES if name in env},
    }


def _code_sha256(root: Path) -> str:
    """Hash of every Python file of the project, by name and content; hidden folders and virtual environments aside."""
    digest = hashlib.sha256()
    for parent, folders, names in os.walk(root):
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


def _packages_sha256(python: str) -> str | None:
    """Hash of the names and versions of the packages of an interpreter; None if they cannot be found."""
    places = _package_folders(python)
    names = {entry.name for place in places for entry in Path(place).glob("*.*-info")}
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest() if places else None


# What interpreters of this process have answered; one that could not answer is asked again.
_answers: dict[str, tuple[str, ...]] = {}


def _package_folders(python: str) -> tuple[str, ...]:
    """Where an interpreter finds its packages, as it says itself: a path may be that of a wrapper."""
    if python not in _answers:
        found = _ask_for_package_folders(python)
        if not found:
            return ()
        _answers[python] = found
    return _answers[python]


def _ask_for_package_folders(python: str) -> tuple[str, ...]:
    ask = [python, "-c", "import sys; print(*(p for p in sys.path if p.endswith('-packages')), sep='\\n')"]
    try:
        process = disk.spawn(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        said, _ = process.communicate(timeout=ASK_S)
    except (OSError, ValueError):
        return ()
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return ()
    return tuple(os.fsdecode(said).splitlines()) if process.returncode == 0 else ()


def import_path(python: str) -> tuple[str, ...]:
    """STUB"""
    return ()
