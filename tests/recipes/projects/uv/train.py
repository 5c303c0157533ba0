"""A script in a project of uv's."""

import argparse
import os
import random

from tiny import validation_losses

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--lr", type=float, default=0.05)
parser.add_argument("--out", default="out")
args = parser.parse_args()
os.makedirs(args.out, exist_ok=True)
random.seed(args.seed)
for step, loss in validation_losses(args.lr):
    print(f"step {step} val_loss={loss:.6f}", flush=True)
