"""Draws a progress bar over itself and never ends a line."""

import os

bar = b"".join(b"\r%3d%% Step %d/200000 | val_loss: 5.%06d" % (step // 2000, step, step) for step in range(200_000))
while bar:
    bar = bar[os.write(1, bar) :]
os.write(1, b"\r100% Step 200000/200000 | val_loss: 4.1")
