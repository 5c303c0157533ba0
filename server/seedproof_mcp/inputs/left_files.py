"""Files that runs left in the working trees of snapshots: whose they are, and which of them no run reads."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seedproof.inputs.exempt import is_no_input
from seedproof.inputs.listed import Listed, read_list
from seedproof.inputs.reads import Stat
from seedproof.ledger.state import State
from seedproof.model.runs import Run

from seedproof_mcp.code.worktree import Left
from seedproof_mcp.inputs.lists import interval_of
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["LeftFile", "Readings", "owned_files"]


@dataclass(frozen=True, slots=True)
class LeftFile:
    """A file that lies in a working tree and is not of its snapshot."""

    left: Left
    """Where it lies."""
    run_id: str | None
    """The run that left it; None where no run did, as far as is known."""
    is_read: bool
    """Whether a run read it as an input, or what lies in the same folder: where one is looked for, others may be."""


class Readings:
    """What the ended runs of a ledger read and wrote, by place; each list is read once."""

    def __init__(self, paths: ProjectPaths, state: State) -> None:
        self.read: set[str] = set()
        """Places of files that a run read as they were before it, or changed though no run had left them so; not those
        that runs only add to."""
        self._writings: dict[str, tuple[str, Stat | None]] = {}
        """The run that wrote a file last, and what that was then, by its place."""
        self._writers: dict[str, set[str]] = defaultdict(set)
        """Every run that wrote a file, by its place."""
        self.unknown: set[str] = set()
        """Runs of which not all is known that they read."""
        known: set[bytes] = set()
        for run in sorted(state.runs.values(), key=lambda one: one.started or ""):
            if run.started is None:
                continue
            listed = _list_of(paths, run, known)
            if listed is None or listed.folders or run.inputs is None or run.inputs.observed != "fully":
                self.unknown.add(run.run_id)
            if listed is not None:
                self.read.update(file.place for file in listed.files if not file.is_appended)
                self._add_written(run, listed)

    def _add_written(self, run: Run, listed: Listed) -> None:
        for file in listed.written:
            then = self._writings.get(file.place, ("", None))[1]
            if file.found is not None and (then is None or (then[0], then[2]) != (file.found[0], file.found[2])):
                self.read.add(file.place)  # it held what no run is known to have left, and may hold it still
            self._writings[file.place] = (run.run_id, file.stat)
            self._writers[file.place].add(run.run_id)

    def writers_below(self, tree: Path, root: Path) -> dict[str, set[str]]:
        """The runs that wrote in each folder of a working tree, and below it, by the folder's path from the tree on."""
        found: dict[str, set[str]] = defaultdict(set)
        start = f"{tree.relative_to(root)}/"
        for place, run_ids in self._writers.items():
            if place.startswith(start):
                for folder in _folders(place.removeprefix(start)):
                    found[folder] |= run_ids
        return found

    def writer_of(self, place: str, seen: os.stat_result) -> str | None:
        """The run that wrote a file as it is now; None where none did."""
        run_id, then = self._writings.get(place, (None, None))
        return run_id if then is not None and (then[0], then[2]) == (seen.st_size, seen.st_mtime_ns) else None


def owned_files(
    left: Collection[Left], tree: Path, root: Path, runs: Collection[Run], readings: Readings
) -> list[LeftFile]:
    """What lies in a working tree, each with the run that left it.

    A file is a run's if its list says that it wrote it, and nobody changed it since. A library that writes below Python
    tells nobody: in a folder where one run alone wrote, what was last written while that one trained is its own. In a
    folder of several runs it may be somebody's who works there while they train; not so a link, which holds nothing.

    Args:
        left: What lies there.
        tree: The working tree.
        root: The project.
        runs: Those that trained there.
    """
    places = {one.path: str(tree.relative_to(root) / one.path) for one in left}
    written = {one.path: run_id for one in left if (run_id := readings.writer_of(places[one.path], one.seen))}
    writers = readings.writers_below(tree, root)
    # A tool's own cache is no input, and nobody knows which run reads it.
    read = {one.top for one in left if places[one.path] in readings.read or is_no_input(str(tree / one.path))}
    intervals = [interval for run in runs if (interval := interval_of(run)) is not None]
    found = []
    for one in left:
        during = {part.run_id for part in intervals if part.begin_ns < one.seen.st_mtime_ns <= part.end_ns}
        known = next((writers[above] for above in _folders(one.path) if above in writers), set[str]())
        is_plain = len(known) == 1 or stat.S_ISLNK(one.seen.st_mode)
        run_id = written.get(one.path) or (next(iter(during & known), None) if is_plain else None)
        found.append(LeftFile(one, run_id, one.top in read))
    return found


def _folders(path: str) -> list[str]:
    """The folders of a path from the innermost one out, without the tree itself."""
    return [str(one) for one in PurePosixPath(path).parents[:-1]]


def _list_of(paths: ProjectPaths, run: Run, known: set[bytes]) -> Listed | None:
    """The list of a run; None where it is gone, or is not the one that its record names."""
    try:
        data = paths.run(run.run_id).inputs.read_bytes()
    except OSError:
        return None
    is_recorded = run.inputs is not None and hashlib.sha256(data).hexdigest() == run.inputs.digest
    return read_list(data, known) if is_recorded else None
