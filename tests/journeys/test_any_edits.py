"""Whatever happens in a repository: the working tree is exact, and the user's things are as they were."""

import subprocess
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.memory import MEMORY
from tests.support.repositories import files_below, git, make_repository, state_of, workspace

SCRIPT = {"train_llm.py": "print('val_loss: 4.0')\n"}


NAMES = st.sampled_from(["a.py", "b c.txt", "d/e.py", "d/ü.txt", "f\ng.py", "data/h", "i.bin", "k", "k/l.py", '"q"'])
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "delete", "add", "link", "stage", "commit", "stash", "executable", "unstage"]), NAMES
    ),
    max_size=8,
)


def _edit(folder: Path, kind: str, name: str) -> None:
    place = folder / name
    try:
        if kind in ("write", "add"):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{kind} {name} {len(list(folder.rglob('*')))}\n")
        elif kind == "delete":
            place.unlink()
        elif kind == "link":
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to("a.py")
        elif kind == "executable":
            place.chmod(0o755)
        if kind in ("add", "stage"):
            git(folder, "add", "-f", "--", name)
        elif kind == "unstage":
            git(folder, "rm", "-q", "--cached", "--", name)
        elif kind == "commit":
            git(folder, "commit", "-q", "-a", "-m", "edit")
        elif kind == "stash":
            git(folder, "stash", "-q")
    except (OSError, subprocess.CalledProcessError):
        pass  # an edit that means nothing there


@given(EDITS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_edits_the_working_tree_is_exact_and_the_repository_untouched(edits: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name:
        folder = make_repository(Path(name) / "p", {**SCRIPT, "a.py": "1", ".gitignore": "data/\n*.bin\n"})
        for kind, file in edits:
            _edit(folder, kind, file)
        (folder / "checkpoints").mkdir()
        before, files = state_of(folder), files_below(folder)
        space = workspace(folder)
        code = space.take()
        assert state_of(folder) == before
        space.keep(code)
        tree = space.working_directory(code)
        assert state_of(folder) == before
        seen = {file: content for file, content in files_below(tree).items() if file != "checkpoints"}
        for link in [one for one, content in seen.items() if content == f"link to {folder / one}"]:
            del seen[link]
            files = {one: content for one, content in files.items() if one != link and not one.startswith(f"{link}/")}
        assert seen == files
        assert workspace(folder).take() == code
        space.release(space.unneeded([]))
        assert state_of(folder) == before
        assert git(folder, "for-each-ref", "refs/seedproof") == ""
        assert git(folder, "worktree", "list").count("\n") == 1
