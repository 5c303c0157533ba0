"""What runs need around them: git, room on the disk, the slot, the state folder, and what the last run told."""

import os
import shutil
from collections.abc import Iterator

from seedproof.admission.guards import GIGABYTE, check_room
from seedproof.ledger.state import State
from seedproof.model.refusals import DiskLow, Refusal
from seedproof.model.runs import RunState

from seedproof_mcp.code.git import GitFailed, find_repository
from seedproof_mcp.host.settings import Config, Settings, present_limits
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner.conductor_status import read_problem
from seedproof_mcp.runner.engines import Engine
from seedproof_mcp.service.service import Service
from seedproof_mcp.setup.doctor.finding import Finding, fault, fine, note
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["look_at_disk", "look_at_git", "look_at_metric", "look_at_slot", "look_at_state", "read_state"]


def read_state(paths: ProjectPaths) -> tuple[State, list[Finding]]:
    """What the ledger says, and what is wrong with it."""
    ledger = Ledger(paths)
    try:
        state = ledger.refresh()
    except Refusal as refusal:
        return State(), [fault("state folder", refusal.message, "docs/files.md, `When the ledger is refused`.")]
    if not state.generations:
        return state, [fine("state folder", "no run was recorded yet")]
    found = [fine("state folder", f"{paths.state.name}, {len(state.runs)} runs, head {state.head_label}")]
    told = (one for one in ledger.past() if one.code == "registry_unwritable")
    return state, [*found, *(note("state folder", one.message, "Make it writable.") for one in told)]


def look_at_state(paths: ProjectPaths) -> Iterator[Finding]:
    """Whether the state can be written, and whether the conductor can work."""
    folder = paths.state if paths.state.exists() else paths.root
    if not os.access(folder, os.W_OK | os.X_OK):
        yield fault("state folder", f"{folder} cannot be written by this account.", f"chown or chmod {folder}.")
    problem = read_problem(paths)
    if problem is not None:
        yield fault("state folder", f"the conductor cannot go on: {problem}", "Mend that; it goes on by itself.")


def look_at_git(paths: ProjectPaths, settings: Settings) -> Iterator[Finding]:
    """Where the code of runs is kept."""
    try:
        repository = find_repository(paths.root)
    except GitFailed as failure:
        remedy = 'Mend that, or write code = "in-place" into [settings]: runs then train in the folder itself.'
        yield fault("git", f"git refuses to read the repository: {failure.reason}", remedy)
        return
    if repository is not None:
        kept = "trained from snapshots" if settings.code == "snapshot" else "trained in the folder itself"
        yield fine("git", f"repository {repository.top}; runs are {kept}")
    elif shutil.which("git") is None and any((one / ".git").exists() for one in (paths.root, *paths.root.parents)):
        yield note("git", "git is not installed, so runs are trained in the folder itself.", "Install git.")
    else:
        yield fine("git", "no repository; runs are trained in the folder itself")


def look_at_disk(paths: ProjectPaths, config: Config, state: State) -> Iterator[Finding]:
    """Whether a run has the room that it needs."""
    limits = present_limits(paths, config.settings)
    try:
        check_room(state, limits)
    except DiskLow as refusal:
        yield fault("disk", refusal.message, "Free space: `seedproof gc`, old checkpoints; or move the project.")
        return
    free = "unknown" if limits.free_bytes is None else f"{limits.free_bytes / GIGABYTE:.1f} GB"
    yield fine("disk", f"{free} free; at least {config.settings.min_free_gb:g} GB have to be")


def look_at_slot(paths: ProjectPaths, name: str, engine: Engine, state: State) -> Iterator[Finding]:
    """Whether the next run can start now.

    Args:
        name: The name of the slot.
        engine: What would place the run.
    """
    if any(state.runs[one].state is RunState.RUNNING for one in state.active):
        yield fine("slot", f"{name}, a run of this project is training")
        return
    holder = engine.slot_holder(name, locks.signature(paths.conductor_lock))
    if holder is None:
        yield fine("slot", f"{name}, free")
    elif holder.startswith("another"):
        remedy = 'Runs wait for it. On another device, slot = "gpu1" in [settings] lets both train at once.'
        yield note("slot", f"{holder} holds the slot {name}.", remedy)
    elif engine.slot_file(name) is None:  # a scheduler's, with nothing on this machine to be ended
        yield note("slot", f"{holder} holds the slot {name}.", "Runs wait for it; it ends by itself.")
    else:
        yield fault("slot", f"{holder} holds the slot {name}.", "Find it with `ps`, and end it; then runs start.")


def look_at_metric(service: Service, state: State, config: Config) -> Iterator[Finding]:
    """Whether the newest run could be read."""
    name = config.rules.metric.name
    if not any(not run.state.is_active for run in state.runs.values()):
        yield fine("metric", f"{name}; `seedproof try` tells whether it is found in the output")
        return
    failed = {one.run_id: one for one in service.failed_runs()}
    newest = failed.get(next(run.run_id for run in reversed(state.runs.values()) if not run.state.is_active))
    if newest is None:
        yield fine("metric", f"{name}, read from the newest run")
        return
    near = [one.message for one in service.check_baseline().notices if one.code == "near_miss"]
    text = ": ".join([f"the newest run, {newest}", *near[:1]])
    yield fault("metric" if near or newest.state == "unread" else "command", text, f"seedproof log {newest.run_id}")
