"""Forks a supervisor for each run, from a process that has loaded what supervisors need: that takes most of a start."""

import ctypes
import os
import signal
import socket
from collections.abc import Sequence

from seedproof_mcp.supervisor.processes import fields_of, read_proc

__all__ = ["ROOM", "next_run"]

ROOM = " " * 1024
"""The last argument of the process that forks: in its place the arguments of a supervisor are shown."""

# Linux has at most 4096 bytes of a path (PATH_MAX).
_LONGEST_PATH = 8192
_MOST_DESCRIPTORS = 3


def next_run(descriptor: int) -> list[str] | None:
    """Fork for each run that is asked for; return, in the fork, the arguments of its supervisor.

    A request is the path of a run's folder, with the descriptors of its supervise.log, of its alive.lock and of the
    slot that it is to take, if it has one already.

    Args:
        descriptor: One end of a pair of sockets of the kind SOCK_SEQPACKET.

    Returns:
        None in the process that forks, as soon as nobody holds the other end.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here asks how supervisors end
    with socket.socket(fileno=descriptor) as requests:
        while True:
            folder, descriptors, _, _ = socket.recv_fds(requests, _LONGEST_PATH, _MOST_DESCRIPTORS)
            if not folder:
                return None
            try:
                is_supervisor = os.fork() == 0
            except OSError:  # no memory: the run has lost its supervisor, and the conductor starts another
                is_supervisor = False
            if is_supervisor:
                break
            for one in descriptors:
                os.close(one)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log, alive, *slot = descriptors
    for output in (1, 2):
        os.dup2(log, output)
    os.close(log)
    found = [os.fsdecode(folder), "--lock-fd", str(alive), *(word for one in slot for word in ("--slot-fd", str(one)))]
    _show(found)
    return found


def _show(arguments: Sequence[str]) -> None:
    """Let `ps` show these instead of the own arguments, from `--fork-server` on; not where they need more room.

    The kernel shows the memory that they were handed over in (proc(5), arg_start and arg_end), as setproctitle knows.
    """
    own, fields = read_proc(os.getpid(), "cmdline"), fields_of(read_proc(os.getpid(), "stat"))
    begin, text = own.find(b"--fork-server"), b"".join(os.fsencode(word) + b"\0" for word in arguments)
    if begin >= 0 and len(fields) > 45 and len(text) <= (room := len(own) - begin):
        # fields_of leaves out the first two of proc(5).
        ctypes.memmove(int(fields[45]) + begin, text.ljust(room, b"\0"), room)
