"""The code that an arm is trained with, and how it differs from the baseline's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["SOURCE_ENDINGS", "ChangedFile", "Change", "Code", "Held"]

# Endings of programs and of their settings. Where code is trained in place and git does not say what is ignored, only
# the ending tells code from data.
SOURCE_ENDINGS = frozenset(
    {
        *(".py", ".pyi", ".pyx", ".pxd", ".ipynb", ".sh", ".bash", ".toml", ".yaml", ".yml", ".json", ".cfg", ".ini"),
        *(".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".cu", ".cuh", ".cl", ".rs", ".go", ".jl", ".lua", ".j2"),
    }
)

Held = Literal["snapshot", "in-place"]
"""`snapshot`: a commit that every run of the arm is checked out from. `in-place`: hashes of the project's own files."""


@dataclass(frozen=True, slots=True)
class Code:
    """The code of an arm."""

    sha256: str
    """Code identity: hash over mode, name and content of every file that can change a run."""
    held: Held
    """How it is kept."""
    snapshot: str | None = None
    """The commit under `refs/seedproof/`; None in place."""
    sealed: Mapping[str, str] = field(default_factory=dict)
    """Content hash of each file that `rules.sealed` names, by its path in the project."""

    def document(self) -> dict[str, Any]:
        """The code as it stands in the ledger."""
        return {"sha256": self.sha256, "held": self.held, "snapshot": self.snapshot, "sealed": dict(self.sealed)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> "Code | None":
        """Read it back; None for a ledger from before code was recorded.

        Raises:
            TypeError: The document is not one that `document` wrote.
        """
        return None if document is None else cls(**document)


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One file that differs between two codes."""

    path: str
    """Its path in the repository, or in the project where there is none."""
    added: int | None
    """Lines added; None for a file that is not text."""
    removed: int | None
    """Lines removed; likewise."""

    @property
    def counts(self) -> str:
        """How many lines were added and removed, for a reader."""
        return "not text" if self.added is None else f"+{self.added} -{self.removed}"


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between the baseline's code and another, in files that can change a run: at least one."""

    files: tuple[ChangedFile, ...]
    """By path."""
    diff_sha256: str | None = None
    """Hash of the diff under `.seedproof/diffs`; None where no text could be compared."""
    meaning: str | None = None
    """Hash over what differs besides comments, blanks and docstrings of Python files; empty where nothing does.

    None where that is not known, as in records of earlier versions.
    """

    @property
    def is_empty(self) -> bool:
        """Whether it changes no run: only comments, blanks or docstrings differ."""
        return self.meaning == ""

    def document(self) -> dict[str, Any]:
        """The change as it stands in the ledger."""
        files = [[file.path, file.added, file.removed] for file in self.files]
        known = {} if self.meaning is None else {"meaning": self.meaning}
        return {"files": files, "diff_sha256": self.diff_sha256, **known}

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> "Change | None":
        """Read it back; None where nothing changed or the codes were not compared.

        Raises:
            TypeError, KeyError: The document is not one that `document` wrote.
        """
        if document is None:
            return None
        files = tuple(ChangedFile(*file) for file in document["files"])
        return cls(files, document["diff_sha256"], document.get("meaning"))
