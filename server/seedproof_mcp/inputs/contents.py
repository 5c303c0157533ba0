"""Finds out what a run read in a file, from the file as it is now and from what earlier lists say."""

import hashlib
from dataclasses import replace
from pathlib import Path

from seedproof.inputs.history import History
from seedproof.inputs.listed import ListedFile, WrittenFile
from seedproof.inputs.reads import Stat, is_unchanged
from seedproof.model.inputs import Origin

from seedproof_mcp.code.git import GitFailed
from seedproof_mcp.code.hashes import Hashes
from seedproof_mcp.inputs.files_of_run import ReadFile
from seedproof_mcp.inputs.places import Place
from seedproof_mcp.inputs.recorded_code import RecordedCode

__all__ = ["MOST_HASHED_BYTES", "Contents"]

# A larger file is hashed by parts, unless it is sealed.
MOST_HASHED_BYTES = 64 << 20
_LENGTH = 16
_CHUNK_BYTES = 1 << 20


class Contents:
    """The contents that one run read."""

    def __init__(self, hashes: Hashes, code: RecordedCode, history: History, generation: int) -> None:
        self._hashes = hashes
        self._code = code
        self._history = history
        self._generation = generation

    def of(self, file: ReadFile) -> tuple[ListedFile, bool]:
        """The file with its content, and whether somebody else changed it since the run read it."""
        place, seen = file.place, file.seen
        is_steady = file.now is not None and (seen.stat is None or is_unchanged(seen.stat, file.now))
        is_steady = is_steady and not seen.is_moving
        present = self._present(file)
        listed = ListedFile(
            path=place.name,
            content=present,
            origin=self._origin(file),
            key=place.key,
            place=place.place,
            stat=seen.stat or file.now,
            is_own=seen.is_written,
            is_appended=seen.is_written and self._is_appended(file),
        )
        if is_steady or listed.origin == "code":
            return listed, False
        known = "" if seen.stat is None else self._history.content_of(place.place, seen.stat)
        if not seen.is_written and self._is_only_touched(file, listed, known):
            return listed, False
        return replace(listed, content=known), not seen.is_written

    def _present(self, file: ReadFile) -> str:
        """The content now; empty where it cannot be read."""
        most = None if file.is_sealed else MOST_HASHED_BYTES
        try:
            return "" if file.now is None else self._hashes.sha256(Path(file.place.real), most)[:_LENGTH]
        except OSError:
            return ""

    def supposed_origin(self, file: ReadFile) -> Origin:
        """What kind of file it is, before it is read: its bytes may be others than those of the code."""
        if file.place.in_code is not None and file.place.in_code in self._code.files:
            return "code"
        return "named" if file.is_named else "outside" if file.place.in_project is None else "project"

    @staticmethod
    def unread(file: ReadFile, origin: Origin) -> ListedFile:
        """A file beyond the limit, of which only its looks are recorded."""
        place = file.place
        return ListedFile(place.name, "", origin, place.key, place.place, file.seen.stat or file.now)

    def _origin(self, file: ReadFile) -> Origin:
        place = file.place
        try:
            if place.in_code is not None and self._code.holds(place.in_code, Path(place.real), self._hashes):
                return "code"
        except (OSError, GitFailed):
            pass  # then it is not known to be the code's
        if file.is_named:
            return "named"
        return "outside" if place.in_project is None else "project"

    def _is_only_touched(self, file: ReadFile, listed: ListedFile, known: str) -> bool:
        """Whether a file that looks otherwise than when it was read holds what it is known to have held."""
        if file.now is None or not listed.content or file.seen.stat is None or file.seen.stat[0] != file.now[0]:
            return False
        first = self._history.first(self._generation, listed)
        return listed.content == (known or (first.content if first is not None else None))

    def _is_appended(self, file: ReadFile) -> bool:
        """Whether what an earlier run left is the beginning of what is there now."""
        writings = self._history.written(file.place.place)
        if not writings or file.now is None:
            return False
        left = writings[-1]
        if not left.content or left.stat is None or not left.stat[0] <= min(file.now[0], MOST_HASHED_BYTES):
            return False
        return self._prefix(file.place.real, left.stat[0]) == left.content

    @staticmethod
    def _prefix(path: str, size: int) -> str:
        digest = hashlib.sha256()
        try:
            with open(path, "rb") as file:
                while size > 0 and (chunk := file.read(min(size, _CHUNK_BYTES))):
                    digest.update(chunk)
                    size -= len(chunk)
        except OSError:
            return ""
        return digest.hexdigest()[:_LENGTH] if size == 0 else ""

    def written(self, place: Place, now: Stat, is_read: bool, found: Stat | None = None) -> WrittenFile:
        """A file that the run wrote, with its content at the end of the run where it is not too large."""
        content = ""
        if now[0] <= MOST_HASHED_BYTES:
            try:
                content = self._hashes.sha256(Path(place.real))[:_LENGTH]
            except OSError:
                content = ""
        return WrittenFile(place.name, place.place, content, now, is_read, found)
