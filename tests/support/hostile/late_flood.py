"""Leaves a daemon that prints LOG_MB megabytes when it is asked to end, which is after the training's end."""

import os
import signal
import time
from types import FrameType


def flood(number: int, frame: FrameType | None) -> None:
    """Print more than anybody wants to keep."""
    for _ in range(int(os.environ["LOG_MB"])):
        os.write(1, b"val_loss: 0.1\n" * 70_000)
    open("flooded", "w").close()
    while not os.path.exists("enough"):
        time.sleep(0.01)
    os._exit(0)


if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, flood)
    open("ready", "w").close()
    while True:
        signal.pause()
while not os.path.exists("ready"):
    time.sleep(0.01)
os.write(1, b"Step 7 | val_loss: 5.0\n" * 100_000)
print("Step 100 | val_loss: 4.1")
