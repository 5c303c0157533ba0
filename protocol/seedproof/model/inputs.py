"""What a run read: the files that can change its result, and how sure that list is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["InputFile", "LeftFile", "Observed", "Origin", "OtherContent", "RunInputs"]

Observed = Literal["fully", "partly", "not", "off"]
"""`fully`: every process of the run told what it opened. `partly`: some did not, and were looked at from outside.
`not`: nothing is known. `off`: `settings.observe_inputs` is false."""

Origin = Literal["code", "project", "named", "outside"]
"""`code`: part of the code that the run's record names, with the same bytes. `project`: another file of the project.
`named`: a file elsewhere that the command, a flag or the configuration names. `outside`: any other."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file that a run read."""

    content: str
    """The first 16 hexadecimal digits of the SHA-256 of its content; empty where it could not be read."""
    origin: Origin
    """What kind of file it is."""


@dataclass(frozen=True, slots=True)
class OtherContent:
    """A file that this run read with another content than an earlier run of the generation did."""

    path: str
    """As in `RunInputs.files`."""
    content: str
    """What this run read, as in `InputFile.content`."""
    run_id: str
    """The first run of the generation that read this path with a content."""


@dataclass(frozen=True, slots=True)
class LeftFile:
    """A file that this run read and an earlier run of the ledger wrote."""

    path: str
    """As in `RunInputs.files`."""
    content: str
    """What this run read, as in `InputFile.content`."""
    run_id: str
    """The run that wrote it last."""
    is_cache: bool = False
    """Whether runs of this ledger wrote it once and nobody changed it since, in a folder of caches."""


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What a run read."""

    observed: Observed
    """How much of it is known."""
    why: str | None = None
    """Why it is not `fully`, phrased to follow "because"; None where it is."""
    digest: str = ""
    """SHA-256 over the whole list of paths and contents, which lies in the run's folder."""
    count: int = 0
    """How many files that list has."""
    interpreter: str | None = None
    """The first 16 hexadecimal digits of the SHA-256 of the interpreter's file; None where it is not known."""
    files: Mapping[str, InputFile] = field(default_factory=dict)
    """Files of the project and named ones by printable path: relative to the project, or `…/folder/name` elsewhere.

    At most 200; the rest is in `cut`."""
    cut: int = 0
    """How many files of the project and named ones are left out of `files`."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Installed packages that were imported: `version hash`, where the hash is of the package's RECORD, by normal name.

    The entry `python` is the interpreter's."""
    changed: tuple[str, ...] = ()
    """Files that were changed between the first reading and the end of the run, and not by the run itself."""
    other_content: tuple[OtherContent, ...] = ()
    """Files of any origin that an earlier run of the generation read with another content."""
    left_by_runs: tuple[LeftFile, ...] = ()
    """Files of any origin that an earlier run of the ledger wrote."""
    folder: str | None = None
    """Where the project lies in its repository, such as `study/`; empty at its top, None where it was not recorded."""

    @property
    def is_complete(self) -> bool:
        """Whether every file of the project that the run read is in `files`."""
        return self.observed == "fully" and not self.cut
