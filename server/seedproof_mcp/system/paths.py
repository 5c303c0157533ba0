"""Every file name that Seedproof reads or writes, decided in one place.

Over 300 lines, because all of them stand here.
"""

import os
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from seedproof_mcp.system import files


@dataclass(frozen=True)
class RunPaths:
    """The files of one run."""

    folder: Path

    @property
    def spec(self) -> Path:
        """What to run, written by the conductor before the run is submitted."""
        return self.folder / "spec.json"

    @property
    def log(self) -> Path:
        """Both outputs of the training process."""
        return self.folder / "output.log"

    @property
    def result(self) -> Path:
        """How the run ended; the only evidence that it did."""
        return self.folder / "result.json"

    @property
    def alive(self) -> Path:
        """Locked for as long as the run has a supervisor."""
        return self.folder / "alive.lock"

    @property
    def started(self) -> Path:
        """Exists from the moment the training process does."""
        return self.folder / "started.json"

    @property
    def marker(self) -> Path:
        """By what the run's processes are found; written before there are any."""
        return self.folder / "marker.json"

    @property
    def reads(self) -> Path:
        """What the processes of the training recorded of the files that they opened; there once all have ended."""
        return self.folder / "reads"

    @property
    def observed(self) -> Path:
        """How much of what the training read is recorded."""
        return self.reads / "observed.json"

    def recording(self, token: str) -> Path:
        """Return where they record it: its path says nothing of the run, and is in the same file system as `reads`."""
        return self.folder.parent / ".reads" / token

    @property
    def exited(self) -> Path:
        """Written the moment the main process of the training has ended; what is newer is not the training's."""
        return self.folder / "exited"

    @property
    def idle(self) -> Path:
        """Since when the training neither prints nor uses a processor; absent while it does."""
        return self.folder / "idle.json"

    @property
    def cancel(self) -> Path:
        """Asks the supervisor to end the run."""
        return self.folder / "cancel.json"

    @property
    def place(self) -> Path:
        """How the node that a scheduler chose describes itself, before the training starts there."""
        return self.folder / "place.json"

    @property
    def job(self) -> Path:
        """The scheduler's number of the run's job; its time of change is when the scheduler last told of it."""
        return self.folder / "job.json"

    @property
    def job_script(self) -> Path:
        """What the scheduler starts on the node."""
        return self.folder / "job.sh"

    @property
    def supervisor_log(self) -> Path:
        """Both outputs of the supervisor itself."""
        return self.folder / "supervise.log"

    @property
    def curve(self) -> Path:
        """The loss curve: of each metric a list of step, seconds and value; absent where the log shows no value."""
        return self.folder / "curve.json"

    @property
    def inputs(self) -> Path:
        """The list of what it read and wrote; its hash stands in the ledger."""
        return self.folder / "inputs.jsonl"

    def metric_copy(self, filename: str) -> Path:
        """Return the copy of a metric file of this run."""
        return self.folder / filename


OF_SLOT = "@"
"""Stands between a snapshot and a slot in the name of a working tree."""


