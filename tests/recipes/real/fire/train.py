"""A function that fire makes a command of."""

import os
import random

import fire
from tiny import validation_losses


def train(seed=0, out="out", lr=0.05):
    os.makedirs(out, exist_ok=True)
    random.seed(seed)
    for step, loss in validation_losses(lr):
        print(f"step {step} | val_loss: {loss:.6f}", flush=True)


fire.Fire(train)
