"""Looks at the processes of a run from outside: what they execute, map and hold open, and which Pythons do not tell."""

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from seedproof_mcp.supervisor.processes import fields_of, read_proc

__all__ = ["Samples", "is_python"]

# Early, since a short run reads most in its first seconds; later a minute suffices for what stays mapped.
_FIRST_AT_S = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_EVERY_S = 60.0
# By then a Python that could load its recorder has done so.
_SETTLED_S = 1.0
# Reading the maps of a large process takes milliseconds.
_MOST_PROCESSES = 200
_PYTHON = re.compile(r"(python|pypy)[0-9.]*[a-z]*")
_PYTHON_LIBRARY = re.compile(r"lib(python|pypy)[0-9.]+[a-z]*(-c)?\.so[0-9.]*")
_OPTIONS_WITH_A_VALUE = "WX"


class Samples:
    """What is seen of the processes of one run. Nothing, on systems without /proc."""

    def __init__(self, folder: str, bootstrap: str, leader: int, command: Sequence[str]) -> None:
        """Watch a run.

        Args:
            folder: Where its processes record what they read.
            bootstrap: The folder that starts their recorders, first on PYTHONPATH.
            leader: Its main process.
            command: What that was started with.
        """
        self.paths: set[str] = set()
        """Files that were executed, mapped or open for reading only."""
        self.silent: dict[int, str] = {}
        """Why a Python does not record what it reads, by process."""
        self.unsure: dict[int, str] = {}
        """The program of each Python that was not seen to record what it reads, though it could."""
        self.telling: set[str] = set()
        """The programs that were seen to record what they read."""
        self.leader_program: str | None = None
        """The program of the main process; None if it was never seen."""
        self.leader_is_python = False
        """Whether that was a Python."""
        self._folder, self._bootstrap, self._leader = folder, bootstrap, leader
        self._due = _due_times()
        self.next_s = next(self._due)
        """When the next look is due, in seconds after the start."""
        flag = _flag_against([os.fsencode(word) for word in command]) if is_python(command[0]) else None
        if flag is not None:  # it may end before the first look
            self.silent[leader] = f"was started with {flag}"
        self._not_inputs = {os.path.realpath(f"/proc/self/fd/{name}") for name in _listed("/proc/self/fd")}

    def is_due(self, elapsed_s: float) -> bool:
        """Tell whether it is time to look again, so many seconds after the start."""
        if elapsed_s < self.next_s:
            return False
        while self.next_s <= elapsed_s:
            self.next_s = next(self._due)
        return True

    def take(self, pids: Iterable[int]) -> None:
        """Look at processes; those that end meanwhile are passed over."""
        for pid in sorted(pids)[:_MOST_PROCESSES]:
            with suppress(OSError):
                self._look_at(pid)

    def _look_at(self, pid: int) -> None:
        program = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        mapped, (opened, does_record) = _mapped(pid), self._open_files(pid)
        self.paths.update(path for path in {program, *mapped, *opened} - self._not_inputs if _is_file(path))
        is_a_python = is_python(program) or any(_PYTHON_LIBRARY.fullmatch(os.path.basename(path)) for path in mapped)
        if pid == self._leader:
            self.leader_program, self.leader_is_python = program, is_a_python
        if not is_a_python:
            return
        if does_record:
            self.telling.add(program)
            return
        if reason := _flag_against(read_proc(pid, "cmdline").split(b"\0")):
            self.silent[pid] = f"was started with {reason}"
        elif self._is_prepared(read_proc(pid, "environ").split(b"\0")):
            if _age_s(pid) >= _SETTLED_S:
                self.unsure[pid] = program
        elif os.readlink(f"/proc/{pid}/exe"):  # of one that ended meanwhile the environment is empty
            self.silent[pid] = "was started with another environment"

    def _open_files(self, pid: int) -> tuple[set[str], bool]:
        """Return what a process has open for reading only, and whether it has its record open."""
        found, does_record = set(), False
        for name in _listed(f"/proc/{pid}/fd"):
            with suppress(OSError):  # closed meanwhile
                path = os.readlink(f"/proc/{pid}/fd/{name}")
                does_record = does_record or path.startswith(self._folder + "/")
                if path.startswith("/") and _is_read_only(pid, name):
                    found.add(path)
        return found, does_record

    def _is_prepared(self, environment: Sequence[bytes]) -> bool:
        """Whether a Python with this environment starts the recorder."""
        search = [one for one in environment if one.startswith(b"PYTHONPATH=")]
        places = search[0].partition(b"=")[2].split(os.pathsep.encode()) if search else []
        return os.fsencode(self._bootstrap) in places and any(
            one.partition(b"=")[2] == os.fsencode(self._folder) for one in environment
        )


def _due_times() -> Iterator[float]:
    """Yield when to look, in seconds after the start."""
    yield from _FIRST_AT_S
    at_s = _EVERY_S
    while True:
        yield at_s
        at_s += _EVERY_S


def is_python(program: str) -> bool:
    """Tell by its name whether a program is a Python."""
    return _PYTHON.fullmatch(os.path.basename(program)) is not None


def _mapped(pid: int) -> set[str]:
    """The files that a process has mapped; those shared for writing are outputs."""
    found = set()
    for line in read_proc(pid, "maps").splitlines():
        parts = line.split(None, 5)
        if len(parts) == 6 and parts[5].startswith(b"/") and parts[1] != b"rw-s":
            found.add(os.fsdecode(parts[5].replace(b"\\012", b"\n")))  # proc_pid_maps(5)
    return found


def _is_read_only(pid: int, descriptor: str) -> bool:
    flags = re.search(rb"flags:\s*([0-7]+)", read_proc(pid, f"fdinfo/{descriptor}"))
    return flags is not None and int(flags[1], 8) & os.O_ACCMODE == os.O_RDONLY


def _is_file(path: str) -> bool:
    if path.startswith(("/proc/", "/sys/")):
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # deleted
        return False


def _flag_against(arguments: Sequence[bytes]) -> str | None:
    """The option with which a Python loads no recorder; None if there is none."""
    words = iter([os.fsdecode(one) for one in arguments[1:]])
    for word in words:
        if not word.startswith("-") or word in ("-", "--") or word.startswith("--"):
            return None
        for letter in word[1:]:
            if letter in "IES":
                return f"-{letter}"
            if letter in "cm":
                return None
            if letter in _OPTIONS_WITH_A_VALUE:
                if word.endswith(letter):
                    next(words, None)
                break
    return None


def _age_s(pid: int) -> float:
    fields = fields_of(read_proc(pid, "stat"))
    # proc_pid_stat(5): when it started, in ticks since the boot.
    started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK") if len(fields) > 19 else float("inf")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started_s


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # it ended, or is another user's
        return []
