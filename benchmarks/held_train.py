"""A training script that prints 20 MB and then lasts until somebody makes the file `release`."""

import argparse
import os
import random
import time

LINES = 200_000

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--train_tokens", type=int)
parser.add_argument("--seed", type=int)
parser.add_argument("--output_dir")
options = parser.parse_args()

os.makedirs(options.output_dir, exist_ok=True)
line = f"Step 1 | loss: 4.0000 | val_loss: {4 + random.Random(options.seed).gauss(0, 0.01):.4f} | lr: 0.000300 | 9 ms\n"
for _ in range(LINES // 1000):
    os.write(1, line.encode() * 1000)
while not os.path.exists("release"):
    time.sleep(0.01)
