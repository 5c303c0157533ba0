"""What files, locks and processes promise when things go right, and when they do not."""

import errno
import fcntl
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.system import files, locks, spawn

from tests.support.nested import DEEPER_THAN_A_PATH, nest
from tests.support.privileges import run_as_anybody


class OsWith:
    """The os module with some of its functions replaced."""

    def __init__(self, **replaced: Any) -> None:
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def fail(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_write_atomic_replaces_the_content_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    files.write_atomic(path, b"old")
    files.write_atomic(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["result.json"]


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_failed_write_atomic_keeps_the_old_content_and_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "result.json"
    files.write_atomic(path, b"old")
    monkeypatch.setattr(files, "os", OsWith(**{failing: fail}))
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["result.json"]


def test_of_a_folder_only_what_a_killed_replacement_left_is_removed(tmp_path: Path) -> None:
    name = ".seedproof-0123456789abcdef.tmp"
    kept = {"report.md", ".seedproof-mine.tmp", f"{name}2", name.upper(), f"x{name}", name.replace("0", "a")}
    for one in (*kept - {name.replace("0", "a")}, name):
        (tmp_path / one).write_text("content")
    (tmp_path / name.replace("0", "a")).mkdir()
    (tmp_path / name.replace("1", "a")).symlink_to(tmp_path / "report.md")
    files.remove_leftovers(tmp_path)
    files.remove_leftovers(tmp_path / "missing")
    assert {path.name for path in tmp_path.iterdir()} == kept | {name.replace("1", "a")}


def test_append_synced_finishes_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.jsonl"
    monkeypatch.setattr(files, "os", OsWith(write=lambda fd, data: os.write(fd, data[:3])))
    files.append_synced(path, b"first line\n")
    files.append_synced(path, b"second line\n")
    assert path.read_bytes() == b"first line\nsecond line\n"


def test_append_synced_works_without_fdatasync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fdatasync", raising=False)
    files.append_synced(tmp_path / "ledger.jsonl", b"line\n")
    assert (tmp_path / "ledger.jsonl").read_bytes() == b"line\n"


def test_truncate_synced_cuts_the_tail(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"whole\nto")
    files.truncate_synced(path, 6)
    assert path.read_bytes() == b"whole\n"


def test_make_folder_makes_parents_and_accepts_what_exists(tmp_path: Path) -> None:
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        files.make_folder(tmp_path / "file")


def test_rename_remove_file_and_copy_file(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files.write_atomic(tmp_path / "old", b"content")
    files.rename(tmp_path / "old", tmp_path / "other" / "new")
    files.copy_file(tmp_path / "other" / "new", tmp_path / "copy")
    files.remove_file(tmp_path / "other" / "new")
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert os.listdir(tmp_path / "other") == []


def test_copy_file_refuses_a_fifo_instead_of_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metrics.json")
    with pytest.raises(OSError, match="not a regular file"):
        files.copy_file(tmp_path / "metrics.json", tmp_path / "copy")
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_remove_tree_counts_regular_files_and_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x" * 1000)
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "model.pt").write_bytes(b"x" * 30)
    (tree / "sub" / "log").write_bytes(b"x" * 4)
    (tree / "sub" / "folder_link").symlink_to(outside)
    (tree / "file_link").symlink_to(outside / "precious")
    (tree / "dangling").symlink_to("nowhere")
    assert files.remove_tree(tree) == 34
    assert not tree.exists()
    assert (outside / "precious").stat().st_size == 1000


def test_remove_tree_of_a_link_removes_the_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"x")
    (tmp_path / "link").symlink_to("outside")
    assert files.remove_tree(tmp_path / "link") == 0
    assert sorted(os.listdir(tmp_path)) == ["outside"]
    assert os.listdir(tmp_path / "outside") == ["precious"]


def test_remove_tree_enters_read_only_folders(tmp_path: Path) -> None:
    locked = tmp_path / "tree" / "locked"
    locked.mkdir(parents=True)
    (locked / "file").write_bytes(b"xy")
    locked.chmod(0)
    (tmp_path / "tree").chmod(stat.S_IRUSR | stat.S_IXUSR)
    code = "import pathlib, sys; from seedproof_mcp.system.files import remove_tree; "
    code += "print(remove_tree(pathlib.Path(sys.argv[1])))"
    removed = run_as_anybody([sys.executable, "-c", code, str(tmp_path / "tree")], tmp_path)
    assert (removed.stdout, removed.stderr) == ("2\n", "")
    assert os.listdir(tmp_path) == []


@contextmanager
def few_descriptors() -> Iterator[None]:
    """No more than a handful may be opened besides those that are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = os.open("/", os.O_RDONLY)
    os.close(highest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_remove_tree_reaches_any_depth_with_few_descriptors(tmp_path: Path) -> None:
    nest(tmp_path / "tree", DEEPER_THAN_A_PATH)
    with few_descriptors():
        assert files.remove_tree(tmp_path / "tree") == 5
    assert os.listdir(tmp_path) == []


def followed_by(call: Callable[..., Any], then: Callable[[], None]) -> Callable[..., Any]:
    """A function after whose first call something happens."""
    waiting = [then]

    def called(*arguments: Any, **options: Any) -> Any:
        result = call(*arguments, **options)
        if waiting:
            waiting.pop()()
        return result

    return called


def test_remove_tree_goes_up_to_no_folder_that_it_did_not_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, mine = tmp_path / "tree/inner", tmp_path / "mine"
    inner.mkdir(parents=True)
    (inner / "model.pt").write_bytes(b"xy")
    (mine / "inner2").mkdir(parents=True)
    unlink = followed_by(os.unlink, lambda: os.rename(inner, mine / "inner"))
    monkeypatch.setattr(files, "os", OsWith(unlink=unlink))
    with pytest.raises(OSError, match="moved meanwhile") as caught:
        files.remove_tree(tmp_path / "tree")
    assert caught.value.errno == errno.ESTALE
    assert sorted(os.listdir(mine)) == ["inner", "inner2"]


def test_remove_tree_enters_no_link_that_took_the_place_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, mine = tmp_path / "tree", tmp_path / "mine"
    tree.mkdir()
    mine.mkdir()
    (mine / "precious").write_bytes(b"ten years")

    def swap() -> None:
        tree.rename(tmp_path / "moved")
        tree.symlink_to(mine)

    monkeypatch.setattr(files, "os", OsWith(stat=followed_by(os.stat, swap)))
    with pytest.raises(OSError):  # which one the systems do not agree on
        files.remove_tree(tree)
    assert (mine / "precious").read_bytes() == b"ten years"


@pytest.mark.parametrize("path", ["/", "..", "checkpoints/.."])
def test_remove_tree_refuses_a_path_without_a_name(path: str) -> None:
    with pytest.raises(ValueError, match="refusing to delete"):
        files.remove_tree(Path(path))


def test_a_lock_excludes_others_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not locks.is_locked(path)
    with locks.lock(path) as held:
        assert locks.is_locked(path)
        assert locks.try_lock(path) is None
        assert not os.get_inheritable(held.fd)
    assert not locks.is_locked(path)
    taken = locks.try_lock(path)
    assert taken is not None
    taken.release()
    taken.release()
    assert not locks.is_locked(path)


def test_a_lock_lives_as_long_as_the_process_that_inherited_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with locks.lock(path) as held:
        heir = spawn.start(
            [sys.executable, "-c", "input()"],
            stdin=subprocess.PIPE,
            pass_fds=(held.fd,),
        )
    assert locks.is_locked(path)
    heir.communicate(b"\n", timeout=30)
    assert not locks.is_locked(path)


def test_a_passing_probe_is_not_taken_for_a_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.lock"
    path.touch()
    probe = os.open(path, os.O_RDONLY)
    fcntl.flock(probe, fcntl.LOCK_SH)
    monkeypatch.setattr("seedproof_mcp.system.locks.time.sleep", lambda _: os.close(probe))
    taken = locks.try_lock(path)
    assert taken is not None
    taken.release()


def test_adopt_lock_takes_over_what_another_descriptor_holds(tmp_path: Path) -> None:
    with locks.lock(tmp_path / "a.lock") as held:
        adopted = locks.adopt_lock(os.dup(held.fd))
        assert adopted is not None
    assert locks.is_locked(tmp_path / "a.lock")
    foreign = os.open(tmp_path / "a.lock", os.O_RDWR)
    assert locks.adopt_lock(foreign) is None
    os.close(foreign)
    adopted.release()
