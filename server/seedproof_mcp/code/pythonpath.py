"""Builds a PYTHONPATH with which a run imports the snapshot's modules instead of the project's."""

import ast
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["python_path"]


def python_path(top: Path, tree: Path, search: Sequence[str], present: str | None) -> str | None:
    """PYTHONPATH with the snapshot's folders first; None if none of them is on the search path.

    Args:
        top: The working tree of the project.
        tree: The working tree of the snapshot.
        search: Where the user's Python looks for modules.
        present: PYTHONPATH without the snapshot.
    """
    folders = [*search, *(found for place in search if place for found in _editable(Path(place)))]
    places = dict.fromkeys(mapped for folder in folders if (mapped := _mapped(top, tree, folder)))
    if not places:
        return None
    rest = [place for place in (present or "").split(os.pathsep) if place and place not in places]
    return os.pathsep.join([*places, *rest])


def _editable(folder: Path) -> Iterator[str]:
    """Folders of packages that setuptools installed editable through a finder: no search path shows them."""
    try:
        finders = sorted(folder.glob("__editable__*finder.py"))
    except OSError:
        return
    for finder in finders:
        for place in _mapping(finder):
            yield os.path.dirname(place)


def _mapping(finder: Path) -> list[str]:
    try:
        body = ast.parse(finder.read_text(errors="replace")).body
    except (OSError, SyntaxError, ValueError):
        return []
    for line in body:
        names = [line.target] if isinstance(line, ast.AnnAssign) else getattr(line, "targets", [])
        if any(isinstance(name, ast.Name) and name.id == "MAPPING" for name in names):
            try:
                found = ast.literal_eval(line.value)  # type: ignore[attr-defined]
            except (ValueError, TypeError):
                return []
            return [place for place in found.values() if isinstance(place, str)] if isinstance(found, dict) else []
    return []


def _mapped(top: Path, tree: Path, place: str) -> str | None:
    """The snapshot's copy of a folder of the project; None for folders elsewhere, or behind a link."""
    if not os.path.isabs(place):
        return None
    real = Path(place).resolve()
    if not real.is_relative_to(top) or real.is_relative_to(tree.parent):
        return None
    mapped = tree / real.relative_to(top)
    return str(mapped) if mapped.is_dir() and mapped.resolve().is_relative_to(tree) else None
