"""Which Python a project trains with: its environment, by the files that uv, conda, poetry and pdm leave."""

import os
import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.host.fingerprint import interpreter
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.setup.source.python_source import read_text
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Interpreter", "find_interpreter", "of_command", "same_environment"]

_MOST_PARENTS = 3
_NAME = re.compile(r"^name:\s*['\"]?([\w.-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter of a project."""

    python: str | None = None
    """What `settings.python` has to be; None where Seedproof finds it by itself."""
    why: str | None = None
    check: str | None = None


def find_interpreter(root: Path) -> Interpreter:
    """The environment that the project's files name, without running any program."""
    if _is_python(root / ".venv/bin/python"):
        return Interpreter(why=".venv is the project's environment")
    for folder in ("venv", "env", ".env", "virtualenv"):
        if (root / folder / "pyvenv.cfg").is_file() and _is_python(root / folder / "bin/python"):
            return Interpreter(f"{folder}/bin/python", f"{folder}/ is the project's environment")
    named = _uv(root) or _pdm(root) or _conda(root) or _poetry(root)
    return named or Interpreter()


def _uv(root: Path) -> Interpreter | None:
    """uv keeps the environment of a workspace in its topmost folder."""
    if not (root / "uv.lock").is_file() and "uv" not in _tools(root):
        above = [root.parents[depth] for depth in range(min(_MOST_PARENTS, len(root.parents)))]
        for depth, folder in enumerate(above, 1):
            members = _tools(folder).get("uv")
            if isinstance(members, dict) and "workspace" in members and _is_python(folder / ".venv/bin/python"):
                return Interpreter("../" * depth + ".venv/bin/python", "the uv workspace's environment lies above")
        return None
    return Interpreter(
        why="uv manages the project", check="No .venv yet: run `uv sync`, so that the training has its packages."
    )


def _pdm(root: Path) -> Interpreter | None:
    text = (read_text(root / ".pdm-python") or "").strip()
    if text and text.isprintable() and _is_python(Path(text)):
        return Interpreter(text, ".pdm-python names it")
    return None


def _conda(root: Path) -> Interpreter | None:
    for file in ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml"):
        match = _NAME.search(read_text(root / file) or "")
        if match is None:
            continue
        name = match[1]
        for folder in _conda_folders():
            if folder.name == name and _is_python(folder / "bin/python"):
                return Interpreter(str(folder / "bin/python"), f"{file} names the conda environment {name}")
        why = f"{file} names the conda environment {name}, which was not found"
        return Interpreter(None, why, f"Set settings.python to the Python of the conda environment {name}.")
    return None


def _conda_folders() -> list[Path]:
    """Environments that conda lists in the account's home, the active one, and those in the usual places."""
    home = Path(os.path.expanduser("~"))
    listed = (read_text(home / ".conda/environments.txt") or "").splitlines()
    found = [Path(os.environ["CONDA_PREFIX"])] if os.environ.get("CONDA_PREFIX") else []
    found += [Path(line.strip()) for line in listed if line.startswith("/")]
    for base in ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", ".conda"):
        folder = home / base / "envs"
        found += sorted(folder.iterdir()) if folder.is_dir() else []
    return found


def _poetry(root: Path) -> Interpreter | None:
    """Poetry's environments lie in its cache, under the project's name and a hash."""
    tool = _tools(root).get("poetry")
    if not (root / "poetry.lock").is_file() and tool is None:
        return None
    project = _document(root).get("project")
    tables = [table for table in (tool, project) if isinstance(table, dict)]
    name = next((str(table["name"]) for table in tables if "name" in table), "")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "pypoetry/virtualenvs"
    pattern = re.compile(rf"{re.escape(name.casefold().replace('_', '-'))}-[\w-]{{8}}-py3\.\d+$")
    found = [one for one in sorted(cache.iterdir()) if pattern.match(one.name.casefold())] if cache.is_dir() else []
    if name and len(found) == 1 and _is_python(found[0] / "bin/python"):
        return Interpreter(str(found[0] / "bin/python"), "poetry keeps the project's environment there")
    return Interpreter(
        None, "poetry manages the project", "Set settings.python to what `poetry env info --executable` prints."
    )


def _document(root: Path) -> dict[str, object]:
    try:
        return tomllib.loads(read_text(root / "pyproject.toml") or "")
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _tools(root: Path) -> dict[str, object]:
    tools = _document(root).get("tool")
    return tools if isinstance(tools, dict) else {}


def _is_python(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except (OSError, ValueError):
        return False


# --- of a command that works ----------------------------------------------------------------------


def of_command(root: Path, program: str) -> Interpreter:
    """What `settings.python` has to be so that `{python}` is the interpreter that a command named.

    Args:
        program: `python`, `python3.11`, or a path, as it was typed in the project.
    """
    path = Path(program).expanduser() if "/" in program else Path(shutil.which(program) or "")
    path = path if path.is_absolute() else root / path
    own = interpreter(ProjectPaths(root), Settings())
    if not _is_python(path) or same_environment(path, Path(own)):
        return Interpreter(why="{python} is that interpreter") if _is_python(path) else Interpreter()
    try:
        shown = path.relative_to(root).as_posix()
    except ValueError:
        shown = str(path)
    return Interpreter(shown, f"`{program}` of the command")


def same_environment(one: Path, other: Path) -> bool:
    """Whether two interpreters belong to the same environment: the folder they lie in, not what links lead to."""
    are_plain = {one.name, other.name} <= {"python", "python3"}
    return one.parent.resolve() == other.parent.resolve() and (are_plain or one.resolve() == other.resolve())
