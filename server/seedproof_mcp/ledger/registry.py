"""The registry of a user's projects with the last head of each ledger: detects a deleted, truncated or copied ledger.

It only discloses: nothing is refused because of it, and a failure to write it stops nothing.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from seedproof.ledger.run_ends import RunCancelled, RunFinished, RunInterrupted
from seedproof.ledger.state import State
from seedproof.ledger.study_events import GenerationStarted, LedgerDisclosed, PastLedger, ReportWritten, VerdictIssued
from seedproof.model.results import Notice
from seedproof.notices.past import disclosed_notice, restarted_notice

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, registry_entry, registry_folder

__all__ = ["NOTED_EVENTS", "Entry", "RecordHashes", "Registry", "disclosed_heads", "holds"]

# The events after which the head is noted: a generation, the end of a run, a verdict, a report. Requests and starts
# would only add writes: removing a run that has not ended hides no result.
NOTED_EVENTS = (GenerationStarted, RunFinished, RunInterrupted, RunCancelled, VerdictIssued, ReportWritten)
# File systems count time in ticks: a folder that changed this recently may change again with the same mtime.
_TICK_NS = 100_000_000
# Only the first record of another folder's ledger is read; none is nearly as long.
_LONGEST_RECORD = 1 << 20
_HASH_BYTES = 32


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


@dataclass(frozen=True, slots=True)
class Entry:
    """What the registry knows of the ledger of one folder."""

    root: str
    """The project folder."""
    ledger: str
    """Hash of the ledger's first record, which identifies it."""
    began: str
    """Time of that record."""
    seq: int
    """Number of the newest record when the entry was written."""
    head: str
    """Hash of that record."""
    records: int
    """Number of records at that time."""
    seen: str
    """When the entry was written."""
    gone: int = 0
    """Number of other ledgers that this folder had before."""

    @property
    def label(self) -> str:
        """The head as reports print it."""
        return f"#{self.seq} {self.head[:12]}"

    def had(self, gone: int | None = None) -> PastLedger:
        """The entry as a record discloses it, without the folder.

        Args:
            gone: Number of ledgers before it, where that is disclosed too.
        """
        return PastLedger(self.began, self.records, self.label, gone)

    def is_in(self, hashes: RecordHashes) -> bool:
        """Whether a ledger holds this head."""
        return self.seq <= len(hashes) and hashes.of(self.seq) == self.head


