"""Small projects, one for each way in which training scripts are told their settings. All names and numbers are new."""

from collections.abc import Mapping
from typing import Final

__all__ = ["PROJECTS"]

# What every script below trains: its result depends on the seed, in no time.
_LOSS = "import random\ndef fit(seed, lr):\n    return 3.0 + lr + random.Random(seed).gauss(0, 0.01)\n"
_SAYS = 'print(f"step 100 | val_loss: {fit(seed, lr):.5f}")\n'

_ARGPARSE = '''"""argparse with a parser in another module."""
from options import get_parser
from work import fit

def main():
    args = get_parser().parse_args()
    seed, lr = args.random_seed, args.lr
    print(f"step {args.max_steps} | val_loss: {fit(seed, lr):.5f}")

if __name__ == "__main__":
    main()
'''
_OPTIONS = """import argparse

def get_parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--max_steps", type=int, default=300)
    parser.add_argument("--random_seed", "-s", type=int, default=0)
    parser.add_argument("--out", default="runs/last")
    return parser
"""

_CLICK = """import click
from work import fit

@click.group()
def cli():
    pass

@cli.command()
@click.option("--checkpoint")
def evaluate(checkpoint):
    pass

@cli.command()
@click.option("--seed", "-s", type=int, default=0)
@click.option("--save-dir", default="out")
@click.option("--epochs", type=int, default=20)
@click.option("--lr", type=float, default=0.1)
@click.option("--amp/--no-amp", default=False)
def train(seed, save_dir, epochs, lr, amp):
    print("epoch %d: val_loss: %.4f" % (epochs, fit(seed, lr)))

if __name__ == "__main__":
    cli()
"""

_TYPER = """import typer
from typing_extensions import Annotated
from work import fit

app = typer.Typer()

@app.command()
def train(
    seed: Annotated[int, typer.Option("--seed")] = 7,
    output_dir: str = typer.Option("out", "--output-dir"),
    lr: float = 0.1,
    num_epochs: int = 5,
):
    print(f"val_loss: {fit(seed, lr):.4f}")

if __name__ == "__main__":
    app()
"""

_FIRE = """import fire
from work import fit

def train(seed=0, out_dir="out", lr=0.1, steps=1000):
    print(f"step {steps}: val_loss: {fit(seed, lr):.4f}")

if __name__ == "__main__":
    fire.Fire(train)
"""

_ABSL = """from absl import app, flags
from work import fit

FLAGS = flags.FLAGS
flags.DEFINE_integer("seed", 0, "seed of all generators")
flags.DEFINE_string("workdir", None, "where checkpoints go")
flags.DEFINE_integer("num_steps", 500, "steps")
flags.DEFINE_float("lr", 0.1, "rate")

def main(_):
    print(f"val_loss: {fit(FLAGS.seed, FLAGS.lr):.4f}")

if __name__ == "__main__":
    app.run(main)
"""

_HYDRA = """import hydra
from work import fit

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    print(f"val_loss: {fit(cfg.seed, cfg.optimizer.lr):.4f}")

if __name__ == "__main__":
    main()
"""
_HYDRA_CONF = """defaults:
  - optimizer: sgd
  - _self_

seed: 0  # of everything
trainer:
  max_epochs: 12
"""

_LIGHTNING_CLI = """import lightning as L
from lightning.pytorch.cli import LightningCLI

class Net(L.LightningModule):
    def validation_step(self, batch, index):
        self.log("val_loss", self.loss(batch), prog_bar=True)

class Data(L.LightningDataModule):
    pass

if __name__ == "__main__":
    LightningCLI(Net, Data)
"""

_JSONARGPARSE = """from jsonargparse import CLI
from work import fit

def main(seed: int = 0, out_dir: str = "out", lr: float = 0.1, epochs: int = 3):
    print(f"val_loss: {fit(seed, lr):.4f}")

if __name__ == "__main__":
    CLI(main)
"""

_TRAINER = """from dataclasses import dataclass, field
from transformers import AutoModelForCausalLM, HfArgumentParser, Trainer, TrainingArguments

@dataclass
class ModelArguments:
    model_name: str = field(default="tiny", metadata={"help": "which model"})

def main():
    parser = HfArgumentParser((ModelArguments, TrainingArguments))
    model_args, training_args = parser.parse_args_into_dataclasses()
    trainer = Trainer(model=AutoModelForCausalLM.from_pretrained(model_args.model_name), args=training_args)
    trainer.train()
    print(trainer.evaluate())

if __name__ == "__main__":
    main()
"""

_YACS = """import argparse
from settings import cfg
from work import fit

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-file", default="")
    parser.add_argument("opts", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    cfg.merge_from_list(args.opts)
    print(f"val_loss: {fit(cfg.SEED, cfg.SOLVER.BASE_LR):.4f}")

if __name__ == "__main__":
    main()
"""
_YACS_SETTINGS = """from yacs.config import CfgNode as CN

cfg = CN()
cfg.SEED = 1
cfg.OUTPUT_DIR = "out"
cfg.SOLVER = CN()
cfg.SOLVER.BASE_LR = 0.02
cfg.SOLVER.MAX_ITER = 400
"""

