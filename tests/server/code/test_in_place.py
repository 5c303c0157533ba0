"""Code that is trained where it lies: what is hashed, which differences are named, what runs created."""

import os
from pathlib import Path

import pytest
from seedproof.model.code import ChangedFile
from seedproof.model.refusals import SnapshotMissing
from seedproof_mcp.code import hashes
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.repositories import workspace, write

FILES = {"train_llm.py": "a\nb\n", "lib/model.py": "1\n", "config.yaml": "x: 1\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "project", FILES)
    return tmp_path / "project"


def test_without_a_repository_the_files_are_hashed_and_nothing_is_made(folder: Path) -> None:
    code = workspace(folder).take()
    assert (code.held, code.snapshot) == ("in-place", None)
    assert not (folder / ".seedproof").exists()
    space = workspace(folder)
    assert space.environment(code, [str(folder)]) == {}
    assert space.working_directory(code) == folder


@pytest.mark.parametrize(
    "name",
    [
        ".hidden/x.py",
        "node_modules/x.js",
        "lib/__pycache__/m.pyc",
        "venv/lib/x.py",
        "checkpoints/a/model.pt",
        "docs/research/ledger.jsonl",
        ".seedproof/runs/x/output.log",
    ],
)
def test_what_is_no_code_is_left_out(folder: Path, name: str) -> None:
    write(folder, {"venv/pyvenv.cfg": ""})
    before = workspace(folder).take()
    write(folder, {name: "x"})
    assert workspace(folder).take() == before


def test_differences_are_named_until_they_are_taken_back(folder: Path) -> None:
    space = workspace(folder)
    code = space.take()
    space.keep(code)
    assert space.differing(code) == ()
    write(folder, {"train_llm.py": "edited", "new.py": ""})
    (folder / "config.yaml").unlink()
    assert workspace(folder).differing(code) == ("config.yaml", "new.py", "train_llm.py")
    write(folder, FILES)
    (folder / "new.py").unlink()
    assert workspace(folder).differing(code) == ()


def test_files_that_a_run_created_are_no_difference_but_sources_are(folder: Path) -> None:
    space = workspace(folder)
    code = space.take()
    space.keep(code)
    write(folder, {"cache/tokens.json": "x", "results.json": "y", "notes.md": "", "generated.py": ""})
    created = workspace(folder).created_since(code)
    assert created == ["cache/tokens.json", "generated.py", "results.json"]
    assert workspace(folder).differing(code, created) == ("generated.py",)
    (folder / "generated.py").unlink()
    assert workspace(folder).take(created=created) == code


def test_a_run_that_creates_very_many_files_is_believed_for_a_thousand(folder: Path) -> None:
    space = workspace(folder)
    code = space.take()
    write(folder, {f"out/{number}.json": "" for number in range(1100)})
    assert len(space.created_since(code)) == 1000


def test_a_change_has_lines_for_texts_that_were_kept(folder: Path) -> None:
    (folder / "weights.json").write_bytes(b"\0" * 10)
    space = workspace(folder)
    old = space.take()
    space.keep(old)
    assert ProjectPaths(folder).code.is_dir()
    write(folder, {"train_llm.py": "a\nc\nd", "notes.md": "x"})
    (folder / "weights.json").write_bytes(b"\0" * 11)
    (folder / "lib/model.py").unlink()
    other = workspace(folder)
    change = other.change(old, other.take())
    assert change is not None
    other.keep_change(change)
    assert change.files == (
        ChangedFile("lib/model.py", 0, 1),
        ChangedFile("train_llm.py", 2, 1),
        ChangedFile("weights.json", None, None),
    )
    text = ProjectPaths(folder).diff(str(change.diff_sha256)).read_text()
    assert "-b\n+c\n+d\n" in text and "weights.json: no text to compare\n" in text


def test_code_whose_list_of_files_is_gone_cannot_be_compared_and_says_so(folder: Path) -> None:
    space = workspace(folder)
    code = space.take()
    write(folder, {"train_llm.py": "edited"})
    with pytest.raises(SnapshotMissing, match="list of files"):
        workspace(folder).differing(code)
    assert space.differing(code) == ("train_llm.py",)


def test_a_large_file_is_read_again_only_when_it_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = folder / "data.json"
    data.write_bytes(b"1" * 2 * hashes.SOURCE_BYTES)
    monkeypatch.setattr(hashes, "TICK_NS", -(10**18))
    space = workspace(folder)
    code = space.take(["data*"])
    space.keep(code)
    assert ProjectPaths(folder).hashes.exists()
    reads = []
    real = hashes.hashlib.sha1

    def counted(*words: object, **more: object) -> object:
        reads.append(words)
        return real(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(hashes.hashlib, "sha1", counted)
    assert workspace(folder).take(["data*"]) == code
    large = [words for words in reads if words[0] == b"blob %d\0" % (2 * hashes.SOURCE_BYTES)]
    assert large == []
    times = data.stat()
    data.write_bytes(b"2" * 2 * hashes.SOURCE_BYTES)
    os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))
    edited = workspace(folder).take(["data*"])
    assert edited.sha256 != code.sha256 and edited.sealed != code.sealed


