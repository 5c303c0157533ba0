"""How far a training went, read from the end of its log: what is said once, and nothing that is said in two ways."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.metrics.lengths import read_lengths
from seedproof.metrics.log_end import is_end, is_last_word
from seedproof.model.lengths import Lengths

LOGS = Path(__file__).parents[2] / "real_logs"


def read(*lines: str) -> Lengths:
    return read_lengths("".join(f"{line}\n" for line in lines).encode()).lengths


@pytest.mark.parametrize(
    ("line", "step", "steps"),
    [
        ("Step 12/100 | val_loss: 4.1", 12, 100),
        ("step:12/100 val_loss:3.2781 train_time:88ms step_avg:59ms", 12, 100),
        ("[Step 12 of 100] loss 3.1", 12, 100),
        ("Step [12/100], Loss: 0.1", 12, 100),
        ("{'loss': 2.1, 'step': 12}", 12, None),
        ("iter 12: loss 2.2, time 27.05ms", 12, None),
        ("Iteration: 12/100", 12, 100),
        ("global_step=12, loss=3", 12, None),
        ("step 1,200/10,000 | loss 2", 1200, 10_000),
        ("\x1b[31mstep 12/100", 12, 100),
        ("[rank0]:step 12/100", 12, 100),
        ("Training:  12%|█▏        | 12/100 [00:03<00:25,  3.90it/s, loss=3.1]", 12, 100),
        (" 12%|#2        | 12/100 [00:03<00:25,  3.90it/s]", 12, 100),
        ("12/100 [00:03<00:25, 3.90it/s]", 12, 100),
        ("12/100 [==>...........................] - ETA: 1s - loss: 0.3", 12, 100),
        ("12/100 ━━━━━━━━━━━━━━━━━━━━ 1s 5ms/step - loss: 0.3", 12, 100),
        ("Training: 97% | 1/2 [00:36<00:01, 2494.20tokens/s, step=350/390, loss=3.4]", 350, 390),
    ],
)
def test_a_step_is_read_with_its_total(line: str, step: int, steps: int | None) -> None:
    got = read("other output", line)
    assert (got.step, got.steps) == (step, steps)


@pytest.mark.parametrize(
    "lines",
    [
        ["step_avg:59ms", "'eval_steps': 50", "warmup_step 3", "step 1.5"],
        ["eval step 3/10", "Validation: step 3/10", "| val | step 3/10"],
        ["Resuming from step 500", "best val_loss 3.1 at step 300"],
        ["step 90/100", "step 10/200"],  # two trainings, or two things that are counted
        ["step 100/100", "step 3/100"],
        ["Epoch [9/10], Step [600/600], Loss: 0.1", "Epoch [10/10], Step [600/600], Loss: 0.1"],  # of an epoch
        ["Epoch [10/10], Step [100/600], Loss: 0.1"],
        ["Epoch 7 step 120"],  # of this epoch, or of all of them
        ["100%|###| 500/500 [00:03<00:00, 9.1it/s]", "100%|###| 25/25 [00:01<00:00, 9.1it/s]"],  # training, evaluation
        ["Epoch 3/10", "12/100 [==>...........................] - ETA: 1s - loss: 0.3"],  # Keras: of an epoch
        ["Validation DataLoader 0: 100%|###| 10/10 [00:01<00:00, 9.1it/s]"],
        ["Map: 100%|###| 5000/5000 [00:01<00:00, 999.1 examples/s]"],
        ["Downloading shards: 100%|###| 2/2 [00:01<00:00, 2.1it/s]"],
        ["Training:  12%|#2  | 256/100000 [00:02<18:37, 89.23tokens/s]"],
        ["x" * 2000 + " step 3/10"],
        [],
    ],
)
def test_a_step_that_may_be_anothers_is_not_known(lines: list[str]) -> None:
    got = read(*lines)
    assert (got.step, got.steps) == (None, None)


def test_steps_over_all_epochs_are_those_of_the_training() -> None:
    got = read("epoch 1/2 step 50/200", "epoch 1/2 step 100/200", "epoch 2/2 step 150/200", "epoch 2/2 step 200/200")
    assert got == Lengths(step=200, steps=200, epoch=2, epochs=2, reached_end=True)


def test_a_bar_of_the_evaluation_beside_that_of_the_training_is_told_by_its_label() -> None:
    train, evaluation = "Training: 90%|###| 90/100 [00:03<00:01, 9it/s]", "Eval: 50%|##| 5/10 [00:01<00:01, 9it/s]"
    assert (read(train, evaluation).step, read(evaluation).step) == (90, None)


@pytest.mark.parametrize(
    ("line", "epoch", "epochs"),
    [
        ("Epoch 3/10", 3, 10),
        ("Epoch [3/10], Loss: 0.1", 3, 10),
        ("Epoch: [3][ 100/5005]  Time 0.1", 3, None),
        ("epoch: 3 | val_loss: 0.3", 3, None),
        ("{'loss': 2.1, 'epoch': 3.0}", 3, None),
        ("{'loss': 2.1, 'epoch': 2.98}", None, None),
        ("Epoch 3: val_loss did not improve from 0.26", None, None),
        ("val epoch 3", None, None),
    ],
)
def test_an_epoch_is_read_with_its_total(line: str, epoch: int | None, epochs: int | None) -> None:
    got = read(line)
    assert (got.epoch, got.epochs) == (epoch, epochs)


@pytest.mark.parametrize(
    ("line", "tokens", "samples"),
    [
        ("tokens: 1,000,000", 1_000_000, None),
        ("Total Tokens:                    100,096", 100_096, None),
        ("step 3 | tokens_seen=1.2M | loss 3", 1_200_000, None),
        ("1.2M tokens", 1_200_000, None),
        ("processed 1,000,000 tokens", 1_000_000, None),
        ("Training: 12%|#2 | 256/1000 [00:02<18:37, 89.23tokens/s]", 256, None),
        (" consumed samples: 51200 | loss 3", None, 51_200),
        ("5,000 samples", None, 5_000),
        ("images_seen: 2.5k", None, 2_500),
        ("images seen: 2.5k", None, 2_500),
        ("val_tokens: 1048576", None, None),
        ("Target tokens: 100,000", None, None),
        ("batch of 65,536 tokens", None, None),
        ("2494.20tokens/s", None, None),
        ("1000 tokens per second", None, None),
        ("loaded 5,000 samples", None, None),
        ("max tokens: 50", None, None),
        ("tokens: 1.5.2", None, None),
    ],
)
def test_tokens_and_samples_are_read_in_full(line: str, tokens: int | None, samples: int | None) -> None:
    got = read(line)
    assert (got.tokens, got.samples) == (tokens, samples)


def test_a_count_that_is_the_same_at_each_step_is_that_of_a_batch() -> None:
    assert read(*(f"step {step} | tokens: 524288" for step in (1, 2, 3))).tokens is None
    assert read("tokens: 5000", "tokens: 300").tokens is None


@pytest.mark.parametrize(
    ("lines", "reached"),
    [
        (["step 90/100", "step 100/100"], True),
        (["step 50/100", "step 60/100"], False),
        (["step 80/100", "step 90/100"], None),  # counted from 0, it may be the last one
        (["step 60/100"], None),
        (["100%|###| 100/100 [00:03<00:00, 9.1it/s]"], True),
        (["step 90", "Training complete"], True),
        (["step 90", "Training finished, model saved. Cleaning up.", "Traceback (most recent call last):"], True),
        (["step 90", "Finished Training in 5 s"], True),
        (["step 90", "2026-01-01 12:00:00 | INFO | Training done!"], True),
        (["step 90", "All done."], True),
        (["step 90", "done"], True),
        (["step 600/1000", "Early stopping at step 600: no improvement for 3 evaluations"], True),
        (["Epoch 7/100", "Epoch 7: early stopping"], True),
        (["`Trainer.fit` stopped: `max_epochs=10` reached."], True),
        (["{'train_runtime': 5.1, 'train_loss': 3.1, 'epoch': 3.0}"], True),
        (["step 50", "step 100", "---", "val_bpb:  0.99", "num_steps:        120"], True),
        (["num_steps: 120", "step 50", "step 100"], None),  # a setting
        (["step 50", "step 100", "num_steps: 5000"], None),  # likewise
        (["step 10/1000", "step 20/1000", "Training complete"], None),  # one of them is of something else
        (["done", "step 90"], None),
        (["Training complete", "step 90"], None),
        (["step 90", "Saving ...", "done", "Traceback (most recent call last):"], None),  # what is done?
        (["step 90", "Training not finished"], None),
        (["step 90", "will stop when training is done"], None),
        (["Epoch 3: training complete"], None),
        (["step 90", "EarlyStopping(patience=3)", "early stopping: enabled"], None),
        (["Epoch 10/10"], None),
        (["Epoch 8/10", "Epoch 9/10"], None),
        (["Epoch 3/10"], False),
        (["step 90", "RuntimeError: the training run failed"], None),
        (["training data: 100 lines"], None),
        ([], None),
    ],
)
def test_its_own_end_is_known_where_the_log_says_it(lines: list[str], reached: bool | None) -> None:
    assert read(*lines).reached_end is reached


def test_the_count_that_a_program_prints_of_itself_is_its_last_step() -> None:
    assert read("step 50", "step 100", "num_steps:        120").step == 120


def test_a_bar_that_is_redrawn_in_one_line_is_read_at_its_end() -> None:
    bar = "".join(f"\rTraining: {n}%|##| {n}/100 [00:03<00:00, 9.1it/s]" for n in range(101))
    assert read(bar) == Lengths(step=100, steps=100, reached_end=True)


def test_the_first_line_of_the_last_step_is_named_from_the_end() -> None:
    got = read_lengths(b"step 9\nstep 10: val 3\nstep 10: train 3\nTraining complete\nbye")
    assert (got.lengths.step, got.lines_since) == (10, 4)
    assert read_lengths(b"Epoch 1/2\nEpoch 2/2\nbye\n").lines_since == 2
    assert [read_lengths(end).lines_since for end in (b"", b"nothing", b"nothing\n", b"a\nb\n")] == [0, 1, 1, 2]


@pytest.mark.parametrize("path", sorted(LOGS.glob("llm-research-kit/*seed42.stdout")), ids=lambda path: path.name)
def test_a_real_log_tells_its_tokens_and_no_end(path: Path) -> None:
    got = read_lengths(path.read_bytes()).lengths
    assert got == Lengths(step=300, tokens=100_096)


@pytest.mark.parametrize("path", sorted(LOGS.glob("llm-research-kit/*seed42.stderr")), ids=lambda path: path.name)
def test_the_bar_of_a_real_log_counts_tokens_and_names_its_step(path: Path) -> None:
    got = read_lengths(path.read_bytes()[-20_000:]).lengths
    assert got == Lengths(step=350, steps=390, tokens=100_096)


@given(st.binary(max_size=400))
def test_any_bytes_are_read(end: bytes) -> None:
    got = read_lengths(end).lengths
    assert Lengths.from_document(got.document()) == got


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.sampled_from(["step {}/{}", "[Step {} of {}]", "iter {}/{}"]))
def test_a_step_is_read_as_printed(total: int, step: int, text: str) -> None:
    got = read(text.format(step, total))
    assert (got.step, got.steps) == (step, total)
    assert got.reached_end is (True if step >= total else None)


def test_a_document_of_lengths_that_is_none_is_refused() -> None:
    assert Lengths.from_document({"step": 3, "of_a_later_version": 1}) == Lengths(step=3)
    for wrong in ({"step": "3"}, {"step": True}, {"reached_end": 1}):
        with pytest.raises(TypeError):
            Lengths.from_document(wrong)


def test_words_about_an_end_are_no_end() -> None:
    assert not is_end("The training was done by 5 people?") and not is_end("untraining complete")
    assert not is_last_word("not done")
