"""The command line as a process: its output, its errors, and a terminal in front of it."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.waiting import PATIENCE_S

__all__ = ["COMMAND", "Terminal", "said"]

COMMAND = [sys.executable, "-m", "seedproof_mcp.surface.cli"]


def said(project: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """What a command said, and its exit code."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=PATIENCE_S,
    )


class Terminal:
    """A command in front of a terminal of its own."""

    def __init__(self, project: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.chdir(project)
            shown = {"TERM": "xterm", "COLUMNS": "80", "LINES": "30", **(variables or {})}
            os.execve(sys.executable, [*COMMAND, *arguments], {**os.environ, **shown})
        self.shown = ""

    def until(self, holds: Callable[[str], bool]) -> str:
        """Read until that holds of what was shown; all of it."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds(self.shown):
            assert time.monotonic() < deadline, self.shown
            ready, _, _ = select.select([self._fd], [], [], PATIENCE_S)
            assert ready and self._read(), self.shown
        return self.shown

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._fd, keys.encode())

    def ends(self) -> int:
        """Read to the end; the exit code, or the signal below zero."""
        while self._read():
            pass
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        os.close(self._fd)
        return code

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # of a terminal that its last process has left
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
