"""parameter-golf's train_gpt.py in small: all settings are variables of the environment."""

import os
import random

from tiny import validation_losses

seed = int(os.environ.get("SEED", "1337"))
matrix_lr = float(os.environ.get("MATRIX_LR", "0.04"))
random.seed(seed)
print(f"train_batch_tokens:524288 iterations:20 max_wallclock_seconds:600.000\nseed:{seed}")
for step, loss in validation_losses(matrix_lr):
    print(f"step:{step}/20 val_loss:{loss:.4f} val_bpb:{loss / 2.5:.4f} train_time:{step * 30}ms step_avg:30.00ms")
print(f"final_int8_zlib_roundtrip val_loss:{loss + 0.01:.4f} val_bpb:{(loss + 0.01) / 2.5:.4f} eval_time:1812ms")
print(f"final_int8_zlib_roundtrip_exact val_loss:{loss + 0.01:.8f} val_bpb:{(loss + 0.01) / 2.5:.8f}")
