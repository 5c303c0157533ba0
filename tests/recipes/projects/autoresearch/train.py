"""autoresearch's train.py in small: it trains for a fixed time, has one fixed seed and no options."""

import random
import time

from prepare import TIME_BUDGET, evaluate_bpb

MATRIX_LR = 0.04
DEPTH = 8

random.seed(42)
print("Vocab size: 8,192\nTime budget: 300s")
weights = [random.gauss(0, 0.1) for _ in range(64)]
began, step = time.monotonic(), 0
while time.monotonic() - began < TIME_BUDGET:
    weights = [one + MATRIX_LR * (1 - one + 0.3 * random.gauss(0, 1)) for one in weights]
    step += 1
    done = 100 * (time.monotonic() - began) / TIME_BUDGET
    print(f"\rstep {step:05d} ({done:.1f}%) | loss: {3 - step / 100:.6f} | dt: 20ms", end="", flush=True)
    time.sleep(0.02)
print()
val_bpb = evaluate_bpb(weights)
print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print("training_seconds: 300.1")
print(f"num_steps:        {step}")
print(f"depth:            {DEPTH}")
