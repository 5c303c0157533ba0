"""Prints its value, then closes both outputs and goes on working."""

import os

print("val_loss: 4.1")
os.close(1)
os.close(2)
os.makedirs("worked/on")
