"""The files that a command leads to: the project's own by absolute path, a script elsewhere, and what sources hold."""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seedproof.model.code import SOURCE_ENDINGS, Code
from seedproof.model.refusals import SnapshotMissing
from seedproof.report.provenance import shorten_path

from seedproof_mcp.code.git import Git, GitFailed
from seedproof_mcp.code.hashes import SOURCE_BYTES, read_blob
from seedproof_mcp.code.snapshot import list_files
from seedproof_mcp.code.workspace import Workspace

__all__ = ["OwnPaths", "outside_script", "source_texts", "tracked_files"]

# Of a hash, as in the record of what a run read.
_LENGTH = 16


@dataclass(frozen=True, slots=True)
class OwnPaths:
    """Where the files of a snapshot lie, for paths that name the project's own."""

    top: Path
    """The repository's working tree, without links."""
    tree: Path
    """The snapshot's."""
    folder: Path
    """The folder in it that the training is started in."""
    tracked: Collection[str]
    """The snapshot's files, relative to `top`."""

    def rewritten(self, parts: Sequence[str]) -> tuple[str, ...]:
        """The parts of a command with the project's own files as the snapshot has them, by relative path.

        By its absolute path a run would train with the file that is edited meanwhile. A folder is one of them where it
        has sources in it; others are for data and results, which lie in the project.
        """
        return tuple(map(self._part, parts))

    def _part(self, part: str) -> str:
        name, equals, path = ("", "", part) if part.startswith("/") else part.partition("=")
        if not path.startswith("/") or "\0" in path:
            return part
        found = self._tracked(path)
        return part if found is None else f"{name}{equals}{os.path.relpath(self.tree / found, self.folder)}"

    def _tracked(self, path: str) -> str | None:
        """The name of a tracked file, or of a folder of sources, in the repository; None for any other path."""
        place = Path(os.path.realpath(os.path.dirname(path.rstrip("/"))), os.path.basename(path.rstrip("/")))
        if not place.is_relative_to(self.top) or place == self.top:
            return None
        name = str(place.relative_to(self.top))
        if name in self.tracked:
            return name
        inside = [one for one in self.tracked if one.startswith(f"{name}/")]
        return name if any(Path(one).suffix.lower() in SOURCE_ENDINGS for one in inside) else None


def tracked_files(top: Path, code: Code) -> set[str]:
    """Every file of a snapshot, relative to the top of its repository.

    Raises:
        SnapshotMissing: It is not there.
    """
    assert code.snapshot is not None
    try:
        return {file.path for file in list_files(Git(top), code.snapshot)}
    except GitFailed as failure:
        raise SnapshotMissing(f"git cannot read snapshot {code.snapshot[:12]}: {failure.reason}.") from failure


def source_texts(workspace: Workspace, code: Code) -> Iterator[bytes]:
    """The content of each source of a code, as a run with it has it; those that cannot be read are left out."""
    folder = workspace.places(code)[1]
    for file in workspace.listed(code):
        place = folder / file.path
        with suppress(OSError):
            if place.suffix.lower() in SOURCE_ENDINGS and place.stat().st_size <= SOURCE_BYTES:
                yield place.read_bytes()


def outside_script(argv: Sequence[str], working_directory: Path, inside: Collection[Path]) -> dict[str, str] | None:
    """The script of a command and the hash of its content, where it lies in none of the folders; None where it does.

    Args:
        argv: The command.
        working_directory: Where it is started.
        inside: The project, its repository, and the snapshot's working tree.
    """
    script = next((part for part in argv if part.endswith((".py", ".sh", ".bash"))), None)
    if script is None:
        return None
    # As it is named: a link in the project is a file of the project, and recorded as what it leads to.
    place = Path(os.path.normpath(working_directory / script))
    parent = Path(os.path.realpath(place.parent))
    if any(parent.is_relative_to(folder) for folder in inside):
        return None
    try:
        content = read_blob(place)[:_LENGTH]
    except OSError:
        content = ""
    return {"path": shorten_path(str(place)), "content": content}
