"""A training that prints so many MB: `print_much.py MEGABYTES blocks|lines`."""

import os
import sys

megabytes, way = int(sys.argv[1]), sys.argv[2]
LINE = "Step 1 | loss: 4.0000 | val_loss: 3.9000 | lr: 0.000300 | 12.31 ms | 84211 tok/s"
lines = (megabytes << 20) // (len(LINE) + 1)
if way == "blocks":
    block = f"{LINE}\n".encode() * 800
    for _ in range(lines // 800):
        os.write(1, block)
else:
    for _ in range(lines):
        print(LINE)
