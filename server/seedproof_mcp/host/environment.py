"""What the training's Python and its devices are: that interpreter is asked once, in a process of its own."""

import functools
import hashlib
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedproof_mcp.system import spawn

__all__ = ["environment", "environment_sha256", "executable", "import_path", "packages_sha256"]

# An interpreter answers in 0.1 s, one that looks at GPUs in a second or two; one that takes this long is none.
ASK_S = 10.0
# One that hung would hang again: it is not asked before this has passed, unless it was changed.
HUNG_S = 60.0
# What an interpreter says begins with this: a sitecustomize or a wrapper may print as well.
_MARK = "seedproof:"
# More letters are no name and no version of anything.
_LONGEST = 100
_NVIDIA = Path("/proc/driver/nvidia")

# Runs in the user's Python, whatever its version, so nothing newer than 3.8 here. The project's folder leaves the path
# first: a file of the project may be called json.py. The packages are said before the GPUs are looked at: a driver
# that hangs costs the GPUs alone.
_QUESTION = r"""
import sys
sys.path[:] = [folder for folder in sys.path if folder]
import json, os, re

def packages():
    try:
        from importlib.metadata import distributions
    except ImportError:
        return None
    found = {}
    for one in distributions():
        try:
            text = one.read_text("METADATA") or one.read_text("PKG-INFO") or one.read_text("") or ""
        except (OSError, UnicodeDecodeError):
            continue
        head = dict(re.findall(r"^(Name|Version):[ \t]*(.*?)[ \t\r]*$", text.split("\n\n", 1)[0], re.M))
        if "Name" in head:
            found.setdefault(re.sub(r"[-_.]+", "-", head["Name"]).lower(), head.get("Version", ""))
    return found

def torch():
    try:
        from importlib.util import find_spec
        folder = find_spec("torch").submodule_search_locations[0]
        with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
            text = file.read()
    except Exception:
        return {}
    return dict(re.findall(r"^(__version__|cuda)\b[^=\n]*=\s*['\"]([^'\"\n]*)['\"]", text, re.M))

def gpus():
    try:
        import pynvml
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(one) for one in range(pynvml.nvmlDeviceGetCount())]
        said = [pynvml.nvmlDeviceGetName(one) for one in handles] + [pynvml.nvmlSystemGetDriverVersion()]
    except Exception:
        return {}
    *names, driver = [one.decode() if isinstance(one, bytes) else one for one in said]
    return {"gpus": names, "driver": driver}

def say(answer):
    print("seedproof:" + json.dumps(answer), flush=True)

known = torch()
say({
    "implementation": sys.implementation.name,
    "version": sys.version.split()[0],
    "packages": packages(),
    "torch": known.get("__version__"),
    "cuda": known.get("cuda"),
    "path": sys.path,
    "executable": sys.executable,
})
say(gpus())
"""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an interpreter said of itself. Everything is None where it could not answer."""

    implementation: str | None = None
    version: str | None = None
    packages: Mapping[str, str] | None = None
    torch: str | None = None
    """None also where it has no torch, if the packages are known."""
    cuda: str | None = None
    gpus: tuple[str, ...] | None = None
    """None where it has no nvidia-ml-py."""
    driver: str | None = None
    path: tuple[str, ...] = ()
    """Where it imports from, without the folder of the script."""
    executable: str | None = None
    """What it is started by in the end, where the program that was asked is a wrapper."""


_Key = tuple[str, str | None, tuple[tuple[str, str], ...]]
# What interpreters of this process have answered, with what they were asked under.
_answers: dict[_Key, tuple[tuple[int | None, ...], _Answer]] = {}
# Interpreters that hung without a word: what they were like, and until when they are left alone.
_hung: dict[_Key, tuple[tuple[int | None, ...], float]] = {}


def environment(python: str, env: Mapping[str, str], cwd: Path | None = None) -> dict[str, Any]:
    """Interpreter, packages and devices, as they are written into the ledger once; None is what nobody could tell.

    Args:
        python: The interpreter of the training.
        env: The complete environment of the training.
        cwd: Its working folder, for relative paths in PYTHONPATH.
    """
    found = _answer(python, env, cwd)
    gpus, driver = (found.gpus, found.driver) if found.gpus is not None else _driver_gpus()
    return {
        "implementation": found.implementation,
        "version": found.version,
        "packages": None if found.packages is None else dict(sorted(found.packages.items())),
        "torch": found.torch,
        "cuda": found.cuda,
        "gpus": list(gpus),
        "driver": driver,
        "cpu": _cpu(),
    }


def environment_sha256(document: Mapping[str, Any]) -> str:
    """The name of an environment: the hash of its canonical document."""
    from seedproof.ledger.records import canonical  # here, as a job that only describes its node needs none of it

    return hashlib.sha256(canonical(document)).hexdigest()


def packages_sha256(document: Mapping[str, Any]) -> str | None:
    """Hash of the names and versions of the packages of an environment; None if they could not be found."""
    packages = document["packages"]
    return None if packages is None else environment_sha256(packages)


def import_path(python: str, env: Mapping[str, str], cwd: Path | None = None) -> tuple[str, ...]:
    """Where an interpreter imports from, without the folder of the script; empty if it cannot answer.

    Args:
        python: The interpreter.
        env: The complete environment of the training.
        cwd: The folder that it is started in.
    """
    return _answer(python, env, cwd).path


def executable(python: str, env: Mapping[str, str], cwd: Path | None = None) -> str | None:
    """The interpreter that a program such as a shim of pyenv starts; None if it cannot answer."""
    return _answer(python, env, cwd).executable


# --- asking -----------------------------------------------------------------------------------


def _answer(python: str, env: Mapping[str, str], cwd: Path | None) -> _Answer:
    """What an interpreter says, asked again once it or a folder that it imports from has changed."""
    names = {name for name in env if name.startswith("PYTHON")} | {"PATH", "VIRTUAL_ENV", "CONDA_PREFIX"}
    variables = tuple(sorted((name, value) for name, value in env.items() if name in names))
    key = (python, str(cwd) if cwd is not None and _looks_from(env) else None, variables)
    if key in _answers:
        stamp, known = _answers[key]
        if stamp == _stamp(python, known):
            return known
    hung, until_s = _hung.get(key, ((), 0.0))
    if time.monotonic() < until_s and hung == _stamp(python, _Answer()):
        return _Answer()  # it hung a moment ago, and is the same still
    try:
        answer = _asked(python, env, cwd)
    except TimeoutError:
        answer, _hung[key] = None, (_stamp(python, _Answer()), time.monotonic() + HUNG_S)
    if answer is None:
        _answers.pop(key, None)  # one that could not answer is asked again
        return _Answer()
    _answers[key] = (_stamp(python, answer), answer)
    return answer


def _looks_from(env: Mapping[str, str]) -> bool:
    """Whether the working folder matters: where programs or modules are looked for in folders relative to it."""
    folders = [one for name in ("PATH", "PYTHONPATH") if env.get(name) for one in env[name].split(os.pathsep)]
    return not all(map(os.path.isabs, folders))


def _stamp(python: str, answer: _Answer) -> tuple[int | None, ...]:
    """When the interpreter, its package folders and the driver were last changed: installing changes a folder."""
    return tuple(_changed_ns(path) for path in (python, *answer.path, str(_NVIDIA / "version")))


def _changed_ns(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return None


def _asked(python: str, env: Mapping[str, str], cwd: Path | None) -> _Answer | None:
    """What an interpreter answers now; None where it is none.

    Raises:
        TimeoutError: It hung before it had said anything.
    """
    try:
        process = spawn.start(
            [python, "-c", _QUESTION], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except (OSError, ValueError):
        return None
    try:
        said, _ = process.communicate(timeout=ASK_S)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        if _MARK.encode() not in said:
            raise TimeoutError from None
    return _read(os.fsdecode(said))


def _read(said: str) -> _Answer | None:
    """The answer in what was printed; None where there is none, as of a program that is no Python."""
    parts: dict[str, Any] = {}
    for line in said.splitlines():
        if line.startswith(_MARK):
            try:
                part = json.loads(line.removeprefix(_MARK))
            except (ValueError, RecursionError):
                return None
            parts |= part if isinstance(part, dict) else {}
    if not parts:
        return None
    words = ("implementation", "version", "torch", "cuda", "driver")
    packages, gpus, path = (parts.get(name) for name in ("packages", "gpus", "path"))
    return _Answer(
        **{name: _plain(parts[name]) for name in words if parts.get(name) is not None},
        packages={_plain(name): _plain(one) for name, one in packages.items()} if isinstance(packages, dict) else None,
        gpus=tuple(_plain(one) for one in gpus) if isinstance(gpus, list) else None,
        path=tuple(str(one) for one in path) if isinstance(path, list) else (),
        executable=str(parts["executable"]) if parts.get("executable") else None,
    )


def _plain(said: object) -> str:
    """A name or version on one line: anybody can publish a package."""
    return re.sub(r"[^ -~]+", " ", str(said))[:_LONGEST].strip()


# --- the machine ------------------------------------------------------------------------------


def _driver_gpus() -> tuple[tuple[str, ...], str | None]:
    """Names of the GPUs and version of the driver, as NVIDIA's kernel module says them; nothing without it."""
    version = _text(_NVIDIA / "version")
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d[\w.]*)", version)
    files = sorted(_NVIDIA.glob("gpus/*/information"))
    names = [re.search(r"^Model:\s*(.+)$", _text(file), re.MULTILINE) for file in files]
    return tuple(_plain(name[1]) for name in names if name), None if found is None else found[1]


@functools.cache
def _cpu() -> str | None:
    """The processor's model; on systems that do not tell it, its kind."""
    for name in ("model name", "Hardware", "cpu model"):
        found = re.search(rf"^{name}\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")), re.MULTILINE)
        if found:
            return _plain(found[1])
    return platform.processor() or platform.machine() or None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
