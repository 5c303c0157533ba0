"""Every change to files: writes, renames, deletes, links and holes.

Over 300 lines on purpose: no other module changes a file, so tests can make each change fail by replacing
what this one calls.
"""

import ctypes
import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seedproof_mcp.system.tree_walk import Descent

_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h
# One read of copy_file: large enough to make system calls cheap, small enough for memory.
_COPY_CHUNK_BYTES = 1 << 20
# The name that a file has until it is complete.
_TEMPORARY = re.compile(r"\.seedproof-[0-9a-f]{16}\.tmp")


def _look_up_fallocate() -> Callable[[int, int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    function = ctypes.CDLL(None, use_errno=True).fallocate
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    found: Callable[[int, int, int, int], int] = function
    return found


_fallocate = _look_up_fallocate()


def write_atomic(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Replace a file's content so that readers and crashes see the old or the new, never a part.

    Args:
        path: The file; its folder must exist.
        data: The whole new content.
        mode: Permissions before the umask; 0o600 for content with secrets.

    Raises:
        OSError: The file could not be written; the old content is untouched.
    """
    with _replacing(path, mode) as target:
        _write_all(target, data)


def copy_file(source: Path, target: Path) -> None:
    """Copy a regular file's content atomically.

    Raises:
        OSError: The source is missing or not a regular file, or the target cannot be written; `filename` names it.
    """
    # O_NONBLOCK: opening a FIFO that the training left behind would wait forever.
    reader = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(reader).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(source))
        with _replacing(target, 0o666) as writer:
            while True:
                with naming(source):
                    chunk = os.read(reader, _COPY_CHUNK_BYTES)
                if not chunk:
                    break
                _write_all(writer, chunk)
    finally:
        os.close(reader)


def write_expendable(path: Path, data: bytes) -> None:
    """Write a file without a sync: a crash may leave a part of it, or nothing.

    Raises:
        OSError: It cannot be written.
    """
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as target:
        _write_all(target, data)


def copy_scratch(source: Path, target: Path) -> None:
    """Copy a file with its times, without a sync, into a scratch folder.

    Raises:
        OSError: The source is missing, or the target cannot be written.
    """
    shutil.copyfile(source, target)
    seen = os.stat(source)
    os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder outside every project, removed when the block ends.

    Raises:
        OSError: It cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="seedproof-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def make_link(path: Path, target: str) -> None:
    """Make a symbolic link.

    Raises:
        OSError: Something is in the way, or the folder cannot be written.
    """
    os.symlink(target, path)


def append_synced(path: Path, data: bytes) -> None:
    """Append to a file, created if missing, and return once the bytes are on the disk.

    Raises:
        OSError: A part of the data may have been written; the caller truncates it.
    """
    with _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as target:
        # Empty: new, or its first append failed before the folder was synced.
        is_new = os.fstat(target).st_size == 0
        _write_all(target, data)
        _sync_data(target)
    if is_new:
        _sync_folder(path.parent)


def truncate_synced(path: Path, size: int) -> None:
    """Truncate a file and return once that is on the disk.

    Raises:
        OSError: The file is missing or cannot be written.
    """
    with _opened(path, os.O_WRONLY) as target:
        os.ftruncate(target, size)
        os.fsync(target)


def sync_file(path: Path) -> None:
    """Return once the content of a file is on the disk, whoever wrote it.

    Raises:
        OSError: The file is missing, or its content could not be stored.
    """
    with _opened(path, os.O_RDONLY) as target:
        _sync_data(target)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents; an existing folder is fine.

    Raises:
        OSError: It cannot be made, or something that is not a folder is in the way.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        os.mkdir(path)
    except FileExistsError:
        if not path.is_dir():
            raise
    _sync_folder(path.parent)


def remove_tree(path: Path) -> int:
    """Delete a file, link or folder with its contents, and return the freed bytes.

    Symbolic links are deleted, never followed, and count 0 bytes.

    Raises:
        ValueError: The path has no name of its own, such as "/" or "..".
        OSError: Something is missing or cannot be deleted; other entries may be gone already.
    """
    if path.name in ("", ".."):
        raise ValueError(f"refusing to delete {path}")
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        freed_bytes = _remove_entry(parent, path.name)
        _sync_open_folder(parent)
    finally:
        os.close(parent)
    return freed_bytes


def rename(old: Path, new: Path) -> None:
    """Rename a file or folder on the same file system.

    Raises:
        OSError: The old name is missing, or the new one is a folder in use.
    """
    os.rename(old, new)
    _sync_folder(new.parent)
    if old.parent != new.parent:
        _sync_folder(old.parent)


def remove_file(path: Path) -> None:
    """Delete one file or link.

    Raises:
        OSError: It is missing, a folder, or cannot be deleted.
    """
    os.unlink(path)
    _sync_folder(path.parent)


def remove_empty_folders(folder: Path, top: Path) -> None:
    """Delete a folder and its parents below another one, as long as they are empty."""
    with suppress(OSError):
        while folder != top:
            os.rmdir(folder)
            folder = folder.parent


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that killed processes left in a folder.

    The caller holds the lock that every writer of the folder takes; else this would delete a file that is being
    written. What cannot be deleted stays, as it does no harm.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in [one for one in entries if _TEMPORARY.fullmatch(one.name)]:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    remove_file(Path(entry.path))


def make_read_only(path: Path) -> None:
    """Take from a file the permission to write it.

    Raises:
        OSError: It is missing, a link, or another user's.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fchmod(descriptor, 0o444)
    finally:
        os.close(descriptor)


def set_attribute(path: Path, name: str, data: bytes) -> None:
    """Give a file or folder an extended attribute, at once and whole.

    Raises:
        OSError: It is missing, or the file system has no such attributes, or no room for this one.
        AttributeError: The system has none.
    """
    os.setxattr(path, name, data)


def free_bytes(path: Path) -> int | None:
    """Free bytes for this user on the file system of a path; None if they cannot be read."""
    try:
        seen = os.statvfs(path)
    except OSError:
        return None
    return seen.f_bavail * seen.f_frsize


def punch_hole(descriptor: int, start: int, end: int) -> bool:
    """Free the disk space of a part of an open file, which then reads as zeros; return whether it worked.

    Linux only, and not on every file system. The size of the file stays.
    """
    if _fallocate is None:
        return False
    length = end - start
    return bool(length <= 0 or _fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, start, length) == 0)


def data_parts(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and end of each part of a file's first `size` bytes that is no hole."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    start = 0
    while start < size:
        try:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole to the end
                return
            raise
        end = min(size, os.lseek(descriptor, start, os.SEEK_HOLE))
        if start < end:
            yield start, end
        start = max(end, start + 1)


def open_output(path: Path, *, truncate: bool = False) -> int:
    """Return a descriptor that appends to a file, for a child process to write its output to.

    Raises:
        OSError: The file cannot be opened for writing.
    """
    # O_APPEND: both outputs and all children share the file; none may overwrite another's bytes.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.open(path, flags | (os.O_TRUNC if truncate else 0), 0o666)


@contextmanager
def _replacing(path: Path, mode: int) -> Iterator[int]:
    """Yield a descriptor whose content becomes the file's when the block ends without an error."""
    # In the same folder, because os.replace works within one file system only.
    temporary = path.with_name(f".seedproof-{os.urandom(8).hex()}.tmp")  # as _TEMPORARY says
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with naming(path):
                yield descriptor
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename, error.filename2 = str(path), None  # the name that the caller knows
        raise
    _sync_folder(path.parent)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Yield a descriptor of a file, closed when the block ends; errors of calls on it name the file."""
    descriptor = os.open(path, flags, 0o666)
    try:
        with naming(path):
            yield descriptor
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_data(descriptor: int) -> None:
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:  # macOS
        os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync_open_folder(descriptor)
    finally:
        os.close(descriptor)


def _sync_open_folder(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and shared file systems cannot sync a folder; nothing better exists there.
        if error.errno != errno.EINVAL:
            raise


def _remove_entry(parent: int, name: str) -> int:
    """Delete one entry of an open folder. By descriptors, so that nobody can swap in a link meanwhile."""
    freed_bytes = 0
    with Descent(parent) as place:
        left = [[name]]  # the entries still to be deleted: of the parent, and of each folder down to the present one
        while left:
            if left[-1]:
                status = _remove_or_enter(place, left[-1].pop())
                if stat.S_ISDIR(status.st_mode):
                    left.append(os.listdir(place.fd))
                elif stat.S_ISREG(status.st_mode):
                    freed_bytes += status.st_size
                continue
            left.pop()
            if left:
                emptied = place.up()
                os.rmdir(emptied, dir_fd=place.fd)
    return freed_bytes


def _remove_or_enter(place: Descent, name: str) -> os.stat_result:
    """Unlink a file or descend into a directory; return its stat."""
    status = os.stat(name, dir_fd=place.fd, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=place.fd)
        return status
    if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, stat.S_IMODE(status.st_mode) | stat.S_IRWXU, dir_fd=place.fd)
    place.down(name)
    return status


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file name to errors of calls on a descriptor, which have none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
