"""The command line and log of nanoGPT's train.py: files are executed, --key=value sets a global, one fixed seed."""

import os
import random
import sys

from tiny import validation_losses

out_dir = "out"
learning_rate = 0.06
max_iters = 20
for argument in sys.argv[1:]:
    if argument.startswith("--"):
        key, value = argument[2:].split("=")
        assert key in globals(), f"Unknown config key: {key}"
        print(f"Overriding: {key} = {value}")
        globals()[key] = type(globals()[key])(value)
    else:
        print(f"Overriding config with {argument}:")
        with open(argument) as file:
            exec(file.read())
os.makedirs(out_dir, exist_ok=True)
random.seed(1337)
print("tokens per iteration will be: 16,384\nnumber of parameters: 10.65M")
for step, loss in validation_losses(learning_rate * 50, max_iters):
    print(f"iter {step}: loss {loss - 0.1:.4f}, time 8.00ms, mfu 12.34%")
    print(f"step {step}: train loss {loss - 0.1:.4f}, val loss {loss:.4f}", flush=True)
    with open(os.path.join(out_dir, "ckpt.pt"), "w") as file:
        file.write(f"{loss}\n")
