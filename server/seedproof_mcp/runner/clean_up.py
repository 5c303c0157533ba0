"""Removes what the runs of an arm left, once its report is written: output folders, and files in snapshots' trees."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from seedproof.ledger.state import Experiment, Generation, State
from seedproof.ledger.study_events import FilesRemoved
from seedproof.model.code import Code
from seedproof.model.refusals import Refusal
from seedproof.model.results import Notice
from seedproof.model.run_key import Side
from seedproof.model.runs import Run
from seedproof.notices.declarations import list_first
from seedproof.phases.experiment_state import experiment_state
from seedproof.phases.study import Study

from seedproof_mcp.code import gc, worktree
from seedproof_mcp.code.identity import printable
from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.settings import Settings, load_config
from seedproof_mcp.inputs.left_files import LeftFile, Readings, owned_files
from seedproof_mcp.ledger.file import Writer
from seedproof_mcp.runner import outputs
from seedproof_mcp.runner.run_setup import code_of
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["CleanUp", "LeftInTree", "clean_up", "left_by_runs", "left_lines", "release", "remove_unneeded"]


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What a clean-up did."""

    folders: tuple[str, ...] = ()
    """Output folders that were removed."""
    left: tuple[str, ...] = ()
    """Files and folders in working trees that were removed, relative to the project."""
    freed_bytes: int = 0
    """What that freed."""
    kept: Mapping[str, int] = field(default_factory=dict)
    """Output folders that `keep_outputs` keeps, with their bytes."""
    notices: tuple[Notice, ...] = ()
    """On folders that stay and should not."""


@dataclass(frozen=True, slots=True)
class LeftInTree:
    """What one arm left in the working tree of one snapshot, or nobody known did."""

    tree: Path
    """The working tree."""
    arm: tuple[int, str | None] | None
    """Generation and experiment; None for files that no run is known to have left."""
    files: tuple[LeftFile, ...]
    """The files."""
    stays: str | None
    """Why they stay; None where no arm needs them."""

    @property
    def size_bytes(self) -> int:
        """What they take."""
        return sum(one.left.seen.st_size for one in self.files)

    @property
    def names(self) -> tuple[str, ...]:
        """They, or the folders that hold them and nothing of the snapshot."""
        return tuple(sorted({one.left.top for one in self.files}))


def clean_up(paths: ProjectPaths, writer: Writer, name: str | None, settings: Settings) -> CleanUp:
    """Remove what the runs of an arm of the present generation left, unless `keep_outputs` keeps it.

    Args:
        name: The experiment; None for the baseline.
    """
    done = _remove_outputs(paths, writer.state, name, settings)
    codes = _codes_of(writer.state, writer.state.generations[-1], name)
    left, freed = _remove_left(paths, left_by_runs(paths, writer.state, settings, codes))
    done = replace(done, left=tuple(left), freed_bytes=done.freed_bytes + freed)
    if done.folders or left:
        writer.append(FilesRemoved(paths=(*done.folders, *left), freed_bytes=done.freed_bytes))
    return done


def remove_unneeded(paths: ProjectPaths, writer: Writer, settings: Settings) -> list[LeftInTree]:
    """Remove what no arm needs any more of all that runs left in working trees; return all of it."""
    found = left_by_runs(paths, writer.state, settings)
    left, freed = _remove_left(paths, found)
    if left:
        writer.append(FilesRemoved(paths=tuple(left), freed_bytes=freed))
    return found


def release(paths: ProjectPaths, state: State) -> None:
    """Remove the codes of earlier generations, and what runs left in their trees. The caller holds the ledger's lock.

    A tree in which something lies that no run is known to have left is moved aside: a person decides on that.
    """
    needed = {code.snapshot for code in gc.needed_codes(state)}
    found = [code for run in state.runs.values() if (code := code_of(state, run)) is not None]
    codes = {code.snapshot: code for code in found if code.snapshot and code.snapshot not in needed}
    trees = {of.worktree(commit): (of, code) for commit, code in codes.items() for of in paths.for_each_tree(commit)}
    with suppress(Refusal, OSError):
        settings = load_config(paths.settings).settings
        left = left_by_runs(paths, state, settings, codes.values()) if codes else []
        for tree in {one.tree for one in left if one.arm is None}:
            of, code = trees[tree]
            Workspace(of, settings).set_aside(code)
        gc.release(paths, state)


