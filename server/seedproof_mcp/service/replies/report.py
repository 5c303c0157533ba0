"""The reply of `write_report`."""

from collections.abc import Callable, Sequence
from typing import Literal

from seedproof_mcp.service.replies.result import Follow, Result

__all__ = ["ReportResult"]


class ReportResult(Result):
    """A report that was written."""

    path: str
    sha256: str
    verdict: Literal["WINNER", "NEUTRAL", "LOSER"] | None
    figures: list[str]
    removed: list[str]
    freed_bytes: int
    kept: dict[str, int]

    def first_line(self) -> str:
        """What the report says."""
        return self.headline

    def told(self) -> Sequence[str]:
        """What the lines say."""
        return ("path",)

    def details(self) -> list[str]:
        """Where the report is, and which folders stay."""
        lines = [f"Report written: {self.path}"]
        if self.kept:
            from seedproof.notices.declarations import list_first  # here, as each server loads results when it starts

            names = list_first([f"{name} ({size} bytes)" for name, size in self.kept.items()])
            lines.append(f"Kept, as keep_outputs says: {names}.")
        return lines

    def texts(self) -> list[str]:
        """What a model reads; hash, figures and what was removed in a second text."""
        lines = [self.headline, *self.details()]
        return [self._lines(lines, lambda call: f"{call} - {call.why}"), *self.rest()]

    def for_people(self, next_line: Callable[[Follow], str]) -> str:
        """What the command line prints, with what the clean-up removed in numbers."""
        where, *kept = self.details()
        left = sum(not name.startswith("checkpoints/") for name in self.removed)
        folders = len(self.removed) - left
        parts = [f"{folders} checkpoint folders"] if folders else []
        parts += [f"{left} files and folders that runs left in snapshots"] if left else []
        gone = [f"Removed {' and '.join(parts)} ({self.freed_bytes} bytes)."] if parts else []
        return self._lines([self.headline, where, *gone, *kept], next_line)
