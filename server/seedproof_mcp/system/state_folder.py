"""The folder that Seedproof keeps for itself, out of git."""

from seedproof_mcp.system import disk
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["prepare"]


def prepare(paths: ProjectPaths) -> None:
    """Make the state folder, which no repository sees.

    Raises:
        OSError: It cannot be made.
    """
    disk.make_folder(paths.state)
    if not paths.gitignore.exists():
        disk.write_atomic(paths.gitignore, b"*\n")
