"""Output folders of runs: which object on the disk is the one that a run left, and its removal."""

import errno
import itertools
import os
import stat
from pathlib import Path

from seedproof.ledger.state import State
from seedproof.model.runs import RunState

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import RunPaths
from seedproof_mcp.system.tree_walk import files_below

__all__ = ["identity", "is_in_the_way", "make_new", "remove_ours", "size", "stays"]


_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own is (stat(3type))


# What keeps a folder from being removed until a person does something: files of another user, or marked as
# immutable, a mounted disk, a process that goes on writing there.
_STAYS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.ENOTEMPTY)


def identity(path: Path) -> list[int] | None:
    """Device and inode of a folder; None where there is none, and for a link: its inode may be a used one."""
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return [seen.st_dev, seen.st_ino] if stat.S_ISDIR(seen.st_mode) else None


def size(folder: Path) -> int:
    """Bytes that the files below a folder take on the disk: without holes, and one with several names once."""
    taken = {(seen.st_dev, seen.st_ino): seen.st_blocks * _BLOCK_BYTES for seen in files_below(folder)}
    return sum(taken.values())


def _is_ours(root: Path, state: State, folder: str) -> bool:
    """Whether what stands there is what an ended run of this ledger left.

    A name is not enough: a link in place of `checkpoints` gives every name below it another meaning,
    and linking it to a larger disk is allowed. So the object counts. A run whose end nobody saw has recorded none, and
    one that made a link has none; both are believed inside the project only. A folder that stands where a run was seen
    to end without one was made since; where the command does not name it, a link as well.
    """
    run_id = state.owned_folders.get(folder)
    if run_id is None:
        return False
    run = state.runs[run_id]
    recorded = run.output_id
    if recorded is None:
        is_seen = run.state is not RunState.INTERRUPTED and not run.state.is_active
        names_it = state.rules_of(run.generation).names_output_dir
        is_since = is_seen and (not names_it or identity(root / folder) is not None)
        return not is_since and (root / folder).parent.resolve().is_relative_to(root.resolve())
    return identity(root / folder) == list(recorded)


def is_in_the_way(root: Path, state: State, folder: str) -> bool:
    """Whether something stands there that no run of this ledger left or is writing now."""
    run_id = state.owned_folders.get(folder)
    if run_id is not None and state.runs[run_id].state.is_active:
        return False
    return os.path.lexists(root / folder) and not _is_ours(root, state, folder)


def remove_ours(root: Path, state: State, folder: str) -> int | None:
    """Remove what the ledger owns and return the freed bytes; None if it is not ours and was left.

    Raises:
        OSError: It cannot be deleted; a part may be gone already.
    """
    if not _is_ours(root, state, folder):
        return None
    # Resolved once: the folder that was looked at is the one that is emptied.
    return files.remove_tree((root / folder).parent.resolve() / Path(folder).name)


def stays(error: OSError) -> bool:
    """Whether what could not be removed stays until a person does something, so that nobody need wait for it."""
    return error.errno in _STAYS


def make_new(run: RunPaths) -> None:
    """Make the folder of a run that is about to start.

    What lies there already is of another ledger, or planted: a result in it would be believed without a training. It
    is moved aside, as it may be somebody's only log. A spec alone is what a conductor left that ended at this point.

    Raises:
        OSError: It cannot be moved or made.
    """
    if not run.folder.is_symlink():
        files.remove_leftovers(run.folder)  # of a spec that was being written; the ledger's lock is held
    if os.path.lexists(run.folder) and not _holds_spec_alone(run):
        names = (run.folder.with_name(f"{run.folder.name}.found-{number}") for number in itertools.count(1))
        files.rename(run.folder, next(name for name in names if not os.path.lexists(name)))
    files.make_folder(run.folder)


def _holds_spec_alone(run: RunPaths) -> bool:
    if run.folder.is_symlink() or not run.folder.is_dir():
        return False
    return set(os.listdir(run.folder)) <= {run.spec.name}
