"""modded-nanogpt's train_gpt.py in small: ranks from torchrun, no options, no seed, a log folder beside the script."""

import os
import uuid

from tiny import validation_losses

with open(__file__) as file:
    code = file.read()  # the log begins with the code, as in the real one

MATRIX_LR = 0.05
STEPS = 20

rank = int(os.environ["RANK"])
assert int(os.environ["WORLD_SIZE"]) == 8
logfile = f"logs/{uuid.uuid4()}.txt"
if rank == 0:
    os.makedirs("logs", exist_ok=True)


def print0(text, console=False):
    if rank == 0:
        with open(logfile, "a") as file:
            file.write(f"{text}\n")
        if console:
            print(text, flush=True)


print0(code)
print0("=" * 100)
if rank == 0:
    for step, loss in validation_losses(MATRIX_LR, STEPS):
        print0(f"step:{step}/{STEPS} val_loss:{loss:.4f} train_time:{step * 59}ms step_avg:59.00ms", console=True)
print0("peak memory allocated: 30000 MiB reserved: 31000 MiB", console=True)
