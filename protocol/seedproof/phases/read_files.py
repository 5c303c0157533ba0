"""Which files of a change of code runs have read; whether the baseline can have depended on any of them."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from seedproof.model.arms import Arm
from seedproof.model.code import Change
from seedproof.model.inputs import RunInputs
from seedproof.model.runs import Run

__all__ = ["are_all_known", "is_read", "is_unread_change", "read_files"]


def are_all_known(runs: Iterable[Run]) -> bool:
    """Whether of each run every file of the project that it read is known."""
    return all(run.inputs is not None and run.inputs.is_complete for run in runs)


@dataclass(frozen=True, slots=True)
class _Paths:
    """Files, or folders with a closing slash, that a path of the repository is held against."""

    whole: set[str] = field(default_factory=set)
    """Paths in the repository."""
    endings: set[str] = field(default_factory=set)
    """Ends of paths whose beginning is not known: in doubt, a path that ends so is the file."""

    def add(self, read: str, folder: str | None) -> None:
        """Add a path that a run read, or the folder of one.

        Args:
            folder: The project's, in the repository; None where it is not known.
        """
        above = read.count("../")  # such a path begins with as many, and goes down from there
        below = read.removeprefix("…/")[3 * above :]
        if folder is None or read.startswith("…/"):
            self.endings.add(below)
            return
        parts = folder.split("/")[:-1]
        self.whole.add("".join(f"{part}/" for part in parts[: len(parts) - above]) + below)

    def have(self, path: str) -> bool:
        """Whether a path of the repository is among them; in doubt it is."""
        return path in self.whole or not self.endings.isdisjoint(_endings(path))


def _endings(path: str) -> Iterator[str]:
    """A path, and what is left of it without its first folders; a folder ends in itself and in nothing."""
    yield path
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _paths(runs: Iterable[RunInputs]) -> _Paths:
    found = _Paths()
    for read, folder in {(read, one.folder) for one in runs for read in one.files}:
        found.add(read, folder)
    return found


def is_read(path: str, inputs: RunInputs) -> bool:
    """Whether a run read a file of a change; in doubt it did.

    Args:
        path: In the repository, or in the project where there is none.
    """
    return _paths([inputs]).have(path)


def read_files(change: Change, runs: Iterable[Run]) -> tuple[str, ...]:
    """The files of a change that any of these runs read, in the order of the change."""
    read = _paths(run.inputs for run in runs if run.inputs is not None)
    return tuple(file.path for file in change.files if read.have(file.path))


def is_unread_change(baseline: Arm, arm: Arm) -> bool:
    """Whether an experiment's code differs from the baseline's only in files that no run of the baseline read.

    False where it is not known, and where one of the files would be imported in place of another.
    """
    counted, change = tuple(baseline.counted.values()), arm.change
    if change is None or not counted or not are_all_known(counted):
        return False
    runs = (*baseline.runs, *baseline.probes)
    if read_files(change, runs):
        return False
    imports = _imports([run.inputs for run in runs if run.inputs is not None])
    return not any(imports.may_include(file.path) for file in change.files)


# --- imported in place of another ---------------------------------------------------------------

# Endings of files that Python imports.
_IMPORTED = (".py", ".pyc", ".so", ".pyd")
# Python runs these at its start wherever it finds them.
_START_UP = frozenset({"sitecustomize", "usercustomize"})
_LIBRARY = frozenset(name.casefold() for name in sys.stdlib_module_names)


@dataclass(frozen=True, slots=True)
class _Imports:
    """What runs imported."""

    folders: _Paths = field(default_factory=_Paths)
    """Folders of the project that they imported from."""
    modules: set[str] = field(default_factory=set)
    """Names of the modules there, and of installed packages."""

    def may_include(self, path: str) -> bool:
        """Whether Python would import a new file in place of another that the runs imported, or at its start.

        Where an installed package has modules of another name than its own, only the experiment's runs show it.
        """
        folder, _, name = path.rpartition("/")
        if name.endswith(".pth"):
            return True
        if not name.endswith(_IMPORTED):
            return False
        module = name.partition(".")[0]
        if module == "__init__":
            if self._has_folder(folder):
                return True  # a folder without one was imported from
            folder, _, module = folder.rpartition("/")
        plain = _plain(module)
        return module in _START_UP or (self._has_folder(folder) and (plain in self.modules or plain in _LIBRARY))

    def _has_folder(self, folder: str) -> bool:
        return self.folders.have(f"{folder}/" if folder else "")


def _imports(runs: Iterable[RunInputs]) -> _Imports:
    found = _Imports()
    for one in runs:
        found.modules.update(map(_plain, one.packages))
        for read in one.files:
            if read.endswith(_IMPORTED):
                folder, slash, name = read.rpartition("/")
                found.folders.add(f"{folder}{slash}", one.folder)
                found.modules.add(_plain(name.partition(".")[0]))
    return found


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")
