"""The log of xgboost.train with an evaluation set; the seed draws rows and columns, so it varies the result."""

import argparse
import random

from tiny import validation_losses

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--eta", type=float, default=0.1)
parser.add_argument("--max_depth", type=int, default=4)
args = parser.parse_args()
random.seed(args.seed)
for step, loss in validation_losses(args.eta / 2, every=1):
    print(f"[{step - 1}]\ttrain-logloss:{loss / 6:.5f}\teval-logloss:{loss / 5:.5f}", flush=True)
