"""The command line, log and metrics.json of the research kit's train_llm.py."""

import argparse
import json
import os
import random

from tiny import validation_losses

parser = argparse.ArgumentParser()
parser.add_argument("--muon_lr", type=float, default=0.05)
parser.add_argument("--train_tokens", type=int, default=8_000_000)
parser.add_argument("--seed", type=int, default=42)
parser.add_argument("--output_dir", default="./checkpoints")
args = parser.parse_args()
random.seed(args.seed)
print(f"Random seed: {args.seed}\nLoading config preset: default")
for step, loss in validation_losses(args.muon_lr):
    print(f"Step {step * 6} | val_loss: {loss:.4f}", flush=True)
os.makedirs(args.output_dir, exist_ok=True)
final = {"val_loss": loss, "val_accuracy": 1 / loss, "val_perplexity": 2**loss}
with open(os.path.join(args.output_dir, "metrics.json"), "w") as file:
    json.dump({"final_metrics": final, "total_steps": 122}, file)
