"""Counts of an evaluation: what is read from a log's beginning and end, and what only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.metrics.eval_size import read_counts


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("val_tokens: 1048576", {"val_tokens": "1048576"}),
        ("eval_tokens = 1,048,576", {"eval_tokens": "1048576"}),
        ("val_samples=1_000", {"val_samples": "1000"}),
        ("Val Batches: 8", {"val_batches": "8"}),
        ('{"num_val_examples": 20, "eval_iters": 200}', {"num_val_examples": "20", "eval_iters": "200"}),
        ("'validation_sequences': 5}", {"validation_sequences": "5"}),
        ("Step 3 | val_loss: 3.1 | val_tokens: 7 | done", {"val_tokens": "7"}),
        ("\x1b[32mval_tokens\x1b[0m: 12", {"val_tokens": "12"}),
        ("val_tokens: 1\nval_tokens: 2", {"val_tokens": "2"}),
        ("val_tokens: 1\rval_tokens: 2", {"val_tokens": "2"}),
    ],
)
def test_a_count_is_read_as_programs_print_it_and_the_last_one_counts(line: str, counts: dict[str, str]) -> None:
    assert read_counts(f"before\n{line}\nafter\n".encode()) == counts


@pytest.mark.parametrize(
    "line",
    [
        "val_loss: 3",
        "tokens: 5",
        "train_tokens: 1000000",
        "val_tokens: 1.5",
        "val_tokens: 10M",
        "val_tokens: 50%",
        "val_size=0.1",
        "my_val_tokens: 3",
        "interval_tokens: 3",
        "val_tokens 3",
        "val_tokens: 1234567890123456789012",
        "",
    ],
)
def test_what_is_no_count_of_an_evaluation_is_not_read(line: str) -> None:
    assert read_counts(line.encode()) == {}


def test_what_stands_only_in_the_middle_is_not_read_and_cut_lines_do_not_count() -> None:
    head = b"val_tokens: 100\neval_batches: 8"  # the number may go on
    tail = b"val_samples: 3\nval_tokens: 200\n"  # the name may have begun earlier
    assert read_counts(head, tail) == {"val_tokens": "200"}
    assert read_counts(head, b"no line end") == {"val_tokens": "100"}


def test_a_program_that_prints_counts_all_the_time_is_read_at_both_ends() -> None:
    lines = [f"val_tokens: {number}\n" for number in range(1000)]
    assert read_counts("".join(["eval_batches: 5\n", *lines]).encode()) == {"eval_batches": "5", "val_tokens": "999"}


def test_names_without_end_do_not_fill_the_ledger() -> None:
    prefixes, words = ("val", "eval", "test", "valid"), ("tokens", "samples", "examples", "batches", "bytes", "size")
    text = "".join(f"{prefix}_{word}: 1\n" for prefix in prefixes for word in words)
    assert len(read_counts(text.encode())) == 16


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(head: bytes, tail: bytes) -> None:
    assert all(count.isdigit() for count in read_counts(head, tail).values())


@given(
    st.integers(0, 10**17), st.sampled_from(["val_tokens", "eval_samples", "num_val_batches"]), st.binary(max_size=50)
)
def test_a_printed_count_is_found_after_anything(number: int, name: str, before: bytes) -> None:
    log = before.replace(b"\x1b", b"").replace(b"\x08", b"") + f"\n{name}: {number}\n".encode()
    assert read_counts(log)[name] == str(number)
