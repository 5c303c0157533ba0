"""Sorts the files that a run opened: what it read, what it wrote, and what counts as neither."""

import os
import stat as modes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from seedproof.inputs.exempt import is_empty_lock, is_log, is_no_input
from seedproof.inputs.history import History
from seedproof.inputs.names import outside_name
from seedproof.inputs.reads import Seen, Stat, add_up
from seedproof.ledger.state import State
from seedproof.model.runs import Run

import seedproof_mcp
from seedproof_mcp.code.identity import matches
from seedproof_mcp.inputs.observed import Observation
from seedproof_mcp.inputs.packages import ImportedPackages, site_of
from seedproof_mcp.inputs.places import Place, Places
from seedproof_mcp.inputs.recorded_code import RecordedCode
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["FilesOfRun", "ReadFile", "Sorting", "named_files", "stat_of", "output_places", "own_folders", "sort_files"]

_OWN_PROGRAMS = f"{os.path.realpath(os.path.dirname(seedproof_mcp.__file__))}/"


@dataclass(frozen=True, slots=True)
class ReadFile:
    """One file that a run read."""

    place: Place
    """Where it lies."""
    seen: Seen
    """What the run did with it."""
    now: Stat | None
    """What it is now; None where it is gone."""
    is_named: bool = False
    """Whether the command names it."""
    is_sealed: bool = False
    """Whether `rules.sealed` names it."""


@dataclass(slots=True)
class FilesOfRun:
    """What a run read and wrote."""

    read: list[ReadFile] = field(default_factory=list)
    """Its inputs."""
    written: list[tuple[Place, Stat, bool, Stat | None]] = field(default_factory=list)
    """What it wrote outside its output folder and is still there: place, stat now, whether it read it as well, and as
    it found it."""


def stat_of(path: str) -> Stat | None:
    """What a regular file is now; None where there is none."""
    try:
        seen = os.stat(path)
    except (OSError, ValueError):
        return None
    if not modes.S_ISREG(seen.st_mode):
        return None
    return seen.st_size, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns


def named_files(argv: Sequence[str], cwd: str) -> Iterator[str]:
    """The existing files that a command names, also as `--config=x` and `key=x`; its program is none of them."""
    for argument in argv[1:]:
        for text in dict.fromkeys((argument, argument.partition("=")[2])):
            path = os.path.join(cwd, text)
            if text and os.path.isfile(path):
                yield os.path.normpath(path) if ".." not in text else path


@dataclass(frozen=True)
class Sorting:
    """What decides where a file belongs, for one run."""

    run: Run
    places: Places
    code: RecordedCode
    history: History
    sealed: Sequence[str]
    named: frozenset[str]
    own: tuple[str, ...]
    """Folders of the run's own: its output, and what Seedproof keeps of it. Each ends in a slash."""
    started_ns: int | None

    def sort(self, real: str, seen: Seen, found: FilesOfRun, packages: ImportedPackages) -> None:
        """Put one file where it belongs."""
        place = self.places.place(real, self.code.files)
        is_named = real in self.named
        is_sealed = place.in_project is not None and any(matches(place.in_project, one) for one in self.sealed)
        if real.startswith(self.own):
            return
        now, is_asked_for = stat_of(real), is_named or is_sealed
        if not is_asked_for:
            if is_no_input(real) or self._is_passed_over(place, seen, now):
                return
            if not seen.is_written and _is_of_package(real, seen, packages):
                return
        is_made = seen.is_read and self._is_made_by_run(place, seen) and not is_asked_for
        if (seen.is_written or is_made) and now is not None:
            found.written.append((place, now, seen.is_read or seen.is_read_after, seen.found))
        if seen.is_read and not is_made and (now is not None or not os.path.lexists(real)):
            found.read.append(ReadFile(place, seen, now, is_named, is_sealed))

    def _is_passed_over(self, place: Place, seen: Seen, now: Stat | None) -> bool:
        """Whether a file is a lock, or a log that is not another run's."""
        size = seen.stat[0] if seen.stat is not None else now[0] if now is not None else None
        if is_empty_lock(place.real, size):
            return True
        return is_log(place.real) and not seen.is_written and not self.history.written(place.place)

    def _is_made_by_run(self, place: Place, seen: Seen) -> bool:
        """Whether a file that was written during the run is its own, although no process told so.

        Libraries that write below Python, other programs and a rename tell nothing. A file that an earlier run read
        as it found it, or that belongs to the code, was changed by somebody.
        """
        if seen.is_written or not seen.is_made_during(self.started_ns):
            return False
        is_code = place.in_code is not None and place.in_code in self.code.files
        return not is_code and not self.history.is_known_input(self.run.generation, place.key)


def _is_of_package(real: str, seen: Seen, packages: ImportedPackages) -> bool:
    """Whether a file belongs to an installed package, which is recorded as a whole."""
    for path in (*seen.opened_as, real):
        site = site_of(path)
        if site is not None and os.path.isdir(site[0]):
            return packages.add(*site, seen.stat)
    return False


def sort_files(observation: Observation, sorting: Sorting, packages: ImportedPackages) -> FilesOfRun:
    """What a run read and wrote, from what its processes told, what was seen of others, and what its command names."""
    opened = add_up(observation.processes, sorting.places.real, sorting.started_ns)
    for path in observation.sampled:
        real = sorting.places.real(path)
        now = stat_of(real)
        if now is not None and real not in opened:
            is_written = sorting.started_ns is not None and now[2] > sorting.started_ns
            opened[real] = Seen(is_read=not is_written, is_written=is_written, opened_as=[path])
    for real in sorting.named:
        seen = opened.setdefault(real, Seen())
        # Named and not seen: a program that was not observed may have read it.
        seen.is_read |= not seen.is_written
    found = FilesOfRun()
    for real, seen in sorted(opened.items()):
        sorting.sort(real, seen, found, packages)
    found.read = _tell_apart(found.read)
    return found


def _tell_apart(read: Sequence[ReadFile]) -> list[ReadFile]:
    """The files, each with a key of its own: a run may leave one in its working tree that the project has as well."""
    taken: set[str] = set()
    told = []
    # The working tree first: its files are those that other arms have in theirs.
    for file in sorted(read, key=lambda one: (one.place.in_code is None, one.place.real)):
        place = file.place
        if place.key in taken:
            place = replace(place, key=f"./{place.key}", name=outside_name(place.real))
        taken.add(place.key)
        told.append(replace(file, place=place))
    return told


def own_folders(paths: ProjectPaths, run: Run) -> tuple[str, ...]:
    """The folders whose files are no inputs of a run: its output folder, and what Seedproof keeps of it."""
    folders = [paths.run(run.run_id).folder]
    folders += [] if run.output_dir is None else [paths.root / run.output_dir]
    return (*(f"{os.path.realpath(folder)}/" for folder in folders), _OWN_PROGRAMS)


def output_places(paths: ProjectPaths, state: State, run: Run, places: Places) -> Mapping[str, str]:
    """The run that each output folder of the ledger belongs to, except the run's own, by the folder's place."""
    found = {}
    for other in state.runs.values():
        if other.output_dir is not None and other.output_dir != run.output_dir:
            real = places.real(str(paths.root / other.output_dir))
            found[places.place(real, {}).place] = other.run_id
    return found
