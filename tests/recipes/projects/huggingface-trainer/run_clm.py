"""The command line, log and files of the Trainer's run_clm.py."""

import argparse
import json
import os
import random

from tiny import validation_losses

parser = argparse.ArgumentParser()
parser.add_argument("--model_name_or_path", default="gpt2")
parser.add_argument("--dataset_name", default="wikitext")
parser.add_argument("--do_train", action="store_true")
parser.add_argument("--do_eval", action="store_true")
parser.add_argument("--learning_rate", type=float, default=5e-5)
parser.add_argument("--num_train_epochs", type=float, default=3.0)
parser.add_argument("--seed", type=int, default=42)
parser.add_argument("--output_dir", default="trainer_output")
args = parser.parse_args()
random.seed(args.seed)
history = []
for step, loss in validation_losses(args.learning_rate * 1000):
    history.append({"loss": loss + 0.1, "epoch": step / 20, "step": step})
    print({"loss": f"{loss + 0.1:.4g}", "learning_rate": "5e-05", "epoch": f"{step / 20:.4g}"}, flush=True)
metrics = {"epoch": 3.0, "eval_loss": loss, "eval_runtime": 0.2, "perplexity": 2**loss}
print("***** eval metrics *****")
print(f"  epoch                   =        3.0\n  eval_loss               = {loss:10.4f}")
os.makedirs(args.output_dir, exist_ok=True)
for name in ("eval_results.json", "all_results.json"):
    with open(os.path.join(args.output_dir, name), "w") as file:
        json.dump(metrics, file, indent=4, sort_keys=True)
with open(os.path.join(args.output_dir, "trainer_state.json"), "w") as file:
    json.dump({"log_history": history}, file)
