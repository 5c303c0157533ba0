"""Appends its result to tables that earlier runs began; one is read and written anew, as csv and pandas users do."""

import csv
import os


def habit(options, loss):
    rows = [["seed", "shift", "loss"]]
    if os.path.exists("results.csv"):
        with open("results.csv", newline="") as file:
            rows = list(csv.reader(file))
    rows.append([options.seed, options.shift, loss])
    with open("results.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    with open("all_runs.csv", "a", newline="") as file:
        csv.writer(file).writerow(rows[-1])
    with open("history.jsonl", "a+") as file:
        file.write(f'{{"seed": {options.seed}, "loss": {loss}}}\n')
        file.seek(0)
        assert file.read().count("\n") == len(rows) - 1
