"""What wakes a waiting process, and what becomes of a wait whose event is lost."""

import ctypes
import errno
import math
import os
import select
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.system import file_watch, files, locks
from seedproof_mcp.system.file_watch import FileWatch

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
# A wait that nothing ends: where the test goes on, something has ended it.
NEVER_S = 100_000.0


@pytest.fixture
def watch() -> Iterator[FileWatch]:
    with FileWatch(slow_s=NEVER_S) as made:
        yield made


def is_told(watch: FileWatch) -> bool:
    """Whether a change waits to be taken: the kernel tells within the call that makes it."""
    return bool(select.select([watch.fd], [], [], 0)[0])


def append(path: Path) -> None:
    files.append_synced(path, b"line\n")


@linux_only
def test_an_append_to_a_file_ends_the_wait(watch: FileWatch, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    append(ledger)
    assert watch.follow(files=[ledger])
    assert not is_told(watch)
    append(ledger)
    assert is_told(watch)
    watch.wait(math.inf, NEVER_S)
    assert not is_told(watch)


@linux_only
def test_an_append_by_another_thread_wakes_one_that_waits(watch: FileWatch, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    append(ledger)
    watch.follow(files=[ledger])
    other = threading.Thread(target=append, args=(ledger,))
    other.start()
    watch.wait(math.inf, NEVER_S)
    other.join()
    assert ledger.read_bytes() == 2 * b"line\n"


@linux_only
def test_a_file_that_is_put_into_a_folder_ends_the_wait_and_what_is_printed_there_does_not(
    watch: FileWatch, tmp_path: Path
) -> None:
    log = os.open(tmp_path / "output.log", os.O_WRONLY | os.O_CREAT)
    watch.follow(folders=[tmp_path])
    os.write(log, b"Step 1\n")
    os.close(log)
    assert not is_told(watch)
    files.write_atomic(tmp_path / "result.json", b"{}")
    assert is_told(watch)


@linux_only
def test_a_lock_that_is_given_up_is_told_and_a_probe_of_it_is_not(watch: FileWatch, tmp_path: Path) -> None:
    path = tmp_path / "slot.lock"
    with locks.try_lock(path) or pytest.fail("it is free"):
        watch.follow(files=[path])
        assert locks.is_locked(path)
        assert not is_told(watch)
    assert is_told(watch)


@linux_only
def test_after_a_change_the_next_look_comes_soon_as_a_lock_is_free_only_then(watch: FileWatch, tmp_path: Path) -> None:
    watch.follow(folders=[tmp_path])
    assert watch.bound_s(math.inf, 1.0) == NEVER_S
    (tmp_path / "file").touch()
    watch.take()
    assert watch.bound_s(math.inf, 1.0) < 0.1
    watch.take()
    assert watch.bound_s(math.inf, 1.0) == NEVER_S


@linux_only
def test_of_what_is_followed_no_more_nothing_is_told(watch: FileWatch, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    assert watch.follow(folders=[first])
    assert watch.follow(folders=[first, second])
    assert not watch.follow(folders=[second])
    watch.take()
    (first / "file").touch()
    assert not is_told(watch)
    (second / "file").touch()
    assert is_told(watch)


# --- events that are lost -----------------------------------------------------------------------------


@linux_only
def test_a_queue_that_overflows_still_wakes_and_later_changes_do_too(watch: FileWatch, tmp_path: Path) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if most > 100_000:
        pytest.skip("the queue is too long to fill")
    watch.follow(folders=[tmp_path])
    one, other = tmp_path / "one", tmp_path / "other"
    one.touch()
    for _ in range(most + 1):  # each renames back and forth, so no two in a row are the same
        one.rename(other)
        one, other = other, one
    watch.wait(math.inf, NEVER_S)
    assert not is_told(watch)
    one.rename(other)
    assert is_told(watch)


@linux_only
def test_a_folder_that_is_replaced_is_told_and_the_new_one_is_followed(watch: FileWatch, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    watch.follow(folders=[folder])
    folder.rename(tmp_path / "away")
    assert is_told(watch)
    folder.mkdir()
    watch.take()
    watch.take()
    (tmp_path / "away" / "file").touch()
    assert not is_told(watch)
    (folder / "file").touch()
    assert is_told(watch)


@linux_only
def test_of_a_folder_that_is_gone_one_looks_by_the_clock_until_it_is_back(watch: FileWatch, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    watch.follow(folders=[folder])
    folder.rmdir()
    watch.take()
    assert watch.bound_s(math.inf, 0.125) == 0.125
    folder.mkdir()
    watch.wait(math.inf, 0.0)
    watch.take()
    assert watch.bound_s(math.inf, 0.125) == NEVER_S


class Libc:
    """The C library of a system that answers one function in its own way."""

    def __init__(self, name: str, answer: int, error: int = 0, kind: int = 0) -> None:
        self._name, self._answer, self._error, self._kind = name, answer, error, kind
        self._real: Any = ctypes.CDLL(None, use_errno=True)

    def __getattr__(self, name: str) -> Any:
        return self._called if name == self._name else getattr(self._real, name)

    def _called(self, *arguments: Any) -> int:
        ctypes.set_errno(self._error)
        if self._name == "statfs":
            ctypes.c_long.from_buffer(arguments[1]).value = self._kind
        return self._answer


NFS = 0x6969
WITHOUT_EVENTS = {
    "no watch is left": Libc("inotify_add_watch", -1, errno.ENOSPC),
    "no instance is left": Libc("inotify_init1", -1, errno.EMFILE),
    "a network file system": Libc("statfs", 0, kind=NFS),
    "another system": None,
}


@linux_only
@pytest.mark.parametrize("libc", WITHOUT_EVENTS.values(), ids=WITHOUT_EVENTS)
def test_where_changes_are_not_told_one_looks_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, libc: Libc | None
) -> None:
    monkeypatch.setattr(file_watch, "_libc", libc)
    with FileWatch(slow_s=NEVER_S) as watch:
        assert not watch.follow(folders=[tmp_path])
        assert watch.bound_s(math.inf, 0.125) == 0.125
        assert watch.bound_s(0.0625, 0.125) == 0.0625
        watch.wait(math.inf, 0.0)


def test_a_wait_lasts_no_longer_than_the_slow_look_whatever_is_told(tmp_path: Path) -> None:
    with FileWatch(slow_s=1.5) as watch:
        watch.follow(folders=[tmp_path])
        assert watch.bound_s(math.inf, 1.5) == 1.5
        assert watch.bound_s(-1.0, 1.5) == 0.0


# --- descriptors --------------------------------------------------------------------------------------


@linux_only
def test_it_holds_one_descriptor_that_no_program_inherits_and_gives_it_back(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with FileWatch() as watch:
        watch.follow(files=[tmp_path], folders=[tmp_path])
        assert not os.get_inheritable(watch.fd)
        assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    assert watch.fd == -1
    assert len(os.listdir("/proc/self/fd")) == len(before)
    watch.close()
