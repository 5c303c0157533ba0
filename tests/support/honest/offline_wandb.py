"""Logs as W&B does offline: a folder for each run, a link to the latest one, settings and a log that all share."""

import contextlib
import os
import time
import uuid


def habit(options, loss):
    os.makedirs("wandb", exist_ok=True)
    if not os.path.exists("wandb/settings"):
        with open("wandb/settings", "w") as file:
            file.write("[default]\nmode = offline\n")
    with open("wandb/settings") as file:
        assert "offline" in file.read()
    run = f"offline-run-{time.strftime('%Y%m%d_%H%M%S')}-{uuid.uuid4().hex[:8]}"
    os.makedirs(f"wandb/{run}/files")
    os.makedirs(f"wandb/{run}/logs")
    with contextlib.suppress(FileNotFoundError):
        os.unlink("wandb/latest-run")
    os.symlink(run, "wandb/latest-run")
    with open("wandb/latest-run/files/config.yaml", "w") as file:
        file.write(f"seed: {{value: {options.seed}}}\n")
    with open("wandb/latest-run/files/config.yaml") as file:
        assert file.read()
    for name in (f"wandb/{run}/logs/debug.log", "wandb/debug.log"):
        with open(name, "a") as file:
            file.write(f"loss {loss}\n")
