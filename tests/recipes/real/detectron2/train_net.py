"""detectron2's command line on yacs itself, and its metrics.json."""

import argparse
import json
import os
import random

from tiny import validation_losses
from yacs.config import CfgNode

config = CfgNode({"SEED": -1, "OUTPUT_DIR": "./output", "SOLVER": {"BASE_LR": 0.02, "MAX_ITER": 20}})
parser = argparse.ArgumentParser()
parser.add_argument("--config-file", default="")
parser.add_argument("--num-gpus", type=int, default=1)
parser.add_argument("opts", nargs=argparse.REMAINDER)
args = parser.parse_args()
config.merge_from_file(args.config_file)
config.merge_from_list(args.opts)
os.makedirs(config.OUTPUT_DIR, exist_ok=True)
random.seed(config.SEED)
with open(os.path.join(config.OUTPUT_DIR, "metrics.json"), "w") as file:
    for step, loss in validation_losses(2.5 * config.SOLVER.BASE_LR, config.SOLVER.MAX_ITER):
        file.write(json.dumps({"iteration": step - 1, "bbox/AP": 100 / loss}) + "\n")
        print(f"iter: {step - 1}  total_loss: {loss:.4g}", flush=True)
