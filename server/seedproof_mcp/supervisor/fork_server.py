"""Forks a supervisor for each run, from a process that has loaded what supervisors need: that takes most of a start."""

import os
import signal
import socket

__all__ = ["LONGEST_PATH", "next_run"]

LONGEST_PATH = 8192
"""Bytes of the path of a run's folder; Linux has at most 4096 (PATH_MAX)."""

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
            folder, descriptors, _, _ = socket.recv_fds(requests, LONGEST_PATH, _MOST_DESCRIPTORS)
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
    return [os.fsdecode(folder), "--lock-fd", str(alive), *(word for one in slot for word in ("--slot-fd", str(one)))]
