"""A command line as absl reads it: --name=value, --name value, -name=value and --noname."""

import os
import random
import sys

from tiny import validation_losses

FLAGS = {"seed": "0", "workdir": "out", "learning_rate": "0.05", "ema": "true"}
words = iter(sys.argv[1:])
for word in words:
    name, equals, value = word.lstrip("-").partition("=")
    if name in ("ema", "noema"):
        FLAGS["ema"] = str(name == "ema")
        continue
    assert name in FLAGS, f"FATAL Flags parsing error: Unknown command line flag '{name}'"
    FLAGS[name] = value if equals else next(words)
os.makedirs(FLAGS["workdir"], exist_ok=True)
random.seed(int(FLAGS["seed"]))
for step, loss in validation_losses(float(FLAGS["learning_rate"])):
    print(f"I0101 10:00:00.000000 140000 train.py:20] step {step}, val_loss: {loss:.6f}", flush=True)
