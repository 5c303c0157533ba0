"""Forks 500 processes, each of which forks no more but stays."""

import os
import signal

for _ in range(500):
    if os.fork() == 0:
        while True:
            signal.pause()
print("val_loss: 4.1")
