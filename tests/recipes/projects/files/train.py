"""A training that prints no loss: its values stand in files alone."""

import argparse
import csv
import json
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
with open(os.path.join(args.out, "history.csv"), "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["step", "train_loss", "val_loss"])
    for step, loss in validation_losses(args.lr):
        table.writerow([step, loss + 0.1, loss])
with open(os.path.join(args.out, "summary.json"), "w") as file:
    json.dump({"test": {"accuracy": 1 / loss}}, file)
print("done")
