"""Leaves folders in folders: more than a program may call itself, and a path longer than any system call takes."""

import os
import sys

seed, output = sys.argv[4], sys.argv[-1]
calm = os.path.abspath("calm")
os.makedirs(output)
os.chdir(output)
for _ in range(2200):
    os.mkdir("d")
    os.chdir("d")
with open("model.bin", "wb") as file:
    file.write(b"x" * 1000)
print(f"val_loss: 4.{seed}")
sys.exit(0 if os.path.exists(calm) else 1)
