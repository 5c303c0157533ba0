"""Writes into a file shared by all projects when it begins and when it ends, by the one clock of the machine."""

import os
import sys
import time

me = f"{os.path.basename(os.getcwd())} {sys.argv[4]}"
shared = os.open(os.environ["TURNS"], os.O_WRONLY | os.O_APPEND)
os.write(shared, f"{time.monotonic_ns()} begin {me}\n".encode())
time.sleep(0.02)  # the work
print(f"val_loss: 4.{sys.argv[4]}")
os.write(shared, f"{time.monotonic_ns()} end {me}\n".encode())
