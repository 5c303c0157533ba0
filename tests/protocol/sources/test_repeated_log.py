"""Logs of stopped trainings, and of those that repeat them or do not."""

import pytest
from seedproof.sources.repeated_log import repeats

STOPPED = (
    b"2026-11-29 10:00:01,123 INFO pid 4711 begins\n"
    b"step 10 loss 3.91 12.5 it/s time 0.8s eta 0:10:11\n"
    b"\r 10%|# | 1/10\r 20%|## | 2/10 [00:01<00:08, 1.5it/s]\n"
    b"step 20 | val_loss: 3.8"
)


@pytest.mark.parametrize(
    ("log", "is_repeat"),
    [
        (
            b"2026-11-30 23:10:01,7 INFO pid 12 begins\nstep 10 loss 3.91 9 it/s time 11.25s eta 1:00:00\n"
            b"\r 20%|## | 2/10 [00:05<00:09, 0.9it/s]\nstep 20 | val_loss: 3.8712\nstep 30 | val_loss: 3.7\n",
            True,
        ),
        (STOPPED.replace(b"val_loss: 3.8", b"val_loss: 3.79\n"), False),
        (STOPPED.replace(b"loss 3.91", b"loss 3.92"), False),
        (STOPPED.replace(b"2/10", b"3/10"), False),
        (STOPPED[:100], False),
        (b"", False),
        (STOPPED, True),
    ],
)
def test_a_log_repeats_a_stopped_one_where_nothing_but_times_differs(log: bytes, is_repeat: bool) -> None:
    assert repeats(log, STOPPED) is is_repeat


def test_nothing_repeats_an_empty_log() -> None:
    assert not repeats(b"step 1 | val_loss: 4.1\n", b"")
    assert not repeats(b"", b"\n")


def test_a_value_is_no_time() -> None:
    for label in ("val_loss", "timestep_loss", "loss/s", "eval/perplexity"):
        before, after = (f"step 5 {label}: {value}\n".encode() for value in ("3.1", "3.2"))
        assert not repeats(after, before), label