@dataclass(frozen=True)
class ProjectPaths:
    """The files of one project. Cached, as every call asks for many of them."""

    root: Path
    slot: str = ""
    """The slot whose working trees are meant; empty where one run at a time is trained."""

    @cached_property
    def settings(self) -> Path:
        """Rules and settings, written by the user."""
        return self.root / "seedproof.toml"

    @cached_property
    def state(self) -> Path:
        """Seedproof's own state."""
        return self.root / ".seedproof"

    @cached_property
    def ledger(self) -> Path:
        """The only source of truth."""
        return self.state / "ledger.jsonl"

    @cached_property
    def ledger_lock(self) -> Path:
        """Held by whoever appends to the ledger."""
        return self.state / "ledger.lock"

    @cached_property
    def mirror(self) -> Path:
        """The copy of the ledger that goes into git."""
        return self.research / "ledger.jsonl"

    @cached_property
    def mirror_attributes(self) -> Path:
        """Tells git to leave the mirror's line endings alone."""
        return self.research / ".gitattributes"

    @cached_property
    def runs(self) -> Path:
        """The folder of all run folders."""
        return self.state / "runs"

    @cached_property
    def gitignore(self) -> Path:
        """Keeps the state folder out of git."""
        return self.state / ".gitignore"

    @cached_property
    def conductor_lock(self) -> Path:
        """Locked for as long as the project has a conductor."""
        return self.state / "conductor.lock"

    @cached_property
    def conductor_log(self) -> Path:
        """Both outputs of the conductor."""
        return self.state / "conductor.log"

    @cached_property
    def complaint(self) -> Path:
        """Why the conductor cannot work; absent while it can."""
        return self.state / "conductor.complaint"

    @cached_property
    def worktrees(self) -> Path:
        """The folder of all checked-out snapshots."""
        return self.state / "worktrees"

    @cached_property
    def diffs(self) -> Path:
        """The folder of stored diffs between codes."""
        return self.state / "diffs"

    @cached_property
    def code(self) -> Path:
        """Stored code that is trained in place: lists of files, and sources."""
        return self.state / "code"

    @cached_property
    def hashes(self) -> Path:
        """Cached hashes of large files."""
        return self.state / "hashes.json"

    @cached_property
    def checkpoints(self) -> Path:
        """What trainings write."""
        return self.root / "checkpoints"

    @cached_property
    def research(self) -> Path:
        """Reports, figures and the mirror."""
        return self.root / "docs" / "research"

    def of_slot(self, slot: str | None) -> "ProjectPaths":
        """Return the same files with the working trees of one of several slots; None: those of one run at a time."""
        return self if (slot or "") == self.slot else replace(self, slot=slot or "")

    def worktree(self, commit: str) -> Path:
        """Return where a snapshot is checked out; runs that train at the same time must not share a folder."""
        return self.worktrees / (f"{commit[:12]}{OF_SLOT}{self.slot}" if self.slot else commit[:12])

    def for_each_tree(self, commit: str) -> list["ProjectPaths"]:
        """Return the same files for each working tree of a snapshot: that of one run at a time, then the slots'."""
        found = [place.name.partition(OF_SLOT)[2] for place in self.worktrees.glob(f"{commit[:12]}{OF_SLOT}*")]
        # No slot has a dot in its name: such a tree was set aside.
        return [self, *(self.of_slot(one) for one in sorted(found) if "." not in one)]

    def worktree_hashes(self, tree: Path) -> Path:
        """Return the cached hashes of the files of a checked-out snapshot."""
        return self.state / "worktree-hashes" / f"{tree.name}.json"

    @cached_property
    def conversions(self) -> Path:
        """What git made of tracked files when it checked them out, where that is not what the commit holds."""
        return self.state / "conversions.json"

    def diff(self, sha256: str) -> Path:
        """Return a diff between two codes, by the hash of its text."""
        return self.diffs / f"{sha256}.diff"

    def code_files(self, sha256: str) -> Path:
        """Return the list of files of a code that is trained in place."""
        return self.code / f"{sha256}.json"

    def source(self, blob: str) -> Path:
        """Return one stored source of code that is trained in place."""
        return self.code / blob

    @cached_property
    def nodes(self) -> Path:
        """What nodes of a cluster said of themselves, by what jobs ask for."""
        return self.state / "nodes"

    def run(self, run_id: str) -> RunPaths:
        """Return the files of one run."""
        return RunPaths(self.runs / run_id)

    def baseline_report(self, label: str, generation: int | None = None) -> Path:
        """Return the newest baseline report of one scale, or the kept one of an earlier generation."""
        suffix = "" if generation is None else f"_generation{generation}"
        return self.research / f"baseline_variance_{label}{suffix}.md"

    @cached_property
    def study_page(self) -> Path:
        """The page on every experiment of the ledger."""
        return self.research / "studies.md"

    def unverified(self, report: Path, number: int) -> Path:
        """Return where the number-th report is moved to that no ledger vouches for."""
        return report.with_name(f"{report.stem}.unverified{'' if number == 1 else f'-{number}'}{report.suffix}")

    def experiment_report(self, name: str, label: str) -> Path:
        """Return the report of one experiment at one scale."""
        return self.research / f"experiment_{name}_{label}.md"


