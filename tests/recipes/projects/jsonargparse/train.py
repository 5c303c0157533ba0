"""A command line as jsonargparse reads it: nested options, and a file of settings before them."""

import json
import os
import random
import sys

from tiny import validation_losses

options = {"seed": 0, "out": "out", "optimizer.lr": 0.05, "optimizer.name": "sgd"}
words = iter(sys.argv[1:])
for word in words:
    name, equals, value = word.removeprefix("--").partition("=")
    value = value if equals else next(words)
    if name == "config":
        with open(value) as file:
            options |= json.load(file)
    else:
        assert name in options, f"error: Key '{name}' is not expected"
        options[name] = type(options[name])(value)
os.makedirs(options["out"], exist_ok=True)
random.seed(options["seed"])
for step, loss in validation_losses(options["optimizer.lr"]):
    print(f"step {step}: val_loss={loss:.6f}", flush=True)
