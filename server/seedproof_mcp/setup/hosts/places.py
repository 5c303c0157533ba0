"""Where a host's files lie on this machine, and which program it starts."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.setup.hosts.hosts import Host, Launch
from seedproof_mcp.setup.hosts.untouched import CannotEdit

__all__ = ["SKILL", "Places", "find_places", "launch_of", "packaged_skill"]

SKILL = "experiment-runner"


@dataclass(frozen=True, slots=True)
class Places:
    """The files of a host that install writes."""

    settings: Path
    lists: Path | None
    """The settings with lists of what is approved, where the host has them apart."""
    skill: Path
    tops: tuple[Path, ...]
    """Folders that stay when they are empty."""


def find_places(host: Host, project: Path, environment: Mapping[str, str]) -> Places:
    """Where the files of a host lie.

    Raises:
        CannotEdit: The host keeps its settings in the user's folder, and there is none.
    """
    approval = host.approval
    lists = project / approval.file if approval and approval.file else None
    if host.home is None:
        return Places(project / host.file, lists, project / host.skills / SKILL, (project,))
    user = _user_folder(host, environment)
    named = environment.get(host.home.variable)
    home = Path(named).absolute() if named else user / host.home.folder
    return Places(home / host.file, lists, user / host.skills / SKILL, (user, home) if named else (user,))


def _user_folder(host: Host, environment: Mapping[str, str]) -> Path:
    try:
        user = Path(environment["HOME"]) if environment.get("HOME") else Path.home()
    except RuntimeError:
        raise CannotEdit(f"{host.title} reads its settings in your home folder, and HOME is not set") from None
    if not user.is_dir():
        raise CannotEdit(f"{host.title} reads its settings in your home folder, and {user} is no folder")
    return user.absolute()


def launch_of(host: Host, project: Path) -> Launch:
    """The server's program by its absolute path; without the project where one entry stands for all of them.

    A host with one entry for all projects starts the server in the folder of its session, which is then the project.
    """
    program = Path(sys.executable).with_name("seedproof")
    arguments = ["serve"] if host.home else ["serve", "--project", str(project)]
    if program.is_file():
        return Launch(str(program), tuple(arguments))
    return Launch(sys.executable, ("-m", "seedproof_mcp.surface.cli", *arguments))


def packaged_skill() -> dict[str, bytes]:
    """The skill's files by their names: inside the package in a wheel, beside the packages in a checkout."""
    package = Path(__file__).parents[2]  # seedproof_mcp
    packaged = package / "skills" / SKILL
    folder = packaged if packaged.is_dir() else package.parents[1] / "skills" / SKILL
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
