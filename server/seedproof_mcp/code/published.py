"""The text of a change as reports publish it: from the stored diff, or from the file beside a report."""

import hashlib
from pathlib import Path

from seedproof.model.code import Change
from seedproof.report.code_section import publish_diff

from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["DiffGone", "published_again", "published_diff"]


class DiffGone(Exception):
    """The text of a change is neither stored nor beside its report."""


def published_diff(paths: ProjectPaths, change: Change | None) -> str | None:
    """The text to publish of a change; None where there is none, and where its diff is not stored here."""
    if change is None or change.diff_sha256 is None:
        return None
    data = _read(paths.diff(change.diff_sha256))
    if data is None or hashlib.sha256(data).hexdigest() != change.diff_sha256:
        return None
    return publish_diff(data.decode(errors="surrogateescape"))


def published_again(paths: ProjectPaths, change: Change | None, path: Path, sha256: str) -> str:
    """The text that was published with this hash, which a fresh clone has beside the report alone.

    Raises:
        DiffGone: No text with this hash is here.
    """
    data = _read(path)
    if data is None or hashlib.sha256(data).hexdigest() != sha256:
        text = published_diff(paths, change)
        data = None if text is None else text.encode(errors="surrogateescape")
    if data is None or hashlib.sha256(data).hexdigest() != sha256:
        raise DiffGone(f"the text of the change, {path.name}, is not here any more")
    return data.decode(errors="surrogateescape")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
