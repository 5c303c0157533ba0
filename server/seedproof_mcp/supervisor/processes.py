"""The processes of a run: found by their descent, their marker and their open outputs, wherever they hide."""

import ctypes
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import RunPaths

__all__ = [
    "KILL_BOUND_S",
    "become_subreaper",
    "cpu_s",
    "die_with_parent",
    "fields_of",
    "live_of",
    "mark",
    "marker_of",
    "marking",
    "read_proc",
    "send",
    "sweep",
]

KILL_BOUND_S = 10.0
"""SIGKILL takes effect in milliseconds unless a process hangs in a driver; then waiting longer is no help."""

_IS_LINUX = sys.platform == "linux"
_MARKER = "SEEDPROOF_RUN"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def become_subreaper() -> None:
    """Stay the ancestor of daemons that leave their session and parent, so that they can be ended; Linux only."""
    if _IS_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> Callable[[], None] | None:
    """What a child of this process has to call to be killed when this process dies; None where that is not possible."""
    if not _IS_LINUX:
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork
    parent = os.getpid()

    def in_the_child() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return in_the_child


def sweep(folder: Path) -> int:
    """Kill what a dead supervisor left behind of a run, and return how many processes that were.

    Never kills the calling process. Finds nothing on systems without /proc.

    Args:
        folder: The run's folder.
    """
    killed: set[int] = set()
    deadline_s = time.monotonic() + KILL_BOUND_S
    while time.monotonic() < deadline_s:
        left = _left_of(RunPaths(folder))
        if not left:
            break
        for pid in left:
            send(pid, signal.SIGKILL)
        killed |= left
        time.sleep(0.005)  # not our children: nothing tells us when they are gone
    return len(killed)


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process; one that is gone, or became another user's, is none of ours."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
        if number == signal.SIGTERM:
            os.kill(pid, signal.SIGCONT)  # a stopped process would not see the SIGTERM


def mark(run: RunPaths) -> str:
    """Give a run that is about to start its marker, and return that.

    It is a path, so that it is another one in every project, with a random name, which tells a training nothing of
    what it is run for.

    Raises:
        OSError: It cannot be written into the run's folder.
    """
    token, folder = os.urandom(16).hex(), os.path.realpath(run.folder)
    files.write_expendable(run.marker, json.dumps({"token": token, "folder": folder}).encode())
    return str(RunPaths(Path(folder)).recording(token))


def marker_of(run: RunPaths) -> str | None:
    """Return the marker of a run that was started; None if it has none.

    A copy of a run's folder has none: ending the run of one folder must never reach another's.
    """
    folder = os.path.realpath(run.folder)
    try:
        said = json.loads(run.marker.read_bytes())
        is_ours = said["folder"] == folder and re.fullmatch("[0-9a-f]{32}", said["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(RunPaths(Path(folder)).recording(said["token"])) if is_ours else None


def marking(marker: str) -> dict[str, str]:
    """Return what the processes of a run carry in their environment."""
    return {_MARKER: marker}


def live_of(marker: str, leader: int) -> set[int]:
    """Return the live processes of a run: the caller's descendants, and whoever carries the run's marker.

    Args:
        marker: The run's marker.
        leader: The training's process, which leads a session and group of its own.
    """
    if _IS_LINUX:
        parents = _parents()
        roots = _marked(marker, parents) | {os.getpid()}
        return _family(roots, parents) - {os.getpid()}
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):  # macOS: EPERM if only zombies are left
        return set()
    return {-leader}  # a negative number names the process group


def cpu_s() -> float | None:
    """Return the processor time of the caller's descendants, of those included that they have waited for.

    In seconds; None on systems without /proc.
    """
    if not _IS_LINUX:
        return None
    pids = _family({os.getpid()}, _parents()) - {os.getpid()}
    # proc(5): user and system time of the process and of its children, in ticks.
    times = [fields_of(status)[11:15] for pid in pids if (status := read_proc(pid, "stat"))]
    return sum(int(ticks) for fields in times for ticks in fields) / os.sysconf("SC_CLK_TCK")


def fields_of(status: bytes) -> list[bytes]:
    """Return the fields of /proc/PID/stat behind the command, which stands in parentheses and may contain anything."""
    return status.rpartition(b")")[2].split()


def _left_of(run: RunPaths) -> set[int]:
    """Return the live processes of a run whose supervisor, and with it their descent, is gone."""
    if not _IS_LINUX:
        return set()
    parents = _parents()
    # A process may have cleared its environment, or written its title over it; its outputs it keeps.
    marker = marker_of(run)
    marked = set() if marker is None else _marked(marker, parents)
    roots = marked | _writers(run.log, parents)
    return _family(roots, parents)


def _marked(marker: str, pids: Iterable[int]) -> set[int]:
    """Return the other processes whose environment says that they belong to the run."""
    entries = {os.fsencode(f"{name}={value}") for name, value in marking(marker).items()}
    marked = {pid for pid in pids if entries.intersection(read_proc(pid, "environ").split(b"\0"))}
    return marked - {os.getpid()}


def _writers(path: Path, pids: Iterable[int]) -> set[int]:
    """Return the other processes that have a file open for writing; whoever reads along is none."""
    name = os.path.realpath(path)
    return {pid for pid in pids if pid != os.getpid() and any(_is_writable(pid, fd) for fd in _open_as(pid, name))}


def _open_as(pid: int, name: str) -> list[str]:
    found = []
    with suppress(OSError):  # it ended, or is another user's
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # closed meanwhile
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") == name:
                    found.append(descriptor)
    return found


def _is_writable(pid: int, descriptor: str) -> bool:
    flags = re.search(rb"flags:\s*([0-7]+)", read_proc(pid, f"fdinfo/{descriptor}"))
    return flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY


def _family(roots: set[int], parents: Mapping[int, int]) -> set[int]:
    """Return the roots and their descendants, never passing through this process."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        if pid != os.getpid():
            children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    rest = list(roots)
    while rest:
        pid = rest.pop()
        if pid not in found:
            found.add(pid)
            rest.extend(children.get(pid, ()))
    return found


def _parents() -> dict[int, int]:
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (status := read_proc(int(name), "stat")):
            fields = fields_of(status)
            # A zombie with threads is a live process whose first thread has ended.
            is_dead = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
            if not is_dead:
                parents[int(name)] = int(fields[1])
    return parents


def read_proc(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as stream:
            return stream.read()
    except OSError:  # it ended, or is another user's
        return b""
