"""The example's training script: it computes what it says, and keeps the protocol's contract."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest
from seedproof.metrics.scanner import LogReading, LogScanner
from seedproof.model.rules import Rules

from tests.support.places import EXAMPLE

SCRIPT = EXAMPLE / "train_llm.py"
FEW = ("--train_tokens", "60000")
MEMORY_LIMIT = 500_000_000
# Trains in a small process and adds the training's peak memory as a last line. Asked from here,
# the peak would count what pytest itself had in memory when it started the child.
MEASURE_MEMORY = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak if sys.platform == "darwin" else peak * 1024)  # macOS counts bytes, Linux KiB
sys.exit(status)
"""


def load(name: str) -> ModuleType:
    """Import a file of the example; the thread counts that it sets end with the import."""
    spec = importlib.util.spec_from_file_location(f"tiny_lm_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(os.environ):
        spec.loader.exec_module(module)
    return module


tiny_lm, measure = load("train_llm"), load("measure")


@dataclass(frozen=True)
class Training:
    """A finished training process and what it left."""

    status: int
    log: bytes
    errors: str
    folder: Path

    @property
    def metrics(self) -> dict[str, Any]:
        """The final metrics, exactly as the script wrote them."""
        return dict(json.loads((self.folder / "metrics.json").read_bytes())["final_metrics"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The trained parameters."""
        with np.load(self.folder / "checkpoint.npz") as archive:
            return dict(archive)

    @property
    def reading(self) -> LogReading:
        """The log as Seedproof reads it by default."""
        scanner = LogScanner(Rules().metrics)
        scanner.feed(self.log)
        return scanner.finish()


def train(folder: Path, *options: str, launcher: tuple[str, ...] = ()) -> Training:
    """Run the script as the protocol does, output folder last."""
    command = [*launcher, sys.executable, str(SCRIPT), *options, "--output_dir", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, cwd=folder.parent)
    return Training(done.returncode, done.stdout, done.stderr.decode(), folder)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Seed 42 on a few tokens."""
    return train(tmp_path_factory.mktemp("short") / "run", *FEW, "--seed", "42", "--eval_interval", "60")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """One run at the protocol's scale, its peak memory in the log's last line."""
    folder = tmp_path_factory.mktemp("full") / "run"
    launcher = (sys.executable, "-c", MEASURE_MEMORY)
    return train(folder, "--train_tokens", "1000000", "--seed", "42", launcher=launcher)


# --- the mathematics -------------------------------------------------------------------------


def small_model() -> Any:
    """A model in double precision in which no parameter is zero, the biases included."""
    rng = np.random.default_rng(0)
    model = tiny_lm.CharModel(context=3, embed_dim=3, hidden=5, rng=rng, dtype=np.float64)
    model.flat += 0.1 * rng.standard_normal(model.flat.shape)
    return model


def small_batch() -> tuple[Any, Any]:
    """Ten examples over twelve characters: many characters occur more than once."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 12, (10, 3)), rng.integers(0, 12, 10)


def slopes(loss: Callable[[], float], flat: Any, step: float = 1e-6) -> Any:
    """The loss's slope in every parameter, by central differences."""
    result = np.empty_like(flat)
    for i, value in enumerate(flat.copy()):
        flat[i] = value + step
        above = loss()
        flat[i] = value - step
        result[i] = (above - loss()) / (2 * step)
        flat[i] = value
    return result


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_gradient_of_every_parameter_is_the_slope_of_the_loss(dropout: float) -> None:
    model, (x, y) = small_model(), small_batch()
    mask = None
    if dropout:
        mask = (np.random.default_rng(2).random((10, 5)) >= dropout) / (1 - dropout)
        assert 0 < np.count_nonzero(mask) < mask.size
    model.loss_and_grad(x, y, mask)
    gradient = {name: values.copy() for name, values in model.g.items()}
    flat_gradient = model.flat_grad.copy()
    expected = slopes(lambda: model.loss_and_grad(x, y, mask), model.flat)
    assert np.abs(flat_gradient - expected).max() < 1e-8
    assert all(np.abs(values).max() > 1e-3 for values in gradient.values())
    absent = np.setdiff1d(np.arange(tiny_lm.VOCAB), x)
    assert not gradient["embed"][absent].any()


def test_the_loss_is_the_mean_of_minus_log_probability() -> None:
    model, (x, y) = small_model(), small_batch()
    p, losses = model.p, []
    for characters, target in zip(x, y, strict=True):
        joined = np.concatenate([p["embed"][character] for character in characters])
        hidden = np.maximum(joined @ p["w1"] + p["b1"], 0)
        weights = np.exp(hidden @ p["w2"] + p["b2"])
        losses.append(-math.log(weights[target] / weights.sum()))
    assert model.loss(x, y) == pytest.approx(np.mean(losses), rel=1e-12)
    assert model.loss_and_grad(x, y) == pytest.approx(np.mean(losses), rel=1e-12)


def test_evaluation_in_chunks_gives_the_loss_of_the_whole() -> None:
    model = small_model()
    rng = np.random.default_rng(3)
    rows = tiny_lm.EVAL_CHUNK + 100
    x, y = rng.integers(0, tiny_lm.VOCAB, (rows, 3)), rng.integers(0, tiny_lm.VOCAB, rows)
    assert model.loss(x, y) == pytest.approx(model.loss_and_grad(x, y), rel=1e-12)


def test_two_steps_of_the_optimiser_are_those_worked_out_by_hand() -> None:
    flat = np.array([1.0, -2.0])
    optimiser = tiny_lm.AdamW(flat, weight_decay=0.5)
    optimiser.step(np.array([3.0, -0.1]), lr=0.1)
    # Decay: times 1 - 0.1 * 0.5. The first step is the rate, whatever the gradient's size.
    assert flat == pytest.approx([0.95 - 0.1, -1.9 + 0.1])
    optimiser.step(np.array([0.0, 0.0]), lr=0.1)
    # m = 0.09 g / 0.19, v = 0.0099 g^2 / 0.0199: the size of g cancels again.
    step = 0.1 * (0.09 / 0.19) / math.sqrt(0.0099 / 0.0199)
    assert flat == pytest.approx([0.85 * 0.95 - step, -1.8 * 0.95 + step])


def test_the_learning_rate_warms_up_to_its_peak_and_then_follows_the_schedule() -> None:
    warmup = tiny_lm.WARMUP_STEPS
    steps = warmup + 100

    def rate(step: int, schedule: str) -> float:
        return float(tiny_lm.learning_rate(step, steps, 2.0, schedule))

    for schedule in ("constant", "cosine"):
        assert rate(1, schedule) == pytest.approx(2.0 / warmup)
        assert rate(warmup, schedule) == pytest.approx(2.0)
    assert rate(warmup + 50, "cosine") == pytest.approx(1.0)
    assert rate(steps, "cosine") == pytest.approx(0.0)
    assert rate(steps, "constant") == pytest.approx(2.0)


@pytest.mark.parametrize("buffer", [0, 7])
def test_every_epoch_has_each_example_once_in_an_order_of_its_own(buffer: int) -> None:
    draws = [np.random.default_rng(seed) for seed in (1, 2)]
    order = tiny_lm.example_order(21, 3 * 21, buffer, *draws)
    epochs = [order[start : start + 21].tolist() for start in (0, 21, 42)]
    assert all(sorted(epoch) == list(range(21)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_shuffle_buffer_changes_the_order_but_keeps_every_block() -> None:
    plain, shuffled = (
        tiny_lm.example_order(100, 90, buffer, np.random.default_rng(1), np.random.default_rng(2)) for buffer in (0, 40)
    )
    assert plain.tolist() != shuffled.tolist()
    for block in (slice(0, 40), slice(40, 80), slice(80, 90)):
        assert sorted(plain[block]) == sorted(shuffled[block])


def test_training_and_validation_text_are_the_two_parts_of_each_module(tmp_path: Path) -> None:
    head, tail = b"a" * 89_999 + b"\n", b"\xc3\tz" + b"c" * 9_997
    for name in tiny_lm.MODULES[:2]:
        (tmp_path / name).write_bytes(head + tail)
    parts = tiny_lm.load_corpus(tmp_path)
    train_text, val_text = (bytes(tiny_lm.ALPHABET[i] for i in ids) for ids in parts)
    assert train_text == head + b"\n" + head
    readable = tail.replace(b"\xc3", b"?").replace(b"\t", b"?")
    assert val_text == readable + b"\n" + readable


# --- what the seed moves ---------------------------------------------------------------------


def test_the_same_seed_gives_the_same_loss_to_the_last_digit(short: Training, tmp_path: Path) -> None:
    again = train(tmp_path / "again", *FEW, "--seed", "42", "--eval_interval", "60")
    assert again.metrics["val_loss"] == short.metrics["val_loss"]
    assert again.metrics["train_loss"] == short.metrics["train_loss"]


def test_another_seed_gives_another_loss(short: Training, tmp_path: Path) -> None:
    other = train(tmp_path / "other", *FEW, "--seed", "43", "--eval_interval", "60")
    assert other.metrics["val_loss"] != short.metrics["val_loss"]


@dataclass(frozen=True)
class Start:
    """Where a training begins: its parameters, and their loss on validation text and first batches."""

    embed: list[list[float]]
    val_loss: float
    train_loss: float


def start(folder: Path, *options: str) -> Start:
    """Train in this process at rate 0, which leaves the parameters as they were initialised."""
    status = tiny_lm.main(["--lr", "0", "--train_tokens", "1024", *options, "--output_dir", str(folder)])
    begun = Training(status, b"", "", folder)
    return Start(begun.parameters["embed"].tolist(), begun.metrics["val_loss"], begun.metrics["train_loss"])


def test_another_seed_starts_from_other_parameters_near_the_loss_of_a_uniform_guess(tmp_path: Path) -> None:
    one, other = (start(tmp_path / seed, "--seed", seed) for seed in ("42", "43"))
    assert one.embed != other.embed
    assert one.val_loss != other.val_loss
    assert [one.val_loss, other.val_loss] == pytest.approx([math.log(tiny_lm.VOCAB)] * 2, rel=0.1)


def test_options_that_draw_more_numbers_leave_initialisation_and_data_order_alone(tmp_path: Path) -> None:
    plain = start(tmp_path / "plain")
    dropout = start(tmp_path / "dropout", "--dropout", "0.5")
    buffer = start(tmp_path / "buffer", "--shuffle_buffer", "1024")
    assert plain.embed == dropout.embed == buffer.embed
    assert plain.train_loss != dropout.train_loss
    # The buffer's one block is the whole training: the same examples, put into other batches.
    assert plain.train_loss == pytest.approx(buffer.train_loss, rel=1e-6)


# --- what it prints and writes ---------------------------------------------------------------


def test_seedproof_reads_the_last_loss_from_the_log_and_it_is_the_written_one(short: Training) -> None:
    assert (short.status, short.errors) == (0, "")
    printed = re.findall(rb"^Step (\d+) \| val_loss: (\d\.\d{4}) \| ", short.log, re.MULTILINE)
    assert [int(step) for step, _ in printed] == [60, 117]
    assert printed[0][1] != printed[1][1]
    found = short.reading.metrics["val_loss"]
    assert found.text == printed[1][1].decode() == f"{short.metrics['val_loss']:.4f}"
    assert short.reading.step == short.metrics["steps"] == 117


def test_the_written_loss_is_the_checkpoints_loss_on_the_validation_text(short: Training) -> None:
    model = tiny_lm.CharModel(context=8, embed_dim=8, hidden=48, rng=np.random.default_rng(0))
    for name, values in short.parameters.items():
        model.p[name][...] = values
    _, val_ids = tiny_lm.load_corpus()
    every = tiny_lm.VALIDATION_STRIDE
    inputs, targets = tiny_lm.windows(val_ids, 8)
    # The first eight characters have no full window here; the script pads, and so scores them too.
    assert model.loss(inputs[::every], targets[::every]) == pytest.approx(short.metrics["val_loss"], abs=0.001)


def test_a_diverging_run_ends_well_and_its_loss_is_nan(tmp_path: Path) -> None:
    diverged = train(tmp_path / "run", *FEW, "--lr", "1e9")
    assert (diverged.status, diverged.errors) == (0, "")
    found = diverged.reading.metrics["val_loss"]
    assert (found.text, found.value) == ("nan", None)
    assert not math.isfinite(diverged.metrics["val_loss"])


def test_a_file_in_place_of_the_output_folder_ends_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    refused = train(tmp_path / "run", *FEW)
    assert (refused.status, refused.log) == (1, b"")
    assert refused.errors == f"error: --output_dir {tmp_path / 'run'}: a file is in the way\n"
    assert (tmp_path / "run").read_text() == "mine"


def test_a_run_without_text_to_train_on_fails_and_leaves_no_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tiny_lm.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    (tmp_path / "metrics.json").write_text("{}")
    assert tiny_lm.main(["--output_dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: too little Python source in {tmp_path}: 0 bytes\n"
    assert not (tmp_path / "metrics.json").exists()


# --- the command line ------------------------------------------------------------------------


def test_the_protocols_options_are_understood() -> None:
    values = {"python": sys.executable, "train_tokens": "1000000", "seed": "137", "output_dir": "checkpoints/x"}
    template = [part for part in Rules().command if part != "{flags}"]
    command = [part.format(**values) for part in template]
    assert command[1] == SCRIPT.name
    args = tiny_lm.parse_args(command[2:])
    assert (args.train_tokens, args.seed, args.output_dir) == (1_000_000, 137, Path("checkpoints/x"))


def test_an_abbreviated_option_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    refused = train(tmp_path / "run", *FEW, "--se", "7")
    assert (refused.status, refused.log) == (2, b"")
    assert refused.errors.endswith("error: unrecognized arguments: --se 7\n")
    assert not refused.folder.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--seed", "-1"], "argument --seed: -1 is not at least 0"),
        (["--seed", "1.5"], "argument --seed: invalid int value: '1.5'"),
        (["--train_tokens", "0"], "argument --train_tokens: 0 is not at least 1"),
        (["--dropout", "1"], "argument --dropout: 1 is not at least 0 and below 1"),
        (["--lr", "-0.1"], "argument --lr: -0.1 is not at least 0"),
        (["--lr", "fast"], "argument --lr: invalid float value: 'fast'"),
        (["--lr", "nan"], "argument --lr: invalid float value: 'nan'"),
        (["--lr", "inf"], "argument --lr: invalid float value: 'inf'"),
        (["--context", "1000"], "argument --context: 1000 is not at least 1 and below 1000"),
        (["--lr_schedule", "linear"], "argument --lr_schedule: invalid choice: 'linear'"),
        (["--muon"], "unrecognized arguments: --muon"),
    ],
    ids=" ".join,
)
def test_a_bad_value_exits_with_2_and_says_what_is_wrong(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        tiny_lm.main(options)
    assert ended.value.code == 2
    assert f"error: {sentence}" in capsys.readouterr().err


def test_help_begins_with_what_the_script_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        tiny_lm.parse_args(["--help"])
    assert ended.value.code == 0
    assert "\n\nTrain a small character-level language model" in capsys.readouterr().out


# --- at the protocol's scale -----------------------------------------------------------------


def unigram_loss() -> float:
    """Nats per character of a model that knows only how often each character occurs."""
    train_ids, val_ids = tiny_lm.load_corpus()
    counts = np.bincount(train_ids, minlength=tiny_lm.VOCAB) + 1  # +1: no probability is zero
    return float(-np.log(counts / counts.sum())[val_ids].mean())


def test_a_full_run_learns_more_than_how_often_each_character_occurs(full: Training) -> None:
    assert (full.status, full.errors) == (0, "")
    assert full.reading.metrics["val_loss"].text == f"{full.metrics['val_loss']:.4f}"
    assert full.metrics["val_loss"] < unigram_loss()


def test_a_full_run_needs_less_than_half_a_gigabyte(full: Training) -> None:
    python_with_numpy = 20_000_000  # a smaller peak would be one in the wrong unit
    peak = int(full.log.splitlines()[-1])
    assert python_with_numpy < peak < MEMORY_LIMIT


# --- its README and its table ----------------------------------------------------------------


def readme_rows(pattern: str) -> dict[str, str]:
    """Two cells of each row of the README's tables that the pattern matches."""
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(pattern, text, re.MULTILINE))


def test_the_readme_names_every_option_with_its_default() -> None:
    defaults = {name: str(value) for name, value in vars(tiny_lm.parse_args([])).items()}
    assert readme_rows(r"^\| `--(\w+)` \| `(\S+)` \|") == defaults


def test_the_readmes_results_are_of_the_measured_arms_over_the_protocols_seeds() -> None:
    arms = {arm: " ".join(options) or "(none)" for arm, options in measure.ARMS.items()}
    assert readme_rows(r"^\| ([a-z ]+) \| `([^`]+)` \| \d\.\d{4} \|") == arms
    assert Rules().baseline_seeds == measure.SEEDS


def test_measuring_reads_the_exact_loss_of_a_run(short: Training, tmp_path: Path) -> None:
    loss, seconds = measure.run([*FEW, "--eval_interval", "60"], 42, tmp_path)
    assert loss == short.metrics["val_loss"]
    assert seconds > 0
