"""Writes its configuration into a folder named for the time, as Hydra does, and reads it again."""

import os
import time


def habit(options, loss):
    folder = os.path.join("outputs", time.strftime("%Y-%m-%d"), time.strftime("%H-%M-%S"))
    os.makedirs(os.path.join(folder, ".hydra"), exist_ok=True)
    for name in ("config.yaml", "overrides.yaml"):
        with open(os.path.join(folder, ".hydra", name), "w") as file:
            file.write(f"seed: {options.seed}\nshift: {options.shift}\n")
    with open(os.path.join(folder, ".hydra", "config.yaml")) as file:
        assert file.read().startswith("seed")
    with open(os.path.join(folder, "train_llm.log"), "a") as file:
        file.write(f"loss {loss}\n")
