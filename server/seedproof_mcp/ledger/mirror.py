"""The ledger's mirror: the copy under docs/research that git keeps."""

import os

from seedproof_mcp.ledger.damage import diverged
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Mirror", "Signature", "file_size", "signature"]

Signature = tuple[int, ...]
"""Tells whether a file is another one, or was changed."""


def signature(file: os.PathLike[str]) -> Signature | None:
    """Inode, time of the last change and size of a file; None where there is none."""
    try:
        stat = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    # The time of the last change of anything, because that of the content can be set back.
    return (stat.st_ino, stat.st_ctime_ns, stat.st_size)


def file_size(file: os.PathLike[str]) -> int:
    """Bytes of a file; 0 where there is none."""
    seen = signature(file)
    return seen[2] if seen else 0


class Mirror:
    """The copy of one project's ledger under docs/research."""

    def __init__(self, paths: ProjectPaths) -> None:
        self._paths = paths
        self._compared: Signature | None = None
        """The mirror as it was when it last agreed with the ledger."""

    def forget(self) -> None:
        """Compare anew: the ledger is another one now, however old the mirror is."""
        self._compared = None

    @property
    def is_longer(self) -> bool:
        """Whether it knows more than the ledger: a fresh clone has nothing else."""
        return file_size(self._paths.mirror) > file_size(self._paths.ledger)

    def write(self, data: bytes) -> None:
        """Rewrite the copy.

        Raises:
            OSError: It cannot be written.
        """
        files.make_folder(self._paths.research)
        if not os.path.lexists(self._paths.mirror_attributes):
            # Git would turn LF into CRLF where core.autocrlf is set, and no hash would fit.
            files.write_atomic(self._paths.mirror_attributes, f"{self._paths.mirror.name} -text\n".encode())
        files.write_atomic(self._paths.mirror, data)
        self._compared = signature(self._paths.mirror)

    def check(self) -> None:
        """Compare it with the ledger, if it has changed since it was compared.

        Raises:
            LedgerDiverged: Neither continues the other.
        """
        seen = signature(self._paths.mirror)
        if seen is None or seen == self._compared or not file_size(self._paths.ledger):
            return
        ledger, mirror = self._paths.ledger.read_bytes(), self._paths.mirror.read_bytes()
        if not (ledger.startswith(mirror) or mirror.startswith(ledger)):
            raise diverged(mirror)
        if len(mirror) <= len(ledger):
            self._compared = seen
