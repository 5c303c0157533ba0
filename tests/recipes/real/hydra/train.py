"""A Hydra application."""

import logging
import random

import hydra
from tiny import validation_losses


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    random.seed(config.seed)
    for step, loss in validation_losses(config.optimizer.lr, config.steps):
        logging.getLogger(__name__).info(f"Step {step} | val_loss: {loss:.6f}")


main()
