"""Code that is trained in place: lists and hashes a project's files, and stores its sources for later diffs."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from seedproof.model.code import SOURCE_ENDINGS, Code

from seedproof_mcp.code.diffs import Texts, plain_texts
from seedproof_mcp.code.git import Git, GitFailed, Repository, escape_pattern
from seedproof_mcp.code.hashes import SOURCE_BYTES, Hashes
from seedproof_mcp.code.identity import LINK, File, Selection, blob_of, printable
from seedproof_mcp.code.refusals import refuse, refuse_unreadable_folders
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, prepare_state
from seedproof_mcp.system.tree_walk import walk

__all__ = ["Sources", "list_in_place", "names_in_place", "read_manifest", "texts_between"]


_NO_CODE = frozenset({"node_modules", "__pycache__"})


def list_in_place(root: Path, repository: Repository | None, selection: Selection, hashes: Hashes) -> list[File]:
    """The files that can change a run, with their hashes.

    Raises:
        BadSettings: One of them cannot be read; the message names it.
    """
    top = root if repository is None else repository.top
    files = []
    for path in names_in_place(root, repository, selection):
        try:
            files.append(File(path, *hashes.of(top / path)))
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno == 0:
                continue  # a FIFO or socket
            raise refuse(
                f"{printable(path)} cannot be read ({error.strerror}): make it readable, move it away, "
                "or name it in `not_code` under [settings] in seedproof.toml."
            ) from error
    return sorted(files, key=lambda file: file.path)


def names_in_place(root: Path, repository: Repository | None, selection: Selection) -> Iterator[str]:
    """The names of the files that can change a run; git also lists tracked files that are gone.

    Raises:
        BadSettings: A folder cannot be read.
    """
    return (path for path in _names(root, repository) if selection.can_change_a_run(path))


def _names(root: Path, repository: Repository | None) -> Iterator[str]:
    if repository is None:
        # Without git nothing says what is ignored, so only the name tells code from logs, configuration and data.
        # For data there is `rules.sealed`.
        yield from (
            name
            for name in _walk(root, "")
            if os.path.splitext(name)[1].lower() in SOURCE_ENDINGS or os.path.islink(root / name)
        )
        yield from _programs_in_checkpoints(root)
        return
    own = f"{repository.prefix}checkpoints"
    # git must not enter what runs left: it warns of folders that are nested deeper than a path may be long.
    outputs = f"{escape_pattern(f'/{own}')}/*/"
    arguments = ("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard")
    try:
        listing = repository.git()(*arguments, "-x", ".seedproof/", "-x", outputs)
    except GitFailed as failure:
        raise refuse(f"git cannot list the project's files: {failure.reason}.") from failure
    refuse_unreadable_folders(listing)
    # Once each: a file with conflicts is listed three times.
    for tag, name in dict.fromkeys((line[0], line[2:]) for line in listing.names()):
        if name == own or (name.startswith(f"{own}/") and not _is_program(name.removeprefix(f"{own}/"), tag != "?")):
            continue
        if (repository.top / name).is_dir() and not (repository.top / name).is_symlink():
            yield from _walk(repository.top, name.rstrip("/"))  # a submodule, or another repository
        else:
            yield name


def _is_program(name: str, is_tracked: bool) -> bool:
    """Whether a file below `checkpoints` is code: untracked ones in a folder there may be copies that a run saved."""
    return name.endswith(".py") and (is_tracked or "/" not in name)


def _programs_in_checkpoints(root: Path) -> Iterator[str]:
    try:
        names = sorted(os.listdir(root / "checkpoints"))
    except OSError:
        return
    yield from (f"checkpoints/{name}" for name in names if _is_program(name, is_tracked=False))


def _walk(top: Path, below: str) -> Iterator[str]:
    """Every file below a folder, except in hidden folders, virtual environments and `checkpoints`."""
    for parent, folders, names in walk(top / below, _refuse_folder):
        place = os.path.relpath(parent, top)
        inside = "" if place == "." else f"{place}/"
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _NO_CODE
            and f"{inside}{name}" != "checkpoints"
            and not os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))
        )
        yield from (f"{inside}{name}" for name in sorted([*names, *links]))


def _refuse_folder(error: OSError) -> None:
    raise refuse(
        f"{printable(Path(error.filename).name)} cannot be read ({error.strerror}): make it readable, or move it away."
    ) from error


def read_manifest(path: Path) -> list[File] | None:
    """A stored list of files; None if it is not there."""
    try:
        return [File(*one) for one in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError):
        return None


class Sources:
    """Stored source files of one project, by git's hash of their content."""

    def __init__(self, paths: ProjectPaths, top: Path) -> None:
        """Open the store.

        Args:
            paths: The project.
            top: The folder that the paths of files are relative to.
        """
        self._paths = paths
        self._top = top

    def keep(self, sha256: str, listed: Sequence[File]) -> None:
        """Store a code's list of files, and those of its sources that are still as they were listed.

        Raises:
            OSError: Something cannot be written.
        """
        manifest = self._paths.code_files(sha256)
        if manifest.exists():
            return
        prepare_state(self._paths)
        files.make_folder(self._paths.code)
        for file in listed:
            if not self._paths.source(file.blob).exists() and (content := self._present_text(file)) is not None:
                files.write_expendable(self._paths.source(file.blob), content)
        # Last, and synced: where the list is, every source that could be stored is.
        files.write_atomic(manifest, json.dumps([[file.path, file.mode, file.blob] for file in listed]).encode())

    def text(self, file: File) -> bytes | None:
        """The content of a source; None if it was not stored, or is no text."""
        try:
            content = self._paths.source(file.blob).read_bytes()
        except OSError:
            return self._present_text(file)
        # Written without a sync: after a crash a part of it may be missing.
        return content if blob_of(content) == file.blob else self._present_text(file)

    def _present_text(self, file: File) -> bytes | None:
        """The content of a file of the project, if it is still the listed one and a source."""
        path = self._top / file.path
        try:
            if file.mode == LINK:
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
    """Diffs between two codes of which git holds at most one.

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
