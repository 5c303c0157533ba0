"""A training script for tests: its result is a function of its arguments, in no time."""

import argparse
import os
import random
import sys
import time

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--train_tokens", type=int)
parser.add_argument("--seed", type=int)
parser.add_argument("--output_dir")
parser.add_argument("--shift", type=float, default=0.0, help="added to the loss")
parser.add_argument("--constant", action="store_true", help="the same loss for every seed")
parser.add_argument("--say", default="", help="printed instead of a loss")
parser.add_argument("--fail_after", action="store_true", help="exit 1 after printing the loss")
parser.add_argument("--crash", action="store_true", help="exit 1 before printing anything")
parser.add_argument("--gate", default="", help="wait until this file exists")
parser.add_argument("--nan_at", type=int, default=-1, help="this seed diverges")
options = parser.parse_args()

if options.crash or os.environ.get("FAKE_CRASH"):
    sys.exit("Traceback: no such package, password=hunter22222")
os.makedirs(options.output_dir)
with open(os.path.join(options.output_dir, "model.bin"), "wb") as file:
    file.write(b"x" * 1000)
print("Step 1 | val_loss: 9.5000 | warming up", flush=True)
gate = options.gate or os.environ.get("FAKE_GATE", "")
while gate and not os.path.exists(gate):
    time.sleep(0.01)
time.sleep(float(os.environ.get("FAKE_LASTS_S", "0")))
loss = 4.0 + options.shift
if not (options.constant or os.environ.get("FAKE_CONSTANT")):
    loss += random.Random(options.seed).gauss(0, 0.01)
text = "nan" if options.nan_at == options.seed else f"{loss:.6f}"
print(options.say or f"Step 100 | val_loss: {text} | done")
sys.exit(1 if options.fail_after else 0)
