"""The git repository of a project, and the refusals where it cannot be used."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from seedproof.model.code import Code
from seedproof.model.refusals import Refusal, SnapshotMissing
from seedproof.phases.calls import new_code_call

from seedproof_mcp.code.diffs import Content
from seedproof_mcp.code.git import GitFailed, GitNotStarted, Repository, find_repository
from seedproof_mcp.code.in_place import Sources
from seedproof_mcp.code.refusals import IN_PLACE, refuse
from seedproof_mcp.code.snapshot import list_files

__all__ = ["ProjectRepository", "content_of", "snapshot_missing"]

_REFS = "refs/seedproof"


class ProjectRepository:
    """The repository that a project lies in, looked up once: it lasts as long as one request, or the start of a run."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: tuple[Repository | None] | None = None

    @property
    def refs(self) -> str:
        """Where this project's refs stand: two projects of one repository, or of two of its worktrees, share none."""
        key = hashlib.sha256(os.fsencode(self._root)).hexdigest()[:12]
        return f"{_REFS}/{key}"

    def first_commit(self) -> str | None:
        """The first commit of the repository, and the project's folder in it, which tells its projects apart.

        None where there is no repository, no commit, or git cannot say.
        """
        try:
            repository = self.find()
            if repository is None:
                return None
            # Of a merged history, the one that began first here.
            asked = ("rev-list", "--max-parents=0", "--first-parent", "HEAD")
            found = repository.git()(*asked, env={"GIT_NO_REPLACE_OBJECTS": "1"}).text()
        except GitFailed:
            return None
        # A folder of the user's is not published with the ledger.
        folder = hashlib.sha256(os.fsencode(repository.prefix)).hexdigest()[:12]
        return f"{found}/{folder}" if found else None

    def snapshots(self) -> Counter[str]:
        """How many snapshots are stored in the repository, by the part of `refs` that names their project."""
        try:
            repository = self.find()
            if repository is None:
                return Counter()
            names = repository.git()("for-each-ref", "--format=%(refname)", f"{_REFS}/").lines()
        except GitFailed:
            return Counter()
        return Counter(name.removeprefix(f"{_REFS}/").partition("/")[0] for name in names)

    def find(self) -> Repository | None:
        """The repository; None if there is none.

        Raises:
            GitFailed: git refuses to read it.
        """
        if self._found is None:
            self._found = (find_repository(self._root),)
        return self._found[0]

    def require(self, code: Code) -> Repository:
        """The repository that holds a snapshot.

        Raises:
            SnapshotMissing: There is none.
            BadSettings: git refuses to read it.
        """
        repository = self._find_or_refuse()
        if repository is None:
            raise snapshot_missing(
                f"Snapshot {str(code.snapshot)[:12]} cannot be read: there is no git repository any more."
            )
        return repository

    def find_for_new_code(self, may_do_without: bool) -> Repository | None:
        """The repository to take the present code from; None if there is none.

        Args:
            may_do_without: Whether the code can be listed without git where git fails.

        Raises:
            BadSettings: git refuses to read it.
        """
        try:
            return self.find()
        except GitFailed as failure:
            if may_do_without:
                return None
            raise refuse(
                f"git refuses to read the repository: {failure.reason}. Mend that, or {IN_PLACE}."
            ) from failure

    def holds(self, code: Code) -> bool:
        """Whether a snapshot is there.

        Raises:
            BadSettings: git cannot be asked.
        """
        assert code.snapshot is not None
        repository = self._find_or_refuse()
        try:
            # Names a commit, and reads all of its folders.
            return repository is not None and bool(list_files(repository.git(), code.snapshot))
        except GitNotStarted as failure:
            raise refuse(f"git cannot use snapshot {code.snapshot[:12]}: {failure.reason}.") from failure
        except GitFailed:
            return False

    def _find_or_refuse(self) -> Repository | None:
        try:
            return self.find()
        except GitFailed as failure:
            raise refuse(f"git refuses to read the repository: {failure.reason}.") from failure

    def refusal(self, code: Code, failure: GitFailed) -> Refusal:
        """The refusal that a failure of git with a snapshot amounts to."""
        snapshot = str(code.snapshot)[:12]
        if code.snapshot is not None and not self.holds(code):
            return snapshot_missing(f"Snapshot {snapshot} is not in this repository; a clone has no snapshots.")
        return refuse(f"git cannot use snapshot {snapshot}: {failure.reason}.")


def content_of(code: Code, sources: Callable[[], Sources], repository: ProjectRepository) -> Content:
    """What reads the files of a code.

    Args:
        code: The code.
        sources: Opens the stored sources of codes in place.
        repository: Where its snapshot lies.
    """
    if code.snapshot is None:
        return sources().text
    git = repository.require(code).git()
    return lambda file: git("cat-file", "blob", file.blob).out


def snapshot_missing(message: str) -> SnapshotMissing:
    """The refusal of a code that cannot be trained with any more."""
    return SnapshotMissing(message, new_code_call())
