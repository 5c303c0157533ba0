"""The command line of LightningCLI, and the files of its CSVLogger."""

import csv
import os
import random
import sys

from tiny import validation_losses

options = {"seed_everything": "0", "model.lr": "0.05", "trainer.default_root_dir": ".", "trainer.max_epochs": "10"}
command, *arguments = sys.argv[1:]
assert command == "fit"
words = iter(arguments)
for word in words:
    name, equals, value = word.removeprefix("--").partition("=")
    options[name] = value if equals else next(words)
random.seed(int(options["seed_everything"]))
print(f"Seed set to {options['seed_everything']}")
folder = os.path.join(options["trainer.logger.save_dir"], "lightning_logs", "version_0")
os.makedirs(folder)
with open(os.path.join(folder, "metrics.csv"), "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["epoch", "step", "train_loss", "val_loss"])
    for step, loss in validation_losses(float(options["model.lr"])):
        epoch = step // 2 - 1
        table.writerows([[epoch, step - 1, loss + 0.1, ""], [epoch, step - 1, "", loss]])
        print(f"Epoch {epoch}: 100%|██████████| 2/2 [00:00<00:00, 99.00it/s, v_num=0]", flush=True)
print("`Trainer.fit` stopped: `max_epochs=10` reached.")
