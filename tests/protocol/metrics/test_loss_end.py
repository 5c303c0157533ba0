"""Whether the training loss of a log ended in nan: real kinds of lines, and honest logs without an alarm."""

import pytest
from seedproof.metrics.loss_end import lost_loss


@pytest.mark.parametrize(
    ("log", "found"),
    [
        (b"step 250: train loss 2.1, val loss 2.2\niter 251: loss 2.1\niter 252: loss nan, time 3ms\n", "loss nan"),
        (b"train_loss=inf val_loss=2.2\n", "loss=inf"),
        (b"{'loss': 'nan', 'grad_norm': 'nan'}\n", "loss': 'nan"),
        (b"12:00:01 | step 10/10 | loss: -inf | lr 0.1", "loss: -inf"),
        (b"\x1b[33mloss: NaN\x1b[0m\rdone\n", "loss: NaN"),
    ],
)
def test_a_loss_that_ended_in_nan_is_quoted(log: bytes, found: str) -> None:
    assert lost_loss(log) == found


HONEST = [
    b"step 100 | loss: 2.31 | val_loss: 2.40\n",
    b"step 1: loss nan, skipped by the loss scaler\nstep 2: loss 3.2\nval_loss: 3.1\n",
    b"Epoch 3: 100%|##| 10/10 [00:01<00:00, train_loss=0.31, val_loss=0.40]\n",
    b"469/469 - 2s - loss: 0.1612 - accuracy: 0.95 - val_loss: 0.1310\n",
    b"{'eval_loss': 'nan', 'epoch': 1}\n{'loss': '2.1'}\n",
    b"iter 100: train loss 1.9, val loss nan\n",
    b"loss function: nanmean of losses\nval_loss: 3.0\n",
    b"loss is nanosecond-exact\nno loss\n",
    b"initial best loss inf\nepoch 1 loss 0.4\nval_loss: 0.5\n",
    b"max loss 1e999 allowed\nval_loss: 0.5\n",
    b"val_loss: 0.5\nbest loss: inf\n",
    b"",
]


@pytest.mark.parametrize("log", HONEST)
def test_an_honest_log_gives_no_alarm(log: bytes) -> None:
    assert lost_loss(log) is None
