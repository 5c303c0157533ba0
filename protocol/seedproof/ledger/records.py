"""Writes records canonically, and checks each line of a ledger against the hash chain."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from seedproof.ledger.event import Record
from seedproof.ledger.events import EVENTS
from seedproof.model.refusals import LedgerDamaged, LedgerNewer

__all__ = ["EMPTY_HASH", "FORMAT", "canonical", "damaged", "make_record", "read_line"]


def _reject(constant: str) -> NoReturn:
    raise ValueError(constant)  # Python's decoder accepts NaN and Infinity, which are not JSON


def _parse_finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _reject(text)


FORMAT = 2
"""Of new records. 2: fresh seeds are drawn and recorded; a generation names what version 1 took for granted."""
EMPTY_HASH = "0" * 64
# Module constants, because json.dumps creates an encoder per call, which is slow for thousands of records.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_reject, parse_float=_parse_finite)


def canonical(record: Mapping[str, Any]) -> bytes:
    """The bytes of a record: ASCII JSON with sorted keys, without spaces and NaN.

    Raises:
        ValueError: A number is nan or infinite.
    """
    return _ENCODER.encode(record).encode("ascii")


def make_record(seq: int, time: str, prev: str, kind: str, fields: Mapping[str, Any]) -> Record:
    """A record with its hash: SHA-256 over the canonical record without the hash."""
    bare = canonical({**fields, "seq": seq, "time": time, "prev": prev, "kind": kind, "format": FORMAT})
    # Decoded again, so that a writer continues with the record that readers get, including the order of its keys.
    record: Record = json.loads(bare)
    return {**record, "hash": hashlib.sha256(bare).hexdigest()}


def read_line(line: bytes, seq: int, prev: str) -> Record:
    """Check one line of the ledger (without its newline) and return its record.

    Raises:
        LedgerDamaged: Not JSON, an infinite number, a wrong sequence number, a broken chain or hash.
        LedgerNewer: Written by a newer Seedproof.
    """
    try:
        record = _DECODER.decode(line.decode())
    except (ValueError, RecursionError):
        raise damaged(seq, "is not JSON") from None
    if not isinstance(record, dict) or not isinstance(record.get("hash"), str):
        raise damaged(seq, "is not a record")
    if isinstance(record.get("format"), int) and record["format"] > FORMAT:
        raise LedgerNewer(
            f"record {seq} has format {record['format']}; this Seedproof reads up to {FORMAT}. Update Seedproof."
        )
    _check_chain(record, line, seq, prev)
    return record


def _check_chain(record: Record, line: bytes, seq: int, prev: str) -> None:
    if record.get("seq") != seq:
        raise damaged(seq, f"says it is record {record.get('seq')!r:.20}")
    if record.get("prev") != prev:
        raise damaged(seq, "does not follow from the record before it")
    if record.get("kind") not in EVENTS:
        raise damaged(seq, "is of an unknown kind")
    # The fast path: encoding each record again would take a third of the time of reading a ledger.
    if _matches_hash_as_written(record, line):
        return
    try:
        written = canonical(record)
    except (ValueError, RecursionError):  # nested too deeply for the encoder, though not for the decoder
        raise damaged(seq, "is not written canonically") from None
    if line == written + b"\r":
        raise damaged(seq, "ends in CRLF; its line endings were changed")
    if written != line:
        raise damaged(seq, "is not written canonically")
    bare = canonical({key: value for key, value in record.items() if key != "hash"})
    if hashlib.sha256(bare).hexdigest() != record["hash"]:
        raise damaged(seq, "does not match its hash")


def _matches_hash_as_written(record: Record, line: bytes) -> bool:
    """Whether the line without its hash field has that hash.

    A line that was not written canonically may pass: its author chose that form, and nobody has changed it since.
    False also where the same field occurs twice, as inside a nested object; then the slow path decides.
    """
    # A comma follows, because `kind` sorts after `hash`; quotes inside a text are escaped, so no text matches.
    parts = line.split(b'"hash":%b,' % _ENCODER.encode(record["hash"]).encode())
    return len(parts) == 2 and hashlib.sha256(parts[0] + parts[1]).hexdigest() == record["hash"]


def damaged(seq: int, what: str) -> LedgerDamaged:
    """The refusal of a damaged record.

    Args:
        what: The fault, phrased to follow the record's name.
    """
    damage = LedgerDamaged(
        f"record {seq} of .seedproof/ledger.jsonl {what}. Nothing is decided on a damaged ledger. "
        f"Look at it with `sed -n {seq}p .seedproof/ledger.jsonl` and restore the file from a backup."
    )
    damage.seq, damage.fault = seq, what
    return damage
