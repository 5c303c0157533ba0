"""Finds what changed during a run of its code and of the sealed files, at its end."""

import json
import math
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from seedproof.admission.code import changed_seals, list_files
from seedproof.ledger.state import State
from seedproof.model.code import SOURCE_ENDINGS, Code
from seedproof.model.refusals import Refusal, SnapshotMissing
from seedproof.model.runs import Run

from seedproof_mcp.code.checked_out import differing_files, was_written_since
from seedproof_mcp.code.git import Git, GitFailed
from seedproof_mcp.code.hashes import Hashes
from seedproof_mcp.code.identity import File, printable
from seedproof_mcp.code.in_place import Sources
from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.settings import Settings, load_config
from seedproof_mcp.runner.run_setup import code_of
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["changed_meanwhile"]

_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\t": "\t"}


def changed_meanwhile(paths: ProjectPaths, state: State, run: Run) -> str | None:
    """What of a run's code or of the sealed files changed during it, as the reason of its failure; None for nothing.

    A file that was set back before the end counts: nobody knows what the run read.

    Raises:
        BadSettings: git, or a sealed file, cannot be read now; the end waits until that is mended.
        OSError: The run's folder cannot be read.
    """
    paths = paths.of_slot(run.slot)
    code, folder = code_of(state, run), paths.run(run.run_id)
    if code is None:
        return None
    try:
        # Written once the code was looked at, and before the training could read anything.
        began_ns = folder.spec.stat().st_mtime_ns
    except FileNotFoundError:
        return f"whether its code changed during the run cannot be told: {folder.spec.name} is gone"
    workspace = Workspace(paths, _settings_of(paths, run))
    try:
        sealed = _sealed(paths, state, run, workspace, code, began_ns)
        changed = _code_files(paths, state, workspace, code, began_ns, folder)
    except SnapshotMissing as refusal:
        return f"whether its code changed during the run cannot be told: {refusal.message.rstrip('.')}"
    where = " of the snapshot" if code.held == "snapshot" else ""
    found = [f"{list_files(changed)}{where} changed during the run"] if changed else []
    found += [f"{list_files(sealed)} is sealed and changed during the run"] if sealed else []
    return "; ".join(found) or None


def _settings_of(paths: ProjectPaths, run: Run) -> Settings:
    """The present settings with what the run left out of its code; defaults where they cannot be read."""
    settings = Settings()
    with suppress(Refusal):
        settings = load_config(paths.settings).settings
    return settings.model_copy(update={"not_code": list(run.surroundings.get("not_code", ()))})


def _sealed(paths: ProjectPaths, state: State, run: Run, workspace: Workspace, code: Code, began_ns: int) -> list[str]:
    patterns, reference = state.rules_of(run.generation).sealed, state.generations[run.generation - 1].code
    if not patterns or reference is None:
        return []
    now = workspace.sealed_now(code, patterns)
    with suppress(OSError):  # then the large ones are read again
        workspace.remember()
    folder = paths.root if code.snapshot is None else workspace.places(code)[1] / workspace.prefix(code)
    # Of a snapshot, what its own links lead to: a sealed file may be one of the project's ignored ones.
    written = {name for name in now if was_written_since(Path(os.path.realpath(_named(folder, name))), began_ns)}
    return sorted({*changed_seals(reference, now), *written})


def _named(folder: Path, name: str) -> Path:
    """The file that `printable` gave a name."""
    if os.path.lexists(folder / name):
        return folder / name
    raw = re.sub(rb"\\x([89a-f][0-9a-f])", lambda found: bytes.fromhex(found[1].decode()), name.encode())
    return folder / os.fsdecode(raw)


def _code_files(
    paths: ProjectPaths, state: State, workspace: Workspace, code: Code, began_ns: int, run: RunPaths
) -> list[str]:
    """Files of the code that are not as they were, or were written; new ones are none.

    A file of results that only grew is none, and neither is what the run wrote itself, except for Python: a program
    that was rewritten is not the one that the record of the run names. In place, where people work meanwhile, a file
    that the run is known not to have opened is none either. Nor is one that has its content, and that the run did not
    open after it was touched: other rights, or a backup, touch files too.
    """
    (origin, top), listed = workspace.places(code), workspace.listed(code, state.created)
    if code.held == "snapshot":
        other = set(differing_files(paths, top, listed))
    else:
        hashes = Hashes(paths)
        other = {file.path for file in listed if _hash(hashes, top / file.path) != file.blob}
    written = [file for file in listed if file.path in other or was_written_since(top / file.path, began_ns)]
    if not written:  # the records of a run may be long
        return []
    own, opened = _opened(run, "w"), _opened(run, "ri") if _is_fully_observed(run) else None

    def is_changed(file: File) -> bool:
        place = top / file.path
        real = os.path.realpath(place)
        if opened is not None and file.path not in other and opened.get(real, 0) <= began_ns:
            return False
        if opened is not None and code.held != "snapshot" and real not in opened:
            return False
        is_own = real in own or _only_grew(place, lambda: _content_of(paths, origin, code, file))
        return place.suffix == ".py" or not is_own

    return [printable(file.path) for file in written if is_changed(file)]


def _hash(hashes: Hashes, place: Path) -> str | None:
    try:
        return hashes.of(place)[1]
    except OSError:
        return None


def _content_of(paths: ProjectPaths, top: Path, code: Code, file: File) -> bytes | None:
    """What a file held when its code was taken; None where that is not stored."""
    if code.snapshot is None:
        return Sources(paths, top).text(file)
    try:
        return Git(top)("cat-file", "blob", file.blob).out
    except GitFailed:
        return None


def _only_grew(place: Path, content: Callable[[], bytes | None]) -> bool:
    """Whether a file that is no source begins with its old content, as a table of results does."""
    if place.suffix.lower() in SOURCE_ENDINGS:
        return False
    try:
        old = content()
        return old is not None and place.read_bytes().startswith(old)
    except OSError:
        return False


def _is_fully_observed(run: RunPaths) -> bool:
    try:
        return bool(json.loads(run.observed.read_bytes())["observed"] == "fully")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _opened(run: RunPaths, kinds: str) -> dict[str, float]:
    """When the files that the processes of a run are known to have opened had last been touched at that moment.

    By real path, in nanoseconds; infinite where a record does not say so.

    Args:
        kinds: Kinds of lines in the records.
    """
    found: dict[str, float] = {}
    for place in run.reads.glob("*.reads"):
        with suppress(OSError), place.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for line in lines:
                if line[1:2] == "\t" and line[0] in kinds:
                    *_, touched, path = line.removesuffix("\n").split("\t", 5)
                    real = os.path.realpath(re.sub(r"\\[\\nt]", lambda seen: _ESCAPES[seen[0]], path))
                    found[real] = max(found.get(real, 0.0), int(touched) if touched.isdecimal() else math.inf)
    return found
