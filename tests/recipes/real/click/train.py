"""A command of click's."""

import os
import random

import click
from tiny import validation_losses


@click.command()
@click.option("--seed", "-s", type=int, default=0)
@click.option("--out", "-o", default="out")
@click.option("--lr", "-l", type=float, default=0.05)
def train(seed, out, lr):
    os.makedirs(out, exist_ok=True)
    random.seed(seed)
    for step, loss in validation_losses(lr):
        click.echo(f"step {step} | val_loss: {loss:.6f}")


train()
