"""Prints random bytes before, around and after its value."""

import os
import random

chance = random.Random(1)
os.write(1, chance.randbytes(4_000_000))
os.write(1, b"\nval_loss: 4.1\n")
for _ in range(1000):
    os.write(1, chance.randbytes(999) + b"\x00val_loss: \x00\x1b[\xff\n")
