"""What lies in a working tree besides its snapshot: what counts as left there, and that nothing else is removed."""

from pathlib import Path

from seedproof.model.code import Code
from seedproof_mcp.code import worktree
from seedproof_mcp.code.worktree import Left
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.repositories import make_repository, workspace, write

FILES = {"train.py": "0", "outputs/README": "tracked", ".gitignore": "data/\n*.log\n"}


def checked_out(folder: Path) -> tuple[Path, Code]:
    """The working tree of a snapshot, and its code."""
    space = workspace(folder)
    code = space.take()
    space.keep(code)
    space.working_directory(code)
    assert code.snapshot is not None
    return ProjectPaths(folder).worktree(code.snapshot), code


def left_by_top(folder: Path, code: Code) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in workspace(folder).left_in_tree(code):
        found.setdefault(one.top, []).append(one.path)
    return {top: sorted(paths) for top, paths in found.items()}


def left(folder: Path, code: Code, *tops: str) -> list[Left]:
    return [one for one in workspace(folder).left_in_tree(code) if one.top in tops]


def test_what_counts_as_left_is_not_of_the_snapshot_and_no_link_of_ours(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "p", FILES)
    write(folder, {"data/train.bin": "live"})
    tree, code = checked_out(folder)
    assert (tree / "data").is_symlink()
    assert left_by_top(folder, code) == {}
    write(tree, {"wandb/run/a.bin": "1", "wandb/b": "2", "outputs/v0/c": "3", "outputs/d": "4", "train.log": "5"})
    write(tree, {"__pycache__/train.pyc": "6"})
    (tree / "wandb/latest").symlink_to("run")
    assert left_by_top(folder, code) == {
        "wandb": ["wandb/b", "wandb/latest", "wandb/run/a.bin"],
        "outputs/v0": ["outputs/v0/c"],
        "outputs/d": ["outputs/d"],
        "train.log": ["train.log"],
    }


def test_in_a_project_below_its_repository_the_folders_of_the_project_are_told_apart(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "top", {"study/train.py": "0", "other/x.py": "1"})
    tree, code = checked_out(top / "study")
    write(tree, {"study/logs/a": "1", "logs/b": "2"})
    assert left_by_top(top / "study", code) == {"study/logs": ["study/logs/a"], "logs": ["logs/b"]}


def test_what_is_removed_takes_empty_folders_with_it_and_nothing_else(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "p", FILES)
    tree, code = checked_out(folder)
    far_away = tmp_path / "far"
    write(far_away, {"thesis.tex": "ten years"})
    write(tree, {"wandb/run/a.bin": "1", "wandb/keep": "2", "outputs/v0/c": "3", "logs/x": "4"})
    (tree / "logs/far").symlink_to(far_away)
    gone = worktree.remove_left(
        tree, [one for one in left(folder, code, "wandb", "outputs/v0", "logs") if one.path != "wandb/keep"]
    )
    assert sorted(one.path for one in gone) == ["logs/far", "logs/x", "outputs/v0/c", "wandb/run/a.bin"]
    assert left_by_top(folder, code) == {"wandb": ["wandb/keep"]}
    assert not (tree / "wandb/run").exists() and not (tree / "logs").exists() and not (tree / "outputs/v0").exists()
    assert (tree / "outputs/README").read_text() == "tracked"
    assert (far_away / "thesis.tex").read_text() == "ten years"


def test_a_link_that_took_the_place_of_a_folder_is_not_gone_through(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "p", FILES)
    tree, code = checked_out(folder)
    write(tree, {"outputs/v0/c": "3"})
    seen = left(folder, code, "outputs/v0")
    far_away = tmp_path / "far"
    write(far_away, {"c": "ten years"})
    (tree / "outputs/v0").rename(tree / "moved")
    (tree / "outputs/v0").symlink_to(far_away)
    assert worktree.remove_left(tree, seen) == []
    assert (far_away / "c").read_text() == "ten years"


def test_a_repository_that_somebody_made_in_a_folder_of_runs_stays(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "p", FILES)
    tree, code = checked_out(folder)
    write(tree, {"logs/x": "1"})
    seen = left(folder, code, "logs")
    write(tree, {"logs/.git/objects/ab": "ten years"})
    assert [one.path for one in worktree.remove_left(tree, seen)] == ["logs/x"]
    assert left_by_top(folder, code) == {"logs": ["logs/.git/objects/ab"]}
