"""Records which files this process opens, in the folder that SEEDPROOF_RUN names.

It runs in the training: Python 3.8, nothing imported that Python has not loaded at its start, and no lock. Names are
bound one by one, since modules are emptied before the last files are opened.
"""

import sys
from os import (
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_NOFOLLOW,
    O_RDONLY,
    O_TRUNC,
    O_WRONLY,
    close,
    dup2,
    environ,
    fchmod,
    fspath,
    fstat,
    getcwd,
    getpid,
    getppid,
    stat,
    urandom,
    write,
)
from os import open as open_descriptor

TYPE_CHECKING = False  # the name is enough for who checks types, and spares an import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import stat_result
    from typing import Any

_HERE = globals()
_OURS = __file__.rpartition("/")[0] + "/"
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_TYPE, _REGULAR, _OWNER_WRITES = 0o170000, 0o100000, 0o200  # inode(7)
# The lowest free number is not ours to take: a program that closes all its descriptors counts on 0, 1 and 2 next.
_NUMBERS = (1000, 500, 250, 120, 60)
# Files without a content of their own, new ones in every run.
_KERNEL = ("/proc/", "/sys/")


class _Record:
    """The file that one process writes; a forked child begins its own."""

    def __init__(self, folder: str) -> None:
        self.is_stopped = False
        self._folder = folder
        self._path = ""
        self._pid = self._descriptor = -1
        self._identity = (-1, -1)
        self._program = _escaped(sys.executable or "") + b"\t%d.%d.%d" % sys.version_info[:3]

    def write(self, lines: bytes) -> None:
        """Write through, since processes leave without notice; record no more after the first failure."""
        if self.is_stopped:
            return
        try:
            if getpid() != self._pid:
                lines = self._begin() + lines
            elif not self._has_descriptor():  # the program closed it, and may use its number
                self._open()
            if self.is_stopped or write(self._descriptor, lines) != len(lines):
                self._stop()
        except Exception as problem:
            if _is_of_the_program(problem):
                self.write(lines)
                raise
            self._stop()

    def _begin(self) -> bytes:
        self._pid = getpid()
        self._path = f"{self._folder}/{self._pid}-{urandom(6).hex()}.reads"
        if _stat(self._folder + "/full") is not None:
            raise OSError("the supervisor has enough")
        self._open()
        return b"# seedproof-reads 1\t%d\t%d\t%b\n" % (self._pid, getppid(), self._program)

    def _open(self) -> None:
        try:
            opened = open_descriptor(self._path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        except Exception:  # an audit hook of the program may refuse it with any
            raise OSError("the record cannot be opened") from None
        try:
            # A forked child has the file of its parent there, and no other use for it.
            numbers = (self._descriptor,) if self._has_descriptor() else filter(_is_free, _NUMBERS)
            self._descriptor = _duplicate(opened, numbers)
        finally:
            close(opened)
        seen = fstat(self._descriptor)
        self._identity = (seen.st_dev, seen.st_ino)
        if not seen.st_mode & _OWNER_WRITES:  # by a umask
            fchmod(self._descriptor, 0o644)

    def _has_descriptor(self) -> bool:
        try:
            seen = fstat(self._descriptor)
        except OSError:
            return False
        if (seen.st_dev, seen.st_ino) != self._identity:
            return False
        self.is_stopped = not seen.st_mode & _OWNER_WRITES  # the supervisor has enough
        return True

    def _stop(self) -> None:
        """Tell whoever reads the file that it is not whole: by its mode, which needs no room on a full disk."""
        try:
            if self._has_descriptor():
                fchmod(self._descriptor, 0o444)
        except OSError:
            pass
        self.is_stopped = True


class _Paths:
    """What has been recorded, each path once for reading and once for writing, and the lines for what has not."""

    def __init__(self, folder: str, record: _Record) -> None:
        self.read: set[str] = set()
        self.not_there: set[str] = set()
        self._written: set[str] = set()
        self._missing: set[str] = set()
        self._record = record
        self._folder = folder + "/"

    def opened(self, given: "Any", mode: "Any", flags: "Any") -> None:
        """A file is being opened, as `open` or `os.open` was told to."""
        if type(mode) is str:
            does_write = any(letter in mode for letter in "wax+")
            does_read = ("r" in mode or "+" in mode) and "w" not in mode and "x" not in mode
        else:
            does_write = flags & O_ACCMODE != O_RDONLY
            does_read = flags & O_ACCMODE != O_WRONLY and not flags & O_TRUNC
        path = self._absolute(given)
        if path is None or flags & O_DIRECTORY == O_DIRECTORY:
            return
        is_new = (does_read and path not in self.read) or (does_write and path not in self._written)
        if not is_new:
            return
        seen = _stat(path)
        if seen is not None and seen.st_mode & _TYPE != _REGULAR:
            return
        lines = b""
        if does_read and path not in self.read and (seen is not None or not does_write):
            lines = self._reading(path, seen)
        if does_write and path not in self._written and "/__pycache__/" not in path:
            self._written.add(path)
            lines += _line(b"w", path, seen)
        if lines:
            self._record.write(lines)
        if type(given) is str and given[:1] == "/" and path in self.read:
            self.read.add(given)  # found at once next time, however it is spelt

    def imported(self, given: "Any") -> None:
        """A compiled extension is being loaded."""
        path = self._absolute(given)
        if path is not None and path not in self.read:
            self.read.add(path)
            self._record.write(_line(b"i", path, None))

    def executed(self, given: "Any") -> None:
        """Code runs that names a file as its source, which need not exist."""
        path = self._absolute(given)
        if path is None or path in self.read:
            return
        seen = _stat(path)
        if seen is None or seen.st_mode & _TYPE != _REGULAR:
            self.not_there.add(given)
            return
        self._record.write(self._reading(path, seen))

    def _reading(self, path: str, seen: "stat_result | None") -> bytes:
        if seen is None and path in self._missing:
            return b""
        (self._missing if seen is None else self.read).add(path)  # a missing one may be there next time
        return _line(b"r", path, seen)

    def _absolute(self, given: "Any") -> "str | None":
        """The path of a file that is of interest; None for any other, and for descriptors."""
        if isinstance(given, int):
            return None
        path = fspath(given)
        path = path.decode(_ENCODING, _ERRORS) if isinstance(path, bytes) else str.__str__(path)
        if path[:1] != "/":
            path = getcwd() + "/" + path
        if "/." in path or "//" in path:
            path = _tidy(path)
        if path.startswith(_KERNEL) or path.startswith(self._folder):
            return None
        return _source_of(path) if path.endswith(".pyc") else path


def start() -> None:
    """Record what this process opens from now on, and what it has imported already."""
    folder = environ.get("SEEDPROOF_RUN", "")
    if not folder or _stat(folder) is None:
        return
    record = _Record(folder)
    record.write(b"")  # a process that reads nothing has told that
    if record.is_stopped:
        return
    paths = _Paths(folder, record)
    read, not_there = paths.read, paths.not_there
    opened, executed, imported = paths.opened, paths.executed, paths.imported

    def hook(event: str, args: "Any") -> None:
        if (event != "open" and event != "exec" and event != "import") or record.is_stopped:
            return
        try:
            if event == "open":
                path, mode, flags = args
                if path not in read or (mode != "rb" and mode != "r"):
                    opened(path, mode, flags)
            elif event == "exec":
                path = args[0].co_filename
                if path[:1] != "<" and path not in read and path not in not_there:
                    executed(path)
            elif args[1] is not None and args[1] not in read:
                imported(args[1])
        except Exception as problem:
            if _is_of_the_program(problem):
                raise

    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) or _OURS
        if not file.startswith(_OURS):
            hook("import", ("", file)) if file.endswith(".so") else executed(file)
    sys.addaudithook(hook)


