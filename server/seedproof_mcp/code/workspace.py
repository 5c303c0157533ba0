"""The code of a project: taken, stored, compared, checked out.

Over 300 lines on purpose: one class answers all that other rooms ask of the code.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from seedproof.model.code import Change, Code

from seedproof_mcp.code import diffs, leftovers, pythonpath, worktree
from seedproof_mcp.code.git import GitFailed, Repository
from seedproof_mcp.code.hashes import Hashes
from seedproof_mcp.code.identity import File, Selection, identity_of, matches, printable
from seedproof_mcp.code.in_place import Sources, list_in_place, names_in_place, read_manifest, texts_between
from seedproof_mcp.code.leftovers import Leftover
from seedproof_mcp.code.project_repository import ProjectRepository, content_of, snapshot_missing
from seedproof_mcp.code.refusals import refuse, refusing_git_failures
from seedproof_mcp.code.sealed import sealed_here, sealed_in_snapshot, sees_live
from seedproof_mcp.code.snapshot import list_files, take_snapshot
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Leftover", "Workspace"]

# A run that creates more files than this has written a data set; names beyond it tell a reader nothing.
MAX_CREATED = 1000
# Lists of files that are cached between taking and keeping; a project has few arms at once.
MAX_REMEMBERED = 8


class Workspace:
    """Takes, stores, compares and checks out the code of a project. Use from one thread at a time."""

    def __init__(self, paths: ProjectPaths, settings: Settings) -> None:
        self._paths = replace(paths, root=paths.root.resolve())
        self._settings = settings
        self._hashes = Hashes(self._paths)
        self._taken: dict[str, list[File]] = {}
        self._texts: dict[str, bytes] = {}
        self._repository = ProjectRepository(self._paths.root)

    # --- taking and storing -------------------------------------------------------------------

    def take(self, sealed: Sequence[str] = (), created: Collection[str] = ()) -> Code:
        """The code as it is now; `keep` stores it.

        Args:
            sealed: Patterns of sealed files, relative to the project; their hashes are part of the result.
            created: Files that earlier runs created; only the Python files among them are code.

        Raises:
            BadSettings: A file cannot be taken; the message names it and says what to do.
        """
        repository = self._find()
        if repository is None or self._settings.code == "in-place":
            files = list_in_place(self._paths.root, repository, self._selection(repository, created), self._hashes)
            noted = sealed_here(self._paths.root, sealed, self._hashes)
            return self._remember(files, Code(identity_of(files), "in-place", None, noted))
        commit, everything = take_snapshot(repository, created)
        files = self._selection(repository, created).of(everything)
        with refusing_git_failures():
            noted = self._sealed_in(repository, everything, sealed)
        return self._remember(files, Code(identity_of(files), "snapshot", commit, noted))

    def keep(self, code: Code) -> None:
        """Store a code that was taken, so that runs can train with it and later codes be compared with it.

        Raises:
            SnapshotMissing: It is not there any more.
            BadSettings: git refuses.
            OSError: It cannot be written.
        """
        self.remember()
        if code.snapshot is None:
            self._sources().keep(code.sha256, self._files(code))
            return
        repository = self._repository.require(code)
        try:
            repository.git()("update-ref", f"{self._repository.refs}/{code.snapshot}", code.snapshot)
        except GitFailed as failure:
            raise self._repository.refusal(code, failure) from failure

    def remember(self) -> None:
        """Store the hashes of large files for the next process.

        Raises:
            OSError: They cannot be written.
        """
        self._hashes.save()

    def is_kept(self, code: Code) -> bool:
        """Whether a code is still stored; a fresh clone has no snapshots.

        Raises:
            BadSettings: git cannot be asked.
        """
        return code.snapshot is None or self._repository.holds(code)

    # --- comparing ----------------------------------------------------------------------------

    def change(self, old: Code, new: Code) -> Change | None:
        """How two codes differ in what can change a run; None if they do not. `keep_change` stores the diff.

        Raises:
            SnapshotMissing: One of the codes is not stored any more.
        """
        if old.sha256 == new.sha256:
            return None
        before, after = self._files(old), self._files(new)
        try:
            if old.snapshot is not None and new.snapshot is not None:
                texts = diffs.git_texts(self._repository.require(new).git(), old.snapshot, new.snapshot)
            else:
                git = None if old.held == new.held else self._repository.require(new if new.snapshot else old).git()
                texts = texts_between(self._sources(), git, (old, before), (new, after))
            change, text = diffs.change_between(before, after, new.sha256, texts)
            if change is not None:
                read = [content_of(code, self._sources, self._repository) for code in (old, new)]
                change = replace(change, meaning=diffs.meaning_of((before, read[0]), (after, read[1])))
        except GitFailed as failure:
            raise self._repository.refusal(old, failure) from failure
        if change is not None and change.diff_sha256 is not None:
            self._texts[change.diff_sha256] = text
        return change

    def content(self, code: Code, path: str) -> bytes | None:
        """The content of one of the files that can change a run; None where there is none, or it is not stored.

        Args:
            path: In the project.

        Raises:
            SnapshotMissing: The code is not stored any more.
            BadSettings: git refuses.
        """
        repository = self._find() if code.snapshot is None else self._repository.require(code)
        whole = f"{'' if repository is None else repository.prefix}{path}"
        file = next((one for one in self._files(code) if one.path == whole), None)
        try:
            return None if file is None else content_of(code, self._sources, self._repository)(file)
        except GitFailed as failure:
            raise self._repository.refusal(code, failure) from failure

    def keep_change(self, change: Change) -> None:
        """Store the diff of a change that this workspace returned.

        Raises:
            OSError: It cannot be written.
        """
        text = self._texts.get(change.diff_sha256 or "")
        if change.diff_sha256 is not None and text is not None:
            diffs.keep(self._paths, change.diff_sha256, text)

    def differing(self, code: Code, created: Collection[str] = ()) -> tuple[str, ...]:
        """Names of the files that differ from a code that is trained in place; none for a snapshot.

        Raises:
            BadSettings: A file cannot be read.
            SnapshotMissing: The code's list of files is not stored any more.
        """
        if code.held == "snapshot":
            return ()
        repository = self._find()
        selection = self._selection(repository, created)
        now = list_in_place(self._paths.root, repository, selection, self._hashes)
        if identity_of(now) == code.sha256:
            return ()
        # Selected by today's settings: a file that was added to `not_code` since then is no difference.
        then = {file.path: file for file in selection.of(self._files(code))}
        present = {file.path: file for file in now}
        return tuple(printable(path) for path in sorted({*then, *present}) if then.get(path) != present.get(path))

    def sealed_now(self, code: Code, patterns: Sequence[str]) -> dict[str, str]:
        """Content hashes of sealed files, as a run with this code would read them now.

        Raises:
            BadSettings: A file cannot be read.
            SnapshotMissing: The snapshot is not there.
        """
        if not patterns:
            return {}
        if code.snapshot is None:
            return sealed_here(self._paths.root, patterns, self._hashes)
        repository = self._repository.require(code)
        try:
            return self._sealed_in(repository, list_files(repository.git(), code.snapshot), patterns)
        except GitFailed as failure:
            raise self._repository.refusal(code, failure) from failure

    def places(self, code: Code) -> tuple[Path, Path]:
        """The folder that the paths of the project's files begin in, and the one where a run with a code has them.

        Raises:
            SnapshotMissing: The snapshot is not there.
            BadSettings: git refuses.
        """
        if code.snapshot is not None:
            return self._repository.require(code).top, self._paths.worktree(code.snapshot)
        repository = self._find()
        top = self._paths.root if repository is None else repository.top
        return top, top

    def listed(self, code: Code, created: Collection[str] = ()) -> list[File]:
        """The files of a code that can change a run.

        Raises:
            SnapshotMissing, BadSettings: As `places`.
        """
        repository = self._find() if code.snapshot is None else self._repository.require(code)
        return self._selection(repository, created).of(self._files(code))

    def prefix(self, code: Code) -> str:
        """The project's folder in the repository of a snapshot; empty in place.

        Raises:
            SnapshotMissing, BadSettings: As `places`.
        """
        return "" if code.snapshot is None else self._repository.require(code).prefix

    def unmatched(self, code: Code, patterns: Sequence[str]) -> tuple[str, ...]:
        """Patterns of sealed files that matched no file when a code was taken."""
        return tuple(one for one in patterns if not any(matches(path, one) for path in code.sealed))

    def created_since(self, code: Code, known: Collection[str] = ()) -> list[str]:
        """Files created since a code that is trained in place was taken; none for a snapshot.

        Args:
            code: The code.
            known: Names to leave out.

        Raises:
            BadSettings: A folder cannot be read.
            SnapshotMissing: The code's list of files is not stored any more.
        """
        if code.held == "snapshot":
            return []
        repository = self._find()
        then = {file.path for file in self._files(code)}
        names = names_in_place(self._paths.root, repository, self._selection(repository, ()))
        return sorted(name for name in names if name not in then and name not in known)[:MAX_CREATED]

    # --- training -----------------------------------------------------------------------------

    def working_directory(self, code: Code) -> Path:
        """The working folder of a run: the project, or its copy in the snapshot's working tree.

        Raises:
            SnapshotMissing: The snapshot is not there.
            BadSettings: git cannot check it out.
            OSError: The folder cannot be written.
        """
        if code.snapshot is None:
            return self._paths.root
        repository = self._repository.require(code)
        try:
            tree = worktree.check_out(self._paths, repository, code.snapshot, self._settings.not_linked)
        except GitFailed as failure:
            raise self._repository.refusal(code, failure) from failure
        return tree / repository.prefix

    def environment(self, code: Code, python_path: Sequence[str]) -> dict[str, str]:
        """Variables with which a run imports the snapshot's modules instead of the project's.

        Args:
            python_path: Where the user's Python looks for modules.

        Raises:
            SnapshotMissing, BadSettings, OSError: As `working_directory`.
        """
        if code.snapshot is None:
            return {}
        top, tree = self._repository.require(code).top, self._paths.worktree(code.snapshot)
        if not tree.is_dir():
            self.working_directory(code)  # python_path looks at its folders
        present = self._settings.env.get("PYTHONPATH", os.environ.get("PYTHONPATH"))
        found = pythonpath.python_path(top, tree, python_path, present)
        return {} if found is None else {"PYTHONPATH": found}

    # --- tidying ------------------------------------------------------------------------------

    def unneeded(self, needed: Collection[Code]) -> list[Leftover]:
        """What this project stores and no needed code uses.

        Raises:
            BadSettings: git refuses.
        """
        try:
            return leftovers.find(self._paths, self._repository.find(), self._repository.refs, needed)
        except GitFailed as failure:
            raise refuse(f"git cannot list the snapshots: {failure.reason}.") from failure

    def left_in_tree(self, code: Code) -> list[worktree.Left]:
        """What runs, or a person, left in the working tree of a snapshot.

        Raises:
            SnapshotMissing, BadSettings: As `places`.
        """
        if code.snapshot is None:
            return []
        repository = self._repository.require(code)
        try:
            return worktree.left_in_tree(self._paths, repository, code.snapshot)
        except GitFailed as failure:
            raise self._repository.refusal(code, failure) from failure

    def set_aside(self, code: Code) -> None:
        """Move the working tree of a snapshot to a name under which only a person removes it.

        Raises:
            SnapshotMissing, BadSettings: As `places`.
            OSError: It cannot be moved.
        """
        repository = self._repository.require(code)
        if code.snapshot is not None:
            worktree.set_aside(repository, self._paths.worktree(code.snapshot), code.snapshot)

    def release(self, unneeded: Collection[Leftover]) -> int:
        """Remove leftovers and return the freed bytes.

        Raises:
            BadSettings: git refuses.
            OSError: A file cannot be deleted.
        """
        try:
            return leftovers.release(self._paths, self._repository.find(), unneeded)
        except GitFailed as failure:
            raise refuse(f"git cannot remove a snapshot: {failure.reason}.") from failure

    # --- inside -------------------------------------------------------------------------------

    def _find(self) -> Repository | None:
        return self._repository.find_for_new_code(may_do_without=self._settings.code == "in-place")

    def _selection(self, repository: Repository | None, created: Collection[str]) -> Selection:
        prefix = "" if repository is None else repository.prefix
        return Selection(prefix, self._settings.not_code, frozenset(created))

    def _remember(self, files: list[File], code: Code) -> Code:
        self._taken[code.sha256] = files
        if len(self._taken) > MAX_REMEMBERED:
            self._taken.pop(next(iter(self._taken)))
        return code

    def _files(self, code: Code) -> list[File]:
        """The files of a code that can change a run."""
        if code.sha256 in self._taken:
            return self._taken[code.sha256]
        if code.snapshot is None:
            found = read_manifest(self._paths.code_files(code.sha256)) or self._present(code)
            if found is None:
                raise snapshot_missing("The list of files that the code consisted of is gone from .seedproof/code.")
            return found
        repository = self._repository.require(code)
        try:
            return self._selection(repository, ()).of(list_files(repository.git(), code.snapshot))
        except GitFailed as failure:
            raise self._repository.refusal(code, failure) from failure

    def _present(self, code: Code) -> list[File] | None:
        """The project's own files, where they are a code that is trained in place."""
        repository = self._find()
        now = list_in_place(self._paths.root, repository, self._selection(repository, ()), self._hashes)
        return now if identity_of(now) == code.sha256 else None

    def _sealed_in(self, repository: Repository, files: Sequence[File], patterns: Sequence[str]) -> dict[str, str]:
        if not patterns:
            return {}
        linked = worktree.linked_names(self._paths, repository, self._settings.not_linked)
        sees = sees_live(files, repository.prefix, linked)
        return {
            **sealed_in_snapshot(files, repository.prefix, patterns),
            **sealed_here(self._paths.root, patterns, self._hashes, sees),
        }

    def _sources(self) -> Sources:
        repository = self._find()
        return Sources(self._paths, self._paths.root if repository is None else repository.top)
