"""Repositories for tests, and all of a repository that Seedproof must leave as it is."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["files_below", "git", "make_repository", "state_of", "workspace", "write"]

SOMEONE = ("-c", "user.name=someone", "-c", "user.email=someone@localhost", "-c", "commit.gpgSign=false")


def git(folder: Path, *arguments: str, **env: str) -> str:
    """What the user does; fails as git does."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *SOMEONE, *arguments], cwd=folder, env={**bare, **env}, capture_output=True, check=True
    )
    return os.fsdecode(done.stdout)


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Files with their folders."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def make_repository(folder: Path, files: Mapping[str, str], *, commit: bool = True) -> Path:
    """A repository with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main", ".")
    write(folder, files)
    if commit:
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "begin")
    return folder


def workspace(folder: Path, **settings: Any) -> Workspace:
    """The code of a project, as a new process sees it."""
    return Workspace(ProjectPaths(folder), Settings(**settings))


def state_of(folder: Path) -> dict[str, object]:
    """All that belongs to the user: status, index, HEAD, branches, stash, hooks, configuration."""
    own = Path(git(folder, "rev-parse", "--absolute-git-dir").strip())
    index = own / "index"
    return {
        # Without refreshing the index, which git's own `status` would do.
        "index": index.read_bytes() if index.exists() else None,
        "status": git(folder, "status", "--porcelain", "-uall", GIT_OPTIONAL_LOCKS="0"),
        "HEAD": (own / "HEAD").read_text(),
        "refs": [line for line in git(folder, "for-each-ref").splitlines() if "refs/seedproof/" not in line],
        "stash": git(folder, "stash", "list"),
        "logs": {str(path.relative_to(own)): path.read_bytes() for path in _files(own / "logs")},
        "hooks": sorted(path.name for path in _files(own / "hooks")),
        "config": git(folder, "config", "--list", "--local"),
    }


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def files_below(folder: Path) -> dict[str, bytes | str]:
    """Every file by its path: a link by its target, others by content; git's own and links of Seedproof aside."""
    found: dict[str, bytes | str] = {}
    for parent, folders, names in os.walk(os.fsencode(folder)):
        folders[:] = [name for name in folders if name not in (b".git", b".seedproof")]
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(parent, name)))]:
            place = os.path.join(parent, name)
            key = os.fsdecode(os.path.relpath(place, os.fsencode(folder)))
            if os.path.islink(place):
                found[key] = f"link to {os.fsdecode(os.readlink(place))}"
            elif name != b".git":
                with open(place, "rb") as file:
                    found[key] = file.read()
    return found
