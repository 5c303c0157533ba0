"""Contents of files: growing ones, large ones, and those of the code as git stores them."""

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from seedproof.inputs.history import History
from seedproof.inputs.listed import Listed
from seedproof.inputs.reads import Seen
from seedproof_mcp.code.hashes import SOURCE_BYTES, Hashes
from seedproof_mcp.code.identity import Selection
from seedproof_mcp.inputs.contents import Contents
from seedproof_mcp.inputs.files_of_run import ReadFile, stat_of
from seedproof_mcp.inputs.places import Places
from seedproof_mcp.inputs.recorded_code import RecordedCode, recorded_code
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.repositories import make_repository, workspace


def place_in(root: Path, name: str, code: RecordedCode) -> ReadFile:
    """A file that a run read as it is now, and wrote afterwards."""
    real = str(root.resolve() / name)
    place = Places(root, code.top, code.tree, code.selection).place(real, code.files)
    now = stat_of(real)
    return ReadFile(place, Seen(stat=now, is_read=True, is_written=True), now)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_file_is_added_to_exactly_if_it_begins_with_what_was_there(before: bytes, now: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        root, code = Path(name), RecordedCode(Path(name))
        history = History()
        contents = Contents(Hashes(ProjectPaths(root)), code, history, 1)
        (root / "results.csv").write_bytes(before)
        file = place_in(root, "results.csv", code)
        assert file.now is not None
        left = Listed((), (contents.written(file.place, file.now, is_read=False),))
        history.add("r1", 1, left, is_baseline=True)
        (root / "results.csv").write_bytes(now)
        found, _ = contents.of(place_in(root, "results.csv", code))
        assert found.is_appended is now.startswith(before)


def test_of_a_large_file_the_size_and_the_parts_count_and_the_whole_where_it_is_asked_for(tmp_path: Path) -> None:
    hashes, path, size = Hashes(ProjectPaths(tmp_path)), tmp_path / "data.bin", 20 << 20
    with path.open("wb") as file:
        file.truncate(size)
    parts, whole = hashes.sha256(path, SOURCE_BYTES), hashes.sha256(path)
    assert parts != whole
    for place, is_seen in ((0, True), (size - 1, True), (70_000, False)):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"x")
        assert (hashes.sha256(path, SOURCE_BYTES) != parts) is is_seen
        assert hashes.sha256(path) != whole
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"\0")
    assert hashes.sha256(path, SOURCE_BYTES) == parts


def code_of(root: Path, **settings: str) -> RecordedCode:
    """The code of a project, kept and checked out."""
    space = workspace(root, **settings)
    code = space.take()
    space.keep(code)
    space.working_directory(code)
    return recorded_code(ProjectPaths(root.resolve()), code)


def test_code_with_other_line_ends_or_in_lfs_is_the_recorded_one(tmp_path: Path) -> None:
    files = {".gitattributes": "*.py text eol=crlf\n", "train.py": "a = 1\nb = 2\n", "notes.md": "x\n"}
    root = make_repository(tmp_path / "p", files)
    code, hashes = code_of(root), Hashes(ProjectPaths(root))
    assert code.tree is not None
    checked_out = code.tree / "train.py"
    assert b"\r\n" in checked_out.read_bytes()
    assert code.holds("train.py", checked_out, hashes)
    assert not code.holds("notes.md", code.tree / "notes.md", hashes)
    assert not code.holds("absent.py", checked_out, hashes)
    checked_out.write_bytes(b"a = 1\r\nb = 3\r\n")
    assert not code.holds("train.py", checked_out, hashes)


def test_a_pointer_of_lfs_stands_for_the_content_that_it_names(tmp_path: Path) -> None:
    content = b"weights" * 100
    oid = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
    root = make_repository(tmp_path / "p", {"w.bin": pointer})
    code, hashes = code_of(root), Hashes(ProjectPaths(root))
    path = tmp_path / "w.bin"
    path.write_bytes(content)
    assert code.holds("w.bin", path, hashes)
    path.write_bytes(content + b"x")
    assert not code.holds("w.bin", path, hashes)


def test_in_place_the_list_of_files_is_the_code(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (root / "train.py").write_text("a = 1\n")
    (root / "data.bin").write_text("data")
    code, hashes = code_of(root), Hashes(ProjectPaths(root))
    assert (code.tree, set(code.files)) == (None, {"train.py"})
    assert code.holds("train.py", root / "train.py", hashes)
    (root / "train.py").write_text("a = 2\n")
    assert not code.holds("train.py", root / "train.py", hashes)


def test_a_file_with_another_inode_is_the_one_that_was_read(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_text("data")
    code = RecordedCode(tmp_path)
    contents, file = Contents(Hashes(ProjectPaths(tmp_path)), code, History(), 1), place_in(tmp_path, "data.bin", code)
    assert file.now is not None
    size, inode, *times = file.now
    for looks, is_changed in (((size, inode + 1, *times), False), ((size, inode, times[0], times[1] - 1), True)):
        found, is_other = contents.of(replace(file, seen=Seen(stat=looks, is_read=True)))
        assert (is_other, found.content == "") == (is_changed, is_changed)


def test_a_project_in_a_folder_of_its_repository_has_paths_of_its_own(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "top", {"lib/a.py": "", "p/train.py": ""}).resolve()
    places = Places(top / "p", top, top / "p/.seedproof/worktrees/ab", Selection("p/"))
    tree = f"{top}/p/.seedproof/worktrees/ab"
    tracked = {"lib/a.py": 1, "p/train.py": 1}
    found = {
        name: (place.name, place.key, place.in_code)
        for name in (f"{tree}/p/train.py", f"{tree}/lib/a.py", f"{top}/lib/a.py", f"{top}/p/x", "/o/y")
        if (place := places.place(name, tracked))
    }
    assert list(found.values()) == [
        ("train.py", "train.py", "p/train.py"),
        ("../lib/a.py", "../lib/a.py", "lib/a.py"),
        ("…/lib/a.py", "./../lib/a.py", None),
        ("x", "x", None),
        ("…/o/y", "/o/y", None),
    ]
