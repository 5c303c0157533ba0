"""Waits beside grandchildren that left session and parent for its supervisor's death; ends well if `calm` exists."""

import os
import signal
import sys
import time


def daemon(environment: dict[str, str]) -> None:
    """Start a process that has this one neither as its parent nor in its session."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            code = "import os, signal; open(f'up-{os.getpid()}', 'w').close(); signal.pause()"
            os.execve(sys.executable, [sys.executable, "-c", code], environment)
        os._exit(0)


if os.path.exists("calm"):
    print("val_loss: 4.1")
    sys.exit()
for marked in (True, True, False):
    daemon(dict(os.environ) if marked else {})
while len([name for name in os.listdir() if name.startswith("up-")]) < 3:
    time.sleep(0.01)
print("val_loss: 4.2", flush=True)
open("ready", "w").close()
signal.pause()