_CONFIGURATOR = """import random

out_dir = "out"
max_iters = 200
learning_rate = 0.1
compile = False
exec(open("configurator.py").read())

random.seed(1337 + 0)
for iter_num in range(0, max_iters + 1, 100):
    losses = {"train": 3.0, "val": 3.0 + learning_rate + random.gauss(0, 0.01)}
    print(f"step {iter_num}: train loss {losses['train']:.4f}, val loss {losses['val']:.4f}")
"""
_CONFIGURATOR_FILE = """import sys

for argument in sys.argv[1:]:
    if argument.startswith("--"):
        key, _, value = argument[2:].partition("=")
        globals()[key] = type(globals()[key])(value)
    else:
        exec(open(argument).read())
"""

_TYRO = """from dataclasses import dataclass, field
import tyro
from work import fit

@dataclass
class Optimizer:
    lr: float = 0.1

@dataclass
class Config:
    seed: int = 1
    out_dir: str = "out"
    steps: int = 250
    optimizer: Optimizer = field(default_factory=Optimizer)

def main():
    config = tyro.cli(Config)
    print(f"val_loss: {fit(config.seed, config.optimizer.lr):.4f}")

if __name__ == "__main__":
    main()
"""

_GLOBALS = """import random

SEED = 7
TIME_BUDGET = 300

random.seed(SEED)
print("---")
print(f"val_bpb:          {1.0 + random.gauss(0, 0.003):.6f}")
"""

_VARIABLES = """import os
from work import fit

seed = int(os.environ.get("SEED", 1337))
lr = float(os.environ.get("MATRIX_LR", "0.04"))
out = os.environ.get("OUT_DIR", "out")
iterations = int(os.environ.get("ITERATIONS", 20))
for step in range(iterations):
    print(f"step:{step}/{iterations} val_loss:{fit(seed, lr):.4f} train_time:1ms")
"""

_XGBOOST = """import argparse
import xgboost as xgb

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--eta", type=float, default=0.3)
    parser.add_argument("--num_boost_round", type=int, default=50)
    args = parser.parse_args()
    train, held_out = load(args.seed)
    params = {"eta": args.eta, "seed": args.seed, "eval_metric": "auc", "subsample": 0.8}
    xgb.train(params, train, args.num_boost_round, evals=[(train, "train"), (held_out, "valid")])

if __name__ == "__main__":
    main()
"""

_KERAS = """import keras

keras.utils.set_random_seed(812)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile(loss="mse")
EPOCHS = 8
model.fit(x, y, epochs=EPOCHS, validation_split=0.2)
"""

_PACKAGE = """import argparse
from .work import fit

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--lr", type=float, default=0.1)
    args = parser.parse_args()
    print(f"val_loss: {fit(args.seed, args.lr):.4f}")

if __name__ == "__main__":
    main()
"""

_PLACES = f"""import sys
from work import fit

seed, lr = 0, 0.1
seed = int(sys.argv[1])
out_dir = sys.argv[2]
{_SAYS}"""

PROJECTS: Final[Mapping[str, Mapping[str, str]]] = {
    "argparse": {"train.py": _ARGPARSE, "options.py": _OPTIONS, "work.py": _LOSS},
    "click": {"main.py": _CLICK, "work.py": _LOSS},
    "typer": {"train.py": _TYPER, "work.py": _LOSS},
    "fire": {"train.py": _FIRE, "work.py": _LOSS},
    "absl": {"main.py": _ABSL, "work.py": _LOSS},
    "hydra": {
        "src/train.py": _HYDRA,
        "src/work.py": _LOSS,
        "src/conf/config.yaml": _HYDRA_CONF,
        "src/conf/optimizer/sgd.yaml": "lr: 0.1\n",
    },
    "lightning-cli": {"main.py": _LIGHTNING_CLI},
    "jsonargparse": {"train.py": _JSONARGPARSE, "work.py": _LOSS},
    "trainer": {"run_lm.py": _TRAINER},
    "yacs": {"train_net.py": _YACS, "settings.py": _YACS_SETTINGS, "work.py": _LOSS},
    "configurator": {"train.py": _CONFIGURATOR, "configurator.py": _CONFIGURATOR_FILE},
    "tyro": {"train.py": _TYRO, "work.py": _LOSS},
    "globals": {"train.py": _GLOBALS},
    "variables": {"train_gpt.py": _VARIABLES, "work.py": _LOSS},
    "xgboost": {"train.py": _XGBOOST},
    "keras": {"train.py": _KERAS},
    "package": {"src/pkg/__init__.py": "", "src/pkg/train.py": _PACKAGE, "src/pkg/work.py": _LOSS},
    "places": {"train.py": _PLACES, "work.py": _LOSS},
}
"""The files of each project, by the framework whose shape it has."""
