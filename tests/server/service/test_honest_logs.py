"""Ten honest trainings, each with the log of another program: nothing false is said of any of them."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.in_process import InProcessEngine, Training, option, quick_tools
from tests.support.real_runs import records

pytestmark = pytest.mark.anyio

Log = Callable[[int, float], str]
# What may be said of an honest study: how coarse a metric is, and what fresh eyes should know of a spread.
HARMLESS = {"ties_expected", "coarse_resolution", "fewer_steps", "other_spread", "outlier"}


def nanogpt(seed: int, value: float) -> str:
    lines = (
        f"step {n}: train loss 2.6602, val loss {value + (200 - n) / 99:.4f}\niter {n}: loss 2.6" for n in (0, 200)
    )
    return "\n".join([*lines, f"iter 210: loss 2.61{seed % 90}, time 27.05ms, mfu 0.5%", ""])


def modded_nanogpt(seed: int, value: float) -> str:
    return "".join(
        f"step:{n}/1490 val_loss:{value + (1490 - n) / 999:.4f} train_time:{n * 59 + seed % 7}ms step_avg:59.28ms\n"
        for n in (0, 745, 1490)
    )


def keras(seed: int, value: float) -> str:
    epoch = "Epoch {n}/3\n\r 10/20 [=====>.....] - ETA: 1s - loss: 0.4\r20/20 [======] - 1s 5ms/step - loss: 0.3{s} - "
    return "".join(epoch.format(n=n, s=seed % 97) + f"val_loss: {value + (3 - n) / 9:.4f}\n" for n in (1, 2, 3))


def lightning(seed: int, value: float) -> str:
    bar = "\rEpoch {n}: 100%|####| 20/20 [00:03<00:00,  6.1it/s, v_num={s}, val_loss={v:.4f}]"
    bars = "".join(bar.format(n=n, s=seed % 9, v=value + (2 - n) / 9) for n in (0, 1, 2))
    return f"Sanity Checking DataLoader 0: 100%|##| 2/2 [00:00<00:00, 9.1it/s]\n{bars}\n" + (
        "`Trainer.fit` stopped: `max_epochs=3` reached.\n"
    )


def huggingface(seed: int, value: float) -> str:
    return (
        f"{{'loss': 2.5, 'grad_norm': 1.{seed}, 'epoch': 1.5}}\n  50%|#####     | 50/100 [00:05<00:05,  9.9it/s]\n"
        "100%|##########| 25/25 [00:01<00:00, 20.1it/s]\n"
        f"{{'eval_loss': {value:.6f}, 'eval_runtime': 1.2, 'epoch': 3.0}}\n"
        "{'train_runtime': 10.1, 'train_samples_per_second': 99.1, 'train_loss': 2.4, 'epoch': 3.0}\n"
    )


def fixed_time(seed: int, value: float) -> str:
    steps = (953 if value > 3.95 else 700) + seed % 5
    bar = "".join(f"\rstep {n:05d} ({100 * n / steps:.1f}%) | loss: 3.5 | epoch: 1" for n in range(0, steps, 50))
    return f"{bar}\n---\nval_loss: {value:.6f}\ntraining_seconds: 300.1\nnum_steps:        {steps}\ndepth: 8\n"


def early_stopping(seed: int, value: float) -> str:
    stop = (1000 if value > 3.95 else 500) + seed % 5 * 100
    lines = (
        f"step {n} | train_loss: 3.1 | val_loss: {value + (n == 100) + (stop - n) / 1e5:.4f}\n"
        for n in range(100, stop + 1, 100)
    )
    return "".join(lines) + f"Early stopping at step {stop}: no improvement for 3 evaluations\n"


def accuracy(seed: int, value: float) -> str:
    return f"INFO:trainer:Epoch 3 Test set: Accuracy: {round(472 - 100 * value)}% of 100\n"


def tqdm(seed: int, value: float) -> str:
    train = "".join(f"\rTraining: {n}%|##| {n}/100 [00:0{n // 25}<00:01, 25.1it/s, loss=3.{seed}]" for n in (50, 100))
    evaluation = "\rEvaluating: 100%|##| 9/9 [00:00<00:00, 25.1it/s]"
    return f"{train}\n{evaluation}\nval_loss: {value:.4f}\nDone.\n"


def tutorial(seed: int, value: float) -> str:
    lines = (
        f"Epoch [{epoch}/3], Step [{step}/600], Loss: 0.{seed % 89}\n" for epoch in (1, 2, 3) for step in (300, 600)
    )
    return "".join(lines) + f"val_loss: {value:.4f}\nFinished Training\n"


@pytest.mark.parametrize(
    ("log", "rules", "lengths"),
    [
        (nanogpt, '[rules.metric]\npreset = "nanogpt"\n', {"step": 210}),
        (modded_nanogpt, "", {"step": 1490, "steps": 1490, "reached_end": True}),
        (keras, "", {"epoch": 3, "epochs": 3}),
        (lightning, "", {"epoch": 2, "reached_end": True}),
        (huggingface, '[rules.metric]\npreset = "huggingface"\n', {"epoch": 3, "reached_end": True}),
        (fixed_time, "", {"step": 955, "epoch": 1, "reached_end": True}),
        (early_stopping, "", {"step": 1200, "reached_end": True}),
        (
            accuracy,
            '[rules.metric]\nname = "accuracy"\ndirection = "maximize"\npattern = "Accuracy: (?P<value>[0-9]+)%"\n',
            {"epoch": 3},
        ),
        (tqdm, "", {"step": 100, "steps": 100, "reached_end": True}),
        (tutorial, "", {"epoch": 3, "epochs": 3, "reached_end": True}),
    ],
)
async def test_nothing_false_is_said_of_an_honest_training(
    quick_project: Path, log: Log, rules: str, lengths: dict[str, Any]
) -> None:
    def trains(argv: Sequence[str]) -> Training:
        seed = int(option(argv, "--seed"))
        return Training(log(seed, random.Random(seed).gauss(3.9 if "--idea" in argv else 4.0, 0.01)))

    (quick_project / "seedproof.toml").write_text(rules)
    said: set[str] = set()
    async with quick_tools(quick_project, InProcessEngine(trains)) as call:
        answer = await call("run_seed")
        while answer.data["next"]["tool"] == "run_seed":
            assert answer.data["state"] == "succeeded", answer.text
            said |= {notice["code"] for notice in answer.data["notices"]}
            answer = await call("run_seed", **answer.data["next"]["arguments"])
            if answer.data["next"]["you_choose"]:
                break
        answer = await call("run_seed", experiment="idea", flags=["--idea", "1"], hypothesis="it helps")
        while answer.data["next"]["tool"] == "run_seed":
            assert answer.data["state"] == "succeeded", answer.text
            said |= {notice["code"] for notice in answer.data["notices"]}
            answer = await call("run_seed", **answer.data["next"]["arguments"])
        compared = await call("compare", experiment="idea")
        said |= {notice["code"] for notice in compared.data["notices"]}
    assert said <= HARMLESS
    assert compared.data["caps"] == []
    ended = next(record for record in records(quick_project) if record["kind"] == "run_finished")
    assert ended.get("lengths", {}) == lengths
