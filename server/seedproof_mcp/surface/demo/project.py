"""Sets up and removes the folder that the demonstration works in."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seedproof.model.refusals import Refusal

from seedproof_mcp.service.service import Service
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, registry_entry, slot_lock

__all__ = ["KEPT", "end_work", "example_script", "keep_reports", "own_state", "prepare", "remove"]

EXAMPLE = Path("examples/tiny_lm/train_llm.py")
CLEAN_UP_S = 30.0
# Half of the default: seventeen trainings of a second or two on a quiet machine, and the same verdicts.
TOKENS = 500_000
KEPT = "seedproof-demo"
"""The folder, below the one that the demonstration is started in, that keeps its reports."""


def example_script() -> Path:
    """The example script: inside the package in a wheel, beside the packages in a checkout."""
    package = Path(__file__).parents[2]  # seedproof_mcp
    packaged = package / EXAMPLE
    return packaged if packaged.is_file() else package.parents[1] / EXAMPLE


@contextmanager
def own_state(folder: Path) -> Iterator[None]:
    """Let everything that is started meanwhile keep its state in a folder, unless slots are shared with others.

    Where the account has slots, trainings of other projects must not overlap with those of the demonstration.
    """
    before = os.environ.get("XDG_STATE_HOME")
    if not slot_lock("default").parent.exists():
        os.environ["XDG_STATE_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("XDG_STATE_HOME", None)
        else:
            os.environ["XDG_STATE_HOME"] = before


def prepare(project: Path, script: Path) -> None:
    """Put the script and the settings where the server expects them."""
    files.make_folder(project)
    files.copy_file(script, project / "train_llm.py")
    # The example needs numpy. This interpreter has it; `python3` may not.
    settings = f"[rules]\ntrain_tokens = {TOKENS}\n\n[settings]\npython = {json.dumps(sys.executable)}\n"
    files.write_atomic(ProjectPaths(project).settings, settings.encode())


def end_work(project: Path) -> bool:
    """Stop all training, wait for the conductor to exit, and return whether it did in time."""
    lock, service = ProjectPaths(project).conductor_lock, Service(project)
    deadline = time.monotonic() + CLEAN_UP_S
    while locks.is_locked(lock) and time.monotonic() < deadline:
        with suppress(Refusal):  # it ended by itself in this moment
            list(service.stop_all("the demonstration has ended"))
        time.sleep(0.1)
    return not locks.is_locked(lock)


def keep_reports(project: Path, folder: Path) -> bool:
    """Copy reports and figures; return whether they are there.

    Args:
        project: The demonstration's project.
        folder: Where they go; those of an earlier demonstration are replaced.
    """
    research = ProjectPaths(project).research
    try:
        names = sorted(one.name for one in research.iterdir() if one.suffix in (".md", ".svg", ".json"))
        files.make_folder(folder)
        for name in names:
            files.copy_file(research / name, folder / name)
    except OSError:
        return False
    return bool(names)


def remove(project: Path) -> bool:
    """Remove the folder and its entry in the registry, and try again if a conductor wrote meanwhile.

    Returns:
        Whether the folder is gone.
    """
    deadline = time.monotonic() + CLEAN_UP_S
    while True:
        try:
            files.remove_tree(project)
            break
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
    # A demonstration is no study: the next one, and a study of the same script, are not told of it.
    with suppress(OSError):
        files.remove_file(registry_entry(project.resolve()))
    return True
