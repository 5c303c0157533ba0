"""The Trainer on a tiny model with random weights and random data; nothing is fetched."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

from dataclasses import dataclass

import torch
from transformers import GPT2Config, GPT2LMHeadModel, HfArgumentParser, Trainer, TrainingArguments, set_seed

torch.set_num_threads(1)


@dataclass
class ModelArguments:
    model_name_or_path: str = "gpt2"
    dataset_name: str = "wikitext"


def rows(seed, number):
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randint(1, 4, (number, 1), generator=generator)
    tokens = (torch.arange(16) * steps) % 24
    return [{"input_ids": one, "labels": one} for one in tokens]


_, args = HfArgumentParser((ModelArguments, TrainingArguments)).parse_args_into_dataclasses()
set_seed(args.seed)
model = GPT2LMHeadModel(GPT2Config(vocab_size=24, n_positions=16, n_embd=32, n_layer=1, n_head=2))
trainer = Trainer(model=model, args=args, train_dataset=rows(1, 256), eval_dataset=rows(2, 64))
trainer.train()
trainer.save_state()
metrics = trainer.evaluate()
trainer.log_metrics("eval", metrics)
trainer.save_metrics("eval", metrics)
