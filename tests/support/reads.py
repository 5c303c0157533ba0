"""The records that the processes of a run leave of what they opened."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedproof_mcp.system.paths import RunPaths

__all__ = ["Recorded", "observed", "recorded"]


@dataclass
class Recorded:
    """What the records of one run hold, of files below one folder."""

    read: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Size, inode and times by path, relative to the folder."""
    written: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    lines: int = 0
    processes: list[tuple[str, ...]] = field(default_factory=list)
    """The first line of each record."""


def observed(run: RunPaths) -> dict[str, Any]:
    """The supervisor's word on how much is known."""
    return dict(json.loads(run.observed.read_bytes()))


def recorded(run: RunPaths, below: Path) -> Recorded:
    """Parse the records of a run that has ended."""
    found = Recorded()
    for path in sorted(run.reads.glob("*.reads")):
        head, *lines = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")[:-1]
        assert head.startswith("# seedproof-reads 1\t"), head
        found.processes.append(tuple(head.split("\t")[1:]))
        for line in lines:
            kind, *facts, path = line.split("\t")
            _add(found, kind, tuple(facts), _unescaped(path), os.path.realpath(below))
    return found


def _add(found: Recorded, kind: str, facts: tuple[str, ...], path: str, below: str) -> None:
    assert path.startswith("/"), path
    if not path.startswith(below + "/"):
        return
    found.lines += 1
    name = path[len(below) + 1 :]
    if kind == "r":
        found.read.setdefault(name, facts)
    else:
        {"w": found.written, "i": found.imported}[kind].add(name)


def _unescaped(path: str) -> str:
    parts = path.split("\\\\")
    return "\\".join(part.replace("\\n", "\n").replace("\\t", "\t") for part in parts)
