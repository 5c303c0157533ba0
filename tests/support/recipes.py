"""The recipes of docs/recipes, and projects of their frameworks' shape."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.surface.cli import main

from tests.support.places import ROOT
from tests.support.repositories import git

__all__ = [
    "FRAMEWORKS",
    "PAGES",
    "PROJECTS",
    "REAL",
    "Recipe",
    "begin",
    "blocks",
    "environment_of",
    "follow",
    "recipe",
]

PAGES = {page.stem: page for page in sorted((ROOT / "docs/recipes").glob("*.md")) if page.stem != "README"}
PROJECTS, REAL = ROOT / "tests/recipes/projects", ROOT / "tests/recipes/real"
FRAMEWORKS = ROOT / ".venv-recipes/bin/python"
"""The interpreter of `make recipes-env`."""
_IGNORED = ".venv/\n__pycache__/\nlogs/\noutputs/\nbin/\n"


@dataclass(frozen=True)
class Recipe:
    """What a page tells its reader to do."""

    settings: str
    """The whole `seedproof.toml`."""
    session: tuple[str, ...]
    """The commands, in their order."""

    @property
    def experiment(self) -> str:
        """The name of the example experiment."""
        return shlex.split(self.session[-1])[-1]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def recipe(name: str) -> Recipe:
    """The recipe of a page, which has one file of settings and one session."""
    ((settings,), (session,)) = (blocks(PAGES[name], language) for language in ("toml", "bash"))
    return Recipe(settings, tuple(session.splitlines()))


def begin(folder: Path, sources: Path, settings: str) -> None:
    """A repository with a project's files and the settings, committed."""
    shutil.copytree(sources, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECTS / "tiny.py", folder)
    (folder / "seedproof.toml").write_text(settings)
    (folder / ".gitignore").write_text(_IGNORED)
    git(folder, "init", "-q", "-b", "main", ".")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "begin")


def follow(folder: Path, session: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Carry out the commands of a session in the working folder, `seedproof` itself in this process.

    Yields:
        Each command and its exit code.
    """
    for line in session:
        words = shlex.split(line)
        code = main(words[1:]) if words[0] == "seedproof" else subprocess.run(words, cwd=folder, check=False).returncode
        yield line, code


def environment_of(interpreter: Path, programs: Path) -> Mapping[str, str]:
    """The variables of a shell in which an interpreter's environment is active, with more programs before it."""
    path = os.pathsep.join([str(programs), str(interpreter.parent), os.environ["PATH"]])
    return {"VIRTUAL_ENV": str(interpreter.parent.parent), "PATH": path}
