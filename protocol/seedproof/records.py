"""Ledger records: their canonical bytes and their hash chain."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from seedproof.errors import LedgerDamaged, LedgerNewer

__all__ = ["EMPTY_HASH", "FORMAT", "KINDS", "Record", "canonical", "damaged", "make_record", "read_line"]

Record = dict[str, Any]
FORMAT = 1
EMPTY_HASH = "0" * 64
# Made once: json.dumps makes one for every record, which shows where thousands are read.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
KINDS = frozenset(
    {
        "generation_started",
        "experiment_declared",
        "run_requested",
        "run_started",
        "run_finished",
        "run_interrupted",
        "run_cancelled",
        "run_not_needed",
        "verdict_issued",
        "report_written",
        "files_removed",
        "resumed",
        "ledger_disclosed",
    }
)


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
        LedgerDamaged: Not canonical JSON, wrong place in the sequence, broken chain or hash.
        LedgerNewer: Written by a newer Seedproof.
    """
    try:
        record = json.loads(line.decode())  # bytes would be searched for their encoding first
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
    if record.get("kind") not in KINDS:
        raise damaged(seq, "is of an unknown kind")
    try:
        written = canonical(record)
    except (ValueError, RecursionError):  # NaN, or an infinite number, which JSON as Python reads it may hold
        raise damaged(seq, "is not written canonically") from None
    if line == written + b"\r":
        raise damaged(seq, "ends in CRLF; its line endings were changed")
    if written != line:
        raise damaged(seq, "is not written canonically")
    if hashlib.sha256(_without_hash(record, line)).hexdigest() != record["hash"]:
        raise damaged(seq, "does not match its hash")


def _without_hash(record: Record, line: bytes) -> bytes:
    """The canonical bytes of a record without its hash, from the line that has been found to be canonical."""
    # Cut out of the line: encoding the record a second time takes a fifth of the time that reading a ledger takes.
    # A comma follows, because `kind` stands behind `hash`; quotes inside a text are escaped, so no text looks like it.
    around = line.split(b'"hash":%b,' % _ENCODER.encode(record["hash"]).encode())
    if len(around) == 2:
        return around[0] + around[1]
    # A value inside the record has the same name and content.
    return canonical({key: value for key, value in record.items() if key != "hash"})


def damaged(seq: int, what: str) -> LedgerDamaged:
    damage = LedgerDamaged(
        f"record {seq} of .seedproof/ledger.jsonl {what}. Nothing is decided on a damaged ledger. "
        f"Look at it with `sed -n {seq}p .seedproof/ledger.jsonl` and restore the file from a backup "
        "or from docs/research/ledger.jsonl."
    )
    damage.seq, damage.fault = seq, what
    return damage