class Registry:
    """The registry, seen from one project."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._own: tuple[tuple[object, ...], Entry | None] | None = None
        self._scanned: tuple[int, list[Entry]] | None = None

    def own(self) -> Entry | None:
        """The entry of this folder; None where there is none that can be read."""
        path = registry_entry(self._root)
        try:
            stat = os.stat(path)
        except OSError:
            return None
        # Each write creates a new file, so the inode tells as reliably as the content, and much faster.
        signature = (path, stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if self._own is None or self._own[0] != signature:
            self._own = (signature, _read(path))
        return self._own[1]

    def others(self, ledger: str) -> list[Entry]:
        """The entries of other folders with this ledger.

        Args:
            ledger: Hash of its first record.
        """
        return [one for one in self._entries() if one.ledger == ledger and one.root != str(self._root)]

    def previous(self) -> PastLedger | None:
        """The ledger that this folder had, for the first record of a new one; None where it had none."""
        own = self.own()
        return None if own is None else own.had(own.gone)

    def undisclosed(self, state: State, hashes: RecordHashes) -> list[LedgerDisclosed]:
        """Events for what the registry knows, and neither the ledger holds nor a record discloses."""
        if not hashes:
            return []
        others = self.others(hashes.of(1))
        found, folders = self._lost(state, hashes, others), len(_copies(others))
        if folders > max((one.folders for one in state.disclosures if one.what == "shared"), default=0):
            found.append(LedgerDisclosed(what="shared", folders=folders, present=state.head_label))
        return found

    def notices(self, state: State, hashes: RecordHashes) -> list[Notice]:
        """Notices on what the registry knows and the ledger does not hold, with the folders of present copies."""
        if not hashes:
            previous = self.previous()
            return [] if previous is None else [restarted_notice(previous)]
        others = self.others(hashes.of(1))
        found = [disclosed_notice(one) for one in self._lost(state, hashes, others)]
        copies = _copies(others)
        if copies:
            text = disclosed_notice(LedgerDisclosed(what="shared", folders=len(copies), present=None)).message
            found.append(Notice("ledger_shared", f"{text} It is also in {', '.join(copies)}."))
        return [*found, *self._unwritable()]

    def _lost(self, state: State, hashes: RecordHashes, others: Sequence[Entry]) -> list[LedgerDisclosed]:
        """Events for heads that were noted and are not in the ledger, unless a record discloses them."""
        disclosed = disclosed_heads(state)
        return [
            LedgerDisclosed(what=what, had=entry.had(), present=state.head_label)
            for what, entry in _candidates(hashes.of(1), self.own(), others)
            if entry.label not in disclosed and not entry.is_in(hashes)
        ]

    def note(self, state: State, hashes: RecordHashes, now: str) -> None:
        """Write the entry of this folder.

        Raises:
            OSError: It cannot be written; then `notices` says so.
        """
        ledger, own = hashes.of(1), self.own()
        gone = 0 if own is None else own.gone + int(own.ledger != ledger)
        entry = Entry(str(self._root), ledger, state.began or "", state.seq, state.head, len(hashes), now, gone)
        files.make_folder(registry_folder())
        # Private: other users must not learn the paths of this user's projects.
        files.write_atomic(registry_entry(self._root), _document(entry), mode=0o600)
        if own is None:
            self._remove_moved_entry(hashes)

    def _remove_moved_entry(self, hashes: RecordHashes) -> None:
        """Remove the entry of the folder's old path, where the folder was moved."""
        for one in self.others(hashes.of(1)):
            if not os.path.lexists(one.root) and one.is_in(hashes):
                with suppress(FileNotFoundError):
                    files.remove_file(registry_entry(Path(one.root)))

    def _entries(self) -> list[Entry]:
        """Every entry; read again after a change."""
        try:
            changed = os.stat(registry_folder()).st_mtime_ns
        except OSError:
            return []
        if self._scanned is None or self._scanned[0] != changed:
            found = [entry for path in registry_folder().glob("*.json") if (entry := _read(path))]
            is_settled = time.time_ns() - changed > _TICK_NS
            self._scanned = (changed if is_settled else -1, found)
        return self._scanned[1]

    def _unwritable(self) -> Iterator[Notice]:
        """A notice where the registry cannot be written; writes nothing to find out."""
        place = registry_folder()
        while not os.path.lexists(place):
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            text = f"{place} cannot be written, so nobody would see it if this ledger were deleted or set back."
            yield Notice("registry_unwritable", text)


def holds(root: Path, ledger: str) -> bool:
    """Whether a folder's ledger, or its mirror where it has no ledger, is this one.

    Args:
        ledger: Hash of its first record.
    """
    paths = ProjectPaths(root)
    for path in (paths.ledger, paths.mirror):
        try:
            with path.open("rb") as file:
                line = file.readline(_LONGEST_RECORD)
            return bool(json.loads(line)["hash"] == ledger)
        except OSError:
            continue
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
    return False


def _copies(others: Sequence[Entry]) -> list[str]:
    """The folders that still hold the ledger of their entry."""
    return sorted(one.root for one in others if holds(Path(one.root), one.ledger))


def _candidates(
    ledger: str, own: Entry | None, others: Sequence[Entry]
) -> Iterator[tuple[Literal["rewound", "replaced", "copy"], Entry]]:
    """The entries whose head should be in the ledger: this folder's, and those of copies that are gone."""
    if own is not None:
        yield ("rewound" if own.ledger == ledger else "replaced"), own
    for one in others:
        if not os.path.lexists(one.root):
            yield "copy", one


def disclosed_heads(state: State) -> set[str]:
    """The lost heads that the ledger discloses."""
    had = [state.previous, *(one.had for one in state.disclosures)]
    return {one.head for one in had if one is not None}


def _document(entry: Entry) -> bytes:
    document = asdict(entry)
    document["head"] = {"seq": document.pop("seq"), "hash": document.pop("head")}
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def _read(path: Path) -> Entry | None:
    try:
        document: Mapping[str, Any] = json.loads(path.read_bytes())
        head = document["head"]
        entry = Entry(**{**document, "seq": head["seq"], "head": head["hash"]})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # absent, or not one that this version wrote
    is_sound = isinstance(entry.seq, int) and isinstance(entry.head, str) and isinstance(entry.root, str)
    return entry if is_sound and entry.seq > 0 else None
