"""Train a small character-level language model, written in numpy alone.

The model reads a fixed window of characters and predicts the next one: an
embedding per character, one hidden ReLU layer and a softmax, trained with
AdamW.  Its text is the Python standard library's own source, so the script
needs no download.  One "token" is one character that the model is trained to
predict.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import sysconfig
import time
import zlib
from pathlib import Path
from typing import Any

# Must precede the numpy import.  The matrices are small, so a second thread
# gains little; with one, sums are formed in the same order on any core count.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

Array = NDArray[Any]

# Long-lived modules, sorted.  The last tenth of their joined text validates.
MODULES = (
    "argparse.py", "ast.py", "configparser.py", "dataclasses.py", "difflib.py",
    "doctest.py", "enum.py", "inspect.py", "optparse.py", "pickle.py", "pydoc.py",
    "shutil.py", "subprocess.py", "tarfile.py", "threading.py", "typing.py",
)  # fmt: skip
VALIDATION_FRACTION = 0.1
VALIDATION_STRIDE = 4  # score every fourth validation character: same text, a quarter of the time
EVAL_CHUNK = 4096  # rows per forward pass in evaluation; bounds its memory
# Printable ASCII and newline; id 0 stands for every other byte.
ALPHABET = b"\n" + bytes(range(32, 127))
VOCAB = len(ALPHABET) + 1


def load_corpus(stdlib: Path | None = None) -> tuple[Array, Array]:
    """Return training and validation text as character ids.

    The last tenth of each module validates, so that both parts have the same
    mix of styles.  A module that this Python version lacks is skipped.
    """
    folder = stdlib or Path(sysconfig.get_paths()["stdlib"])
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for name in MODULES:
        if (folder / name).is_file():
            text = (folder / name).read_bytes().replace(b"\r\n", b"\n")
            split = int(len(text) * (1 - VALIDATION_FRACTION))
            parts[0].append(text[:split])
            parts[1].append(text[split:])
    train_text, val_text = (b"\n".join(part) for part in parts)
    if len(train_text) < 100_000:
        raise OSError(f"too little Python source in {folder} to train on ({len(train_text)} bytes)")
    table = np.zeros(256, dtype=np.uint8)
    table[list(ALPHABET)] = np.arange(1, VOCAB)
    return table[np.frombuffer(train_text, np.uint8)], table[np.frombuffer(val_text, np.uint8)]


class CharModel:
    """Embedding, one hidden ReLU layer and a softmax over the next character.

    All parameters are views into one flat vector, and so are the gradients,
    which lets the optimiser update everything in a few vector operations.
    """

    def __init__(
        self, context: int, embed_dim: int, hidden: int, rng: np.random.Generator, dtype: Any = np.float32
    ) -> None:
        width = context * embed_dim
        shapes = {
            "embed": (VOCAB, embed_dim),
            "w1": (width, hidden),
            "b1": (hidden,),
            "w2": (hidden, VOCAB),
            "b2": (VOCAB,),
        }
        size = sum(math.prod(shape) for shape in shapes.values())
        self.flat = np.zeros(size, dtype=dtype)
        self.flat_grad = np.zeros(size, dtype=dtype)
        self.p: dict[str, Array] = {}
        self.g: dict[str, Array] = {}
        start = 0
        for name, shape in shapes.items():
            stop = start + math.prod(shape)
            self.p[name] = self.flat[start:stop].reshape(shape)
            self.g[name] = self.flat_grad[start:stop].reshape(shape)
            start = stop
        # He initialisation for the ReLU layer; a small output layer so that
        # the first predictions are close to uniform.
        scales = {"embed": 1.0, "w1": math.sqrt(2.0 / width), "w2": 0.5 / math.sqrt(hidden)}
        for name, scale in scales.items():
            self.p[name][...] = rng.standard_normal(shapes[name]) * scale

    def forward(self, x: Array, mask: Array | None = None) -> tuple[Array, Array, Array]:
        """Return the joined embeddings, the hidden layer and log-probabilities."""
        inputs = self.p["embed"].take(x, axis=0).reshape(len(x), -1)
        hidden = inputs @ self.p["w1"]
        hidden += self.p["b1"]
        np.maximum(hidden, 0, out=hidden)
        if mask is not None:
            hidden *= mask
        logits = hidden @ self.p["w2"]
        logits += self.p["b2"]
        logits -= logits.max(axis=1, keepdims=True)  # keeps exp from overflowing
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return inputs, hidden, logits

    def loss(self, x: Array, y: Array) -> float:
        """Return the mean cross-entropy in nats, without dropout."""
        total = 0.0
        for i in range(0, len(x), EVAL_CHUNK):
            log_probs = self.forward(x[i : i + EVAL_CHUNK])[2]
            target = y[i : i + EVAL_CHUNK]
            total -= float(log_probs[np.arange(len(target)), target].sum(dtype=np.float64))
        return total / len(x)

    def loss_and_grad(self, x: Array, y: Array, mask: Array | None = None) -> float:
        """Return the batch's mean loss and leave its gradient in ``flat_grad``."""
        inputs, hidden, log_probs = self.forward(x, mask)
        rows = np.arange(len(x))
        loss = -float(log_probs[rows, y].mean())
        # d(loss)/d(logits) of softmax with cross-entropy: probabilities - target.
        d_logits = np.exp(log_probs)
        d_logits[rows, y] -= 1
        d_logits /= len(x)
        np.matmul(hidden.T, d_logits, out=self.g["w2"])
        np.sum(d_logits, axis=0, out=self.g["b2"])
        d_hidden = d_logits @ self.p["w2"].T
        d_hidden *= hidden > 0  # a unit that dropout zeroed counts as off, too
        if mask is not None:
            d_hidden *= mask
        np.matmul(inputs.T, d_hidden, out=self.g["w1"])
        np.sum(d_hidden, axis=0, out=self.g["b1"])
        d_inputs = (d_hidden @ self.p["w1"].T).reshape(x.size, -1)
        self._embedding_grad(x.ravel(), d_inputs)
        return loss

    def _embedding_grad(self, ids: Array, d_inputs: Array) -> None:
        """Add up the rows of ``d_inputs`` by character id.

        Sorting and one segmented sum are several times faster than np.add.at.
        """
        order = np.argsort(ids, kind="stable")
        present, starts = np.unique(ids[order], return_index=True)
        self.g["embed"][...] = 0
        self.g["embed"][present] = np.add.reduceat(d_inputs[order], starts, axis=0)