def test_links_count_by_their_target_and_are_not_followed(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, {"disk/a.py": "1", "other/a.py": "1"})
    (folder / "data").symlink_to("../disk")
    (folder / "loop").symlink_to(".")
    code = workspace(folder).take()
    write(tmp_path, {"disk/a.py": "2"})
    assert workspace(folder).take() == code
    (folder / "data").unlink()
    (folder / "data").symlink_to("../other")
    assert workspace(folder).take().sha256 != code.sha256


def test_sealed_files_are_hashed_where_they_lie(folder: Path) -> None:
    write(folder, {"data/val/a": "1", "data/val/deep/b": "2", "evaluate.py": "3"})
    space = workspace(folder)
    patterns = ["data/val", "evaluate.py"]
    code = space.take(patterns)
    assert set(code.sealed) == {"data/val/a", "data/val/deep/b", "evaluate.py"}
    write(folder, {"data/val/a": "edited"})
    assert space.sealed_now(code, patterns) != code.sealed
    assert space.sealed_now(code, []) == {}


def test_what_no_needed_code_uses_is_released_and_shared_texts_stay(folder: Path) -> None:
    space = workspace(folder)
    old = space.take()
    space.keep(old)
    write(folder, {"train_llm.py": "edited\n"})
    new = space.take()
    space.keep(new)
    space.change(old, new)
    assert space.unneeded([old, new]) == []
    freed = space.release(space.unneeded([new]))
    assert freed > 0 and space.unneeded([new]) == []
    assert ProjectPaths(folder).code_files(new.sha256).exists()
    assert not ProjectPaths(folder).code_files(old.sha256).exists()
    assert len(list(ProjectPaths(folder).code.iterdir())) == 4


@pytest.mark.parametrize(
    ("pattern", "path", "named"),
    [
        ("notes/*", "notes/a.txt", True),
        ("notes/*", "notes/a/b.txt", True),
        ("notes/", "notes/a.txt", True),
        ("notes", "notes2", False),
        ("*.txt", "a.txt", True),
        ("*.txt", "a/b.txt", False),
        ("**/*.txt", "a/b.txt", True),
        ("**/*.txt", "b.txt", True),
        ("a/**", "a/b/c", True),
        ("data/val?", "data/val1", True),
        ("data/val?", "data/val", False),
        ("[ab].py", "a.py", False),
        ("./a.py", "a.py", True),
        ("../lib/*.txt", "../lib/x.txt", True),
    ],
)
def test_a_pattern_names_files_and_all_below_folders(pattern: str, path: str, named: bool) -> None:
    from seedproof_mcp.code.identity import matches

    assert matches(path, pattern) is named
