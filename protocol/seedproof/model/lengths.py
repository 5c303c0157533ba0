"""How far a training went, as its log says."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

__all__ = ["Lengths"]


@dataclass(frozen=True, slots=True)
class Lengths:
    """How far a training went; None where its log does not say, or says it in two ways that differ."""

    step: int | None = None
    """The last training step."""
    steps: int | None = None
    """How many the training was to take."""
    epoch: int | None = None
    """The last epoch, counted as the training counts it: from 0 or from 1."""
    epochs: int | None = None
    """How many the training was to take."""
    tokens: int | None = None
    """Tokens trained on."""
    samples: int | None = None
    """Samples trained on."""
    reached_end: bool | None = None
    """Whether it came to its own end."""

    def document(self) -> dict[str, int]:
        """The JSON object in a record: what is known."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON object; what a later version added is passed over.

        Raises:
            TypeError: It is no object of whole numbers, or `reached_end` is neither true nor false.
        """
        known = {one.name for one in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        for name, value in values.items():
            if type(value) is not (bool if name == "reached_end" else int):
                raise TypeError(f"{name} is {value!r:.40}")
        return cls(**values)