def left_lines(root: Path, state: State, found: Collection[LeftInTree], *, removed: bool) -> list[str]:
    """What runs left besides their output folders, for a person.

    Args:
        found: What lies in working trees.
        removed: Whether what no arm needs was removed.
    """
    lines = []
    for one in found:
        whose = "no known run" if one.arm is None else _arm_words(*one.arm)
        end = f"stays: {one.stays}" if one.stays else "removed by `seedproof gc --yes`"
        if removed and one.stays is None:
            is_there = any(os.path.lexists(one.tree / file.left.path) for file in one.files)
            end = "cannot be removed" if is_there else "removed"
        where = f"{list_first(map(printable, one.names))} in {one.tree.relative_to(root)}"
        lines.append(f"left by {whose}: {where}, {_megabytes(one.size_bytes)}; {end}")
    sizes = [os.lstat(root / name).st_size for name in state.created if os.path.lexists(root / name)]
    if sizes:
        names = list_first(map(printable, sorted({name.partition("/")[0] for name in state.created})))
        lines.append(f"left by runs in place: {names}, {_megabytes(sum(sizes))}; yours, so it stays")
    return lines


def _arm_words(generation: int, name: str | None) -> str:
    return f"{'the baseline' if name is None else f'experiment {name}'} of generation {generation}"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


# --- output folders -------------------------------------------------------------------------------


def _keeps(settings: Settings, state: State, run: Run) -> bool:
    """Whether `keep_outputs` keeps what a run left; of a WINNER it keeps what runs with its change left."""
    if settings.keep_outputs != "winner" or run.experiment is None:
        return settings.keep_outputs == "all"
    verdict = state.generations[run.generation - 1].experiments[run.experiment].verdict
    return verdict is not None and verdict.is_winner and run.key.side is Side.EXPERIMENT


def _remove_outputs(paths: ProjectPaths, state: State, name: str | None, settings: Settings) -> CleanUp:
    """Remove the arm's output folders that this ledger owns; the caller records that."""
    generation = state.generations[-1]
    baseline_ids = [*generation.run_ids, *generation.probe_ids]
    run_ids = baseline_ids if name is None else generation.experiments[name].run_ids
    removed: list[str] = []
    not_owned: list[str] = []
    not_removable: list[str] = []
    kept: dict[str, int] = {}
    freed = 0
    for folder, run_id in list(state.owned_folders.items()):
        run = state.runs[run_id]
        if run_id not in run_ids or run.state.is_active:
            continue
        is_there = os.path.lexists(paths.root / folder)
        if not is_there and run.output_id is None:
            continue  # the command names no output folder, and its script made none
        if is_there and _keeps(settings, state, run):
            kept[folder] = outputs.size(paths.root / folder)
            continue
        try:
            found = outputs.remove_ours(paths.root, state, folder) if is_there else 0
        except OSError as error:
            if not outputs.stays(error):
                raise
            not_removable.append(f"{folder} ({error.strerror})")
            continue
        if found is None:
            not_owned.append(folder)
            continue
        freed += found
        removed.append(folder)
    texts = (
        (not_owned, "not what the run left there, so it stays: {}. Look at it and remove it yourself."),
        (not_removable, "cannot be removed, at least not all of it: {}. Remove it yourself."),
    )
    notices = tuple(Notice("not_removed", text.format(", ".join(folders))) for folders, text in texts if folders)
    return CleanUp(tuple(removed), (), freed, kept, notices)


# --- files in working trees -----------------------------------------------------------------------


