"""The command line of a Hydra application: key=value, and a folder of its own for each run."""

import os
import random
import sys

from tiny import validation_losses

config = {"seed": "0", "steps": "20", "optimizer.lr": "0.05", "hydra.run.dir": "outputs"}
for override in sys.argv[1:]:
    key, value = override.split("=", 1)
    assert key.lstrip("+") in config, f"Could not override '{key}'. Key '{key}' is not in struct"
    config[key.lstrip("+")] = value
os.makedirs(os.path.join(config["hydra.run.dir"], ".hydra"), exist_ok=True)
with open(os.path.join(config["hydra.run.dir"], ".hydra", "overrides.yaml"), "w") as file:
    file.writelines(f"- {override}\n" for override in sys.argv[1:])
random.seed(int(config["seed"]))
for step, loss in validation_losses(float(config["optimizer.lr"]), int(config["steps"])):
    print(f"[2026-01-01 10:00:00,000][__main__][INFO] - Step {step} | val_loss: {loss:.6f}", flush=True)
