"""Stand-ins for the modules that `system` makes changes with: they count every change, and the n-th one fails."""

import ctypes
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from seedproof_mcp.system import files, locks, spawn

from tests.support.power import Unstored

__all__ = ["CHANGES", "ERRORS", "KINDS", "Faults", "Killed", "install_from_environment", "kinds_at"]

ERRORS = {"ENOSPC": errno.ENOSPC, "EACCES": errno.EACCES, "EIO": errno.EIO}
# `kill` dies before the change is made, `torn` in the middle of a write; `power` takes with it what was not synced.
KINDS = (*ERRORS, "kill", "power", "torn")
VARIABLE = "SEEDPROOF_TEST_FAULT"

CHANGES = {
    "os": (
        *("open", "write", "ftruncate", "fsync", "fdatasync", "mkdir", "rename", "replace", "unlink", "rmdir"),
        *("symlink", "link", "chmod", "fchmod", "utime", "setxattr"),
    ),
    "fcntl": ("flock",),
    "shutil": ("copyfile",),
    "subprocess": ("Popen",),
    "tempfile": ("TemporaryDirectory",),
}
# Bound when files.py is imported, and None where the system has none.
_FALLOCATE = files._fallocate
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Killed(BaseException):
    """The process ends here, as by kill -9; a test that plays the process catches it."""


def kinds_at(point: str) -> tuple[str, ...]:
    """The kinds of failure that mean something at a point."""
    return KINDS if point.endswith(" write") else KINDS[:-1]


def _unwind() -> NoReturn:
    raise Killed


def _kill_me() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL cannot be survived")


class Faults:
    """Counts the changes of all processes that a test plays, and makes one of them fail.

    A power cut ends all of them: whoever plays several lets `Killed` pass through each while `is_without_power`.
    """

    def __init__(
        self,
        at: int | None = None,
        kind: str = "kill",
        *,
        die: Callable[[], NoReturn] = _unwind,
        popen: Callable[..., Any] = subprocess.Popen,
    ) -> None:
        """Prepare a failure.

        Args:
            at: The number of the change that fails, from 1 on; None for none.
            kind: One of KINDS.
            die: How the process ends.
            popen: What starts a process.
        """
        self.process = ""
        """The process that a test plays now; the first word of its points."""
        self.points: list[str] = []
        """The changes so far, each as `process call`."""
        self.has_fired = False
        self.is_without_power = False
        """From a power cut on until everybody who was running is buried."""
        self._at, self._kind, self._die = at, kind, die
        self._is_dead = False
        self._locks: dict[int, str] = {}
        self._unstored = Unstored() if kind == "power" else None
        modules: tuple[Any, ...] = (os, fcntl, shutil, subprocess, tempfile)
        self._real = {module.__name__: module for module in modules}
        self._own: dict[tuple[str, str], Callable[..., Any]] = {("subprocess", "Popen"): popen}
        if _FALLOCATE is not None:
            self._own["files", "fallocate"] = _FALLOCATE

    @contextmanager
    def installed(self) -> Iterator["Faults"]:
        """Let the three modules make their changes through this object."""
        self.install()
        try:
            yield self
        finally:
            _replace(self._real.items())
            files._fallocate = _FALLOCATE
            if self._unstored is not None:
                self._unstored.close()

    def install(self) -> None:
        """The same for good."""
        _replace((name, _StandIn(self, name, module)) for name, module in self._real.items())
        if _FALLOCATE is not None:
            files._fallocate = self._fallocate

    def bury(self) -> None:
        """The process that is played has ended, without power all have: the system gives up their locks."""
        for descriptor, owner in list(self._locks.items()):
            if owner == self.process or self.is_without_power:
                del self._locks[descriptor]
                os.close(descriptor)
        self._is_dead = self.is_without_power = False

    def call(self, module: str, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Make a change, or fail."""
        act: Callable[..., Any] = self._own.get((module, name)) or getattr(self._real[module], name)
        if name == "open" and not arguments[1] & _FOR_WRITING:
            return act(*arguments, **options)
        if self._is_dead:
            self._die()  # a dead process tidies nothing up
        self.points.append(f"{self.process} {name}")
        if len(self.points) == self._at:
            self.has_fired = True
            self._fail(name, arguments)
        made = self._make(name, act, arguments, options)
        if name == "flock" and arguments[1] & fcntl.LOCK_EX:
            self._locks[arguments[0]] = self.process
        return made

    def closed(self, descriptor: int) -> None:
        """Note that a descriptor, and with it a lock, is gone."""
        os.close(descriptor)
        self._locks.pop(descriptor, None)

    def _make(self, name: str, act: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self._unstored is None or self.has_fired:
            return act(*arguments, **options)
        return self._unstored.make(name, act, arguments, options)

    def _fallocate(self, *arguments: int) -> int:
        """As the function of C does: what fails is told by -1, and the reason beside it."""
        try:
            return int(self.call("files", "fallocate", arguments, {}))
        except OSError as error:
            ctypes.set_errno(error.errno or 0)
            return -1

    def _fail(self, name: str, arguments: tuple[Any, ...]) -> NoReturn:
        if name == "write" and self._kind in ("torn", "ENOSPC"):
            os.write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])  # as a full disk does
        if self._kind in ERRORS:
            number = ERRORS[self._kind]
            paths = [str(one) for one in arguments[:2] if isinstance(one, str | os.PathLike)]
            raise OSError(number, os.strerror(number), *paths[-1:] if name == "symlink" else paths[:1])
        if self._unstored is not None:
            self.is_without_power = True
            self._unstored.lose()
        self._is_dead = True
        self._die()


def _replace(modules: Iterable[tuple[str, Any]]) -> None:
    for name, module in modules:
        for changing in (files, locks, spawn):
            if hasattr(changing, name):
                setattr(changing, name, module)


class _StandIn:
    """One module, with the calls that change something led past a counter."""

    def __init__(self, faults: Faults, name: str, module: Any) -> None:
        self._faults, self._name, self._module = faults, name, module

    def __getattr__(self, name: str) -> Any:
        if name in CHANGES[self._name]:
            return lambda *arguments, **options: self._faults.call(self._name, name, arguments, options)
        return self._faults.closed if (self._name, name) == ("os", "close") else getattr(self._module, name)


def install_from_environment() -> None:
    """In a process of its own: let the change fail that the environment names, as `number:kind`; or count only."""
    number, kind, journal = os.environ.pop(VARIABLE).split(":", 2)
    faults = Faults(int(number) or None, kind, die=_kill_me)
    faults.points = _Journal(journal)
    faults.process = "supervisor"
    faults.install()


class _Journal(list[str]):
    """Points that outlive the process."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def append(self, point: str) -> None:
        """Note a point in memory and in the file."""
        super().append(point)
        with open(self._path, "a") as journal:
            journal.write(f"{point}\n")
