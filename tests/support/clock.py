"""A clock for the tools that wait: time passes by waiting only, and nothing changes meanwhile."""

import anyio.lowlevel
import anyio.to_thread
import pytest
from seedproof_mcp.service.service import BLIND_S
from seedproof_mcp.surface import tools
from seedproof_mcp.system.file_watch import FileWatch

__all__ = ["Clock"]


class Clock:
    """Stands in place of anyio, and of the wait for a change."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.to_thread = anyio.to_thread

    @classmethod
    def of_the_tools(cls, monkeypatch: pytest.MonkeyPatch) -> "Clock":
        """The clock that the tools go by until the end of the test."""
        clock = cls()
        monkeypatch.setattr(tools, "anyio", clock)
        monkeypatch.setattr(tools, "changed", clock.changed)
        return clock

    def current_time(self) -> float:
        """Seconds since the beginning."""
        return self.now_s

    async def changed(self, watch: FileWatch, bound_s: float) -> None:
        """Wait as long as the tool would where nothing changes."""
        self.now_s += watch.bound_s(bound_s, BLIND_S)
        await anyio.lowlevel.checkpoint()
