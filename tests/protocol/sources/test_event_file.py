"""Scalars in TensorBoard event files, whole, cut short and damaged."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seedproof.model.metric_rule import MetricRule
from seedproof.model.runs import MetricValue, Unread
from seedproof.sources.event_file import read_scalars
from seedproof.sources.metric_file import read_file_metric

from tests.support.event_files import event_file, simple, tensor

RULE = MetricRule(name="val_loss", file="events.*", tag="val/loss")
FILE = event_file(
    (0, "train/loss", simple(9.5)),
    (0, "val/loss", simple(0.1)),
    (300, "val/loss", simple(0.25)),
    (300, "val/loss_ema", simple(0.5)),
    (600, "lr", simple(0.75)),
)

# The first 84 bytes of a file that tensorboardX 2.6.5 wrote: its version, and `add_scalar("val/loss", 1.0, 0)`.
WRITTEN_BY_TENSORBOARDX = bytes.fromhex(
    "1800000000000000a37f4b2209f7a9b69229c3da411a0d627261696e2e4576656e743a32bee1e7ca1c00000000000000"
    "c8c1951d09d9c3b69229c3da412a110a0f0a0876616c2f6c6f7373150000803f89c0082a"
)


def texts(data: bytes, tag: str = "val/loss") -> list[str]:
    return [one.text if isinstance(one, MetricValue) else f"unread: {one.why}" for one in read_scalars(data, tag)]


def test_the_values_of_one_tag_are_read_in_order_with_the_digits_that_were_written() -> None:
    assert texts(FILE) == ["0.1", "0.25"]
    assert read_file_metric(FILE, RULE) == MetricValue(0.25, "0.25", None, "val/loss at step 300: 0.25")
    assert texts(FILE, "loss") == []


def test_a_file_of_another_writer_is_read() -> None:
    assert texts(WRITTEN_BY_TENSORBOARDX) == ["1"]


def test_scalars_that_are_stored_as_tensors_are_read() -> None:
    assert texts(event_file((1, "val/loss", tensor(3.2781)))) == ["3.2781"]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_nan_and_inf_are_values(value: str) -> None:
    got = read_file_metric(event_file((1, "val/loss", simple(float(value)))), RULE)
    assert isinstance(got, MetricValue)
    assert (got.value, got.text) == (None, value)


def test_what_is_no_scalar_is_unread() -> None:
    picture = b"\x22\x02\x08\x01"
    assert texts(event_file((1, "val/loss", simple(1.0)), (2, "val/loss", picture))) == ["1", "unread: is no scalar"]


@pytest.mark.parametrize("left", range(1, 30))
def test_a_file_that_is_cut_short_is_unread(left: int) -> None:
    got = read_file_metric(FILE[:-left], RULE)
    assert isinstance(got, Unread)
    assert got.why == "may stand where the file is cut short or damaged"


@pytest.mark.parametrize("data", [b"\x00" * 64, b"\xff" * 64, b"step,val/loss\n1,4.5\n2,3.5\n", FILE[3:], FILE[:5]])
def test_what_is_no_event_file_is_unread_with_a_sentence(data: bytes) -> None:
    got = read_file_metric(data, RULE)
    assert isinstance(got, Unread)
    assert got.why == "cannot be read from events.*: It is no TensorBoard event file, or a damaged one"


def test_an_empty_file_has_no_value() -> None:
    assert read_file_metric(b"", RULE) is None


@settings(deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=5))
def test_every_float_is_read_back_bit_by_bit(values: list[float]) -> None:
    data = event_file(*((step, "val/loss", simple(value)) for step, value in enumerate(values)))
    assert [repr(struct.unpack("<f", struct.pack("<f", float(text)))[0]) for text in texts(data)] == list(
        map(repr, values)
    )


@settings(deadline=None)
@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_a_file_with_a_changed_byte_is_unread(place: int, change: int) -> None:
    damaged = FILE[:place] + bytes([FILE[place] ^ change]) + FILE[place + 1 :]
    assert isinstance(read_file_metric(damaged, RULE), Unread)
