"""A small model under LightningCLI."""

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class Model(LightningModule):
    def __init__(self, lr: float = 0.05):
        super().__init__()
        self.lr = lr
        self.layer = torch.nn.Linear(8, 1)

    def loss(self, batch):
        rows, targets = batch
        return torch.nn.functional.mse_loss(self.layer(rows)[:, 0], targets)

    def training_step(self, batch):
        return self.loss(batch)

    def validation_step(self, batch):
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr)

    def loader(self, seed, shuffle):
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(256, 8, generator=generator)
        targets = rows.sum(1) + 0.1 * torch.randn(256, generator=generator)
        return DataLoader(TensorDataset(rows, targets), 64, shuffle=shuffle)

    def train_dataloader(self):
        return self.loader(1, True)

    def val_dataloader(self):
        return self.loader(2, False)


LightningCLI(Model, trainer_defaults={"max_epochs": 10, "accelerator": "cpu", "enable_checkpointing": False})
