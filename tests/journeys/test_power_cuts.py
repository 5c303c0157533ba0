"""The power fails at every change that the disk layer makes: what it has said is stored is stored."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from seedproof_mcp.system import files

from tests.support.faults import Faults, Killed
from tests.support.memory import MEMORY

Tree = dict[str, str | None]
"""Every path with its content; None for a folder."""
BEFORE = {"old": "content", "folder/file": "in it", "folder/deep/file": "below", "other/file": "x"}


def _overwrite(folder: Path) -> None:
    files.write_expendable(folder / "old", b"as a training writes")
    files.sync_file(folder / "old")


ACTS: dict[str, Callable[[Path], object]] = {
    "write_atomic": lambda folder: files.write_atomic(folder / "new", b"whole"),
    "write_atomic over a file": lambda folder: files.write_atomic(folder / "old", b"whole"),
    "copy_file": lambda folder: files.copy_file(folder / "old", folder / "folder/copy"),
    "append_synced": lambda folder: files.append_synced(folder / "old", b" and more"),
    "append_synced to a new file": lambda folder: files.append_synced(folder / "new", b"first"),
    "truncate_synced": lambda folder: files.truncate_synced(folder / "old", 3),
    "sync_file": _overwrite,
    "make_folder": lambda folder: files.make_folder(folder / "new"),
    "rename": lambda folder: files.rename(folder / "old", folder / "new"),
    "rename over a file": lambda folder: files.rename(folder / "old", folder / "other/file"),
    "rename of a folder": lambda folder: files.rename(folder / "folder", folder / "other/folder"),
    "remove_file": lambda folder: files.remove_file(folder / "old"),
    "remove_tree": lambda folder: files.remove_tree(folder / "folder"),
}


def tree(folder: Path) -> Tree:
    paths = [path for path in folder.rglob("*") if path.suffix != ".tmp"]
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_text() for path in paths}


def after(act: Callable[[Path], object], at: int | None) -> tuple[Tree, bool, int]:
    """What lies there after a power cut at the n-th change; whether the act was over; how many changes there were."""
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name:
        folder = Path(name, "project")
        for path, text in BEFORE.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        faults, is_over = Faults(at, "power" if at else "kill"), False
        with faults.installed():
            try:
                act(folder)
                is_over = True
                files.write_expendable(Path(name, "whatever comes next"), b"")
            except Killed:
                faults.bury()
        return tree(folder), is_over, len(faults.points)


@pytest.mark.parametrize("name", ACTS)
def test_wherever_the_power_fails_there_is_the_old_or_the_new_and_afterwards_the_new(name: str) -> None:
    act = ACTS[name]
    old, new = after(lambda _: None, None)[0], after(act, None)[0]
    assert old != new
    last = after(act, None)[2]
    for at in range(1, last + 1):
        found, is_over, _ = after(act, at)
        assert is_over == (at == last), (at, "every change of the act is walked, and one after it")
        assert found == new if is_over else found in (old, new), (at, found)


def test_what_is_never_synced_is_lost() -> None:
    def forget(folder: Path) -> None:
        files.write_expendable(folder / "old", b"new")
        files.write_expendable(folder / "folder/new", b"new")
        files.make_link(folder / "link", "old")

    assert after(forget, None)[0] != after(lambda _: None, None)[0]
    assert after(forget, after(forget, None)[2])[0] == after(lambda _: None, None)[0]
