"""Prints a value and is killed by a signal of its own making."""

import os
import signal

print("val_loss: 4.1", flush=True)
os.kill(os.getpid(), signal.SIGSEGV)
