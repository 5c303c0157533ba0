"""Which process of a run trained, among launchers, workers and helpers."""

import pytest
from seedproof.inputs.reads import Opened, Process
from seedproof.inputs.training_process import training_process

SCRIPT, MODEL = "/p/train.py", "/p/model.py"


def process(pid: int, parent: int, *opened: str) -> Process:
    lines = tuple(Opened("r", (5, 1, 100, 100), path) for path in opened)
    return Process(pid, parent, f"/env{pid}/bin/python", "3.11.0", lines, True)


@pytest.mark.parametrize(
    ("processes", "trained"),
    [
        ([process(7, 1, SCRIPT)], 7),
        # conda: its own Python starts a shell, which starts the environment's.
        ([process(5, 1, "/conda/main.py", "/conda/run.py", "/conda/a.py"), process(9, 6, SCRIPT)], 9),
        # Workers that are spawned open the script as well.
        ([process(8, 7, SCRIPT, MODEL, "/p/data.py"), process(7, 1, SCRIPT)], 7),
        # torchrun: each rank opens it; the one that opened more saves the checkpoints.
        ([process(5, 1, "/env/torchrun"), process(7, 5, SCRIPT), process(8, 5, SCRIPT, MODEL)], 8),
        # A shell script: only the files of the project tell it.
        ([process(5, 1, "/lib/tool.py", "/lib/b.py"), process(7, 4, MODEL)], 7),
        ([process(5, 1, "/lib/a.py"), process(6, 1, "/lib/a.py", "/lib/b.py")], 6),
        ([], None),
    ],
    ids=["alone", "behind conda", "with workers", "ranks", "behind a shell", "installed", "no Python"],
)
def test_the_process_that_trained_is_found(processes: list[Process], trained: int | None) -> None:
    found = training_process(processes, [SCRIPT], ["/p/"], lambda path: path)
    assert (None if found is None else found.pid) == trained


def test_packages_below_the_project_are_not_its_code() -> None:
    launcher = process(5, 1, "/p/.venv/lib/python3.11/site-packages/tool.py", "/lib/a.py")
    found = training_process([launcher, process(7, 4, MODEL)], [SCRIPT], ["/p/"], lambda path: path)
    assert found is not None and found.pid == 7
