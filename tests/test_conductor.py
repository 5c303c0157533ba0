"""The conductor's own process: how many there are, and what happens when it cannot do its work."""

import os
import sys
from pathlib import Path

import pytest
from seedproof_mcp import disk
from seedproof_mcp.conductor import ensure_conductor
from seedproof_mcp.paths import ProjectPaths

from tests.conftest import wait_until

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def conductors(project: Path) -> list[int]:
    """The processes that conduct a project, or are about to."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"seedproof_mcp.conductor" in words and os.fsencode(project) in words:
            found.append(int(entry.name))
    return found


@pytest.fixture
def paths(project: Path) -> ProjectPaths:
    """A project whose state folder exists."""
    found = ProjectPaths(project)
    disk.make_folder(found.state)
    return found


# --- how many -----------------------------------------------------------------------------------


@linux_only
def test_asking_again_while_a_conductor_starts_starts_no_other(paths: ProjectPaths) -> None:
    for _ in range(10):
        ensure_conductor(paths)
    assert len(conductors(paths.root)) == 1
    wait_until(lambda: disk.is_locked(paths.conductor_lock))
    ensure_conductor(paths)
    assert len(conductors(paths.root)) == 1


@linux_only
def test_a_conductor_that_dies_at_its_start_is_not_started_again_at_once(paths: ProjectPaths) -> None:
    paths.conductor_lock.mkdir()
    ensure_conductor(paths)
    wait_until(lambda: b"Is a directory" in paths.conductor_log.read_bytes() and not conductors(paths.root))
    for _ in range(20):
        ensure_conductor(paths)
    assert len(conductors(paths.root)) <= 1
    paths.conductor_lock.rmdir()
    wait_until(lambda: ensure_conductor(paths) or disk.is_locked(paths.conductor_lock))


@linux_only
def test_a_conductor_that_leaves_is_followed_by_another_at_once(paths: ProjectPaths) -> None:
    ensure_conductor(paths)
    wait_until(lambda: disk.is_locked(paths.conductor_lock))
    ensure_conductor(paths)
    wait_until(lambda: not disk.is_locked(paths.conductor_lock))
    ensure_conductor(paths)
    wait_until(lambda: disk.is_locked(paths.conductor_lock))
