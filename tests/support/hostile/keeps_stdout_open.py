"""Ends, while a child in the same group holds its output open."""

import os
import signal

if os.fork() == 0:
    signal.pause()
print("val_loss: 4.1")
