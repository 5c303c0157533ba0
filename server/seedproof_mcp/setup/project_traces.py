"""What Seedproof has left in a project and in its git repository, and its removal."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.code import worktree
from seedproof_mcp.code.git import Repository
from seedproof_mcp.code.project_repository import ProjectRepository
from seedproof_mcp.setup.hosts.hosts import HOSTS
from seedproof_mcp.setup.hosts.places import find_places
from seedproof_mcp.setup.hosts.untouched import CannotEdit
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, registry_folder
from seedproof_mcp.system.tree_walk import walk

__all__ = ["ProjectTraces", "Trace"]


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing that was left."""

    path: str
    what: str
    is_removed: bool
    """Whether `uninstall-project` removes it."""
    how: str = ""
    """How to remove it by hand, or why it stays."""


class ProjectTraces:
    """What Seedproof left in one project."""

    def __init__(self, root: Path, *, with_reports: bool) -> None:
        """Look at a project.

        Args:
            root: Its folder, resolved.
            with_reports: Whether reports and the mirror of the ledger go as well.

        Raises:
            GitFailed: git refuses to read the repository.
        """
        self._paths = ProjectPaths(root)
        self._with_reports = with_reports
        self._git = ProjectRepository(root)
        self._repository: Repository | None = self._git.find()

    @property
    def has_conductor(self) -> bool:
        """Whether a conductor is there, at work or waiting for some."""
        return locks.is_locked(self._paths.conductor_lock)

    @property
    def is_training(self) -> bool:
        """Whether a training writes into the state folder now."""
        return any(locks.is_locked(self._paths.run(name).alive) for name in _names(self._paths.runs))

    def found(self, variables: Mapping[str, str]) -> Iterator[Trace]:
        """Each of them.

        Args:
            variables: The environment, which says where hosts keep their settings.
        """
        paths = self._paths
        if os.path.lexists(paths.state):
            yield Trace(paths.state.name, f"the ledger, logs and snapshots, {_megabytes(paths.state)}", True)
        for name in _names(paths.worktrees):
            if worktree.FOUND in name:
                where = str((paths.worktrees / name).relative_to(paths.root))
                yield Trace(where, "files that were found in a snapshot and may be nowhere else", True)
        refs = self._refs()
        if refs:
            yield Trace(self._git.refs, f"{len(refs)} snapshots in the git repository", True)
        if os.path.lexists(paths.research):
            names = [name for name in _names(paths.research) if self._is_ours(name)]
            if names:
                how = "" if self._with_reports else "--reports removes them as well"
                where = str(paths.research.relative_to(paths.root))
                yield Trace(where, f"{len(names)} reports, figures and the mirror", self._with_reports, how)
        if paths.settings.exists():
            yield Trace(paths.settings.name, "your settings", False, f"rm {paths.settings.name}")
        if os.path.lexists(paths.checkpoints):
            yield Trace(paths.checkpoints.name, "what trainings wrote", False, f"rm -r {paths.checkpoints.name}")
        for name, where in self._hosts(variables):
            yield Trace(where, "the server in a host's settings", False, f"seedproof uninstall {name}")
        if os.path.lexists(paths.ledger) or os.path.lexists(paths.mirror):
            why = "so that a later ledger here says which one was before it"
            yield Trace(str(registry_folder()), "the last ledger head, one small file", False, why)

    def remove(self) -> None:
        """Remove what `found` says is removed.

        Raises:
            OSError: Something cannot be removed.
            GitFailed: git refuses.
        """
        paths = self._paths
        if self._repository is not None:
            for name in _names(paths.worktrees):
                worktree.remove(paths, self._repository, paths.worktrees / name)
            for ref in self._refs():
                self._repository.git()("update-ref", "-d", ref)
        if os.path.lexists(paths.state):
            files.remove_tree(paths.state)
        if self._with_reports:
            for name in filter(self._is_ours, _names(paths.research)):
                files.remove_file(paths.research / name)
            files.remove_empty_folders(paths.research, paths.root)

    def _refs(self) -> list[str]:
        if self._repository is None:
            return []
        return self._repository.git()("for-each-ref", "--format=%(refname)", f"{self._git.refs}/").lines()

    def _is_ours(self, name: str) -> bool:
        """Whether a file under docs/research has a name that reports, figures or the mirror have."""
        paths = self._paths
        if name in (paths.mirror.name, paths.mirror_attributes.name):
            return True
        is_report = name.startswith(("baseline_variance_", "experiment_", f"{paths.study_page.stem}."))
        return is_report and name.endswith((".md", ".svg", ".json", ".diff"))

    def _hosts(self, variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Hosts whose settings in the project name the server; those in the user's folder serve other projects too."""
        for host in HOSTS.values():
            if host.home is not None:
                continue
            try:
                settings = find_places(host, self._paths.root, variables).settings
                if "seedproof" in settings.read_text(errors="replace"):
                    yield host.name, str(settings.relative_to(self._paths.root))
            except (CannotEdit, OSError):
                continue


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _megabytes(folder: Path) -> str:
    size = 0
    for parent, _, names in walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                continue
    return f"{size / 1e6:.1f} MB"
