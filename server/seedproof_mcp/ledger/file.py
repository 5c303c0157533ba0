"""The ledger file: read in pieces, appended under a lock, mirrored for git."""

import errno
import itertools
import logging
import os
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
from seedproof.model.refusals import LedgerDamaged, LedgerDiverged
from seedproof.model.results import Notice
from seedproof.notices.past import past_notices

from seedproof_mcp.ledger.merge_conflict import NO_MERGE, ONE_SIDE, OWN_LEDGER, first_mark, is_mark
from seedproof_mcp.ledger.registry import NOTED, RecordHashes, Registry
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, prepare_state

__all__ = ["Ledger", "Writer"]

E = TypeVar("E", bound=Event)

logger = logging.getLogger(__name__)

_CRLF_CURE = (
    "Git does this where core.autocrlf is set: put the line `ledger.jsonl -text` into docs/research/.gitattributes, "
    "delete docs/research/ledger.jsonl and check it out again."
)

# A decision takes milliseconds under the lock, a large snapshot seconds; clients give up on a call after a minute.
LOCK_PATIENCE_S = 10.0

_NOT_HERE = "the ledger was adopted from docs/research/ledger.jsonl; the run is not on this machine"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Ledger:
    """One project's ledger as this process knows it."""

    def __init__(self, paths: ProjectPaths) -> None:
        self._paths = paths
        self._registry = Registry(paths.root)
        self._is_to_note = False
        self._forget()
        self.thread_lock = threading.RLock()
        """Held by who uses `state`, but not by who is about to write: it would wait for other processes with it."""

    def _forget(self) -> None:
        self.state = State()
        self.hashes = RecordHashes()
        self._offset = 0
        self._seen: tuple[int, ...] | None = None
        # A ledger that is another one now has not been compared with the mirror, however old that is.
        self._mirror_seen: tuple[int, ...] | None = None
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
        data = self._paths.ledger.read_bytes()
        files.make_folder(self._paths.research)
        if not os.path.lexists(self._paths.mirror_attributes):
            # Git would turn LF into CRLF where core.autocrlf is set, and no hash would fit.
            files.write_atomic(self._paths.mirror_attributes, f"{self._paths.mirror.name} -text\n".encode())
        files.write_atomic(self._paths.mirror, data[: self._offset])
        self._mirror_seen = _signature(self._paths.mirror)

    def is_report_mirrored(self) -> bool:
        """Whether the mirror holds the record of the newest report: it is the last thing that writing a report does."""
        return _size(self._paths.mirror) >= self._report_end

    def _read_new(self) -> None:
        with _readable():
            self._take_new()

    def _take_new(self) -> None:
        self._check_mirror()
        path = self._readable()
        seen = _signature(path)
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
        self._check_mirror()
        if path == self._paths.mirror:
            # As a writer will record it: what was running elsewhere does not run here.
            self._is_of_mirror = True
            self.state.interrupt_active(_NOT_HERE)

    def _readable(self) -> Path:
        """The ledger, or its mirror where that knows more: a fresh clone has nothing else."""
        longer = _size(self._paths.mirror) > _size(self._paths.ledger)
        return self._paths.mirror if longer else self._paths.ledger

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
                raise self._with_repair(damage) from None
            raise self._told_of_mirror(damage, line) from None
        self._advance(len(line) + 1)

    def _advance(self, length: int) -> None:
        """A record of so many bytes has been taken into account."""
        self._offset += length
        self.hashes.add(self.state.head)
        if self.state.newest_report is not None and self.state.newest_report.seq == self.state.seq:
            self._report_end = self._offset

    def _with_repair(self, damage: LedgerDamaged) -> LedgerDamaged:
        """The damage of the ledger, and what to do without a backup."""
        folder = self._paths.state
        names = (f"ledger.damaged{'' if number == 1 else f'-{number}'}" for number in itertools.count(1))
        aside = next(name for name in names if not os.path.lexists(folder / name))
        if self._paths.mirror.exists():
            then = "docs/research/ledger.jsonl takes its place, as it was at the last report"
        else:
            then = "everything is measured anew: no report has left a copy of it"
        return LedgerDamaged(
            f"{damage.message} Without one, move it away with `mv .seedproof/ledger.jsonl .seedproof/{aside}`: {then}."
        )

    def _told_of_mirror(self, damage: LedgerDamaged, line: bytes) -> LedgerDamaged:
        """The damage, where the mirror was read because it knows more than the ledger, or is all there is."""
        if is_mark(line):
            return LedgerDamaged(
                f"git left a merge conflict in docs/research/ledger.jsonl (line {damage.seq}). Nothing is decided on "
                f"a damaged ledger. {NO_MERGE} {ONE_SIDE}"
            )
        is_crlf = line.endswith(b"\r")
        look = (
            f"Look at it with `sed -n {damage.seq}p docs/research/ledger.jsonl`, and restore it from git or a backup."
        )
        return LedgerDamaged(
            f"record {damage.seq} of docs/research/ledger.jsonl {damage.fault}. Nothing is decided on a damaged "
            f"ledger. {_CRLF_CURE if is_crlf else look}"
        )

    def _cut_torn_tail(self) -> None:
        if _size(self._paths.ledger) > self._offset:
            files.truncate_synced(self._paths.ledger, self._offset)
            self._seen = _signature(self._paths.ledger)

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
        if _size(self._paths.ledger) != self._offset:
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
        self._seen = _signature(self._paths.ledger)
        return stored

    def _made(self, kind: str, fields: Mapping[str, Any]) -> tuple[Record, bytes]:
        record = make_record(self.state.seq + 1, _now(), self.state.head, kind, fields)
        return record, canonical(record) + b"\n"

    def _note(self, record: Record, line: bytes) -> Event:
        event = apply(self.state, record)
        self._advance(len(line))
        return event

    # --- the mirror ---------------------------------------------------------------------------

    def _check_mirror(self) -> None:
        """Compare ledger and mirror whenever the mirror has changed under us."""
        seen = _signature(self._paths.mirror)
        if seen is None or seen == self._mirror_seen or not _size(self._paths.ledger):
            return
        ledger, mirror = self._paths.ledger.read_bytes(), self._paths.mirror.read_bytes()
        if not (ledger.startswith(mirror) or mirror.startswith(ledger)):
            conflict = first_mark(mirror)
            if conflict is not None:
                raise LedgerDiverged(
                    f"git left a merge conflict in docs/research/ledger.jsonl (line {conflict}). "
                    f"{NO_MERGE} {OWN_LEDGER}"
                )
            if b"\r\n" in mirror:
                raise LedgerDiverged(
                    ".seedproof/ledger.jsonl and docs/research/ledger.jsonl differ; the line endings of the latter "
                    f"were changed to CRLF. {_CRLF_CURE}"
                )
            raise LedgerDiverged(
                ".seedproof/ledger.jsonl and docs/research/ledger.jsonl tell different stories; neither continues "
                "the other. Keep the one you trust and move the other away."
            )
        if len(mirror) <= len(ledger):
            self._mirror_seen = seen

    def _adopt_mirror(self) -> None:
        """Where the mirror knows more (a fresh clone), it becomes the ledger."""
        mirror, ledger = self._paths.mirror, self._paths.ledger
        with _readable():
            if _size(mirror) <= _size(ledger):
                return
            self._check_mirror()
            data = mirror.read_bytes()
        self._forget()
        self._take(mirror)
        data = data[: self._offset]
        for run_id in list(self.state.active):
            lost = RunInterrupted(run_id=run_id, reason=_NOT_HERE)
            record, line = self._made(lost.kind, lost.fields())
            self._note(record, line)
            data += line
        try:
            # In one piece: with the mirror alone, a crash here would leave runs that wait for another machine.
            files.write_atomic(ledger, data)
        except OSError:
            self._forget()
            raise
        self._seen = _signature(ledger)


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


@contextmanager
def _readable() -> Iterator[None]:
    """What cannot be read is refused like what cannot be trusted.

    Raises:
        LedgerDamaged: A folder in the file's place, no permission, a disk that fails.
    """
    try:
        yield
    except OSError as error:
        is_mirror = Path(str(error.filename)).parent.name == "research"
        name = f"{'docs/research' if is_mirror else '.seedproof'}/ledger.jsonl"
        raise LedgerDamaged(
            f"{name} cannot be read ({error.strerror}). Nothing is decided on a ledger that cannot be read. "
            f"Look at it with `ls -ld {name}`; make it readable, or move away what stands in its place."
        ) from error


def _signature(path: Path) -> tuple[int, ...] | None:
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    # The time of the last change of anything, because that of the content can be set back.
    return (stat.st_ino, stat.st_ctime_ns, stat.st_size)


def _size(path: Path) -> int:
    seen = _signature(path)
    return seen[2] if seen else 0
