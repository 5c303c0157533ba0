"""Reads the values of a scalar from a TensorBoard event file.

The format is a sequence of TFRecords (length, masked CRC-32C of it, data, masked CRC-32C of it), each with one `Event`
message: https://www.tensorflow.org/tutorials/load_data/tfrecord, tensorflow/core/util/event.proto, summary.proto and
tensor.proto. Only the fields of a scalar are read, so neither TensorBoard nor protobuf has to be installed.
"""

import struct
from collections.abc import Iterator

from seedproof.metrics.numbers import finite_value, parse_number
from seedproof.metrics.scanner import MATCHED_CHARS
from seedproof.model.runs import MetricValue, Unread

__all__ = ["read_scalars"]

_HEAD = struct.Struct("<QI")
_CRC = struct.Struct("<I")
# Numbers of fields: Event.step, Event.summary, Summary.value; Summary.Value.tag, .simple_value, .tensor;
# TensorProto.dtype, .tensor_content, .float_val, .double_val.
_STEP, _SUMMARY, _VALUE = 2, 5, 1
_TAG, _SIMPLE_VALUE, _TENSOR = 1, 2, 8
_DTYPE, _CONTENT, _FLOATS, _DOUBLES = 1, 4, 5, 6
# DataType of tensorflow/core/framework/types.proto, and how one such number is stored.
_FORMATS = {1: "<f", 2: "<d"}
_SIZES = {0: None, 1: 8, 2: None, 5: 4}


def read_scalars(data: bytes, tag: str) -> Iterator[MetricValue | Unread]:
    """Yield each value of a scalar, in the order in which they were written; nothing where the tag is missing.

    A file that was cut short, or whose bytes are not as they were written, ends with an `Unread`.

    Args:
        data: The file.
        tag: The scalar's tag.

    Raises:
        ValueError: It is no event file.
    """
    position, wanted = 0, tag.encode()
    while position < len(data):
        record = _record(data, position)
        if record is None:
            if position == 0:
                raise ValueError("It is no TensorBoard event file, or a damaged one.")
            yield Unread(None, f"{tag} after byte {position}", "may stand where the file is cut short or damaged")
            return
        position += _HEAD.size + len(record) + _CRC.size
        if wanted in record:
            try:
                yield from _scalars(record, tag)
            except (ValueError, struct.error, UnicodeDecodeError) as error:
                yield Unread(None, f"{tag} before byte {position}", f"stands in a record that is damaged: {error}")


def _record(data: bytes, position: int) -> bytes | None:
    """The record that begins at a place; None if it is cut or damaged."""
    if position + _HEAD.size > len(data):
        return None
    length, length_crc = _HEAD.unpack_from(data, position)
    start, end = position + _HEAD.size, position + _HEAD.size + length
    # Each record is summed, as a damaged one may hold a later value: 64 MB take about 12 s.
    if end + _CRC.size > len(data) or _masked_crc(data[position : position + 8]) != length_crc:
        return None
    record = data[start:end]
    return record if _masked_crc(record) == _CRC.unpack_from(data, end)[0] else None


def _scalars(event: bytes, tag: str) -> Iterator[MetricValue | Unread]:
    fields = list(_fields(event))
    step = next((found for number, found in fields if number == _STEP and isinstance(found, int)), 0)
    for number, summary in fields:
        if number != _SUMMARY or not isinstance(summary, bytes):
            continue
        for inner, value in _fields(summary):
            if inner == _VALUE and isinstance(value, bytes) and (found := _scalar(dict(_fields(value)), tag)):
                matched = f"{tag} at step {step}: {found}"[:MATCHED_CHARS]
                if parse_number(found) is None:
                    yield Unread(None, matched, "is no scalar")
                else:
                    yield MetricValue(finite_value(found), found, None, matched)


def _scalar(value: dict[int, int | bytes], tag: str) -> str | None:
    """The number of a Summary.Value as a text; None for another tag."""
    if value.get(_TAG) != tag.encode():
        return None
    simple, tensor = value.get(_SIMPLE_VALUE), value.get(_TENSOR)
    if isinstance(simple, bytes):
        return _shortest(simple, "<f")
    if isinstance(tensor, bytes):
        parts = dict(_fields(tensor))
        form = _FORMATS.get(parts.get(_DTYPE, 0))  # type: ignore[arg-type]
        stored = parts.get(_CONTENT) or parts.get(_FLOATS) or parts.get(_DOUBLES)
        if form is not None and isinstance(stored, bytes) and len(stored) == struct.calcsize(form):
            return _shortest(stored, form)
    return "something else"


def _shortest(stored: bytes, form: str) -> str:
    """The shortest text that stands for a stored number: 0.1, where the nearest float is 0.10000000149011612."""
    (number,) = struct.unpack(form, stored)
    # Most numbers of a training need more than seven digits.
    first = 1 if struct.pack(form, float(f"{number:.7g}")) == stored else 8
    texts = (f"{number:.{digits}g}" for digits in range(first, 18))
    return next((text for text in texts if struct.pack(form, float(text)) == stored), repr(number))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: numbers for varints, bytes for all others."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind not in _SIZES:
            raise ValueError(f"wire type {kind}")
        if kind == 0:
            number, position = _varint(message, position)
            yield key >> 3, number
            continue
        size = _SIZES[kind]
        if size is None:
            size, position = _varint(message, position)
        if position + size > len(message):
            raise ValueError("a field is cut short")
        yield key >> 3, message[position : position + size]
        position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("a number is cut short")
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise ValueError("a number has too many bytes")


def _crc_table() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)  # CRC-32C, RFC 3720, reflected
        table.append(number)
    return table


_CRC_TABLE = _crc_table()


def _masked_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    # The mask of tensorflow/core/lib/hash/crc32c.h.
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
