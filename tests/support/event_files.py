"""TensorBoard event files, written as the format says, without the code that reads them."""

import struct

__all__ = ["event_file", "simple", "tensor"]


def event_file(*scalars: tuple[int, str, bytes]) -> bytes:
    """An event file: its version, then one record for each (step, tag, value)."""
    head = b"\x09" + struct.pack("<d", 1.5) + _bytes_field(3, b"brain.Event:2")
    return _record(head) + b"".join(_record(_event(*scalar)) for scalar in scalars)


def simple(value: float) -> bytes:
    """`simple_value` of a Summary.Value, as PyTorch and tensorboardX write scalars."""
    return bytes([2 << 3 | 5]) + struct.pack("<f", value)


def tensor(value: float) -> bytes:
    """`tensor` of a Summary.Value with one float in `tensor_content`, as Keras writes scalars."""
    return _bytes_field(8, b"\x08\x01" + _bytes_field(2, b"") + _bytes_field(4, struct.pack("<f", value)))


def _event(step: int, tag: str, value: bytes) -> bytes:
    summary = _bytes_field(1, _bytes_field(1, tag.encode()) + value)
    return b"\x09" + struct.pack("<d", 1.5) + b"\x10" + _varint(step) + _bytes_field(5, summary)


def _bytes_field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked_crc(length) + data + _masked_crc(data)


def _masked_crc(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
