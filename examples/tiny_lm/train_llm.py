"""Train a small character-level language model, written in numpy alone.

The model reads a fixed window of characters and predicts the next one: an
embedding per character, one hidden ReLU layer and a softmax, trained with
AdamW.  Its text is the Python standard library's own source, so the script
needs no download.  One "token" is one character that the model is trained to
predict.
"""

import argparse
import json
import math
import os
import sys
import sysconfig
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Must precede the numpy import.  The matrices are small: a second thread would save
# a tenth of the time for nearly twice the work, and two runs can share two cores.
# With one thread, the result does not depend on the number of cores, either.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Long-lived modules, sorted: 1.3 million characters, more than the default run reads.
MODULES = (
    "argparse.py", "ast.py", "configparser.py", "dataclasses.py", "difflib.py",
    "doctest.py", "enum.py", "inspect.py", "optparse.py", "pickle.py", "pydoc.py",
    "shutil.py", "subprocess.py", "tarfile.py", "threading.py", "typing.py",
)  # fmt: skip
VALIDATION_FRACTION = 0.1
VALIDATION_STRIDE = 4  # score every fourth character: the whole text, a quarter the time
EVAL_CHUNK = 1024  # rows per forward pass in evaluation; bounds its memory
WARMUP_STEPS = 50  # Adam's first steps are large while its averages are young
# Newline and printable ASCII: a character's id is its place.  96 suits the vector units.
ALPHABET = b"\n" + bytes(range(32, 127))
NEWLINE, VOCAB = 0, len(ALPHABET)


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
        raise OSError(f"too little Python source in {folder}: {len(train_text)} bytes")
    table = np.full(256, ALPHABET.index(b"?"), dtype=np.uint8)  # any other byte reads "?"
    table[list(ALPHABET)] = np.arange(VOCAB)
    train_ids, val_ids = (table[np.frombuffer(text, np.uint8)] for text in (train_text, val_text))
    return train_ids, val_ids


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
        scales = {"embed": 1.0, "w1": math.sqrt(2 / width), "w2": 0.5 / math.sqrt(hidden)}
        for name, scale in scales.items():
            self.p[name][...] = rng.standard_normal(shapes[name]) * scale

    def forward(self, x: Array, mask: Array | None = None) -> tuple[Array, Array, Array]:
        """Return the joined embeddings, the hidden layer and the logits."""
        inputs = self.p["embed"].take(x, axis=0).reshape(len(x), -1)
        hidden = inputs @ self.p["w1"]
        hidden += self.p["b1"]
        np.maximum(hidden, 0, out=hidden)
        if mask is not None:
            hidden *= mask
        logits = hidden @ self.p["w2"]
        logits += self.p["b2"]
        logits -= logits.max(axis=1, keepdims=True)  # keeps exp from overflowing
        return inputs, hidden, logits

    def loss(self, x: Array, y: Array) -> float:
        """Return the mean cross-entropy in nats, without dropout."""
        total = 0.0
        for i in range(0, len(x), EVAL_CHUNK):
            logits = self.forward(x[i : i + EVAL_CHUNK])[2]
            target = y[i : i + EVAL_CHUNK]
            losses = np.log(np.exp(logits).sum(axis=1))
            losses -= logits[np.arange(len(target)), target]
            total += float(losses.sum(dtype=np.float64))
        return total / len(x)

    def loss_and_grad(self, x: Array, y: Array, mask: Array | None = None) -> float:
        """Return the batch's mean loss and leave its gradient in `flat_grad`."""
        inputs, hidden, logits = self.forward(x, mask)
        rows = np.arange(len(x))
        d_logits = np.exp(logits)
        normaliser = d_logits.sum(axis=1, keepdims=True)
        loss = float((np.log(normaliser[:, 0]) - logits[rows, y]).mean())
        # d(loss)/d(logits) of softmax with cross-entropy: (probabilities - target) / rows.
        d_logits /= normaliser * len(x)
        d_logits[rows, y] -= 1 / len(x)
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
        """Add up the rows of `d_inputs` by character id.

        Sorting and one segmented sum are several times faster than np.add.at.
        """
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        first = np.append(True, ids[1:] != ids[:-1])  # of each run of equal ids
        starts = np.flatnonzero(first)
        self.g["embed"][...] = 0
        self.g["embed"][ids[starts]] = np.add.reduceat(d_inputs[order], starts, axis=0)