def left_by_runs(
    paths: ProjectPaths, state: State, settings: Settings, codes: Collection[Code] | None = None
) -> list[LeftInTree]:
    """What runs left in the working trees that are still needed, by tree and arm.

    Args:
        codes: The snapshots to look at; None for all that are needed.
    """
    wanted = gc.needed_codes(state) if codes is None else codes
    snapshots = {code.snapshot: code for code in wanted if code.snapshot is not None}
    workspaces, readings, found = dict[str, Workspace](), None, list[LeftInTree]()
    for commit, of in [(one, of) for one in snapshots for of in paths.for_each_tree(one)]:
        workspace, left, tree = workspaces.setdefault(of.slot, Workspace(of, settings)), None, of.worktree(commit)
        with suppress(Refusal, OSError):  # of a snapshot that is gone, or cannot be asked about, nothing is removed
            left = workspace.left_in_tree(snapshots[commit])
        if left:
            readings = readings or Readings(paths, state)
            runs = [run for run in state.runs.values() if run.started and _is_trained_with(state, run, commit)]
            why = _why_tree_stays(state, readings, commit, runs)
            found += _by_arm(state, settings, tree, why, owned_files(left, tree, paths.root, runs, readings))
    return found


def _is_trained_with(state: State, run: Run, commit: str) -> bool:
    code = code_of(state, run)
    return code is not None and code.snapshot == commit


def _by_arm(
    state: State, settings: Settings, tree: Path, why: str | None, owned: list[LeftFile]
) -> Iterator[LeftInTree]:
    """The files of a working tree by arm, and by why they stay.

    Args:
        why: Why all of them stay; None where that depends.
    """
    parts: dict[tuple[tuple[int, str | None] | None, str | None], list[LeftFile]] = {}
    for file in owned:
        run = None if file.run_id is None else state.runs[file.run_id]
        arm = None if run is None else (run.generation, run.experiment)
        stays = why
        if run is None:
            stays = "nothing shows which run left it"
        elif file.is_read:
            stays = "runs read it, or may"
        elif why is None and _keeps(settings, state, run):
            stays = f'keep_outputs = "{settings.keep_outputs}"'
        parts.setdefault((arm, stays), []).append(file)
    for (arm, stays), of_arm in parts.items():
        yield LeftInTree(tree, arm, tuple(of_arm), stays)


def _why_tree_stays(state: State, readings: Readings, commit: str, runs: list[Run]) -> str | None:
    """Why nothing of a working tree may go yet; None where every arm that trains there is done."""
    if any(run.state.is_active for run in runs):
        return "a run trains there"
    if any(run.run_id in readings.unknown for run in runs):
        return "not all is known that its runs read"
    generation = state.generations[-1]
    for arm in (None, *generation.experiments):
        trains_there = any(code.snapshot == commit for code in _codes_of(state, generation, arm))
        if trains_there and not _is_done(state, generation, arm):
            return f"{'the baseline' if arm is None else arm} is not done"
    return None


def _codes_of(state: State, generation: Generation, arm: str | None) -> list[Code]:
    """The codes of an arm and of its runs."""
    owner: Generation | Experiment = generation if arm is None else generation.experiments[arm]
    codes = [owner.code, *(code_of(state, state.runs[run_id]) for run_id in owner.run_ids)]
    return list({code.sha256: code for code in codes if code is not None}.values())


def _is_done(state: State, generation: Generation, arm: str | None) -> bool:
    """Whether an arm of the present generation has its report, or ended without one, and nothing of it is queued."""
    owner: Generation | Experiment = generation if arm is None else generation.experiments[arm]
    ids = [*owner.run_ids, *(owner.probe_ids if isinstance(owner, Generation) else ())]
    if any(state.runs[run_id].state.is_active for run_id in ids):
        return False
    if isinstance(owner, Generation):
        return owner.report is not None
    where = experiment_state(Study(state, generation.rules), owner)[0]
    return owner.report is not None or where not in ("declared", "measuring", "measured", "judged")


def _remove_left(paths: ProjectPaths, found: Collection[LeftInTree]) -> tuple[list[str], int]:
    """Remove what no arm needs; return its names, relative to the project, and the freed bytes."""
    names: set[str] = set()
    freed = 0
    for tree in {one.tree for one in found}:
        # Together, as a folder that several arms wrote to is removed as a whole.
        files = [file.left for one in found if one.tree == tree and one.stays is None for file in one.files]
        gone = worktree.remove_left(tree, files)
        freed += sum(one.seen.st_size for one in gone)
        names |= {str(tree.relative_to(paths.root) / one.top) for one in gone}
    return sorted(names), freed
