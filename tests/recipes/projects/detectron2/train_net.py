"""detectron2's command line, KEY VALUE behind the options, and its metrics.json."""

import json
import os
import random
import sys

from tiny import validation_losses

config = {"SEED": -1, "OUTPUT_DIR": "./output", "SOLVER.BASE_LR": 0.02, "SOLVER.MAX_ITER": 20}
arguments = sys.argv[1:]
assert arguments[0] == "--config-file"
pairs = arguments[2:]
assert len(pairs) % 2 == 0, f"Override list has odd length: {pairs}"
for key, value in zip(pairs[::2], pairs[1::2], strict=True):
    config[key] = type(config[key])(value)
os.makedirs(config["OUTPUT_DIR"], exist_ok=True)
random.seed(config["SEED"])
with open(os.path.join(config["OUTPUT_DIR"], "metrics.json"), "w") as file:
    for step, loss in validation_losses(2.5 * config["SOLVER.BASE_LR"], config["SOLVER.MAX_ITER"]):
        file.write(json.dumps({"iteration": step - 1, "total_loss": loss}) + "\n")
        file.write(json.dumps({"iteration": step - 1, "bbox/AP": 100 / loss}) + "\n")
        print(f"[01/01 10:00:00 d2.utils.events]:  eta: 0:00:01  iter: {step - 1}  total_loss: {loss:.4g}")
        print("[01/01 10:00:00 d2.evaluation.testing]: copypaste: Task: bbox")
        print("[01/01 10:00:00 d2.evaluation.testing]: copypaste: AP,AP50,AP75")
        print(f"[01/01 10:00:00 d2.evaluation.testing]: copypaste: {100 / loss:.4f},57.0012,40.1170", flush=True)
