"""Which files of the skill are written or removed; decides, and touches no file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["RECORD", "Record", "SkillChange", "copied", "removed"]

RECORD = ".seedproof.json"
"""The file in the skill's folder that says what install wrote."""


@dataclass(frozen=True, slots=True)
class Record:
    """What install wrote into a skill's folder, and for which hosts."""

    hosts: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file, by its name."""

    def to_bytes(self) -> bytes:
        """The record as a file has it."""
        return (json.dumps({"hosts": list(self.hosts), "files": dict(self.files)}, indent=2) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Record":
        """The record of a file; an empty one where it cannot be read, so that nothing counts as written by install."""
        try:
            value = json.loads(data)
            hosts, written = value["hosts"], value["files"]
            return cls(tuple(map(str, hosts)), {str(name): str(digest) for name, digest in written.items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()


@dataclass(frozen=True, slots=True)
class SkillChange:
    """What becomes of the files in a skill's folder."""

    write: Mapping[str, bytes]
    remove: tuple[str, ...]
    kept: tuple[str, ...]
    """Files that install did not write, or that were changed since."""
    record: Record | None
    """The record that stays; None where none does."""


def copied(found: Mapping[str, bytes], record: Record, packaged: Mapping[str, bytes], host: str) -> SkillChange:
    """The change that brings the skill up to date for a host.

    Args:
        found: The files that are there, without the record.
        packaged: The files of this version.
    """
    ours = {name for name, data in found.items() if _digest(data) == record.files.get(name)}
    stale = {name for name, data in packaged.items() if found.get(name) != data}
    write = {name: packaged[name] for name in sorted(stale) if name in ours or name not in found}
    kept = tuple(sorted(stale - write.keys()))
    gone = tuple(sorted(ours - packaged.keys()))
    files = {name: digest for name, digest in record.files.items() if name not in gone}
    files |= {name: _digest(data) for name, data in write.items()}
    return SkillChange(write, gone, kept, Record(tuple(sorted({*record.hosts, host})), files))


def removed(found: Mapping[str, bytes], record: Record, host: str) -> SkillChange:
    """The change that takes the skill away, as far as install wrote it and no other host reads it."""
    others = tuple(name for name in record.hosts if name != host)
    if host not in record.hosts or others:
        return SkillChange({}, (), (), Record(others, record.files) if others else None)
    ours = tuple(sorted(name for name, data in found.items() if _digest(data) == record.files.get(name)))
    return SkillChange({}, ours, tuple(sorted(found.keys() - set(ours))), None)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
