"""The ledger file: read in pieces, appended under a lock, mirrored for git."""

import errno
import itertools
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from seedproof.ledger.events import Event, GenerationStarted, Record, RunInterrupted
from seedproof.ledger.fold import apply, fold
from seedproof.ledger.records import EMPTY_HASH, canonical, make_record, read_line
from seedproof.ledger.state import State
from seedproof.model.refusals import LedgerDamaged
from seedproof.model.results import Notice
from seedproof.notices.past import past_notices

from seedproof_mcp.ledger.damage import damaged_ledger, damaged_mirror, readable
from seedproof_mcp.ledger.mirror import Mirror, Signature, file_size, signature
from seedproof_mcp.ledger.registry import NOTED, RecordHashes, Registry
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, prepare_state

__all__ = ["Ledger", "Writer"]

E = TypeVar("E", bound=Event)

logger = logging.getLogger(__name__)

# A decision takes milliseconds under the lock, a large snapshot seconds; clients give up on a call after a minute.
LOCK_PATIENCE_S = 10.0

NOT_HERE = "the ledger was adopted from docs/research/ledger.jsonl; the run is not on this machine"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Ledger:
    """One project's ledger as this process knows it."""

    def __init__(self, paths: ProjectPaths) -> None:
        self._paths = paths
        self._registry = Registry(paths.root)
        self._mirror = Mirror(paths)
        self._is_to_note = False
        self._forget()
        self.thread_lock = threading.RLock()
        """Held by who uses `state`, but not by who is about to write: it would wait for other processes with it."""

    def _forget(self) -> None:
        self.state = State()
        self.hashes = RecordHashes()
        self._offset = 0
        self._seen: Signature | None = None
        self._mirror.forget()
        self._is_of_mirror = False
        self._report_end = 0
        """Where the record of the newest report ends."""

    def refresh(self) -> State:
        """Read what has been appended since the last call.

        Raises:
            LedgerDamaged, LedgerNewer, LedgerDiverged: The file cannot be trusted.
        """
        with self.thread_lock:
            self._read_new()
            return self.state

    def records(self) -> Iterator[Record]:
        """All records that are known, read and verified again: kept in memory they would be most of it.

        Raises:
            LedgerDamaged: The file has been changed since.
            OSError: It has been removed since.
        """
        prev = EMPTY_HASH
        with (self._paths.mirror if self._is_of_mirror else self._paths.ledger).open("rb") as file:
            for seq, line in enumerate(itertools.islice(file, self.state.seq), 1):
                record = read_line(line[:-1], seq, prev)
                prev = record["hash"]
                yield record

    def past(self) -> list[Notice]:
        """What the ledger and the registry of this user tell of ledgers before this one, of copies and of lost records.

        Call it after `refresh`; nothing is written.
        """
        with self.thread_lock:
            return [*past_notices(self.state), *self._registry.notices(self.state, self.hashes)]

    def state_at(self, seq: int) -> State:
        """The state after the first `seq` records, which are read again.

        Raises:
            LedgerDamaged: The file has been changed since it was read.
            OSError: It has been removed since.
        """
        return fold(itertools.islice(self.records(), seq))

    @contextmanager
    def writing(self) -> Iterator["Writer"]:
        """Hold the ledger's lock: what is decided inside is decided on the newest state.

        While other processes hold it, other threads may read.

        Raises:
            LockHeld: Other processes do not let go of it.
            LedgerDamaged, LedgerNewer, LedgerDiverged: The file cannot be trusted.
            OSError: The folder cannot be written.
        """
        files.make_folder(self._paths.state)
        with locks.lock(self._paths.ledger_lock, LOCK_PATIENCE_S), self.thread_lock:
            prepare_state(self._paths)
            self._adopt_mirror()
            self._read_new()
            self._cut_torn_tail()
            try:
                yield Writer(self)
            finally:
                self._note_head()

    def write_mirror(self) -> None:
        """Rewrite the copy under docs/research that git keeps."""
        self._mirror.write(self._paths.ledger.read_bytes()[: self._offset])

    def is_report_mirrored(self) -> bool:
        """Whether the mirror holds the record of the newest report: it is the last thing that writing a report does."""
        return file_size(self._paths.mirror) >= self._report_end

    def _read_new(self) -> None:
        with readable():
            self._take_new()

    def _take_new(self) -> None:
        self._mirror.check()
        path = self._paths.mirror if self._mirror.is_longer else self._paths.ledger
        seen = signature(path)
        if seen == self._seen and (seen is not None or not self._offset):
            return
        shrunk = seen is None or seen[2] < self._offset
        replaced = self._seen is not None and seen is not None and seen[0] != self._seen[0]
        # The same length with another time is an edit, not an append.
        edited = seen is not None and self._offset > 0 and seen[2] == self._offset
        if shrunk or replaced or edited or self._is_of_mirror:
            self._forget()
        if seen is not None:
            self._take_again_if_withdrawn(path)
        self._seen = seen
        self._mirror.check()
        if path == self._paths.mirror:
            # As a writer will record it: what was running elsewhere does not run here.
            self._is_of_mirror = True
            self.state.interrupt_active(NOT_HERE)

    def _take_again_if_withdrawn(self, path: Path) -> None:
        """Read on; from the start where what was read last is another record now, or while it was read."""
        try:
            self._take(path)
        except LedgerDamaged:
            self._forget()
            self._take(path)

    def _take(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # torn by a crash, or half of what is being written; a writer cuts it off
                # The first byte first: a look at all the rest for each line would take hours on a long ledger.
                if line.startswith(b"\0") and not (line + file.read()).strip(b"\0\n"):
                    return  # nothing but zeros to the end, left by a crash: no record; a writer cuts them off
                self._take_line(path, line[:-1])

    def _take_line(self, path: Path, line: bytes) -> None:
        try:
            apply(self.state, read_line(line, self.state.seq + 1, self.state.head))
        except LedgerDamaged as damage:
            if path != self._paths.mirror:
                raise damaged_ledger(damage, self._paths) from None
            raise damaged_mirror(damage, line) from None
        self._advance(len(line) + 1)

    def _advance(self, length: int) -> None:
        """A record of so many bytes has been taken into account."""
        self._offset += length
        self.hashes.add(self.state.head)
        if self.state.newest_report is not None and self.state.newest_report.seq == self.state.seq:
            self._report_end = self._offset

    def _cut_torn_tail(self) -> None:
        if file_size(self._paths.ledger) > self._offset:
            files.truncate_synced(self._paths.ledger, self._offset)
            self._seen = signature(self._paths.ledger)

    def _append(self, event: Event) -> Event:
        is_noted = isinstance(event, NOTED)
        if is_noted:
            self._disclose()
        if isinstance(event, GenerationStarted) and not self.hashes:
            event = replace(event, previous=self._registry.previous())
        stored = self._store(event)
        self._is_to_note = self._is_to_note or is_noted
        return stored

    def _disclose(self) -> None:
        """Write down what only the registry knows, before its entry is replaced by one that agrees with the ledger."""
        for found in self._registry.undisclosed(self.state, self.hashes):
            self._store(found)

    def _note_head(self) -> None:
        """Tell the registry; a disk that refuses it takes nothing from what the ledger holds."""
        if not self._is_to_note:
            return
        self._is_to_note = False
        try:
            self._registry.note(self.state, self.hashes, _now())
        except OSError as error:
            logger.warning("the registry of projects cannot be written: %s", error)

    def _store(self, event: Event) -> Event:
        record, line = self._made(event.kind, event.fields())
        if file_size(self._paths.ledger) != self._offset:
            # Removed, or another one put in its place: this record would not follow from what is there.
            raise OSError(errno.ESTALE, "it was changed while it was being written", str(self._paths.ledger))
        try:
            files.append_synced(self._paths.ledger, line)
        except OSError:
            # A whole line that is perhaps not on the disk would be read back, and acknowledged later.
            with suppress(OSError):
                self._cut_torn_tail()
            raise
        stored = self._note(record, line)
        self._seen = signature(self._paths.ledger)
        return stored

    def _made(self, kind: str, fields: Mapping[str, Any]) -> tuple[Record, bytes]:
        record = make_record(self.state.seq + 1, _now(), self.state.head, kind, fields)
        return record, canonical(record) + b"\n"

    def _note(self, record: Record, line: bytes) -> Event:
        event = apply(self.state, record)
        self._advance(len(line))
        return event

    def _adopt_mirror(self) -> None:
        """Where the mirror knows more (a fresh clone), it becomes the ledger."""
        mirror, ledger = self._paths.mirror, self._paths.ledger
        with readable():
            if not self._mirror.is_longer:
                return
            self._mirror.check()
            data = mirror.read_bytes()
        self._forget()
        self._take(mirror)
        data = data[: self._offset]
        for run_id in list(self.state.active):
            lost = RunInterrupted(run_id=run_id, reason=NOT_HERE)
            record, line = self._made(lost.kind, lost.fields())
            self._note(record, line)
            data += line
        try:
            # In one piece: with the mirror alone, a crash here would leave runs that wait for another machine.
            files.write_atomic(ledger, data)
        except OSError:
            self._forget()
            raise
        self._seen = signature(ledger)


class Writer:
    """The right to append, held while the lock is held."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def state(self) -> State:
        """The newest state, the records just appended included."""
        return self._ledger.state

    def append(self, event: E) -> E:
        """Append the record of an event; it is on the disk when this returns the event with its number and hash.

        Raises:
            OSError: It could not be stored; nothing is acknowledged.
        """
        stored = self._ledger._append(event)
        assert isinstance(stored, type(event))
        return stored

    def disclose(self) -> None:
        """Append what only the registry knows of this ledger's past, so that what is written next can tell it.

        Raises:
            OSError: It could not be stored.
        """
        self._ledger._disclose()
