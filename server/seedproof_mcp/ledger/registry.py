"""The registry: every project of one user and the last head of its ledger, so that a ledger cannot vanish unseen.

It only discloses. Nothing waits for it, and nothing is refused because of it.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from seedproof.ledger.events import (
    GenerationStarted,
    LedgerDisclosed,
    PastLedger,
    ReportWritten,
    RunCancelled,
    RunFinished,
    RunInterrupted,
    VerdictIssued,
)
from seedproof.ledger.state import State
from seedproof.model.results import Notice
from seedproof.notices.past import disclosed_notice, restarted_notice

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, registry_entry, registry_folder

__all__ = ["NOTED", "Entry", "Registry", "holds", "disclosed_heads"]

# A head is noted when a result, a verdict or a report rests on it. Requests and starts would only add writes: who
# takes back a run that has not ended takes back nothing that was seen, and each of these comes at most once in a call.
NOTED = (GenerationStarted, RunFinished, RunInterrupted, RunCancelled, VerdictIssued, ReportWritten)
# A folder that was changed this short ago may change again without another time: file systems count in ticks.
_TICK_NS = 100_000_000
# Of another folder's ledger only the first record is read; none is nearly as long.
_LONGEST_RECORD = 1 << 20
_HASH_BYTES = 32


class RecordHashes:
    """The hash of every record of a ledger, by its number: what a head is held against. 32 bytes for each."""

    def __init__(self, hashes: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        for one in hashes:
            self.add(one)

    def add(self, record_hash: str) -> None:
        """The hash of the next record."""
        self._bytes += bytes.fromhex(record_hash)

    def __len__(self) -> int:
        return len(self._bytes) // _HASH_BYTES

    def of(self, seq: int) -> str:
        """The hash of a record, counted from 1."""
        return self._bytes[(seq - 1) * _HASH_BYTES : seq * _HASH_BYTES].hex()


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of the ledger of one folder."""

    root: str
    """The project folder."""
    ledger: str
    """Its name for good: the hash of its first record."""
    began: str
    """Time of that record."""
    seq: int
    """Number of the newest record that was noted."""
    head: str
    """Hash of that record."""
    records: int
    """How many records it held then."""
    seen: str
    """When that was written."""
    gone: int = 0
    """How many other ledgers this folder had before."""

    @property
    def label(self) -> str:
        """The head as reports print it."""
        return f"#{self.seq} {self.head[:12]}"

    def had(self, gone: int | None = None) -> PastLedger:
        """What a ledger that does not hold this head says of it; without the folder."""
        return PastLedger(self.began, self.records, self.label, gone)

    def is_in(self, hashes: RecordHashes) -> bool:
        """Whether a ledger holds this head."""
        return self.seq <= len(hashes) and hashes.of(self.seq) == self.head


