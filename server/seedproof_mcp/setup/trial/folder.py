"""The folder of tried runs: made, read, and removed with all that runs there, also after a try that was killed."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from seedproof.model.refusals import Refusal

from seedproof_mcp.code import worktree
from seedproof_mcp.code.git import GitFailed
from seedproof_mcp.code.project_repository import ProjectRepository
from seedproof_mcp.runner.engines import Engine, Engines, RunState
from seedproof_mcp.supervisor.run_contract import read_spec
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import RunPaths, ScratchPaths, prepare_state

__all__ = ["begin", "clean_up", "log_of", "small_files"]

_POLL_S = 0.05
# Beyond the grace: SIGKILL, and the publication of the result.
_END_S = 30.0
# Of a log; a minute of training prints less.
_MOST_LOG_BYTES = 32 << 20
_MOST_FILES, _MOST_FILE_BYTES = 20, 1 << 20
_NUMBERS = (".json", ".jsonl", ".csv", ".tsv")


def begin(scratch: ScratchPaths) -> None:
    """Make the folder of the runs, and note which folders of the project were not there before."""
    made = [str(one) for one in (scratch.checkpoints, scratch.state.parent) if not os.path.lexists(one)]
    prepare_state(scratch)
    files.write_atomic(scratch.made, json.dumps(made).encode())


def clean_up(scratch: ScratchPaths) -> None:
    """End what runs of this try, or of one that was killed, and remove all that they left.

    Raises:
        OSError: Something cannot be removed.
    """
    if not os.path.lexists(scratch.state):
        return
    for folder in _entries(scratch.runs):
        _end(RunPaths(folder))
    try:
        repository = ProjectRepository(scratch.root).find()
    except GitFailed:
        repository = None
    for tree in _entries(scratch.worktrees):
        if repository is not None:
            worktree.remove(scratch, repository, tree)
    made: Any = []
    with suppress(OSError, ValueError):
        made = json.loads(scratch.made.read_bytes())
    files.remove_tree(scratch.state)
    for place in (scratch.checkpoints, scratch.state.parent):
        if str(place) in made:
            files.remove_empty_folders(place, place.parent)


def _end(run: RunPaths) -> None:
    """End a run that is still going on: its supervisor ends the whole tree, and where that is gone the engine does."""
    engine, handle = Engines().of(run), str(run.folder)
    # Before anybody is asked where it stands: a scheduler that is out of reach keeps no run from being ended.
    if not run.result.exists():
        _cancel(engine, handle)
    deadline_s, is_removed = time.monotonic() + _grace_s(run) + _END_S, False
    while (state := _standing(engine, handle)) not in ("done", "lost") and time.monotonic() < deadline_s:
        if state == "queued" and not is_removed:  # its job may have been out of reach the first time
            _cancel(engine, handle)
            is_removed = True
        time.sleep(_POLL_S)
    engine.sweep(handle)


def _cancel(engine: Engine, handle: str) -> None:
    with suppress(OSError, Refusal):
        engine.cancel(handle, "the try was ended")


def _standing(engine: Engine, handle: str) -> RunState | None:
    """Where a run stands; None where that is not known at present."""
    try:
        return engine.poll(handle)
    except (OSError, Refusal):
        return None


def _grace_s(run: RunPaths) -> float:
    try:
        return read_spec(run.spec).grace_s
    except (OSError, ValueError, TypeError):
        return 0.0


def _entries(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    except OSError:
        return []


def log_of(run: RunPaths) -> bytes:
    """The end of a log, nothing where there is none."""
    try:
        size = int(json.loads(run.result.read_bytes())["log_bytes"])
        with run.log.open("rb") as log:
            log.seek(max(0, size - _MOST_LOG_BYTES))
            return log.read(min(size, _MOST_LOG_BYTES))
    except (OSError, ValueError, KeyError, TypeError):
        return b""


def small_files(cwd: str, root: Path, written: Sequence[str]) -> dict[str, bytes]:
    """Small files of numbers among those that a run wrote, by their path from its working folder.

    Args:
        cwd: That folder.
        root: The project, whose ignored folders a working tree reaches through links.
        written: The files, by their real paths.
    """
    found: dict[str, bytes] = {}
    for one in written:
        name = next((os.path.relpath(one, top) for top in (cwd, str(root)) if one.startswith(f"{top}/")), None)
        if name is None or not one.lower().endswith(_NUMBERS) or len(found) == _MOST_FILES:
            continue
        with suppress(OSError):
            if os.path.realpath(os.path.join(cwd, name)) == one and os.path.getsize(one) <= _MOST_FILE_BYTES:
                found[name] = Path(one).read_bytes()
    return found
