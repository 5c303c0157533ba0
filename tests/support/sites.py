"""A project folder for the gate that is nothing but values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seedproof.admission.guards import Limits
from seedproof.commands.option_names import OptionNames
from seedproof.ledger.beginnings import Beginnings
from seedproof.model.code import Change, ChangedFile, Code


@dataclass
class PlainSite:
    """Nothing is in the way, and the code is what the test says."""

    present: Code | None = None
    lost: set[str] = field(default_factory=set)
    """Identities whose snapshot is not in the repository."""
    edited: tuple[str, ...] = ()
    """Files that differ from a code that is held in place."""

    def is_in_the_way(self, folder: str) -> bool:
        return False

    def environment_of(self, interpreter: str) -> str:
        return interpreter

    def surroundings(self) -> Mapping[str, Any]:
        return {}

    def limits(self) -> Limits:
        return Limits()

    def code(self) -> Code | None:
        return self.present

    def beginnings(self) -> Beginnings:
        return Beginnings()

    def option_names(self, code: Code) -> OptionNames:
        return ()

    def seed_files(self, code: Code, flags: Sequence[str]) -> tuple[str, ...]:
        return ()

    def change(self, old: Code, new: Code) -> Change | None:
        return None if old.sha256 == new.sha256 else Change((ChangedFile("train_llm.py", 1, 1),))

    def is_kept(self, code: Code) -> bool:
        return code.sha256 not in self.lost

    def differing(self, code: Code) -> tuple[str, ...]:
        return self.edited if code.held == "in-place" else ()

    def sealed(self, code: Code) -> Mapping[str, str]:
        return (self.present or code).sealed
