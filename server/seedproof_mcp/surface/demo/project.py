"""Sets up and removes the folder that the demonstration works in."""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from seedproof.model.refusals import Refusal

from seedproof_mcp.service.service import Service
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, registry_entry

__all__ = ["end_work", "example_script", "prepare", "remove"]

EXAMPLE = Path("examples/tiny_lm/train_llm.py")
CLEAN_UP_S = 30.0


def example_script() -> Path:
    """The example script: inside the package in a wheel, beside the packages in a checkout."""
    package = Path(__file__).parents[2]  # seedproof_mcp
    packaged = package / EXAMPLE
    return packaged if packaged.is_file() else package.parents[1] / EXAMPLE


def prepare(project: Path, script: Path) -> None:
    """Put the script and the settings where the server expects them."""
    files.copy_file(script, project / "train_llm.py")
    # The example needs numpy. This interpreter has it; `python3` may not.
    settings = f"[settings]\npython = {json.dumps(sys.executable)}\n"
    files.write_atomic(ProjectPaths(project).settings, settings.encode())


def end_work(project: Path) -> bool:
    """Stop all training, wait for the conductor to exit, and return whether it did in time."""
    lock, service = ProjectPaths(project).conductor_lock, Service(project)
    deadline = time.monotonic() + CLEAN_UP_S
    while locks.is_locked(lock) and time.monotonic() < deadline:
        try:
            running = service.list_experiments().running
            if running is not None:
                service.stop_run(running.run_id, "the demonstration has ended")
        except Refusal:
            pass  # it ended by itself in this moment
        time.sleep(0.1)
    return not locks.is_locked(lock)


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
