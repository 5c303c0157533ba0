"""A command line as click and fire read it: --name=value or --name value."""

import os
import random
import sys

from tiny import validation_losses

options = {"seed": "0", "out": "out", "lr": "0.05"}
words = iter(sys.argv[1:])
for word in words:
    name, equals, value = word.removeprefix("--").partition("=")
    assert name in options, f"Error: No such option '--{name}'."
    options[name] = value if equals else next(words)
os.makedirs(options["out"], exist_ok=True)
random.seed(int(options["seed"]))
for step, loss in validation_losses(float(options["lr"])):
    print(f"step {step} | val_loss: {loss:.6f}", flush=True)
