"""autoresearch's train.py in small: it trains for a fixed time, has one fixed seed and no options."""

import random
import time

from prepare import TIME_BUDGET, evaluate_bpb

MATRIX_LR = 0.04
DEPTH = 8
STEP_S = 0.02  # counted instead of measured: a busy machine would make more difference here than any seed

random.seed(42)
print("Vocab size: 8,192\nTime budget: 300s")
weights = [random.gauss(0, 0.1) for _ in range(64)]
spent, step = 0.0, 0
while spent < TIME_BUDGET:
    weights = [one + MATRIX_LR * (1 - one + 0.3 * random.gauss(0, 1)) for one in weights]
    step += 1
    spent += STEP_S * DEPTH / 8
    print(
        f"\rstep {step:05d} ({100 * spent / TIME_BUDGET:.1f}%) | loss: {3 - step / 100:.6f} | dt: 20ms",
        end="",
        flush=True,
    )
    time.sleep(STEP_S * DEPTH / 8)
print()
val_bpb = evaluate_bpb(weights)
print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print("training_seconds: 300.1")
print(f"num_steps:        {step}")
print(f"depth:            {DEPTH}")
