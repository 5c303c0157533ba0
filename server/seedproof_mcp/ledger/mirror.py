"""The ledger's mirror: the copy under docs/research that git keeps."""

import os

from seedproof_mcp.ledger.damage import diverged
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Mirror", "Signature", "file_size", "signature"]

Signature = tuple[int, ...]
"""Changes where a file is replaced or changed."""


def signature(file: os.PathLike[str]) -> Signature | None:
    """Inode, time of the last change and size of a file; None where there is none."""
    try:
        stat = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    # ctime, because mtime can be set back.
    return (stat.st_ino, stat.st_ctime_ns, stat.st_size)


def file_size(file: os.PathLike[str]) -> int:
    """Size of a file in bytes; 0 where there is none."""
    found = signature(file)
    return found[2] if found else 0


class Mirror:
    """The copy of one project's ledger under docs/research."""

    def __init__(self, paths: ProjectPaths) -> None:
        self._paths = paths
        self._compared: Signature | None = None
        """Signature of the mirror when it last agreed with the ledger."""

    def forget(self) -> None:
        """Compare again at the next check, because the ledger was replaced."""
        self._compared = None

    @property
    def is_longer(self) -> bool:
        """Whether it is longer than the ledger, as in a fresh clone, which has no ledger."""
        return file_size(self._paths.mirror) > file_size(self._paths.ledger)

    def write(self, data: bytes) -> None:
        """Replace the copy.

        Args:
            data: The records of the ledger.

        Raises:
            OSError: It cannot be written.
        """
        files.make_folder(self._paths.research)
        if not os.path.lexists(self._paths.mirror_attributes):
            # Where core.autocrlf is set, git would turn LF into CRLF, and no hash would match.
            files.write_atomic(self._paths.mirror_attributes, f"{self._paths.mirror.name} -text\n".encode())
        files.write_atomic(self._paths.mirror, data)
        self._compared = signature(self._paths.mirror)

    def check(self) -> None:
        """Compare the mirror with the ledger, if it has changed since the last time.

        Raises:
            LedgerDiverged: Neither continues the other.
        """
        present = signature(self._paths.mirror)
        if present is None or present == self._compared or not file_size(self._paths.ledger):
            return
        ledger, mirror = self._paths.ledger.read_bytes(), self._paths.mirror.read_bytes()
        if not (ledger.startswith(mirror) or mirror.startswith(ledger)):
            raise diverged(mirror)
        if len(mirror) <= len(ledger):
            self._compared = present
