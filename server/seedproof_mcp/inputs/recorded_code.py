"""Whether a file holds the very bytes that the code of a run records for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seedproof.model.code import Code

from seedproof_mcp.code.git import Repository, find_repository
from seedproof_mcp.code.hashes import Hashes
from seedproof_mcp.code.identity import LINK, File, Selection, blob_of
from seedproof_mcp.code.in_place import read_manifest
from seedproof_mcp.code.project_repository import ProjectRepository
from seedproof_mcp.code.snapshot import list_files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["RecordedCode", "recorded_code"]

_POINTER_BYTES = 1024
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n")
_TEXT_BYTES = 1 << 22


@dataclass(frozen=True)
class RecordedCode:
    """The files of the code that a run is trained with."""

    top: Path
    """The folder that their paths are relative to, where they are edited."""
    tree: Path | None = None
    """The working tree that the run has; None in place."""
    selection: Selection = field(default_factory=Selection)
    """Tells which of them count for code identity."""
    files: Mapping[str, File] = field(default_factory=dict)
    """By path."""
    repository: Repository | None = None
    """The repository of a snapshot."""

    def holds(self, path: str, real: Path, hashes: Hashes) -> bool:
        """Whether a file counts as code and has the recorded bytes.

        Raises:
            OSError, GitFailed: It cannot be read, or git cannot be asked.
        """
        file = self.files.get(path)
        if file is None or file.mode == LINK or not self.selection.can_change_a_run(path):
            return False
        return hashes.content(real) == file.blob or self._is_converted(file, real, hashes)

    def _is_converted(self, file: File, real: Path, hashes: Hashes) -> bool:
        """Whether git stores a text with other line ends, or a pointer to the content."""
        if self.repository is None:
            return False
        if real.stat().st_size <= _TEXT_BYTES and blob_of(real.read_bytes().replace(b"\r\n", b"\n")) == file.blob:
            return True
        pointer = self._pointer(file)
        return pointer is not None and hashes.sha256(real) == pointer

    def _pointer(self, file: File) -> str | None:
        assert self.repository is not None
        git = self.repository.git()
        if int(git("cat-file", "-s", file.blob).text()) > _POINTER_BYTES:
            return None
        found = _LFS.match(git("cat-file", "blob", file.blob).out)
        return None if found is None else found[1].decode()


def recorded_code(paths: ProjectPaths, code: Code | None) -> RecordedCode:
    """The files of a code, as they are recorded; none where no code is.

    Raises:
        Refusal, GitFailed: The snapshot is not there any more, or git refuses.
    """
    if code is None:
        return RecordedCode(paths.root)
    if code.snapshot is None:
        repository = find_repository(paths.root)
        prefix = "" if repository is None else repository.prefix
        files = read_manifest(paths.code_files(code.sha256)) or []
        top, tree, held = paths.root if repository is None else repository.top, None, None
    else:
        held = repository = ProjectRepository(paths.root).require(code)
        files = list_files(repository.git(), code.snapshot)
        prefix, top, tree = repository.prefix, repository.top, paths.worktree(code.snapshot)
    return RecordedCode(top, tree, Selection(prefix), {file.path: file for file in files}, held)
