"""What a run is carried out with: interpreter, environment, machine."""

import hashlib
import os
import platform
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedproof_mcp.config import Config, Settings
from seedproof_mcp.paths import ProjectPaths

__all__ = ["fingerprint", "interpreter", "present_fingerprint", "training_environment"]

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


def present_fingerprint(paths: ProjectPaths, config: Config) -> dict[str, Any]:
    """What would be recorded of a run that started now."""
    settings = config.settings
    return fingerprint(paths, config, interpreter(paths, settings), training_environment(settings))


def fingerprint(paths: ProjectPaths, config: Config, python: str, env: Mapping[str, str]) -> dict[str, Any]:
    """What is recorded of a run's surroundings; names of added variables, values of few."""
    settings = config.settings
    inside = python.startswith(f"{paths.root}/")
    return {
        "script_sha256": _sha256(paths.root / config.rules.script),
        "interpreter": os.path.relpath(python, paths.root) if inside else python,
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "slot": settings.slot,
        "env_names": sorted(settings.env),
        "env": {name: env[name] for name in RECORDED_VALUES if name in env},
    }


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
