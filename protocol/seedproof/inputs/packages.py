"""Reads what an installed package says of itself: its name, its version and the files that it consists of."""

import base64
import csv
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["PackageFile", "PackageHead", "digest_of", "is_start_up_code", "normal_name", "read_head", "read_record"]

# setuptools writes such a line for each package that is installed editable. What it leads to is seen file by file.
_EDITABLE = re.compile(r"import (__editable___\w+_finder); \1\.install\(\)\Z")
# Other for each installer, and for each place that the same package is installed in.
_OF_THE_INSTALLATION = re.compile(
    r"\.\./|/|.*\.py[co]\Z|[^/]+\.dist-info/(?:INSTALLER|REQUESTED|RECORD|direct_url\.json)\Z"
)


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file of a package, as its RECORD describes it."""

    sha256: str
    """Hexadecimal hash of its content; empty where the RECORD has none."""
    size: int | None
    """Its size in bytes; None likewise."""


@dataclass(frozen=True, slots=True)
class PackageHead:
    """What a package is called."""

    name: str
    """Its normal name."""
    version: str
    """Its version; empty where it says none."""


def normal_name(name: str) -> str:
    """The form of a package's name in which equal names are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_head(metadata: str) -> PackageHead | None:
    """Name and version from a METADATA or PKG-INFO; None where it says no name."""
    head = dict(re.findall(r"^(Name|Version):[ \t]*(.*?)[ \t\r]*$", metadata.split("\n\n", 1)[0], re.M))
    return PackageHead(normal_name(head["Name"]), head.get("Version", "")) if head.get("Name") else None


def read_record(text: str) -> dict[str, PackageFile]:
    """The files of a RECORD by their path in the folder of packages."""
    found = {}
    for row in csv.reader(text.splitlines()):
        if len(row) >= 3 and row[0]:
            found[row[0]] = PackageFile(_hexadecimal(row[1]), int(row[2]) if row[2].isdecimal() else None)
    return found


def _hexadecimal(field_text: str) -> str:
    kind, _, value = field_text.partition("=")
    if kind != "sha256":
        return ""
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
    except ValueError:
        return ""


def digest_of(files: Mapping[str, PackageFile], modified: Mapping[str, str] = {}) -> str:
    """The first 8 hexadecimal digits of a SHA-256 over a package's own files; the same wherever it is installed.

    Args:
        files: By path, from its RECORD.
        modified: Hash of each file that is not as the RECORD says.
    """
    lines = [f"{path}\t{one.sha256}\t{one.size}" for path, one in files.items() if not _OF_THE_INSTALLATION.match(path)]
    lines += [f"modified {path}\t{sha256}" for path, sha256 in modified.items()]
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()[:8]


def is_start_up_code(lines: Iterable[str]) -> bool:
    """Whether a `.pth` file runs code at the start of each Python; one that only names folders does not."""
    running = [line.rstrip() for line in lines if line.startswith(("import ", "import\t"))]
    return any(not _EDITABLE.match(line) for line in running)
