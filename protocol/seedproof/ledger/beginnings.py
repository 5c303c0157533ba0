"""What a baseline generation begins with, and which other ledgers there were, here and of the same user."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from seedproof.ledger.record_fields import read_known

__all__ = ["Beginnings", "OtherLedgers", "PastLedger"]


@dataclass(frozen=True, slots=True)
class OtherLedgers:
    """Other ledgers that began with the same code and metric, and in which a run had a value."""

    ledgers: int
    """How many."""
    experiments: int
    """How many experiments they declared."""
    winners: int
    """How many of these are a WINNER."""

    @property
    def size(self) -> tuple[int, int, int]:
        """How much they hold; it never shrinks as long as the registry is kept."""
        return self.ledgers, self.experiments, self.winners

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> "OtherLedgers | None":
        """Read the JSON object; None where there is none."""
        return read_known(cls, document) if document else None


@dataclass(frozen=True, slots=True)
class Beginnings:
    """What a generation begins with, as the server that began it found it."""

    script: str | None = None
    """Hash of the training script without comment lines, blank lines and indentation; None where it has no other."""
    first_commit: str | None = None
    """The first commit of the repository and the project's folder in it; None without git."""
    state_folder: str | None = None
    """A hash for the project folder on this machine and account, a slash, and one for its state folder."""
    is_own_state: bool = True
    """Whether that state folder is the account's own, instead of one that XDG_STATE_HOME names."""
    snapshots: int = 0
    """Snapshots in the repository that neither this ledger nor any known one stored; only when a ledger begins."""
    others: OtherLedgers | None = None
    """Other ledgers that began with this code; None where none is known."""

    def document(self) -> dict[str, Any]:
        """The JSON object in a record."""
        return {name: value for name, value in asdict(self).items() if value or name == "is_own_state"}

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> "Beginnings | None":
        """Read the JSON object; None where there is none."""
        if not document:
            return None
        others = OtherLedgers.from_document(document.get("others"))
        return read_known(cls, {**document, "others": others})


@dataclass(frozen=True, slots=True)
class PastLedger:
    """What the registry of projects noted of a ledger."""

    began: str
    """Time of its first record."""
    records: int
    """How many records it held."""
    head: str
    """Its head as reports print it."""
    gone: int | None = None
    """How many ledgers its folder had before it; None where that does not matter."""

    def document(self) -> dict[str, Any]:
        """The JSON object in a record."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> "PastLedger | None":
        """Read the JSON object; None where there is none."""
        return read_known(cls, document) if document else None