class AdamW:
    """Adam with decoupled weight decay, updating a flat vector in place."""

    BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-8

    def __init__(self, flat: Array, weight_decay: float) -> None:
        self.flat, self.weight_decay = flat, weight_decay
        self.m, self.v, self.t = np.zeros_like(flat), np.zeros_like(flat), 0

    def step(self, grad: Array, lr: float) -> None:
        """Move the parameters one step against `grad`."""
        self.t += 1
        self.m += (1 - self.BETA1) * (grad - self.m)
        self.v += (1 - self.BETA2) * (grad * grad - self.v)
        m_scale = 1 / (1 - self.BETA1**self.t)  # undo the bias towards the zero start
        v_scale = 1 / (1 - self.BETA2**self.t)
        self.flat *= 1 - lr * self.weight_decay
        self.flat -= lr * m_scale * self.m / (np.sqrt(self.v * v_scale) + self.EPSILON)


def windows(ids: Array, context: int) -> tuple[Array, Array]:
    """Return every window of `context` characters and the one that follows it."""
    view = np.lib.stride_tricks.sliding_window_view(ids, context + 1)
    return view[:, :context], view[:, context]


def example_order(n: int, total: int, buffer: int, rng: np.random.Generator, again: np.random.Generator) -> Array:
    """Return `total` example numbers: one fresh permutation of `n` per epoch.

    A `buffer` above 1 shuffles again within consecutive blocks of that many
    examples.  Within an epoch that changes nothing but the draw: a shuffled
    uniform permutation is still a uniform permutation.
    """
    epochs = -(-total // n)
    order = np.concatenate([rng.permutation(n) for _ in range(epochs)])[:total]
    if buffer > 1:
        for i in range(0, total, buffer):
            again.shuffle(order[i : i + buffer])
    return order


def learning_rate(step: int, steps: int, peak: float, schedule: str) -> float:
    """Return the rate of a 1-based step: linear warm-up, then the schedule."""
    warmup = min(WARMUP_STEPS, steps)
    if step <= warmup:
        return peak * step / warmup
    if schedule == "constant":
        return peak
    progress = (step - warmup) / (steps - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


def fmt(loss: float) -> str:
    """Format a loss; a diverged run (inf or nan) always reads `nan`."""
    return f"{loss:.4f}" if math.isfinite(loss) else "nan"


def train(args: argparse.Namespace, train_ids: Array, val_ids: Array) -> tuple[CharModel, dict[str, float]]:
    """Train one model, print its progress and return it with its final metrics."""
    train_x, train_y = windows(train_ids, args.context)
    # Padded, so that every context length is scored on the same characters.
    padded = np.pad(val_ids, (args.context, 0), constant_values=NEWLINE)
    val_x, val_y = (a[::VALIDATION_STRIDE] for a in windows(padded, args.context))

    # Separate streams: an option that draws more from one leaves the others alone.
    streams = np.random.SeedSequence(args.seed).spawn(4)
    init_rng, order_rng, again_rng, dropout_rng = map(np.random.default_rng, streams)
    model = CharModel(args.context, args.embed_dim, args.hidden, init_rng)
    optimiser = AdamW(model.flat, args.weight_decay)
    size, keep = args.batch_size, 1 - args.dropout
    steps = max(1, args.train_tokens // size)
    order = example_order(len(train_x), steps * size, args.shuffle_buffer, order_rng, again_rng)
    mask, val_loss, train_loss = None, math.nan, math.nan
    recent: list[float] = []
    start = time.perf_counter()
    for step in range(1, steps + 1):
        batch = order[(step - 1) * size : step * size]
        if args.dropout > 0:
            draws = dropout_rng.random((size, args.hidden), dtype=np.float32)
            mask = (draws < keep).astype(np.float32) / np.float32(keep)
        recent.append(model.loss_and_grad(train_x[batch], train_y[batch], mask))
        lr = learning_rate(step, steps, args.lr, args.lr_schedule)
        optimiser.step(model.flat_grad, lr)
        if step % args.eval_interval == 0 or step == steps:
            val_loss = model.loss(val_x, val_y)
            train_loss, recent = sum(recent) / len(recent), []
            print(
                f"Step {step} | val_loss: {fmt(val_loss)} | "
                f"train_loss: {fmt(train_loss)} | lr: {lr:.3g} | tokens: {step * size}",
                flush=True,
            )
    metrics = {"val_loss": val_loss, "train_loss": train_loss, "steps": steps}
    return model, metrics | {"tokens": steps * size, "seconds": time.perf_counter() - start}


def save(
    folder: Path, model: CharModel, config: dict[str, Any], corpus: tuple[Array, Array], metrics: dict[str, float]
) -> None:
    """Write the parameters and the metrics."""
    parameters: dict[str, Any] = dict(model.p)
    np.savez(folder / "checkpoint.npz", **parameters)
    # The text differs between Python versions: compare runs with equal sums only.
    checksum = zlib.crc32(np.concatenate(corpus).tobytes())
    sizes = {"train_characters": len(corpus[0]), "val_characters": len(corpus[1])}
    report = {
        "final_metrics": metrics,
        "config": config,
        "corpus": {**sizes, "crc32": f"{checksum:08x}"},
    }
    text = json.dumps(report, indent=2) + "\n"
    (folder / "metrics.json").write_text(text, encoding="utf-8")


def number(kind: type, low: float, high: float = math.inf) -> Callable[[str], Any]:
    """Return an argparse type: a `kind` of at least `low` and below `high`."""

    def parse(text: str) -> Any:
        value = kind(text)
        if not -math.inf < value < math.inf:
            raise ValueError  # argparse says "invalid float value"
        if not low <= value < high:
            limit = "" if high == math.inf else f" and below {high}"
            raise argparse.ArgumentTypeError(f"{text} is not at least {low}{limit}")
        return value

    parse.__name__ = kind.__name__  # argparse names it in "invalid int value"
    return parse


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Parse and check the command line; a bad one exits with status 2."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    # Name, type, default and help of every option that takes a free value.
    options: tuple[tuple[str, Callable[[str], Any], Any, str], ...] = (
        ("train_tokens", number(int, 1), 1_000_000, "characters to train on"),
        ("seed", number(int, 0), 42, "of initialisation, data order and dropout"),
        ("output_dir", Path, Path("checkpoints/run"), "for checkpoint and metrics.json"),
        ("context", number(int, 1, 1000), 8, "characters that the model sees"),
        ("embed_dim", number(int, 1), 8, "numbers per character embedding"),
        ("hidden", number(int, 1), 48, "units in the hidden layer"),
        ("batch_size", number(int, 1), 512, "examples per step"),
        ("lr", number(float, 0), 0.005, "peak learning rate"),
        ("weight_decay", number(float, 0), 0.01, "decoupled weight decay"),
        ("dropout", number(float, 0, 1), 0.0, "share of hidden units dropped"),
        ("shuffle_buffer", number(int, 0), 0, "shuffle again in blocks of this size"),
        ("eval_interval", number(int, 1), 400, "steps between evaluations"),
    )
    for name, kind, default, text in options:
        parser.add_argument(f"--{name}", type=kind, default=default, help=text)
    schedules = ("constant", "cosine")
    parser.add_argument("--lr_schedule", choices=schedules, default="cosine", help="after the warm-up")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run one training; return the exit status."""
    args = parse_args(argv)
    try:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        # A run that fails must not leave an earlier run's result behind.
        (args.output_dir / "metrics.json").unlink(missing_ok=True)
        corpus = load_corpus()
    except (FileExistsError, NotADirectoryError):
        print(f"error: --output_dir {args.output_dir}: a file is in the way", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    config = {name: str(v) if name == "output_dir" else v for name, v in vars(args).items()}
    print("Config | " + " | ".join(f"{k}: {v}" for k, v in config.items()), flush=True)
    with np.errstate(all="ignore"):  # a diverging run reports nan, not warnings
        model, metrics = train(args, *corpus)
    save(args.output_dir, model, config, corpus, metrics)
    return 0


if __name__ == "__main__":
    sys.exit(main())
