"""Prints LOG_MB megabytes of lines, a value in each; waits for `go` before and for `end` after it."""

import os
import time

print("Step 0 | val_loss: 9.0", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
line = b"Step 7 | val_loss: 5.0 | " + b"x" * 75 + b"\n"
for _ in range(int(os.environ["LOG_MB"])):
    os.write(1, line * (1_000_000 // len(line)))
print("Step 100 | val_loss: 4.1", flush=True)
open("printed", "w").close()
while not os.path.exists("end"):
    time.sleep(0.01)
