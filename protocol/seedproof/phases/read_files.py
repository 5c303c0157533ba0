"""Which files of a change of code runs have read; whether the baseline can have depended on any of them."""

import sys
from collections.abc import Iterable

from seedproof.model.arms import Arm
from seedproof.model.code import Change
from seedproof.model.inputs import RunInputs
from seedproof.model.runs import Run

__all__ = ["are_all_known", "is_read", "is_unread_change", "read_files"]

# Endings of files that Python imports.
_IMPORTED = (".py", ".pyc", ".so", ".pyd")
# Python runs these at its start wherever it finds them.
_START_UP = frozenset({"sitecustomize", "usercustomize"})


def are_all_known(runs: Iterable[Run]) -> bool:
    """Whether of each run every file of the project that it read is known."""
    return all(run.inputs is not None and run.inputs.is_complete for run in runs)


def is_read(path: str, inputs: RunInputs) -> bool:
    """Whether a run read a file of a change; in doubt it did.

    Args:
        path: In the repository, or in the project where there is none.
    """
    return any(_is_same_file(path, read, inputs.folder) for read in inputs.files)


def _is_same_file(path: str, read: str, folder: str | None) -> bool:
    """Whether a path of the repository and one of a run name one file; without the project's folder, in doubt."""
    if folder is not None and not read.startswith("…/"):
        return path == folder + read
    return f"/{path}".endswith(f"/{read.removeprefix('…/')}")


def read_files(change: Change, runs: Iterable[Run]) -> tuple[str, ...]:
    """The files of a change that any of these runs read, in the order of the change."""
    inputs = [run.inputs for run in runs if run.inputs is not None]
    return tuple(file.path for file in change.files if any(is_read(file.path, one) for one in inputs))


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
    found = [run.inputs for run in runs if run.inputs is not None]
    return not any(_may_be_imported(file.path, one) for file in change.files for one in found)


def _may_be_imported(path: str, inputs: RunInputs) -> bool:
    """Whether Python would have imported a file in place of another that the run imported, or at its start.

    Where an installed package has modules of another name than its own, only the experiment's runs show it.
    """
    folder, _, name = path.rpartition("/")
    if name.endswith(".pth"):
        return True
    if not name.endswith(_IMPORTED):
        return False
    module = name.partition(".")[0]
    modules = [read for read in inputs.files if read.endswith(_IMPORTED)]
    if module == "__init__":
        if any(_is_folder(folder, read, inputs.folder) for read in modules):
            return True  # a folder without one was imported from
        folder, _, module = folder.rpartition("/")
    taken = {_plain(read.rpartition("/")[2].partition(".")[0]) for read in modules} - {"__init__"}
    taken |= {_plain(package) for package in inputs.packages} | {_plain(name) for name in sys.stdlib_module_names}
    is_found = any(_is_folder(folder, read, inputs.folder) for read in modules)
    return module in _START_UP or (is_found and _plain(module) in taken)


def _is_folder(folder: str, read: str, project: str | None) -> bool:
    """Whether a run imported a file from a folder of the repository; without the project's folder, in doubt."""
    return _is_same_file(f"{folder}/" if folder else "", read[: read.rfind("/") + 1], project)


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")
