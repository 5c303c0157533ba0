"""The file that a training writes its output into by itself, of which only head and tail are kept."""

import os

from seedproof_mcp.system import files

__all__ = ["CappedLog"]

# Holes in files are made of whole blocks.
_BLOCK = 4096


class CappedLog:
    """Gives the middle of a growing file back to the disk."""

    def __init__(self, descriptor: int, cap_bytes: int | None) -> None:
        self._descriptor = descriptor
        self._half = None if cap_bytes is None else cap_bytes // 2 // _BLOCK * _BLOCK
        self._end = self._half or 0
        """Where the next hole begins: all before it is a hole already, or stays."""

    @property
    def size(self) -> int:
        """Bytes written."""
        return os.fstat(self._descriptor).st_size

    @property
    def is_long(self) -> bool:
        """Whether its middle has to be given back while it grows."""
        return self._half is not None and self.size > self._half

    def trim(self) -> None:
        """Give the middle back to the disk, a piece at a time."""
        # The hole grows by an eighth of what is kept at least, so that this stays rare.
        self._cut(self.size, (self._half or 0) // 4)

    def settle(self, size: int) -> None:
        """The training has ended at this size: trim to it, and leave alone what it holds from now on.

        Where the hole ends follows from the size alone then, so that the same output leaves the same file.
        """
        self._cut(size, 0)
        self._end = max(self._end, -(-size // _BLOCK) * _BLOCK)

    def _cut(self, size: int, least: int) -> None:
        if self._half is None:
            return
        end = (size - self._half) // _BLOCK * _BLOCK
        if end - self._end < max(_BLOCK, least):
            return
        if files.punch_hole(self._descriptor, self._end, end):
            self._end = end
        else:  # not on this file system: nothing better can be done beside a process that writes
            self._half = None
