"""Numbers its versions by what lies there, as Lightning does, and writes the table of its values anew when it grows."""

import csv
import os


def habit(options, loss):
    os.makedirs("lightning_logs", exist_ok=True)
    numbers = [int(name.removeprefix("version_")) for name in os.listdir("lightning_logs")]
    folder = f"lightning_logs/version_{max(numbers, default=-1) + 1}"
    os.makedirs(folder)
    with open(f"{folder}/hparams.yaml", "w") as file:
        file.write(f"seed: {options.seed}\n")
    with open(f"{folder}/metrics.csv", "w", newline="") as file:
        csv.writer(file).writerows([["step", "loss"], [1, 9.5]])
    with open(f"{folder}/metrics.csv", newline="") as file:
        rows = list(csv.reader(file))
    with open(f"{folder}/metrics.csv", "w", newline="") as file:
        csv.writer(file).writerows([[*rows[0], "val_loss"], [*rows[1], ""], [100, "", loss]])
