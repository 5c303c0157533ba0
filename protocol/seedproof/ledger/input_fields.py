"""What a run read, as the record of its end holds it: each map of files or packages is written once."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from seedproof.ledger.record_fields import as_mapping, as_text, as_texts
from seedproof.model.inputs import InputFile, LeftFile, Observed, Origin, OtherContent, RunInputs

__all__ = ["RecordedInputs", "recorded_inputs"]

InputMap = Mapping[str, Any]
"""Files by name, or packages by name, as in `RunInputs`."""

# The name of a map is its kind and its hash.
_FILES, _PACKAGES = "files-", "packages-"
_LENGTH = 16


@dataclass(frozen=True, slots=True)
class RecordedInputs:
    """What a run read, with its maps by name."""

    inputs: RunInputs
    """Without files and packages."""
    files: str
    """Name of the map of files."""
    packages: str
    """Name of the map of packages."""
    maps: Mapping[str, InputMap] = field(default_factory=dict)
    """The maps that no earlier record has, by name."""

    def document(self) -> dict[str, Any]:
        """The value as it stands in the ledger."""
        inputs = self.inputs
        parts: dict[str, Any] = {
            "why": inputs.why,
            "digest": inputs.digest,
            "count": inputs.count,
            "interpreter": inputs.interpreter,
            "cut": inputs.cut,
            "changed": list(inputs.changed),
            "other_content": [[one.path, one.content, one.run_id] for one in inputs.other_content],
            "left_by_runs": [[one.path, one.content, one.run_id, one.is_cache] for one in inputs.left_by_runs],
            "maps": {name: _map_document(one) for name, one in self.maps.items()},
        }
        known = {name: part for name, part in parts.items() if part}
        known |= {} if inputs.folder is None else {"folder": inputs.folder}
        return {"observed": inputs.observed, "files": self.files, "packages": self.packages, **known}

    @classmethod
    def from_document(cls, document: Any) -> "RecordedInputs":
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: The document is not one that `document` wrote.
        """
        parts = as_mapping(document)
        inputs = RunInputs(
            observed=_one_of(Observed, parts["observed"]),
            why=_as_text_or_none(parts.get("why")),
            digest=as_text(parts.get("digest", "")),
            count=_as_count(parts.get("count", 0)),
            interpreter=_as_text_or_none(parts.get("interpreter")),
            cut=_as_count(parts.get("cut", 0)),
            folder=_as_text_or_none(parts.get("folder")),
            changed=as_texts(parts.get("changed", [])),
            other_content=tuple(OtherContent(*as_texts(one)) for one in parts.get("other_content", ())),
            left_by_runs=tuple(_read_left(one) for one in parts.get("left_by_runs", ())),
        )
        maps = {name: _read_map(name, one) for name, one in as_mapping(parts.get("maps", {})).items()}
        return cls(inputs, _name_of_map(_FILES, parts["files"]), _name_of_map(_PACKAGES, parts["packages"]), maps)

    def whole(self, maps: Mapping[str, InputMap]) -> RunInputs:
        """What the run read, with its maps.

        Raises:
            KeyError: One of them is in no record so far.
        """
        return replace(self.inputs, files=maps[self.files], packages=maps[self.packages])


def recorded_inputs(inputs: RunInputs, known: Collection[str]) -> RecordedInputs:
    """What a record holds of what a run read.

    Args:
        inputs: What it read.
        known: Names of the maps that earlier records have.
    """
    files, packages = _hash_of(_FILES, inputs.files), _hash_of(_PACKAGES, inputs.packages)
    maps = {name: one for name, one in ((files, inputs.files), (packages, inputs.packages)) if name not in known}
    return RecordedInputs(replace(inputs, files={}, packages={}), files, packages, maps)


def _hash_of(kind: str, one: InputMap) -> str:
    text = json.dumps(_map_document(one), sort_keys=True)
    return f"{kind}{hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]}"


def _map_document(one: InputMap) -> dict[str, Any]:
    return {name: [part.content, part.origin] if isinstance(part, InputFile) else part for name, part in one.items()}


def _read_map(name: str, document: Any) -> InputMap:
    parts = as_mapping(document).items()
    if name.startswith(_PACKAGES):
        return {one: as_text(version) for one, version in parts}
    return {path: InputFile(as_text(content), _one_of(Origin, origin)) for path, (content, origin) in parts}


def _name_of_map(kind: str, document: Any) -> str:
    if not as_text(document).startswith(kind):
        raise ValueError(f"{document!r:.40} names a map of another kind")
    return as_text(document)


def _read_left(document: Any) -> LeftFile:
    path, content, run_id, is_cache = document
    return LeftFile(as_text(path), as_text(content), as_text(run_id), bool(is_cache))


def _one_of(kind: Any, document: Any) -> Any:
    if document not in get_args(kind):
        raise ValueError(f"{document!r:.40} is none of {', '.join(get_args(kind))}")
    return document


def _as_text_or_none(document: Any) -> str | None:
    return None if document is None else as_text(document)


def _as_count(document: Any) -> int:
    if type(document) is not int:
        raise TypeError(f"{document!r:.40} is no count")
    return document
