"""The registry of a user's projects with the last head of each ledger: detects a deleted, truncated or copied ledger.

It only discloses: nothing is refused because of it, and a failure to write it stops nothing. Where XDG_STATE_HOME names
another state folder than the account's own, both registries are read and only that one is written.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from seedproof.ledger.beginnings import OtherLedgers, PastLedger
from seedproof.ledger.run_ends import RunCancelled, RunFinished, RunInterrupted
from seedproof.ledger.state import State
from seedproof.ledger.study_events import GenerationStarted, LedgerDisclosed, ReportWritten, VerdictIssued
from seedproof.model.results import Notice
from seedproof.notices.past import disclosed_notice, restarted_notice

from seedproof_mcp.ledger.entry import (
    Began,
    Entry,
    Known,
    RecordHashes,
    began_with,
    has_value,
    read_entry,
    read_note,
    write_note,
)
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, registry_entry, registry_folder, registry_folders, user_state_dir

__all__ = ["NOTED_EVENTS", "Registry", "disclosed_heads", "holds", "state_folder"]

# The events after which the head is noted: a generation, the end of a run, a verdict, a report. Requests and starts
# would only add writes: removing a run that has not ended hides no result.
NOTED_EVENTS = (GenerationStarted, RunFinished, RunInterrupted, RunCancelled, VerdictIssued, ReportWritten)
# File systems count time in ticks: a folder that changed this recently may change again with the same mtime.
_TICK_NS = 100_000_000
# Only the first record of another folder's ledger is read; none is nearly as long.
_LONGEST_RECORD = 1 << 20


class Registry:
    """The registry, seen from one project."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._read: dict[Path, tuple[tuple[int, ...], Entry | None]] = {}
        self._scanned: dict[Path, tuple[int, list[Entry]]] = {}

    def own(self) -> Entry | None:
        """The entry of this folder in the registry that is written; None where there is none that can be read."""
        return self._entry(registry_entry(self._root))

    def _entry(self, path: Path) -> Entry | None:
        try:
            stat = os.stat(path)
        except OSError:
            return None
        # Each write creates a new file, so the inode tells as reliably as the content, and much faster.
        signature = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if path not in self._read or self._read[path][0] != signature:
            self._read[path] = (signature, read_entry(path))
        return self._read[path][1]

    def witnesses(self) -> list[Entry]:
        """What is known of this folder's ledger: by each registry, and by the note on the folder itself."""
        found = [self._entry(registry_entry(self._root, folder)) for folder in registry_folders()]
        entries = [one for one in (*found, read_note(self._root)) if one is not None]
        return list({one.label: one for one in reversed(entries)}.values())[::-1]

    def others(self, ledger: str) -> list[Entry]:
        """The entries of other folders with this ledger.

        Args:
            ledger: Hash of its first record.
        """
        return [one for one in self._entries() if one.ledger == ledger and one.root != str(self._root)]

    def previous(self) -> PastLedger | None:
        """The ledger that this folder had, for the first record of a new one; None where no run of it had a value."""
        found = [one for one in self.witnesses() if one.counts]
        if found:
            newest = max(found, key=lambda one: one.seen)
            return newest.had(max(one.gone for one in found))
        # One in which no run had a value is not disclosed, those before it are.
        own = self.own()
        return None if own is None or not own.earlier else own.earlier[-1].had(own.gone - 1)

    def others_like(self, ledger: str | None, began: Iterable[Began]) -> OtherLedgers | None:
        """The other ledgers that began like one, and in which a run had a value; None where there is none.

        Args:
            ledger: Hash of its first record; None where it has none yet.
            began: What its generations began with.
        """
        wanted, found = list(began), dict[str, Known]()
        for entry in (*self._entries(), *self.witnesses()):
            for one in entry.ledgers:
                is_other = one.ledger != ledger and one.counts and one.began_like(wanted)
                if is_other and (one.ledger not in found or found[one.ledger].records < one.records):
                    found[one.ledger] = one
        if not found:
            return None
        counts = [(one.experiments, one.winners) for one in found.values()]
        return OtherLedgers(len(found), *map(sum, zip(*counts, strict=True)))

    def knows_place(self, name: str) -> bool:
        """Whether a folder is known, by the first digits of the name of its entry."""
        if registry_entry(self._root).name.startswith(name) and self.witnesses():
            return True
        known = (path.name for folder in registry_folders() for path in folder.glob("*.json"))
        moved = (place for entry in self._entries() for place in entry.places)
        return any(one.startswith(name) for one in (*known, *moved))

    def undisclosed(self, state: State, hashes: RecordHashes, with_others: bool = False) -> list[LedgerDisclosed]:
        """Events for what the registry knows, and neither the ledger holds nor a record discloses.

        Args:
            state: The state of the ledger.
            hashes: Its hashes.
            with_others: Whether to look for other ledgers that began with this code, which reads every entry.
        """
        if not hashes:
            return []
        others = self.others(hashes.of(1))
        found, folders = self._lost(state, hashes, others), len(_copies(others))
        if folders > max((one.folders for one in state.disclosures if one.what == "shared"), default=0):
            found.append(LedgerDisclosed(what="shared", folders=folders, present=state.head_label))
        more = self._more_others(state, hashes) if with_others else ()
        return [*found, *self._elsewhere(state), *more]

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
            for what, entry in _candidates(hashes.of(1), self.witnesses(), others)
            if entry.label not in disclosed and not entry.is_in(hashes)
        ]

    def _elsewhere(self, state: State) -> Iterator[LedgerDisclosed]:
        """An event where records here were written with another state folder, and none with this one.

        A ledger that comes from another machine, account or folder has another one as a matter of course.
        """
        here = state_folder(self._root)
        is_from_here = any(one.partition("/")[0] == here.partition("/")[0] for one in state.state_folders)
        if is_from_here and here not in state.state_folders:
            yield LedgerDisclosed(what="elsewhere", present=state.head_label, state_folder=here)

    def _more_others(self, state: State, hashes: RecordHashes) -> Iterator[LedgerDisclosed]:
        """An event where more is known of other ledgers than when this one began, and when it last judged."""
        if state.generation is None or state.generation.beginnings is None:
            return
        found = self.others_like(hashes.of(1), began_with(self._root, state.generations))
        if found is not None and (state.others is None or found.size > state.others.size):
            yield LedgerDisclosed(what="others", present=state.head_label, others=found)

    def note(self, state: State, hashes: RecordHashes, now: str) -> None:
        """Write the entry of this folder.

        Raises:
            OSError: It cannot be written; then `notices` says so.
        """
        entry = Entry(
            root=str(self._root),
            ledger=hashes.of(1),
            began=state.began or "",
            seq=state.seq,
            head=state.head,
            records=len(hashes),
            seen=now,
            began_with=tuple(began_with(self._root, state.generations)),
            experiments=len(state.ideas),
            winners=state.winners,
            has_value=has_value(state),
        )
        own = self.own()
        moved = [] if own is not None else self._moved_from(hashes)
        for one in [own] if own is not None else [*self.witnesses()[:1], *moved]:
            entry = entry.after(one)
        places = [registry_entry(Path(one.root)) for one in moved]
        entry = replace(entry, places=(*entry.places, *(place.stem for place in places)))
        write_note(self._root, entry)
        files.make_folder(registry_folder())
        # Private: other users must not learn the paths of this user's projects.
        files.write_atomic(registry_entry(self._root), entry.text(), mode=0o600)
        for place in places:
            with suppress(FileNotFoundError):
                files.remove_file(place)

    def _moved_from(self, hashes: RecordHashes) -> list[Entry]:
        """The entries of the folder's old paths, where the folder was moved."""
        others = self.others(hashes.of(1))
        return [one for one in others if not os.path.lexists(one.root) and one.is_in(hashes)]

    def _entries(self) -> list[Entry]:
        """Every entry; read again after a change."""
        return [entry for folder in registry_folders() for entry in self._entries_in(folder)]

    def _entries_in(self, folder: Path) -> list[Entry]:
        try:
            changed = os.stat(folder).st_mtime_ns
        except OSError:
            return []
        scanned = self._scanned.get(folder)
        if scanned is None or scanned[0] != changed:
            found = [entry for path in folder.glob("*.json") if (entry := read_entry(path))]
            is_settled = time.time_ns() - changed > _TICK_NS
            scanned = self._scanned[folder] = (changed if is_settled else -1, found)
        return scanned[1]

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
    ledger: str, own: Iterable[Entry], others: Sequence[Entry]
) -> Iterator[tuple[Literal["rewound", "replaced", "copy"], Entry]]:
    """The entries whose head should be in the ledger: this folder's, and those of copies that are gone."""
    for one in own:
        if one.ledger == ledger:
            yield "rewound", one
        elif one.counts:
            yield "replaced", one
    for one in others:
        if not os.path.lexists(one.root):
            yield "copy", one


def disclosed_heads(state: State) -> set[str]:
    """The lost heads that the ledger discloses."""
    had = [state.previous, *(one.had for one in state.disclosures)]
    return {one.head for one in had if one is not None}


def state_folder(root: Path) -> str:
    """A hash for a project folder on this machine and account, a slash, and one for the state folder there.

    Both are hashes because ledgers are published.
    """
    return _state_folder(str(root), os.uname().nodename, os.getuid(), str(user_state_dir()))


@lru_cache(maxsize=8)
def _state_folder(root: str, machine: str, account: int, folder: str) -> str:
    names = (f"{machine}\0{account}\0{root}", f"{machine}\0{account}\0{root}\0{os.path.realpath(folder)}")
    return "/".join(hashlib.sha256(os.fsencode(name)).hexdigest()[:12] for name in names)
