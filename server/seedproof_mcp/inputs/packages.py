"""Which installed packages a run imported, from the files of theirs that it read."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from seedproof.inputs.packages import (
    PackageFile,
    PackageHead,
    digest_of,
    is_start_up_code,
    normal_name,
    read_head,
    read_record,
)
from seedproof.inputs.reads import Stat

from seedproof_mcp.code.hashes import Hashes

__all__ = ["ImportedPackages", "site_of"]

_SITE = re.compile(r"(.*?/(?:site|dist)-packages)/(.+)\Z", re.DOTALL)
_METADATA = re.compile(r"[^/]+\.(?:dist|egg)-info(?:/|\Z)")
_VERSION = re.compile(r"([^/]+\.dist-info)/METADATA|([^/]+\.egg-info)(?:/PKG-INFO)?")
_AT_START = ("sitecustomize.py", "usercustomize.py")
# A wheel of a GPU library holds files of hundreds of megabytes; those are held against their size only.
_MOST_HASHED_BYTES = 64 << 20
_HASH_LENGTH = 8


def site_of(path: str) -> tuple[str, str] | None:
    """The folder of installed packages that a file lies in, and its path there; None where it lies in none."""
    found = _SITE.match(path)
    return None if found is None else (found[1], found[2])


@dataclass(frozen=True)
class _Package:
    head: PackageHead
    place: Path
    """Its `.dist-info` or `.egg-info`."""
    files: dict[str, PackageFile] | None
    """By its RECORD; None where it has none."""
    recorded_ns: int = 0
    """When its RECORD was written, by the status of the file, which no program can set."""
    is_editable: bool = False


@dataclass
class _Site:
    """One folder of installed packages."""

    folder: Path
    tops: dict[str, list[Path]] = field(default_factory=dict)
    """The descriptions of the packages that have files under a first name."""
    packages: dict[Path, _Package | None] = field(default_factory=dict)

    def package(self, place: Path) -> _Package | None:
        """A package by its description, which is read once."""
        if place not in self.packages:
            self.packages[place] = _read_package(place)
        return self.packages[place]

    def owner(self, path: str) -> _Package | None:
        """The package that a file belongs to; None where it belongs to none."""
        for place in self.tops.get(path.split("/", 1)[0], ()):
            package = self.package(place)
            if package is not None and (package.files is None or path in package.files):
                return package
        return None


# Listing the packages of a large environment takes 0.1 s: once for each state of its folder.
_sites: dict[str, tuple[int, _Site]] = {}


def _site(folder: str) -> _Site:
    written_ns = os.stat(folder).st_mtime_ns
    known = _sites.get(folder)
    if known is None or known[0] != written_ns:
        known = _sites[folder] = (written_ns, _list_site(Path(folder)))
    return known[1]


def _list_site(folder: Path) -> _Site:
    site = _Site(folder)
    for name in sorted(os.listdir(folder)):
        if name.endswith((".dist-info", ".egg-info")):
            for top in _top_names(folder / name):
                site.tops.setdefault(top, []).append(folder / name)
    return site


def _top_names(place: Path) -> set[str]:
    for name in ("RECORD", "installed-files.txt", "top_level.txt"):
        text = _text(place / name)
        if text and name == "top_level.txt":
            tops = text.split()
            return {*tops, *(f"{one}.py" for one in tops)}
        if text:
            lines = (line.removeprefix("../") for line in text.splitlines())
            return {re.split(r"[/,]", line, maxsplit=1)[0].strip('"') for line in lines}
    name = re.split(r"-\d", place.name.rpartition(".")[0], maxsplit=1)[0]
    return {name, f"{name}.py"}


def _read_package(place: Path) -> _Package | None:
    metadata = place if place.is_file() else place / ("METADATA" if place.suffix == ".dist-info" else "PKG-INFO")
    head = read_head(_text(metadata))
    if head is None:
        return None
    record = place / "RECORD"
    try:
        files = read_record(_text(record)) if record.is_file() else None
        recorded_ns = record.stat().st_ctime_ns if files is not None else 0
    except (OSError, ValueError):
        files, recorded_ns = None, 0
    is_editable = re.search(r'"editable"\s*:\s*true', _text(place / "direct_url.json")) is not None
    return _Package(head, place, files, recorded_ns, is_editable)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


class ImportedPackages:
    """Gathers the packages of one run."""

    def __init__(self, hashes: Hashes) -> None:
        self._hashes = hashes
        self._sites: dict[str, None] = {}
        self._found: dict[Path, tuple[_Package, dict[str, str]]] = {}
        self._asked: dict[str, set[Path]] = {}

    def look_at(self, folder: str) -> None:
        """Count what a folder of installed packages runs at the start of each Python."""
        if os.path.isdir(folder):
            self._sites.setdefault(folder)

    def add(self, folder: str, path: str, stat: Stat | None) -> bool:
        """Count a file that the run read; false where it belongs to no package."""
        self.look_at(folder)
        if (asked := _VERSION.fullmatch(path)) is not None:
            self._asked.setdefault(folder, set()).add(Path(folder, asked[1] or asked[2]))
        # Any program that asks for plug-ins reads what all packages say of themselves.
        if _METADATA.match(path) or path.endswith(".pth") or path in _AT_START:
            return True
        try:
            package = _site(folder).owner(path)
        except OSError:
            return False
        if package is None:
            return False
        if not package.is_editable:
            modified = self._found.setdefault(package.place, (package, {}))[1]
            if (sha256 := self._modified(package, Path(folder, path), path, stat)) is not None:
                modified[path] = sha256
        return True

    def _modified(self, package: _Package, real: Path, path: str, stat: Stat | None) -> str | None:
        """The hash of a file that was changed after its installation; None where it was not."""
        recorded = (package.files or {}).get(path)
        if recorded is None or not recorded.sha256:
            return None
        try:
            seen = os.stat(real)
            size, changed_ns = (seen.st_size, seen.st_ctime_ns) if stat is None else (stat[0], stat[3])
            if size == recorded.size and changed_ns <= package.recorded_ns:
                return None
            if size == recorded.size and size > _MOST_HASHED_BYTES:
                return None
            sha256 = self._hashes.sha256(real, _MOST_HASHED_BYTES)
        except OSError:
            return "unreadable"
        return None if sha256 == recorded.sha256 else sha256

    def result(self) -> dict[str, str]:
        """Version and hash of each package, and the hash of each file that runs at the start of Python, by name."""
        found: dict[str, set[str]] = {}
        self._add_asked()
        for package, modified in self._found.values():
            digest = digest_of(package.files or {}, modified) if package.files is not None else _head_hash(package)
            found.setdefault(package.head.name, set()).add(f"{package.head.version} {digest}".strip())
        for folder in self._sites:
            for name, content in _start_up_files(Path(folder)):
                found.setdefault(name, set()).add(hashlib.sha256(content).hexdigest()[:_HASH_LENGTH])
        # Two folders of packages are one name space.
        return {name: " + ".join(sorted(values)) for name, values in sorted(found.items())}

    def _add_asked(self) -> None:
        """Count packages whose version the run asked for, unless it asked for every version there, as a logger does."""
        for folder, places in self._asked.items():
            try:
                site = _site(folder)
                others = {one for found in site.tops.values() for one in found} - places
                packages = [site.package(place) for place in places if others or len(places) == 1]
            except OSError:
                continue
            for package in packages:
                if package is not None and not package.is_editable:
                    self._found.setdefault(package.place, (package, {}))


def _head_hash(package: _Package) -> str:
    text = f"{normal_name(package.head.name)} {package.head.version}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_HASH_LENGTH]


def _start_up_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name.endswith(".pth") or name in _AT_START:
            try:
                content = (folder / name).read_bytes()
            except OSError:
                continue
            if name in _AT_START or is_start_up_code(_lines(content)):
                yield name, content


def _lines(content: bytes) -> Iterable[str]:
    return content.decode("utf-8", "surrogateescape").splitlines()
