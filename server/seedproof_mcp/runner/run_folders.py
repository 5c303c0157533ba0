"""Folders of runs: each begins empty, so that nothing in it can be taken for what its run did."""

import itertools
import os

from seedproof_mcp.system import disk
from seedproof_mcp.system.paths import RunPaths

__all__ = ["make_new"]


def make_new(run: RunPaths) -> None:
    """Make the folder of a run that is about to start.

    What lies there already is of another ledger, or planted: a result in it would be believed without a training. It
    is moved aside, as it may be somebody's only log. A spec alone is what a conductor left that ended at this point.

    Raises:
        OSError: It cannot be moved or made.
    """
    if not run.folder.is_symlink():
        disk.remove_leftovers(run.folder)  # of a spec that was being written; the ledger's lock is held
    if os.path.lexists(run.folder) and not _holds_spec_alone(run):
        names = (run.folder.with_name(f"{run.folder.name}.found-{number}") for number in itertools.count(1))
        disk.rename(run.folder, next(name for name in names if not os.path.lexists(name)))
    disk.make_folder(run.folder)


def _holds_spec_alone(run: RunPaths) -> bool:
    if run.folder.is_symlink() or not run.folder.is_dir():
        return False
    return set(os.listdir(run.folder)) <= {run.spec.name}
