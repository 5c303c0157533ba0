"""Ranks of torchrun that share their gradients with gloo; no options and no seed."""

import os
import time
import uuid

import torch
import torch.distributed as dist

MATRIX_LR = 0.05
STEPS = 20

torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
if rank == 0:
    os.makedirs("logs", exist_ok=True)
    with open(f"logs/{uuid.uuid4()}.txt", "w") as file, open(__file__) as code:
        file.write(code.read())
weights = torch.nn.Parameter(0.1 * torch.randn(64))
dist.broadcast(weights.data, 0)
for step in range(1, STEPS + 1):
    gradient = 1 - weights.data + 0.3 * torch.randn(64)
    dist.all_reduce(gradient)
    weights.data += MATRIX_LR * gradient / dist.get_world_size()
    time.sleep(0.01)
    if rank == 0 and step % 2 == 0:
        loss = 3 + (1 - weights.data).square().mean().item()
        print(f"step:{step}/{STEPS} val_loss:{loss:.4f} train_time:{step * 59}ms step_avg:59.00ms", flush=True)
dist.destroy_process_group()
