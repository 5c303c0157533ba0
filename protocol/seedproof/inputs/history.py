"""What the earlier runs of a ledger read and wrote, by file: what the list of a new run is compared with."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from seedproof.inputs.exempt import is_cache_folder
from seedproof.inputs.listed import Listed, ListedFile
from seedproof.inputs.reads import Stat
from seedproof.model.inputs import InputFile, LeftFile, Origin, OtherContent

__all__ = ["FirstReading", "History", "Interval", "Writing", "left_by_runs", "other_content"]

# One entry that counts tells a reader of the run what it tells; a record stays small.
_MOST_TOLD = 100


@dataclass(frozen=True, slots=True)
class FirstReading:
    """The first reading of a file in a generation."""

    run_id: str
    """The run."""
    content: str
    """What it read."""
    origin: Origin
    """What kind of file it was to that run."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What one run left of a file."""

    run_id: str
    """The run."""
    content: str
    """At its end; empty where that is not known."""
    stat: Stat | None
    """At its end."""
    is_read_by_baseline: bool
    """Whether the run is one of a baseline and read the file as well."""


@dataclass(frozen=True, slots=True)
class Interval:
    """When a run was carried out."""

    run_id: str
    """The run."""
    begin_ns: int
    """Its start, in nanoseconds since 1970."""
    end_ns: int
    """Its end."""


@dataclass(slots=True)
class History:
    """The readings and writings of the runs that were added, oldest first."""

    names: dict[str, str] = field(default_factory=dict)
    """The file of each name that a run outside the project gave."""
    _first: dict[int, dict[str, FirstReading]] = field(default_factory=dict)
    _written: dict[str, list[Writing]] = field(default_factory=dict)
    _contents: dict[tuple[str, Stat], str] = field(default_factory=dict)
    _baseline_reads: set[tuple[str, str]] = field(default_factory=set)

    def add(self, run_id: str, generation: int, listed: Listed, *, is_baseline: bool) -> None:
        """Add what a run read and wrote; runs are added in the order in which they were carried out."""
        self.add_readings(run_id, generation, listed.files, is_baseline=is_baseline)
        for written in listed.written:
            read = is_baseline and written.is_read
            writing = Writing(run_id, written.content, written.stat, read)
            self._written.setdefault(written.place, []).append(writing)
            if written.stat is not None and written.content:
                self._contents[written.place, written.stat] = written.content

    def add_readings(self, run_id: str, generation: int, files: Iterable[ListedFile], *, is_baseline: bool) -> None:
        """Add what a run read, for a generation that took it over as well."""
        first = self._first.setdefault(generation, {})
        for file in files:
            if file.key != file.path:
                self.names.setdefault(file.path, file.key)
            if not file.content:
                continue
            first.setdefault(file.key, FirstReading(run_id, file.content, file.origin))
            if is_baseline:
                self._baseline_reads.add((file.place, file.content))
            if file.stat is not None:
                self._contents[file.place, file.stat] = file.content

    def add_recorded(self, run_id: str, generation: int, files: Mapping[str, InputFile], *, is_baseline: bool) -> None:
        """Add a run whose list is gone, by what its record in the ledger holds."""
        listed = [ListedFile(path, one.content, one.origin, path, path) for path, one in files.items()]
        self.add_readings(run_id, generation, listed, is_baseline=is_baseline)

    def first(self, generation: int, file: ListedFile) -> FirstReading | None:
        """The first reading of a file in a generation."""
        known = self._first.get(generation, {})
        return known.get(file.key) or known.get(file.path)

    def is_known_input(self, generation: int, key: str) -> bool:
        """Whether an earlier run of the generation read a file that it had not made itself."""
        return key in self._first.get(generation, {})

    def written(self, place: str) -> list[Writing]:
        """What runs left of a file, oldest first."""
        return self._written.get(place, [])

    def content_of(self, place: str, stat: Stat) -> str:
        """The content that a file had when it looked so, by the list of any run; empty where none says."""
        return self._contents.get((place, stat), "")

    def is_read_by_baseline(self, place: str, content: str) -> bool:
        """Whether a run of a baseline read this content there."""
        return (place, content) in self._baseline_reads


def other_content(files: Iterable[ListedFile], history: History, generation: int) -> tuple[OtherContent, ...]:
    """The files that the first run of the generation which read them read with another content.

    Code is compared by code identity; a file that runs do nothing but add to is a list of results.
    """
    found = []
    for file in files:
        first = history.first(generation, file)
        if first is None or not file.content or file.is_appended or first.content == file.content:
            continue
        if file.origin == "code" and first.origin == "code":
            continue
        found.append(OtherContent(file.path, file.content, first.run_id))
    return tuple(found[:_MOST_TOLD])


def left_by_runs(
    files: Iterable[ListedFile],
    history: History,
    outputs: Mapping[str, str],
    same_arm: Collection[Interval] = (),
) -> tuple[LeftFile, ...]:
    """The files that an earlier run of the ledger wrote.

    Args:
        files: What the run read.
        history: What earlier runs read and wrote.
        outputs: The run that each output folder of the ledger belongs to, by the folder's place.
        same_arm: When the earlier runs of the same arm were carried out. A library that writes below Python tells
            nobody; what was last written meanwhile is taken for that run's, unless the command names it.
    """
    found = []
    for file in files:
        if file.is_appended or file.origin == "code":
            continue
        writings = history.written(file.place)
        owner = _owner(file.place, outputs)
        if writings:
            left = LeftFile(file.path, file.content, writings[-1].run_id, _is_cache(file, writings, history))
        elif owner is not None:
            left = LeftFile(file.path, file.content, owner)
        elif (writer := _written_during(file, same_arm)) is not None:
            left = LeftFile(file.path, file.content, writer, is_cache_folder(file.place))
        else:
            continue
        found.append(left)
    return tuple(found[:_MOST_TOLD])


def _owner(place: str, outputs: Mapping[str, str]) -> str | None:
    parts = place.split("/")
    folders = ("/".join(parts[:length]) for length in range(len(parts) - 1, 0, -1))
    return next((outputs[folder] for folder in folders if folder in outputs), None)


def _is_cache(file: ListedFile, writings: list[Writing], history: History) -> bool:
    """Whether nobody changed a file since a run wrote it first, and it is called a cache or serves the baseline."""
    first = writings[0]
    is_same = (first.stat is not None and first.stat == file.stat) or (
        bool(file.content) and all(one.content == file.content for one in writings)
    )
    if not is_same or file.is_own:
        return False
    serves_baseline = first.is_read_by_baseline or history.is_read_by_baseline(file.place, file.content)
    return is_cache_folder(file.place) or serves_baseline


def _written_during(file: ListedFile, runs: Iterable[Interval]) -> str | None:
    if file.origin == "named" or file.stat is None:
        return None
    return next((run.run_id for run in runs if run.begin_ns < file.stat[2] <= run.end_ns), None)
