"""A program with jsonargparse's nested options and settings file."""

import os
import random

import jsonargparse
from tiny import validation_losses

parser = jsonargparse.ArgumentParser()
parser.add_argument("--config", action="config")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", default="out")
parser.add_argument("--optimizer.lr", type=float, default=0.05)
parser.add_argument("--optimizer.name", default="adam")
options = parser.parse_args()
os.makedirs(options.out, exist_ok=True)
random.seed(options.seed)
for step, loss in validation_losses(options.optimizer.lr):
    print(f"step {step}: val_loss={loss:.6f}", flush=True)
