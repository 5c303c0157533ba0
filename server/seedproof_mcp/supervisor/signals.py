"""Wakes a process that waits when a child of it ends, when somebody signals it, or when files change."""

import os
import signal
from types import FrameType

from seedproof_mcp.system.file_watch import FileWatch

__all__ = ["Wakeups", "signal_name"]

# How often it is looked whether whoever started a placed process still lives.
_PARENT_EVERY_S = 5.0
# How late a request to cancel or a free slot may be noticed where changes of files are not told of.
_BLIND_S = 0.1


class Wakeups:
    """Handles the signals of a process whose whole work is to wait; one for each process."""

    def __init__(self) -> None:
        self.interrupted_by: str | None = None
        self.files = FileWatch()
        """What else wakes it."""
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)
        # A blocked signal would be inherited from whoever started us, and passed on to training.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def end_with_parent(self) -> None:
        """Count the end of whoever started this process as a signal: the scheduler may give its place to others."""
        parent = os.getppid()

        def look(_number: int, _frame: FrameType | None) -> None:
            if os.getppid() != parent and self.interrupted_by is None:
                self.interrupted_by = "no word from the job's own process, which ended"
                signal.setitimer(signal.ITIMER_REAL, 0)

        signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, _PARENT_EVERY_S, _PARENT_EVERY_S)

    def wait(self, bound_s: float) -> None:
        """Return after a signal, after a change of the files, or when the time is over."""
        self.files.wait(bound_s, _BLIND_S, [self._reader])
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            return

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD and self.interrupted_by is None:
            self.interrupted_by = signal.Signals(number).name


def signal_name(number: int) -> str:
    """Return the name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has a number only
        return f"SIG{number}"
