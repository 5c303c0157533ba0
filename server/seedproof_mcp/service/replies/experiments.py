"""The reply of `list_experiments`."""

import json
from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field
from seedproof.model.results import Campaign, Notice

from seedproof_mcp.service.replies.result import Result
from seedproof_mcp.service.replies.rows import ExperimentRow, NoticeResult, QueuedRow, RunningRow

__all__ = ["ExperimentList"]


class ExperimentList(Result):
    """A page of the campaign, oldest first."""

    generation: int | None
    total: int
    judged: int
    running: RunningRow | None
    queued: int
    queue: list[QueuedRow]
    do_not_retry: list[str]
    campaign: Campaign
    experiments: list[ExperimentRow]
    also_running: list[RunningRow] = Field(default_factory=list)

    @property
    def training(self) -> list[str]:
        """Ids of the runs that train now."""
        return [row.run_id for row in (*([self.running] if self.running else []), *self.also_running)]

    def first_line(self) -> str:
        """Counts."""
        return f"{self.total} experiments declared, {self.judged} judged, {self.queued} runs queued"

    def details(self) -> list[str]:
        """What is training and queued, what not to try again, and one line for each experiment."""
        from seedproof.report.summary import ideas_line, without_value_words

        lines = [f"Training now: {', '.join(self.training)}"] if self.running else []
        if self.queue:
            lines.append(f"Queue, in order: {', '.join(map(str, self.queue))}")
        lines += [ideas_line(self.campaign)] if self.total else []
        lines += [without_value_words(self.campaign)] if self.campaign.without_value else []
        lines += [self.campaign.advice] if self.campaign.advice else []
        lines += [row.line(self.generation) for row in self.experiments]
        if self.do_not_retry:
            lines.append(f"Do not try again, also under another name: {', '.join(self.do_not_retry)}")
        return lines

    def told(self) -> Sequence[str]:
        """What the lines say."""
        return ("total", "judged", "queued", "queue", "do_not_retry", "experiments")

    def within(self, most_bytes: int) -> Self:
        """The same in a structure of at most so many bytes: rows are shortened, and left out where that does not do."""
        if _size(self.document()) <= most_bytes:
            return self
        rows = [row.shortened(self.generation, 0) for row in self.experiments]
        found = self._with_rows(rows, "rows are shortened; a smaller limit shows whole ones.")
        room = (most_bytes - _size(found.document())) // len(rows) - _HYPOTHESIS_BYTES
        if room > 0:
            rows = [row.shortened(self.generation, room) for row in self.experiments]
        while len(rows) > 1 and _size(found.document()) > most_bytes:
            rows = rows[: len(rows) * 9 // 10]
            found = self._with_rows(rows, f"{len(rows)} rows fit into one reply; offset shows those that follow.")
        return found.model_copy(update={"experiments": rows})

    def _with_rows(self, rows: Sequence[ExperimentRow], words: str) -> Self:
        kept = [one for one in self.do_not_retry if one in {row.experiment for row in rows}]
        notices = [*self.notices, NoticeResult.of(Notice("shortened", words))]
        return self.model_copy(update={"experiments": [*rows], "do_not_retry": kept, "notices": notices})


# `"hypothesis":"",` and the mark of what is left out.
_HYPOTHESIS_BYTES = 20


def _size(document: dict[str, Any]) -> int:
    return len(json.dumps(document, ensure_ascii=False).encode())  # with blanks, as some hosts show it
