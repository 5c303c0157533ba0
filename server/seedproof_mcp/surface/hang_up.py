"""Ends a server whose client has hung up, whatever its calls wait for."""

import os
import select
import threading

__all__ = ["leave_soon", "watch"]

# What answers in time is still written, and an orderly end takes less; twice as long is promised.
GRACE_S = 1.0


def leave_soon() -> None:
    """End this process with 0 a moment from now, unless it has ended by then.

    A call in a thread cannot be cancelled, and an orderly end would wait for it. Nothing is lost: a server may be
    killed at any moment.
    """
    timer = threading.Timer(GRACE_S, os._exit, (0,))  # which flushes nothing
    timer.daemon = True
    timer.start()


def watch(descriptor: int) -> None:
    """Leave soon after the writers of a pipe or socket have closed it, also while nobody reads it.

    The end of a file or a terminal is seen by its reader alone.
    """
    threading.Thread(target=_leave_after, args=(descriptor,), daemon=True).start()


def _leave_after(descriptor: int) -> None:
    closed = select.POLLHUP | getattr(select, "POLLRDHUP", 0)  # the latter for sockets, on Linux
    poll = select.poll()
    poll.register(descriptor, closed)
    if any(event & closed for _, event in poll.poll()):
        leave_soon()
