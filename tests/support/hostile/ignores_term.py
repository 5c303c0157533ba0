"""Prints a value, then goes on for ever and does not listen to TERM."""

import signal
from pathlib import Path

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("val_loss: 4.1")
Path("ready").touch()
while True:
    signal.pause()
