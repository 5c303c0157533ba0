"""Ledger records: their canonical bytes and their hash chain."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from seedproof.ledger.events import EVENTS, Record
from seedproof.model.refusals import LedgerDamaged, LedgerNewer

__all__ = ["EMPTY_HASH", "FORMAT", "canonical", "damaged", "make_record", "read_line"]


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity, which no JSON has but Python's


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refused(text)


FORMAT = 1
EMPTY_HASH = "0" * 64
# Made once: json.dumps makes one for every record, which shows where thousands are read.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_refused, parse_float=_finite)


def canonical(record: Mapping[str, Any]) -> bytes:
    """The one way to write a record: ASCII JSON, sorted keys, no NaN, no spaces.

    Raises:
        ValueError: A number is nan or infinite.
    """
    return _ENCODER.encode(record).encode("ascii")


def make_record(seq: int, time: str, prev: str, kind: str, fields: Mapping[str, Any]) -> Record:
    """A record with its hash: SHA-256 over the canonical record without the hash."""
    bare = canonical({**fields, "seq": seq, "time": time, "prev": prev, "kind": kind, "format": FORMAT})
    # Read back, so that who wrote a record has the very one that others read, the order of its keys included.
    record: Record = json.loads(bare)
    return {**record, "hash": hashlib.sha256(bare).hexdigest()}


def read_line(line: bytes, seq: int, prev: str) -> Record:
    """Check one line of the ledger (without its newline) and give its record.

    Raises:
        LedgerDamaged: Not JSON, an infinite number, wrong place in the sequence, broken chain or hash.
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
    # The line as it is first: encoding each record again would take a third of the time that reading a ledger takes.
    if _is_what_was_hashed(record, line):
        return
    try:
        written = canonical(record)
    except (ValueError, RecursionError):  # nested as deep as can be read and not written
        raise damaged(seq, "is not written canonically") from None
    if line == written + b"\r":
        raise damaged(seq, "ends in CRLF; its line endings were changed")
    if written != line:
        raise damaged(seq, "is not written canonically")
    bare = canonical({key: value for key, value in record.items() if key != "hash"})
    if hashlib.sha256(bare).hexdigest() != record["hash"]:
        raise damaged(seq, "does not match its hash")


def _is_what_was_hashed(record: Record, line: bytes) -> bool:
    """Whether a line fits its hash once the hash is cut out of it.

    Who hashed it may have written it another way than canonically; nobody else can have changed what it says.
    False also where a value inside the record has the same name and content.
    """
    # A comma follows, because `kind` stands behind `hash`; quotes inside a text are escaped, so no text looks like it.
    around = line.split(b'"hash":%b,' % _ENCODER.encode(record["hash"]).encode())
    return len(around) == 2 and hashlib.sha256(around[0] + around[1]).hexdigest() == record["hash"]


def damaged(seq: int, what: str) -> LedgerDamaged:
    damage = LedgerDamaged(
        f"record {seq} of .seedproof/ledger.jsonl {what}. Nothing is decided on a damaged ledger. "
        f"Look at it with `sed -n {seq}p .seedproof/ledger.jsonl` and restore the file from a backup."
    )
    damage.seq, damage.fault = seq, what
    return damage
