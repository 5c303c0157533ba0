"""Reads another shard of ignored data, and another fold, for each seed."""

import csv


def habit(options, loss):
    with open(f"data/shard_{options.seed}.bin", "rb") as file:
        assert file.read()
    with open(f"folds/fold_{options.seed % 5}.csv", newline="") as file:
        assert list(csv.reader(file))
