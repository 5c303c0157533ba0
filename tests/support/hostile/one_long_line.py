"""Prints one line of LOG_MB megabytes that has no end, with the value behind it."""

import os

for _ in range(int(os.environ["LOG_MB"])):
    os.write(1, b"val_loss 5.0 " * 80_000)
os.write(1, b" val_loss: 4.1")
