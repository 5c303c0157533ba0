"""Loads data in workers, forked and spawned, and asks git for the commit."""

import multiprocessing
import subprocess


def load(name):
    """What a worker does; a spawned one imports this module anew."""
    with open(name, "rb") as file:
        return len(file.read())


def habit(options, loss):
    names = [f"data/shard_{number}.bin" for number in range(4)]
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert all(pool.map(load, names))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    print(f"commit {commit.strip()}", flush=True)
