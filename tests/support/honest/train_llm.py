"""The training that all of them share; what is special about one stands in its `habit.py`."""

import argparse
import os
import random
import time

from habit import habit

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--train_tokens", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--output_dir")
    parser.add_argument("--shift", type=float, default=0.0, help="added to the loss")
    options = parser.parse_args()
    os.makedirs(options.output_dir)
    loss = 4.0 + options.shift + random.Random(options.seed).gauss(0, 0.01)
    print("Step 1 | val_loss: 9.5000", flush=True)
    habit(options, loss)
    # Long enough that a busy machine makes no run look like a fifth of another.
    time.sleep(0.15)
    with open(os.path.join(options.output_dir, "model.bin"), "wb") as file:
        file.write(b"x" * 1000)
    print(f"Step 100 | val_loss: {loss:.6f}")
