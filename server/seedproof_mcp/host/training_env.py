"""The variables of a training: the user's, and those that make the environment of its interpreter the active one."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from seedproof_mcp.host.settings import Settings

__all__ = ["expand_home", "training_env"]

_UV_PLACE = "UV_PROJECT_ENVIRONMENT"


def expand_home(text: str) -> str:
    """A text with the user's home folder for a leading `~/`, as a shell does it; others stay as they are."""
    return os.path.expanduser(text) if text.startswith("~/") or text == "~" else text


def training_env(root: Path, python: str, settings: Settings) -> dict[str, str]:
    """The complete environment of a training; `settings.env` wins, and the interpreter's folder stands before its PATH.

    Args:
        root: The project folder.
        python: The interpreter that the settings choose.
    """
    own = {name: expand_home(value) for name, value in settings.env.items()}
    env = {**os.environ, **own, "PYTHONUNBUFFERED": "1"}
    prefix = _venv_of(python)
    if _comes_first(python, prefix, settings, env):
        folder = os.path.dirname(python)
        env["PATH"] = os.pathsep.join([folder, *_without(env.get("PATH", os.defpath), folder)])
    found = {} if prefix is None else {"VIRTUAL_ENV": prefix}
    found |= _for_uv(root, prefix if settings.python is not None else None, env)
    return {**env, **{name: value for name, value in found.items() if name not in own or name == _UV_PLACE}}


def _comes_first(python: str, prefix: str | None, settings: Settings, env: Mapping[str, str]) -> bool:
    """Whether its folder is put in front of the PATH: one that the PATH itself has given leaves its order as it is."""
    is_given = settings.python is None and prefix is None
    return "/" in python and not (is_given and shutil.which(os.path.basename(python), path=env.get("PATH")) == python)


def _without(path: str, folder: str) -> list[str]:
    return [one for one in path.split(os.pathsep) if one and one != folder]


def _venv_of(python: str) -> str | None:
    """The virtual environment that an interpreter is of; None where it is of none."""
    prefix = os.path.dirname(os.path.dirname(python))
    return prefix if prefix and os.path.isfile(os.path.join(prefix, "pyvenv.cfg")) else None


def _for_uv(root: Path, chosen: str | None, env: Mapping[str, str]) -> dict[str, str]:
    """What keeps `uv run` from installing the snapshot into the user's environment, or making another one in it.

    Args:
        chosen: The environment that the settings name; one that only the PATH gives is not the project's.
    """
    given = env.get(_UV_PLACE)
    if given is not None:
        place: str | None = str(root / given)  # relative to the project, and not to the snapshot
    else:
        own = root / ".venv"
        place = chosen or (str(own) if (own / "pyvenv.cfg").is_file() else None)
    return {"UV_NO_SYNC": "1", **({} if place is None else {_UV_PLACE: place})}
