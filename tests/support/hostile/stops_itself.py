"""Stops, as a debugger or a terminal would stop it, and never goes on by itself."""

import os
import signal

print("val_loss: 4.1", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
