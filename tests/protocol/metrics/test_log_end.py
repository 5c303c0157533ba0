"""How a log ends that has no value."""

import pytest
from seedproof.metrics.log_end import error_line, is_out_of_room, plain_last_line


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"pid 17: boom\n", b"pid 4711: boom\n"),
        (b"<object at 0x7f1234567890>\n", b"<object at 0x55deadbeef00>\n"),
        (b"2026-01-01 10:00:00,123 boom\n\n  \n", b"2026-02-03 11:12:13,999 boom"),
        (b"FileNotFoundError: /tmp/tmpab12cd/x.pt\n", b"FileNotFoundError: /tmp/tmpzz98xy/x.pt\n"),
        (b"rank 0 hash 3f2a9c017b\n", b"rank 3 hash 99aa00ffee\n"),
    ],
)
def test_equal_crashes_have_one_last_line_whatever_numbers_it_holds(one: bytes, other: bytes) -> None:
    assert plain_last_line(b"loading\n" + one) == plain_last_line(b"loading more\n" + other) != ""


def test_other_crashes_have_other_lines_and_secrets_are_masked() -> None:
    assert plain_last_line(b"KeyError: 'lr'\n") != plain_last_line(b"KeyError: 'wd'\n")
    assert plain_last_line(b"") == ""
    assert "hunter" not in plain_last_line(b"Traceback: no such package, password=hunterhunter\n")


@pytest.mark.parametrize(
    ("end", "is_full"),
    [
        (b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n", True),
        (b"RESOURCE_EXHAUSTED: Out of memory while trying to allocate\n", True),
        (b"numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7 GiB\n", True),
        (b"OSError: [Errno 28] No space left on device\n", True),
        (b"memory format: channels_last\nKeyError: 'lr'\n", False),
        (b"out of memory\n" + b"step\n" * 60, False),
    ],
)
def test_memory_and_the_disk_are_told_by_the_last_lines(end: bytes, is_full: bool) -> None:
    assert is_out_of_room(end) is is_full


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (b"step 1\nusage: train.py [-h]\ntrain.py: error: unrecognized arguments: --seed 42\n", "train.py: error: un"),
        (b"Traceback:\nValueError: no data at 3\n", "ValueError: no data at 3"),
        (b"torch.cuda.OutOfMemoryError: full\nbye\n====\n", "torch.cuda.OutOfMemoryError: full"),
        (b"KeyError: 'lr'\nx.errors.ChildFailedError:\ntrain.py FAILED\n====\n", "KeyError: 'lr'"),
        (b"no such data set\n\n-----\n", "no such data set"),
        (b"1 2 3\n", ""),
    ],
)
def test_the_line_that_says_why_a_training_crashed(log: bytes, line: str) -> None:
    assert error_line(log).startswith(line) and bool(error_line(log)) == bool(line)
