"""The ledger file: reads new records, appends under a lock, and mirrors the file for git."""

import errno
import itertools
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from seedproof.ledger.event import Event, Record
from seedproof.ledger.fold import apply, fold
from seedproof.ledger.records import EMPTY_HASH, canonical, make_record, read_line
from seedproof.ledger.run_ends import RunInterrupted
from seedproof.ledger.state import State
from seedproof.ledger.study_events import GenerationStarted
from seedproof.model.refusals import LedgerDamaged
from seedproof.model.results import Notice
from seedproof.notices.past import past_notices

from seedproof_mcp.ledger.damage import damaged_ledger, damaged_mirror, readable
from seedproof_mcp.ledger.entry import RecordHashes
from seedproof_mcp.ledger.mirror import Mirror, Signature, file_size, signature
from seedproof_mcp.ledger.registry import NOTED_EVENTS, Registry
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, prepare_state

__all__ = ["Ledger", "Writer"]

E = TypeVar("E", bound=Event)

logger = logging.getLogger(__name__)

# A decision holds the lock for milliseconds, a large snapshot for seconds; clients give up on a call after a minute.
LOCK_PATIENCE_S = 10.0
NOT_HERE = "the ledger was adopted from docs/research/ledger.jsonl; the run is not on this machine"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Ledger:
    """One project's ledger, with its state in this process."""

    def __init__(self, paths: ProjectPaths) -> None:
        self._paths = paths
        self._registry = Registry(paths.root)
        self._mirror = Mirror(paths)
        self._is_registry_behind = False
        self._reset()
        self.thread_lock = threading.RLock()
        """Held while `state` is used. A writer takes it after the file lock, so that no thread waits for processes."""

    def _reset(self) -> None:
        self.state = State()
        self.hashes = RecordHashes()
        self._offset = 0
        """How many bytes of the file were applied."""
        self._signature: Signature | None = None
        """Signature of the file at the last reading or writing."""
        self._mirror.forget()
        self._is_from_mirror = False
        self._report_end = 0
        """Offset behind the record of the newest report."""

    def refresh(self) -> State:
        """Read what was appended since the last call; return the state.

        Raises:
            LedgerDamaged, LedgerNewer, LedgerDiverged: The file cannot be trusted.
        """
        with self.thread_lock:
            self._read_new()
            return self.state

    def records(self) -> Iterator[Record]:
        """All applied records, read from the file and verified again; in memory they would take most of it.

        Raises:
            LedgerDamaged, OSError: The file was changed or removed meanwhile.
        """
        prev = EMPTY_HASH
        with (self._paths.mirror if self._is_from_mirror else self._paths.ledger).open("rb") as file:
            for seq, line in enumerate(itertools.islice(file, self.state.seq), 1):
                record = read_line(line[:-1], seq, prev)
                prev = record["hash"]
                yield record

    def past(self) -> list[Notice]:
        """Notices on earlier ledgers of this folder, copies and lost records, from the ledger and the registry.

        Call it after `refresh`; it writes nothing.
        """
        with self.thread_lock:
            return [*past_notices(self.state), *self._registry.notices(self.state, self.hashes)]

    def state_at(self, seq: int) -> State:
        """The state after the first `seq` records, which are read again.

        Raises:
            LedgerDamaged, OSError: The file was changed or removed meanwhile.
        """
        return fold(itertools.islice(self.records(), seq))

    @contextmanager
    def writing(self) -> Iterator["Writer"]:
        """Hold the ledger's lock and give a writer on the newest state.

        Other threads can read while this one waits for other processes.

        Raises:
            LockHeld: Another process holds the lock for too long.
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
                self._update_registry()

    def write_mirror(self) -> None:
        """Write the mirror, which git tracks."""
        self._mirror.write(self._paths.ledger.read_bytes()[: self._offset])

    def is_report_mirrored(self) -> bool:
        """Whether the mirror holds the record of the newest report, which is written to it last."""
        return file_size(self._paths.mirror) >= self._report_end

    @readable()
    def _read_new(self) -> None:
        self._mirror.check()
        path = self._paths.mirror if self._mirror.is_longer else self._paths.ledger
        present = signature(path)
        if present == self._signature and (present is not None or not self._offset):
            return
        if self._is_from_mirror or self._was_rewritten(present):
            self._reset()
        if present is not None:
            try:
                self._read_lines(path)
            except LedgerDamaged:
                # The file was perhaps replaced by another one, before or while it was read.
                self._reset()
                self._read_lines(path)
        self._signature = present
        self._mirror.check()
        if path == self._paths.mirror:
            # Runs that were active on another machine do not run here; a writer will record that.
            self._is_from_mirror = True
            self.state.interrupt_active(NOT_HERE)

    def _was_rewritten(self, present: Signature | None) -> bool:
        """Whether the file was removed, shortened, replaced or edited, instead of extended."""
        if present is None or present[2] < self._offset:
            return True
        is_replaced = self._signature is not None and present[0] != self._signature[0]
        # The same length with another time is an edit, not an append.
        return is_replaced or 0 < self._offset == present[2]

    def _read_lines(self, path: Path) -> None:
        """Apply the complete lines behind the offset."""
        with path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # torn by a crash, or still being written; a writer cuts it off
                # Check the first byte first: reading the rest for each line would take hours on a long ledger.
                if line.startswith(b"\0") and not (line + file.read()).strip(b"\0\n"):
                    return  # only zeros up to the end, left by a crash; a writer cuts them off
                self._apply_line(path, line[:-1])

    def _apply_line(self, path: Path, line: bytes) -> None:
        try:
            apply(self.state, read_line(line, self.state.seq + 1, self.state.head))
        except LedgerDamaged as damage:
            if path != self._paths.mirror:
                raise damaged_ledger(damage, self._paths) from None
            raise damaged_mirror(damage, line) from None
        self._advance(len(line) + 1)

    def _advance(self, length: int) -> None:
        """Move the offset behind a record that was applied."""
        self._offset += length
        self.hashes.add(self.state.head)
        if self.state.newest_report is not None and self.state.newest_report.seq == self.state.seq:
            self._report_end = self._offset

    def _cut_torn_tail(self) -> None:
        if file_size(self._paths.ledger) > self._offset:
            files.truncate_synced(self._paths.ledger, self._offset)
            self._signature = signature(self._paths.ledger)

    def _append(self, event: Event) -> Event:
        is_noted = isinstance(event, NOTED_EVENTS)
        if is_noted:
            self._disclose()
        if isinstance(event, GenerationStarted) and not self.hashes:
            event = replace(event, previous=self._registry.previous())
        stored = self._store(event)
        self._is_registry_behind = self._is_registry_behind or is_noted
        return stored

    def _disclose(self, others: bool = False) -> None:
        """Record what only the registry knows, before its entry is overwritten."""
        for event in self._registry.undisclosed(self.state, self.hashes, others):
            self._store(event)

    def _update_registry(self) -> None:
        """Write the head to the registry; a failure is only logged, because the ledger is complete without it."""
        if not self._is_registry_behind:
            return
        self._is_registry_behind = False
        try:
            self._registry.note(self.state, self.hashes, _now())
        except OSError as error:
            logger.warning("the registry of projects cannot be written: %s", error)

    def _store(self, event: Event) -> Event:
        record, line = self._make_record(event)
        if file_size(self._paths.ledger) != self._offset:
            # The file was removed or replaced: the record would not continue it.
            raise OSError(errno.ESTALE, "it was changed while it was being written", str(self._paths.ledger))
        try:
            files.append_synced(self._paths.ledger, line)
        except OSError:
            # The line may be complete in the file but not on the disk; it must not be read as a record.
            with suppress(OSError):
                self._cut_torn_tail()
            raise
        stored = apply(self.state, record)
        self._advance(len(line))
        self._signature = signature(self._paths.ledger)
        return stored

    def _make_record(self, event: Event) -> tuple[Record, bytes]:
        record = make_record(self.state.seq + 1, _now(), self.state.head, event.kind, event.fields())
        return record, canonical(record) + b"\n"

    def _adopt_mirror(self) -> None:
        """Make the ledger from the mirror, where that is longer, as in a fresh clone."""
        with readable():
            if not self._mirror.is_longer:
                return
            self._mirror.check()
            data = self._paths.mirror.read_bytes()
        self._reset()
        self._read_lines(self._paths.mirror)
        data = data[: self._offset]
        for run_id in list(self.state.active):
            record, line = self._make_record(RunInterrupted(run_id=run_id, reason=NOT_HERE))
            apply(self.state, record)
            self._advance(len(line))
            data += line
        try:
            # In one write: after a crash between two, runs of another machine would stay active here.
            files.write_atomic(self._paths.ledger, data)
        except OSError:
            self._reset()
            raise
        self._signature = signature(self._paths.ledger)


class Writer:
    """Appends events; valid while the ledger's lock is held."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def state(self) -> State:
        """The newest state, including the records just appended."""
        return self._ledger.state

    def append(self, event: E) -> E:
        """Append the record of an event and sync it to disk; return the event with its number and hash.

        Raises:
            OSError: It could not be stored.
        """
        stored = self._ledger._append(event)
        assert isinstance(stored, type(event))
        return stored

    def disclose(self, *, others: bool = False) -> None:
        """Append what only the registry knows of this ledger's past, so that verdicts and reports can disclose it.

        With `others`, also of other ledgers that began with this code. Raises OSError where it could not be stored.
        """
        self._ledger._disclose(others)
