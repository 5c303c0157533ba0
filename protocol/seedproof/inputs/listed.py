"""The list of what a run read and wrote, as it lies in the run's folder: one JSON object a line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from seedproof.inputs.reads import Stat
from seedproof.model.inputs import Origin

__all__ = ["Listed", "ListedFile", "WrittenFile", "read_list", "write_list"]

_VERSION = 1
_ORIGINS = get_args(Origin)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file that a run read."""

    path: str
    """As in `RunInputs.files`; no two of a list are alike."""
    content: str
    """As in `InputFile.content`."""
    origin: Origin
    """What kind of file it is."""
    key: str = ""
    """The same for the same file of all runs: relative to the project, or absolute outside of it."""
    place: str = ""
    """Where it lies: relative to the project, or absolute; unlike the key, another one in another working tree."""
    stat: Stat | None = None
    """What it was when it was first read; None where that is not known."""
    is_own: bool = False
    """Whether the run wrote it, after it had read it."""
    is_appended: bool = False
    """Whether the run did nothing but add to what an earlier run had left."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file that a run wrote outside its output folder."""

    path: str
    """As in `ListedFile.path`."""
    place: str
    """As in `ListedFile.place`."""
    content: str
    """At the end of the run, as in `InputFile.content`; empty where it is not known."""
    stat: Stat | None
    """At the end of the run."""
    is_read: bool = False
    """Whether the run read it as well."""
    found: Stat | None = None
    """As the run found it; None where the run made it, and where that is not known."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a run read and wrote."""

    files: tuple[ListedFile, ...] = ()
    """What it read, by name."""
    written: tuple[WrittenFile, ...] = ()
    """What it wrote."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Of the files beyond the limit, a digest for each folder over names, sizes and times; never compared."""


def write_list(listed: Listed) -> bytes:
    """The bytes of a list: ASCII, the same for the same list."""
    lines: list[dict[str, Any]] = [{"seedproof_inputs": _VERSION}]
    for written in listed.written:
        lines.append(
            {
                "wrote": written.path,
                "place": written.place,
                "content": written.content,
                "stat": written.stat,
                "read": written.is_read,
                **({} if written.found is None else {"found": written.found}),
            }
        )
    for file in listed.files:
        line: dict[str, Any] = {"read": file.path, "content": file.content, "origin": file.origin}
        line |= {"key": file.key} if file.key != file.path else {}
        line |= {"place": file.place} if file.place != file.key else {}
        line |= {"stat": file.stat} if file.stat is not None else {}
        line |= {"own": True} if file.is_own else {}
        line |= {"appended": True} if file.is_appended else {}
        lines.append(line)
    lines += [{"folder": name, "digest": digest} for name, digest in listed.folders.items()]
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode("ascii")


def read_list(data: bytes, known: set[bytes] | None = None) -> Listed | None:
    """The list that these bytes are; None where they are none that this version reads.

    Args:
        data: The bytes.
        known: Lines of files that need not be read again, as other lists had them; the new ones are added.
    """
    try:
        head, *raw = data.splitlines()
        if json.loads(head)["seedproof_inputs"] != _VERSION:
            return None
        known = set() if known is None else known
        lines = []
        for one in raw:
            if one not in known:
                lines.append(json.loads(one))
                if "origin" in lines[-1]:
                    known.add(one)
        return Listed(
            tuple(_read_file(line) for line in lines if "origin" in line),
            tuple(_read_written(line) for line in lines if "wrote" in line),
            {line["folder"]: line["digest"] for line in lines if "folder" in line},
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _read_file(line: Any) -> ListedFile:
    if line["origin"] not in _ORIGINS:
        raise ValueError(line["origin"])
    path = str(line["read"])
    key = str(line.get("key", path))
    return ListedFile(
        path=path,
        content=str(line["content"]),
        origin=line["origin"],
        key=key,
        place=str(line.get("place", key)),
        stat=_read_stat(line.get("stat")),
        is_own=bool(line.get("own")),
        is_appended=bool(line.get("appended")),
    )


def _read_written(line: Any) -> WrittenFile:
    return WrittenFile(
        str(line["wrote"]),
        str(line["place"]),
        str(line["content"]),
        _read_stat(line["stat"]),
        bool(line["read"]),
        _read_stat(line.get("found")),
    )


def _read_stat(document: Any) -> Stat | None:
    if document is None:
        return None
    size, inode, modified, changed = map(int, document)
    return size, inode, modified, changed