class AdamW:
    """Adam with decoupled weight decay, updating a flat vector in place."""

    def __init__(self, flat: Array, weight_decay: float, beta1: float = 0.9, beta2: float = 0.99) -> None:
        self.flat, self.weight_decay, self.beta1, self.beta2 = flat, weight_decay, beta1, beta2
        self.m, self.v, self.t = np.zeros_like(flat), np.zeros_like(flat), 0

    def step(self, grad: Array, lr: float) -> None:
        self.t += 1
        self.m += (1 - self.beta1) * (grad - self.m)
        self.v += (1 - self.beta2) * (grad * grad - self.v)
        m_scale = 1 / (1 - self.beta1**self.t)  # undo the bias towards the zero start
        v_scale = 1 / (1 - self.beta2**self.t)
        self.flat *= 1 - lr * self.weight_decay
        self.flat -= lr * m_scale * self.m / (np.sqrt(self.v * v_scale) + 1e-8)


def windows(ids: Array, context: int) -> tuple[Array, Array]:
    """Return every window of ``context`` characters and the one that follows it."""
    view = np.lib.stride_tricks.sliding_window_view(ids, context + 1)
    return view[:, :context], view[:, context]


def example_order(n: int, total: int, buffer: int, rng: np.random.Generator, buffer_rng: np.random.Generator) -> Array:
    """Return ``total`` example numbers: one fresh permutation of ``n`` per epoch.

    A ``buffer`` above 1 shuffles again within consecutive blocks of that many
    examples.  A shuffled uniform permutation is still a uniform permutation.
    """
    epochs = -(-total // n)
    order = np.concatenate([rng.permutation(n) for _ in range(epochs)])[:total]
    if buffer > 1:
        for i in range(0, total, buffer):
            buffer_rng.shuffle(order[i : i + buffer])
    return order


def learning_rate(step: int, steps: int, args: argparse.Namespace) -> float:
    """Return the rate of a 1-based step: linear warm-up, then the schedule."""
    warmup = min(args.warmup_steps, steps)
    if step <= warmup:
        return float(args.lr * step / warmup)
    if args.lr_schedule == "constant":
        return float(args.lr)
    progress = (step - warmup) / (steps - warmup)
    return float(args.lr * 0.5 * (1 + math.cos(math.pi * progress)))


def fmt(loss: float) -> str:
    """Format a loss; a diverged run (inf or nan) always reads ``nan``."""
    return f"{loss:.5f}" if math.isfinite(loss) else "nan"


def train(args: argparse.Namespace, train_ids: Array, val_ids: Array) -> tuple[CharModel, dict[str, float]]:
    """Train one model, print its progress and return it with its final metrics."""
    train_x, train_y = windows(train_ids, args.context)
    val_x, val_y = (part[::VALIDATION_STRIDE] for part in windows(val_ids, args.context))

    # Separate streams: an option that draws more from one leaves the others alone.
    streams = np.random.SeedSequence(args.seed).spawn(4)
    init_rng, order_rng, buffer_rng, dropout_rng = (np.random.default_rng(s) for s in streams)
    model = CharModel(args.context, args.embed_dim, args.hidden, init_rng)
    optimiser = AdamW(model.flat, args.weight_decay)

    steps = max(1, args.train_tokens // args.batch_size)
    order = example_order(len(train_x), steps * args.batch_size, args.shuffle_buffer, order_rng, buffer_rng)
    keep = 1 - args.dropout
    mask, val_loss, recent = None, math.nan, list[float]()
    start = time.perf_counter()
    for step in range(1, steps + 1):
        batch = order[(step - 1) * args.batch_size : step * args.batch_size]
        if args.dropout > 0:
            draws = dropout_rng.random((args.batch_size, args.hidden), dtype=np.float32)
            mask = (draws < keep).astype(np.float32) / np.float32(keep)
        recent.append(model.loss_and_grad(train_x[batch], train_y[batch], mask))
        lr = learning_rate(step, steps, args)
        optimiser.step(model.flat_grad, lr)
        if step % args.eval_interval == 0 or step == steps:
            val_loss, train_loss = model.loss(val_x, val_y), sum(recent) / len(recent)
            recent.clear()
            print(
                f"Step {step} | val_loss: {fmt(val_loss)} | train_loss: {fmt(train_loss)} "
                f"| lr: {lr:.3g} | tokens: {step * args.batch_size}",
                flush=True,
            )
    seconds = time.perf_counter() - start
    return model, {
        "val_loss": val_loss,
        "train_loss": train_loss,
        "steps": steps,
        "tokens": steps * args.batch_size,
        "seconds": seconds,
    }


def save(folder: Path, model: CharModel, args: argparse.Namespace, corpus: list[Array], metrics: dict[str, float]) -> None:
    """Write the parameters and the metrics."""
    with (folder / "checkpoint.npz").open("wb") as file:
        np.savez(file, **model.p)
    report = {
        "final_metrics": metrics,
        "config": vars(args),
        # The text differs between Python versions: compare runs with equal sums only.
        "corpus": {"characters": len(corpus[0]) + len(corpus[1])},
    }
    (folder / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def non_negative(text: str) -> float:
    """Parse a finite number of at least 0."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a finite number of at least 0, not {text}")
    return value


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Parse and check the command line; a bad one exits with status 2."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--train_tokens", type=positive, default=1_000_000, help="characters to train on")
    add("--seed", type=int, default=42, help="seeds initialisation, data order and dropout")
    add("--output_dir", default="checkpoints/run", help="folder for the checkpoint and metrics.json")
    add("--context", type=positive, default=8, help="characters the model sees")
    add("--embed_dim", type=positive, default=16, help="numbers per character embedding")
    add("--hidden", type=positive, default=96, help="units in the hidden layer")
    add("--batch_size", type=positive, default=512, help="examples per step")
    add("--lr", type=non_negative, default=0.005, help="peak learning rate")
    add("--lr_schedule", choices=("constant", "cosine"), default="constant", help="rate after the warm-up")
    add("--warmup_steps", type=int, default=50, help="steps of linear warm-up")
    add("--weight_decay", type=non_negative, default=0.01, help="decoupled weight decay")
    add("--dropout", type=non_negative, default=0.0, help="share of hidden units dropped in training")
    add("--shuffle_buffer", type=int, default=0, help="shuffle again within blocks of so many examples; 0: off")
    add("--eval_interval", type=positive, default=250, help="steps between evaluations")
    args = parser.parse_args(argv)
    if args.dropout >= 1:
        parser.error("argument --dropout: must be below 1")
    for name in ("seed", "warmup_steps", "shuffle_buffer"):
        if getattr(args, name) < 0:
            parser.error(f"argument --{name}: must not be negative")
    return args


def main(argv: list[str] | None = None) -> int:
    """Run one training; return the exit status."""
    args = parse_args(argv)
    folder = Path(args.output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").unlink(missing_ok=True)  # no stale result if this run fails
        corpus = load_corpus()
    except FileExistsError:
        print(f"error: --output_dir {folder}: a file is in the way", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("Config | " + " | ".join(f"{k}: {v}" for k, v in sorted(vars(args).items())), flush=True)
    with np.errstate(all="ignore"):  # a diverging run reports nan, not warnings
        model, metrics = train(args, *corpus)
    save(folder, model, args, corpus, metrics)
    return 0


if __name__ == "__main__":
    sys.exit(main())
