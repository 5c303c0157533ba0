"""Code identity, and how two codes differ: what counts, what is listed, what is sealed, what is needed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from seedproof.model.code import ChangedFile
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.repositories import git, make_repository, state_of, workspace, write

SCRIPT = {"train_llm.py": "print('val_loss: 4.0')\n"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(
        tmp_path / "project", {**SCRIPT, "lib/model.py": "SIZE = 1\n", ".gitignore": "data/\n*.bin\n"}
    )


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "figure.PNG",
        "docs/research/ledger.jsonl",
        "checkpoints/x/model.bin",
        "seedproof.toml",
        ".mcp.json",
        ".claude/settings.json",
        "LICENSE",
        "notes/today/idea.txt",
        "results.tsv",
    ],
)
@pytest.mark.parametrize("code", ["snapshot", "in-place"])
def test_what_cannot_change_a_run_is_no_part_of_code_identity(repository: Path, name: str, code: str) -> None:
    space = workspace(repository, code=code, not_code=["notes/*"])
    before = space.take(created=["results.tsv"]).sha256
    write(repository, {name: "written by an agent"})
    assert space.take(created=["results.tsv"]).sha256 == before


@pytest.mark.parametrize("name", ["other.py", "config.yaml", "created.py", "docs/research.py", "data.txt"])
@pytest.mark.parametrize("code", ["snapshot", "in-place"])
def test_every_other_file_is_a_part_of_code_identity(repository: Path, name: str, code: str) -> None:
    space = workspace(repository, code=code)
    before = space.take(created=["created.py"]).sha256
    write(repository, {name: "1"})
    between = space.take(created=["created.py"]).sha256
    write(repository, {name: "2"})
    after = space.take(created=["created.py"]).sha256
    (repository / name).chmod(0o755)
    executable = space.take(created=["created.py"]).sha256
    assert len({before, between, after, executable}) == 4


@pytest.mark.parametrize("name", ["checkpoints/helper.py", "checkpoints/a/model.py", "docs/research/plan.py"])
@pytest.mark.parametrize("code", ["snapshot", "in-place"])
def test_a_tracked_program_among_the_results_is_a_part_of_code_identity(repository: Path, name: str, code: str) -> None:
    write(repository, {name: "1"})
    git(repository, "add", "-f", name)
    space = workspace(repository, code=code)
    before = space.take()
    write(repository, {name: "2"})
    change = space.change(before, space.take())
    assert change is not None and [file.path for file in change.files] == [name]


@pytest.mark.parametrize("has_git", [True, False])
def test_in_place_a_program_beside_the_outputs_counts_and_one_that_a_run_saved_does_not(
    repository: Path, has_git: bool
) -> None:
    if not has_git:
        shutil.rmtree(repository / ".git")
    space = workspace(repository, code="in-place")
    before = space.take()
    write(repository, {"checkpoints/exp_a/code/train_llm.py": "saved by a run", "checkpoints/exp_a/model.json": "{}"})
    assert space.take() == before
    write(repository, {"checkpoints/helper.py": "1"})
    assert space.differing(before) == ("checkpoints/helper.py",)


def test_both_ways_of_taking_code_agree_on_its_identity(repository: Path) -> None:
    write(repository, {"späße/mit leer.py": "x", "b.sh": "y"})
    (repository / "b.sh").chmod(0o755)
    (repository / "link.py").symlink_to("train_llm.py")
    assert workspace(repository).take().sha256 == workspace(repository, code="in-place").take().sha256


def test_the_change_lists_files_with_counts_and_keeps_the_difference(repository: Path) -> None:
    space = workspace(repository)
    old = space.take()
    space.keep(old)
    (repository / "lib/model.py").rename(repository / "lib/net work.py")
    write(repository, {"train_llm.py": "a\nb\n", "NOTES.md": "x"})
    (repository / "w.dat").write_bytes(b"\0\1")
    before = state_of(repository)
    new = space.take()
    teller = workspace(repository)
    change = teller.change(old, new)
    assert change is not None
    teller.keep_change(change)
    assert change.files == (
        ChangedFile("lib/model.py", 0, 1),
        ChangedFile("lib/net work.py", 1, 0),
        ChangedFile("train_llm.py", 2, 1),
        ChangedFile("w.dat", None, None),
    )
    text = ProjectPaths(repository).diff(str(change.diff_sha256)).read_text()
    assert "-print('val_loss: 4.0')\n+a\n+b\n" in text and "NOTES" not in text
    assert space.change(new, new) is None
    assert state_of(repository) == before


def test_a_change_between_a_snapshot_and_code_in_place_is_found_both_ways(repository: Path) -> None:
    snapshot = workspace(repository).take()
    workspace(repository).keep(snapshot)
    place = workspace(repository, code="in-place")
    write(repository, {"train_llm.py": "a\nb\n"})
    live = place.take()
    place.keep(live)
    write(repository, {"train_llm.py": "c\n"})
    there = workspace(repository, code="in-place").change(snapshot, live)
    back = workspace(repository).change(live, snapshot)
    assert there is not None and there.files == (ChangedFile("train_llm.py", 2, 1),)
    assert back is not None and back.files == (ChangedFile("train_llm.py", 1, 2),)


def test_sealed_files_are_hashed_as_a_run_sees_them(repository: Path) -> None:
    write(repository, {"evaluate.py": "1", "data/val_a.npy": "2", "data/deep/val.txt": "3", "data/train": "4"})
    space = workspace(repository)
    patterns = ["evaluate.py", "data/val*", "**/val.txt", "missing.py"]
    code = space.take(patterns)
    assert set(code.sealed) == {"evaluate.py", "data/val_a.npy", "data/deep/val.txt"}
    write(repository, {"evaluate.py": "edited", "data/val_b.npy": "new", "data/val_a.npy": "edited"})
    now = space.sealed_now(code, patterns)
    assert now["evaluate.py"] == code.sealed["evaluate.py"]
    assert now["data/val_a.npy"] != code.sealed["data/val_a.npy"]
    assert "data/val_b.npy" in now
    later = space.take(patterns)
    assert later.sealed["evaluate.py"] != code.sealed["evaluate.py"]
    # What the settings keep out of a snapshot, and what is new and untracked, no run of this code sees.
    write(repository, {"val.txt": ""})
    assert set(workspace(repository, not_linked=["data"]).sealed_now(code, patterns)) == {"evaluate.py"}


def test_modules_come_from_the_snapshot_also_where_the_project_is_installed_editable(repository: Path) -> None:
    write(repository, {"src/pkg/__init__.py": "WHERE = 'snapshot'\n", "flat/__init__.py": "WHERE = 'snapshot'\n"})
    site = repository / ".venv/lib/site-packages"
    write(
        site,
        {
            "__editable___flat_0_1_finder.py": f"MAPPING: dict[str, str] = {{'flat': '{repository}/flat'}}\n",
            "other.py": "",
            "../../pyvenv.cfg": "",
        },
    )
    write(repository, {".gitignore": ".venv/\n"})
    space = workspace(repository, env={"PYTHONPATH": "/elsewhere"})
    code = space.take()
    here = ProjectPaths(repository).worktree(str(code.snapshot))
    write(repository, {"src/pkg/__init__.py": "WHERE = 'project'\n", "flat/__init__.py": "WHERE = 'project'\n"})
    search = ["", str(repository / "src"), "/usr/lib/python3", str(site), "/elsewhere", str(repository / "gone")]
    found = space.environment(code, search)
    assert found == {"PYTHONPATH": f"{here}/src:{here}:/elsewhere"}
    ask = "import pkg, flat; print(pkg.WHERE, flat.WHERE)"
    said = subprocess.run([sys.executable, "-c", ask], cwd=here.parent, env=found, capture_output=True, check=True)
    assert said.stdout == b"snapshot snapshot\n"
    assert space.environment(code, ["/usr/lib/python3"]) == {}


def test_what_no_needed_code_uses_is_found_and_released(repository: Path) -> None:
    space = workspace(repository)
    old = space.take()
    write(repository, {"train_llm.py": "x\n" * 1000})
    new = space.take()
    for code in (old, new):
        space.keep(code)
        space.working_directory(code)
    change = space.change(old, new)
    assert change is not None
    space.keep_change(change)
    assert space.unneeded([old, new]) == []
    found = space.unneeded([old])
    assert {one.kind for one in found} == {"snapshot", "worktree", "diff"}
    assert all(one.size_bytes > 0 for one in found)
    before = state_of(repository)
    freed = space.release(found)
    assert freed == sum(one.size_bytes for one in found if one.kind != "snapshot")
    assert space.unneeded([old]) == []
    assert space.is_kept(old) and (repository / "train_llm.py").exists()
    assert git(repository, "worktree", "list").count("\n") == 2
    assert state_of(repository) == before


def test_a_fresh_clone_has_no_snapshot_and_says_so(repository: Path, tmp_path: Path) -> None:
    from seedproof.model.refusals import SnapshotMissing

    space = workspace(repository)
    code = space.take()
    space.keep(code)
    git(tmp_path, "clone", "-q", "--no-local", str(repository), "clone")
    clone = workspace(tmp_path / "clone")
    assert not clone.is_kept(code)
    for call in (clone.keep, clone.working_directory, lambda one: clone.sealed_now(one, ["a"])):
        with pytest.raises(SnapshotMissing, match="is not in this repository") as refused:
            call(code)
        assert str(refused.value.next_call) == "run_seed(new_baseline=…)"
    subprocess.run(["rm", "-rf", str(tmp_path / "clone/.git")], check=True)
    assert not clone.is_kept(code)
