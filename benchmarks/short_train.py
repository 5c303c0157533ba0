"""A training script that takes a third of a second: what a run costs beside it is Seedproof's."""

import argparse
import os
import random
import time

STEPS = 10
STEP_S = 0.03

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--train_tokens", type=int)
parser.add_argument("--seed", type=int)
parser.add_argument("--output_dir")
options = parser.parse_args()

os.makedirs(options.output_dir, exist_ok=True)
for step in range(1, STEPS + 1):
    time.sleep(STEP_S)
    print(f"Step {step} | val_loss: {9 - step / 2 + random.Random(options.seed).gauss(0, 0.01):.4f}", flush=True)
