"""Ends at once, but leaves two daemons that ignore TERM: one in a session of its own, one forked twice."""

import os
import signal
import sys
import time


def stay(name: str) -> None:
    """Live on, without the environment by which one could be found."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = f"import pathlib, signal; pathlib.Path({name!r}).touch(); signal.pause()"
    os.execve(sys.executable, [sys.executable, "-c", code], {})


if os.fork() == 0:
    os.setsid()
    stay("first")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        stay("second")
    os._exit(0)
while not (os.path.exists("first") and os.path.exists("second")):
    time.sleep(0.01)
print("val_loss: 4.1")
