"""An entry of the registry: what is remembered of the ledger of one folder, and of those before it."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from seedproof.ledger.beginnings import PastLedger
from seedproof.ledger.state import Generation, State
from seedproof.model.runs import Run, RunState

from seedproof_mcp.host.training_script import training_script
from seedproof_mcp.system import files

__all__ = [
    "Began",
    "Entry",
    "Known",
    "RecordHashes",
    "began_with",
    "has_value",
    "read_entry",
    "read_note",
    "script_hash",
    "write_note",
]

_HASH_BYTES = 32
# More ledgers than this in one folder, or generations of one, tell a reader nothing more.
_MOST = 100
# A training script is not larger; one that is has no hash, so that nothing is read for long.
_LARGEST_SCRIPT = 4 << 20
# A run that trained for so long has shown whoever looked how it goes, whether or not a value was read.
_LONG_S = 60.0
# An attribute of the project folder stays where state folder and mirror are deleted or put back, whatever
# XDG_STATE_HOME says. File systems keep at least 4,000 bytes of attributes.
_ATTRIBUTE = "user.seedproof"
_LONGEST_NOTE = 3000

Began = tuple[str | None, str | None, str]
"""What a generation began with: hash of the script, first commit, and name of the metric."""


class RecordHashes:
    """The hash of every record of a ledger by number, 32 bytes each, to check heads against."""

    def __init__(self, hashes: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        for one in hashes:
            self.add(one)

    def add(self, record_hash: str) -> None:
        """Append the hash of the next record."""
        self._bytes += bytes.fromhex(record_hash)

    def __len__(self) -> int:
        return len(self._bytes) // _HASH_BYTES

    def of(self, seq: int) -> str:
        """The hash of a record, counted from 1."""
        return self._bytes[(seq - 1) * _HASH_BYTES : seq * _HASH_BYTES].hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one ledger, whether or not it is still there."""

    ledger: str
    """Hash of the ledger's first record, which identifies it."""
    began: str
    """Time of that record."""
    seq: int
    """Number of the newest record when this was noted."""
    head: str
    """Hash of that record."""
    records: int
    """Number of records at that time."""
    began_with: tuple[Began, ...] = ()
    """What its generations began with, each kind once; empty in entries of earlier versions."""
    experiments: int = 0
    """Number of experiments that it declared."""
    winners: int = 0
    """How many of these are a WINNER."""
    has_value: bool | None = None
    """Whether a run of it had a value; None in entries of earlier versions."""

    @property
    def label(self) -> str:
        """The head as reports print it."""
        return f"#{self.seq} {self.head[:12]}"

    @property
    def counts(self) -> bool:
        """Whether it can have shown anybody a result: one that did not may be deleted like any other file."""
        return self.has_value is not False

    def had(self, gone: int | None = None) -> PastLedger:
        """The ledger as a record discloses it, without the folder.

        Args:
            gone: Number of ledgers before it, where that is disclosed too.
        """
        return PastLedger(self.began, self.records, self.label, gone)

    def is_in(self, hashes: RecordHashes) -> bool:
        """Whether a ledger holds this head."""
        return self.seq <= len(hashes) and hashes.of(self.seq) == self.head

    def began_like(self, others: Iterable[Began]) -> bool:
        """Whether it began with the same metric, and with the same script or the same first commit."""
        return any(
            metric == other_metric
            and ((script is not None and script == other_script) or (commit is not None and commit == other_commit))
            for script, commit, metric in self.began_with
            for other_script, other_commit, other_metric in others
        )

    def document(self) -> dict[str, Any]:
        """The JSON object in a file."""
        document = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "earlier"}
        document["head"] = {"seq": document.pop("seq"), "hash": document.pop("head")}
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Known):
    """What the registry knows of the ledger of one folder."""

    root: str
    """The project folder."""
    seen: str
    """When the entry was written."""
    gone: int = 0
    """Number of other ledgers that this folder had before, without those in which no run had a value."""
    earlier: tuple[Known, ...] = ()
    """What is known of those."""
    places: tuple[str, ...] = ()
    """Names of the entries that its folder had before it was moved."""

    @property
    def ledgers(self) -> tuple[Known, ...]:
        """Those that the folder had before, and the one that it has."""
        return (*self.earlier, self)

    def after(self, before: "Entry") -> "Entry":
        """This entry with what the one that it replaces knew besides the same ledger."""
        gone, earlier = before.gone, before.earlier
        if before.ledger != self.ledger and before.counts:
            known = Known(**{one.name: getattr(before, one.name) for one in fields(Known)})
            gone, earlier = gone + 1, (*earlier, known)
        return replace(self, gone=gone, earlier=earlier[-_MOST:], places=before.places)

    def text(self) -> bytes:
        """The entry as its file holds it."""
        document = {**self.document(), "earlier": [one.document() for one in self.earlier]}
        return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def read_entry(path: Path) -> Entry | None:
    """The entry in a file; None where there is none that can be read."""
    try:
        return _parse(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _parse(document: Mapping[str, Any]) -> Entry | None:
    """An entry from its JSON; raises KeyError, TypeError or ValueError where it is none."""
    values = _values(Entry, document)
    values["earlier"] = tuple(Known(**_values(Known, one)) for one in values.get("earlier", ()))
    values["places"] = tuple(values.get("places", ()))
    entry = Entry(**values)
    numbers, texts = [entry.gone], [entry.root, entry.seen]
    for one in entry.ledgers:
        numbers += [one.seq, one.records, one.experiments, one.winners]
        texts += [one.ledger, one.began, one.head]
    is_sound = all(type(one) is int for one in numbers) and all(type(one) is str for one in texts)
    return entry if is_sound and entry.seq > 0 else None


def _values(kind: type[Known], document: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a class's fields: an earlier version wrote fewer, a later one may write more."""
    head = document["head"]
    values = {**document, "seq": head["seq"], "head": head["hash"]}
    values["began_with"] = tuple((script, commit, metric) for script, commit, metric in values.get("began_with", ()))
    return {one.name: values[one.name] for one in fields(kind) if one.name in values}


# --- what a ledger began with -----------------------------------------------------------------------


def began_with(root: Path, generations: Iterable[Generation]) -> Iterator[Began]:
    """What generations began with, each kind once.

    Of a generation that an earlier version began, the script of the present one is as it stands now.
    """
    found: dict[Began, None] = {}
    for one in generations:
        begun = one.beginnings
        script = script_hash(root / (training_script(root, one.rules.command) or "")) if begun is None else begun.script
        found[script, None if begun is None else begun.first_commit, one.rules.metric.name] = None
    yield from list(found)[-_MOST:]


def script_hash(path: Path) -> str | None:
    """A hash of what a training script says: comment lines, blank lines, indentation and line endings do not matter.

    None where it cannot be read, and for one that says nothing, which many projects may have in common.
    """
    with suppress(OSError):
        if path.is_file() and path.stat().st_size <= _LARGEST_SCRIPT:
            lines = (line.strip() for line in path.read_bytes().splitlines())
            text = b"\n".join(line for line in lines if line and not line.startswith(b"#"))
            return hashlib.sha256(text).hexdigest()[:_HASH_BYTES] if text else None
    return None


def has_value(state: State) -> bool:
    """Whether a run of a ledger had a value, printed one that could not be read, or trained for long."""
    return any(map(_shows_something, state.runs.values()))


def _shows_something(run: Run) -> bool:
    return bool(run.metrics) or run.state is RunState.UNREAD or (run.wall_time_s or 0.0) >= _LONG_S


# --- the note on the project folder -----------------------------------------------------------------


def write_note(root: Path, entry: Entry) -> None:
    """Note an entry on the project folder itself; nothing happens where the file system has no attributes."""
    note = replace(entry, earlier=(), began_with=entry.began_with[-3:], places=())
    with suppress(OSError, AttributeError):
        document = json.dumps({"inode": root.stat().st_ino, "entry": note.document()}).encode()
        if len(document) <= _LONGEST_NOTE:
            files.set_attribute(root, _ATTRIBUTE, document)


def read_note(root: Path) -> Entry | None:
    """The entry that was noted on this very folder; None where there is none, and for a copy of another folder."""
    try:
        document = json.loads(os.getxattr(root, _ATTRIBUTE))
        return _parse(document["entry"]) if document["inode"] == root.stat().st_ino else None
    except (OSError, AttributeError, ValueError, KeyError, TypeError, RecursionError):
        return None
