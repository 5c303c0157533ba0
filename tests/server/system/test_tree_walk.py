"""What trainings leave is walked at any depth, and measured by what it takes on the disk."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.code.hashes import Hashes
from seedproof_mcp.code.sealed import sealed_here
from seedproof_mcp.runner import outputs
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.system.tree_walk import files_below, walk

from tests.support.nested import DEEPER_THAN_A_PATH, DEEPER_THAN_CALLS, nest
from tests.support.privileges import run_as_anybody
from tests.support.repositories import make_repository, workspace, write


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder that is removed again, which pytest cannot do at any depth."""
    yield tmp_path
    files.remove_tree(tmp_path)


def stored(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_the_size_of_an_output_is_what_it_takes_on_the_disk(tmp_path: Path) -> None:
    out, model = tmp_path / "out", tmp_path / "out/step-1.pt"
    (out / "steps").mkdir(parents=True)
    model.write_bytes(b"x" * 100_000)
    os.link(model, out / "last.pt")
    os.link(model, out / "steps/1.pt")
    with open(out / "mapped.bin", "wb") as file:
        file.truncate(1 << 42)
    (out / "link").symlink_to(tmp_path)
    assert outputs.size(out) == stored(model) + stored(out / "mapped.bin") < 1_000_000


def test_the_size_of_an_output_is_told_at_any_depth(tmp_path: Path) -> None:
    nest(tmp_path / "out", DEEPER_THAN_A_PATH, b"x" * 10_000)
    (tmp_path / "out/a").write_bytes(b"x" * 10_000)
    assert outputs.size(tmp_path / "out") == 2 * stored(tmp_path / "out/a")
    assert [seen.st_size for seen in files_below(tmp_path / "out")] == [10_000] * 2


def test_what_is_no_folder_or_may_not_be_read_has_no_files(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a/x": "1", "b/x": "22", "c/x": "333"})
    (tmp_path / "link").symlink_to("out")
    assert [*files_below(tmp_path / "link"), *files_below(tmp_path / "nowhere")] == []
    (tmp_path / "out/a").chmod(0o600)  # whoever goes in does not come out again
    (tmp_path / "out/b").chmod(0o300)
    code = "import sys; from pathlib import Path; from seedproof_mcp.system.tree_walk import files_below as f;"
    code += "print([seen.st_size for seen in f(Path(sys.argv[1]))])"
    found = run_as_anybody([sys.executable, "-c", code, str(tmp_path / "out")], tmp_path)
    assert (found.stdout, found.stderr) == ("[3]\n", "")


def test_a_folder_that_is_moved_away_while_it_is_looked_at_ends_the_look(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a/x": "1"})
    found = files_below(tmp_path / "out")
    assert next(found).st_size == 1
    (tmp_path / "out/a").rename(tmp_path / "a")
    assert list(found) == []


def test_a_walk_yields_what_os_walk_does(tmp_path: Path) -> None:
    write(tmp_path, {"a/b/c.py": "", "a/d.py": "", "e/f/g.py": "", "h.py": ""})
    (tmp_path / "a/up").symlink_to("..")
    for skipped in (None, "b", "e"):
        ours, theirs = walk(tmp_path), os.walk(tmp_path)
        for (parent, folders, names), (their_parent, their_folders, their_names) in zip(ours, theirs, strict=True):
            assert (parent, folders, names) == (their_parent, their_folders, their_names)
            folders[:] = their_folders[:] = [name for name in folders if name != skipped]


def test_folders_in_folders_beside_the_outputs_are_code_like_any_other(tmp_path: Path) -> None:
    write(tmp_path / "project", {"train_llm.py": "a\n"})
    space = workspace(tmp_path / "project")
    code = space.take()
    space.keep(code)
    nest(tmp_path / "project/data", DEEPER_THAN_CALLS)
    (created,) = space.created_since(code)
    assert (created[:7], created[-5:]) == ("data/d/", "/x.py")


def test_a_pattern_of_sealed_files_reaches_into_folders_in_folders(tmp_path: Path) -> None:
    write(tmp_path / "project", {"data/x.py": "1", "train_llm.py": "2"})
    nest(tmp_path / "project/checkpoints", DEEPER_THAN_CALLS)
    hashes = Hashes(ProjectPaths(tmp_path / "project"))
    found = sealed_here(tmp_path / "project", ["**/x.py"], hashes)
    assert sorted(map(len, found)) == [len("data/x.py"), len("checkpoints/x.py") + 2 * DEEPER_THAN_CALLS]
    assert sealed_here(tmp_path / "project", ["**"], hashes).keys() == {*found, "train_llm.py"}


def test_outputs_of_any_depth_are_no_code_of_a_repository_that_is_trained_in_place(tmp_path: Path) -> None:
    make_repository(tmp_path / "project", {"train_llm.py": "a\n"})
    write(tmp_path / "project", {"checkpoints/mine.py": "b\n"})
    space = workspace(tmp_path / "project", code="in-place")
    code = space.take()
    nest(tmp_path / "project/checkpoints/run", DEEPER_THAN_A_PATH)
    assert space.take() == code