def _is_of_the_program(problem: Exception) -> bool:
    """Whether a signal handler of the program raised this while the hook ran: then it is not ours to swallow."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals is not _HERE


def _line(kind: bytes, path: str, seen: "stat_result | None") -> bytes:
    facts = b"-\t-\t-\t-"
    if seen is not None:
        facts = b"%d\t%d\t%d\t%d" % (seen.st_size, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns)
    return b"%b\t%b\t%b\n" % (kind, facts, _escaped(path))


def _stat(path: str) -> "stat_result | None":
    try:
        return stat(path)
    except (OSError, ValueError) as problem:
        if _is_of_the_program(problem):
            raise
        return None


def _is_free(descriptor: int) -> bool:
    try:
        fstat(descriptor)
    except OSError:
        return True
    return False


def _duplicate(descriptor: int, numbers: "Iterable[int]") -> int:
    for number in numbers:
        try:
            return dup2(descriptor, number, False)
        except OSError:  # above the limit of this process
            continue
    raise OSError("no number is free")


def _tidy(path: str) -> str:
    """A path without `.` and empty names; one with `..` as it is, since behind a link that is another folder."""
    if "/../" in path:
        return path
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _source_of(path: str) -> str:
    """The source that a file below __pycache__ was compiled from; the path itself elsewhere."""
    folder, _, name = path.rpartition("/")
    if not folder.endswith("/__pycache__"):
        return path
    stem = name[: -len(".pyc")]
    if stem.rpartition(".")[2].startswith("opt-"):
        stem = stem.rpartition(".")[0]
    return folder[: -len("__pycache__")] + stem.rpartition(".")[0] + ".py"


def _escaped(path: str) -> bytes:
    name = path.encode(_ENCODING, _ERRORS)
    if b"\\" in name or b"\n" in name or b"\t" in name:
        name = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\t", b"\\t")
    return name
