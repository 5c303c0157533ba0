"""Texts of code that is trained in place, kept so that a later difference has lines."""

import os
from collections.abc import Sequence
from pathlib import Path

from seedproof.model.code import Code

from seedproof_mcp.code.diffs import Texts, plain_texts
from seedproof_mcp.code.git import Git
from seedproof_mcp.code.identity import File, blob_of
from seedproof_mcp.code.in_place import SOURCE_BYTES, manifest_text
from seedproof_mcp.system import disk, state_folder
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Sources", "texts_between"]


class Sources:
    """The texts of one project, by git's hash of their content."""

    def __init__(self, paths: ProjectPaths, top: Path) -> None:
        """Open them.

        Args:
            top: What the paths of files start from.
        """
        self._paths = paths
        self._top = top

    def keep(self, sha256: str, files: Sequence[File]) -> None:
        """Keep a code's list of files, and the texts among them that lie there as they were.

        Raises:
            OSError: Something cannot be written.
        """
        manifest = self._paths.code_files(sha256)
        if manifest.exists():
            return
        state_folder.prepare(self._paths)
        disk.make_folder(self._paths.code)
        for file in files:
            if not self._paths.source(file.blob).exists() and (content := self._live(file)) is not None:
                disk.write_expendable(self._paths.source(file.blob), content)
        # Last, and for good: where it is, all that could be kept is there.
        disk.write_atomic(manifest, manifest_text(files))

    def text(self, file: File) -> bytes | None:
        """The content of a file; None if nobody kept it, and for one that is no text."""
        try:
            kept = self._paths.source(file.blob).read_bytes()
        except OSError:
            return self._live(file)
        # Written without a sync: after a crash it may be a part of itself.
        return kept if blob_of(kept) == file.blob else self._live(file)

    def _live(self, file: File) -> bytes | None:
        """The text of a file as it lies there, if it is still that one, and a source."""
        path = self._top / file.path
        try:
            if file.mode == "120000":
                content = os.fsencode(os.readlink(path))
            elif path.stat().st_size > SOURCE_BYTES:
                return None
            else:
                content = path.read_bytes()
        except OSError:
            return None
        return content if blob_of(content) == file.blob and b"\0" not in content else None


def texts_between(
    sources: Sources, git: Git | None, old: tuple[Code, Sequence[File]], new: tuple[Code, Sequence[File]]
) -> Texts:
    """The difference between two codes of which git holds one at most.

    Raises:
        GitFailed: A text is not in the repository.
    """

    def texts(code: Code, files: Sequence[File], others: set[File]) -> dict[str, bytes | None]:
        return {file.path: text(code, file) for file in files if file not in others}

    def text(code: Code, file: File) -> bytes | None:
        if code.snapshot is None or git is None:
            return sources.text(file)
        return git("cat-file", "blob", file.blob).out

    return plain_texts(texts(*old, set(new[1])), texts(*new, set(old[1])))
