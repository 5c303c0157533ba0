"""How a training seeded itself, where the rules replace its own seed by the run's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["NOT_INJECTED", "Seeding"]

NOT_INJECTED = "seed_not_injected"
"""How the reason of a run begins whose seed did not reach its training."""
_NAMED_NUMBERS = 3


@dataclass(frozen=True, slots=True)
class Seeding:
    """What the processes of one run told."""

    moved: Mapping[str, int] = field(default_factory=dict)
    """How often each function was given the run's seed, by its name, such as `torch.manual_seed`."""
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The other numbers that it seeded with, each with the functions: they stayed as they were."""

    def fault(self, replaced: int) -> str | None:
        """Why the run's seed did not reach the training, as a sentence without its full stop; None where it did.

        Args:
            replaced: `rules.replace_seed`.
        """
        if self.moved:
            return None
        if not self.kept:
            return (
                f"{NOT_INJECTED}: no call was seen that seeds random, numpy, torch, tensorflow or jax with "
                f"rules.replace_seed, {replaced}, or with any other number"
            )
        named = [f"{number} ({', '.join(names)})" for number, names in list(self.kept.items())[:_NAMED_NUMBERS]]
        more = len(self.kept) - len(named)
        others = f"{', '.join(named)}{f' and {more} more' if more else ''}"
        return f"{NOT_INJECTED}: the training seeds itself with {others}, and never with rules.replace_seed, {replaced}"

    def document(self) -> dict[str, Any]:
        """The JSON object in a record."""
        return {"moved": dict(self.moved), "kept": {number: list(names) for number, names in self.kept.items()}}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Seeding":
        """Read it back."""
        kept = {number: tuple(map(str, names)) for number, names in document.get("kept", {}).items()}
        return cls({str(name): int(calls) for name, calls in document.get("moved", {}).items()}, kept)