class Registry:
    """One project's place among all projects of this user."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._own: tuple[tuple[object, ...], Entry | None] | None = None
        self._scanned: tuple[int, list[Entry]] | None = None

    def own(self) -> Entry | None:
        """What was noted of this folder; None if nothing, or nothing that can be read."""
        path = registry_entry(self._root)
        try:
            seen = os.stat(path)
        except OSError:
            return None
        # Each writing makes a new file, so the file's number tells as surely as its content, and much sooner.
        signature = (path, seen.st_ino, seen.st_mtime_ns, seen.st_size)
        if self._own is None or self._own[0] != signature:
            self._own = (signature, _read(path))
        return self._own[1]

    def others(self, ledger: str) -> list[Entry]:
        """The other folders that had the same ledger when they were last seen."""
        return [one for one in self._all() if one.ledger == ledger and one.root != str(self._root)]

    def previous(self) -> PastLedger | None:
        """What the first record of a new ledger says of the one that this folder had; None if it had none."""
        own = self.own()
        return None if own is None else own.had(own.gone)

    def undisclosed(self, state: State, hashes: RecordHashes) -> list[LedgerDisclosed]:
        """What the registry knows, the ledger does not hold, and no record of it tells."""
        if not hashes:
            return []
        others = self.others(hashes.of(1))
        found, folders = self._lost(state, hashes, others), len(_copies(others))
        if folders > max((one.folders for one in state.disclosures if one.what == "shared"), default=0):
            found.append(LedgerDisclosed(what="shared", folders=folders, present=state.head_label))
        return found

    def notices(self, state: State, hashes: RecordHashes) -> list[Notice]:
        """The same in words for the local reader, with the copies that there are now, by name."""
        if not hashes:
            previous = self.previous()
            return [] if previous is None else [restarted_notice(previous)]
        others = self.others(hashes.of(1))
        found = [disclosed_notice(one) for one in self._lost(state, hashes, others)]
        copies = _copies(others)
        if copies:
            text = disclosed_notice(LedgerDisclosed(what="shared", folders=len(copies), present=None)).message
            found.append(Notice("ledger_shared", f"{text} It is also in {', '.join(copies)}."))
        return [*found, *self._fault()]

    def _lost(self, state: State, hashes: RecordHashes, others: Sequence[Entry]) -> list[LedgerDisclosed]:
        """Heads that were seen and are not in the ledger, unless it tells of them."""
        told = disclosed_heads(state)
        return [
            LedgerDisclosed(what=what, had=entry.had(), present=state.head_label)
            for what, entry in _candidates(hashes.of(1), self.own(), others)
            if entry.label not in told and not entry.is_in(hashes)
        ]

    def note(self, state: State, hashes: RecordHashes, now: str) -> None:
        """Write down where the ledger stands.

        Raises:
            OSError: It cannot be written; then `notices` says so.
        """
        ledger, own = hashes.of(1), self.own()
        began, gone = state.began or "", _gone(own, ledger)
        entry = Entry(str(self._root), ledger, began, state.seq, state.head, len(hashes), now, gone)
        files.make_folder(registry_folder())
        # The paths of all projects of a user are nobody else's business.
        files.write_atomic(registry_entry(self._root), _document(entry), mode=0o600)
        if own is None:
            self._forget_where_it_was(hashes)

    def _forget_where_it_was(self, hashes: RecordHashes) -> None:
        """A folder that was moved is one folder: what its old place had is in this ledger."""
        for one in self.others(hashes.of(1)):
            if not os.path.lexists(one.root) and one.is_in(hashes):
                with suppress(FileNotFoundError):
                    files.remove_file(registry_entry(Path(one.root)))

    def _all(self) -> list[Entry]:
        """Every entry, read again when one was written."""
        try:
            changed = os.stat(registry_folder()).st_mtime_ns
        except OSError:
            return []
        if self._scanned is None or self._scanned[0] != changed:
            found = [entry for path in registry_folder().glob("*.json") if (entry := _read(path))]
            is_settled = time.time_ns() - changed > _TICK_NS
            self._scanned = (changed if is_settled else -1, found)
        return self._scanned[1]

    def _fault(self) -> Iterator[Notice]:
        """Whether nothing can be noted; looked at without writing."""
        place = registry_folder()
        while not os.path.lexists(place):
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            text = f"{place} cannot be written, so nobody would see it if this ledger were deleted or set back."
            yield Notice("registry_unwritable", text)


def holds(root: Path, ledger: str) -> bool:
    """Whether the ledger of a folder, or its mirror where it has none, is this one."""
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
    """The folders that hold the ledger still that they had when they were last seen."""
    return sorted(one.root for one in others if holds(Path(one.root), one.ledger))


def _candidates(
    ledger: str, own: Entry | None, others: Sequence[Entry]
) -> Iterator[tuple[Literal["rewound", "replaced", "copy"], Entry]]:
    """The heads that should be in the ledger: its own last one, and the last ones of copies that are gone."""
    if own is not None:
        yield ("rewound" if own.ledger == ledger else "replaced"), own
    for one in others:
        if not os.path.lexists(one.root):
            yield "copy", one


def disclosed_heads(state: State) -> set[str]:
    """The heads that the ledger itself speaks of."""
    had = [state.previous, *(one.had for one in state.disclosures)]
    return {one.head for one in had if one is not None}


def _gone(own: Entry | None, ledger: str) -> int:
    if own is None:
        return 0
    return own.gone + int(own.ledger != ledger)


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