@dataclass(frozen=True)
class ScratchPaths(ProjectPaths):
    """The files of runs outside the ledger: what is Seedproof's own lies in one folder, which is removed afterwards."""

    @cached_property
    def state(self) -> Path:
        """That folder. Its name says no more to a training than the one of a recorded run."""
        return self.root / ".seedproof" / "local"

    @cached_property
    def outputs(self) -> Path:
        """The folder of the output folders."""
        return self.state / "checkpoints"

    @cached_property
    def made(self) -> Path:
        """Which folders of the project were made for these runs, to be removed if they are empty afterwards."""
        return self.state / "made.json"


@dataclass(frozen=True)
class TryPaths:
    """What is kept of a project's `seedproof try`, outside the project."""

    root: Path
    """The project, resolved."""

    @cached_property
    def result(self) -> Path:
        """What the newest try found, and of which code and rules."""
        return registry_entry(self.root, _child(str(user_state_dir()), "tries"))

    @cached_property
    def lock(self) -> Path:
        """Locked while a try goes on."""
        return self.result.with_suffix(".lock")

    @cached_property
    def log(self) -> Path:
        """Both outputs of a try that an agent asked for."""
        return self.result.with_suffix(".log")

    @cached_property
    def progress(self) -> Path:
        """What a try is doing, in words."""
        return self.result.with_suffix(".progress")


def user_state_dir() -> Path:
    """Return the folder that all projects of one user share."""
    configured = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is invalid and must be ignored.
    return _child(configured, "seedproof") if os.path.isabs(configured) else account_state_dir()


def account_state_dir() -> Path:
    """Return what that folder is where XDG_STATE_HOME names no other; it is read and never written in its place."""
    return _child(os.path.expanduser("~/.local/state"), "seedproof")


# Every call of a reading tool asks for these; making a path takes as long as a stat of the file.
@lru_cache(maxsize=64)
def _child(parent: str, name: str) -> Path:
    return Path(parent, name)


def board_address(root: Path) -> Path:
    """Return where the port and the token of a project's board are kept, so that an open page finds it again."""
    return registry_entry(root, _child(str(user_state_dir()), "boards"))


def registry_folder() -> Path:
    """Return the folder of the registry of one user's projects."""
    return _child(str(user_state_dir()), "projects")


def registry_folders() -> list[Path]:
    """Return the folders of all registries that are read: that one, and the account's own where it is another."""
    return list(dict.fromkeys((registry_folder(), _child(str(account_state_dir()), "projects"))))


def registry_entry(root: Path, folder: Path | None = None) -> Path:
    """Return a registry's file of one project, by its resolved root.

    Args:
        folder: The registry's folder; None for the one that is written.
    """
    import hashlib  # here, as it costs each supervisor 4 MB and is not used there

    name = f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}.json"
    return _child(str(folder or registry_folder()), name)


def slot_lock(name: str) -> Path:
    """Return the lock file of one training slot.

    Raises:
        ValueError: The name is not a plain file name.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"not a slot name: {name!r}")
    return user_state_dir() / "slots" / f"{name}.lock"


def prepare_state(paths: ProjectPaths) -> None:
    """Make the state folder, which git ignores.

    Raises:
        OSError: It cannot be made.
    """
    files.make_folder(paths.state)
    if not paths.gitignore.exists():
        files.write_atomic(paths.gitignore, b"*\n")
