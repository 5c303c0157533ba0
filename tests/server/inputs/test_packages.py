"""Which installed packages count as imported, and which files of their folder stand alone."""

import base64
import hashlib
import os
from pathlib import Path

import pytest
from seedproof_mcp.code.hashes import Hashes
from seedproof_mcp.inputs.packages import ImportedPackages, site_of
from seedproof_mcp.system.paths import ProjectPaths


def install(site: Path, name: str, files: dict[str, str], version: str = "1.0", editable: bool = False) -> None:
    """A package, as an installer leaves it: its RECORD last."""
    lines = []
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    files = {**files, f"{info.name}/METADATA": f"Name: {name}\nVersion: {version}\n"}
    if editable:
        files[f"{info.name}/direct_url.json"] = '{"dir_info": {"editable": true}, "url": "file:///p"}'
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        lines.append(f"{path},sha256={digest},{len(text)}\n")
    (info / "RECORD").write_text("".join(lines))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "venv/lib/python3.11/site-packages"
    folder.mkdir(parents=True)
    return folder


def imported(site: Path, *paths: str) -> tuple[dict[str, str], list[str]]:
    """The packages of a run that read these, and the files that belong to none."""
    packages = ImportedPackages(Hashes(ProjectPaths(site.parents[3])))
    packages.look_at(str(site))
    loose = []
    for path in paths:
        found = site_of(str(site / path))
        assert found is not None
        if not packages.add(*found, None):
            loose.append(path)
    return packages.result(), loose


def test_a_package_counts_once_a_file_of_it_was_read(site: Path) -> None:
    install(site, "torch", {"torch/__init__.py": "x = 1"}, "2.0")
    install(site, "unrelated", {"unrelated.py": ""})
    found, loose = imported(site, "torch/__init__.py", "unrelated-1.0.dist-info/entry_points.txt")
    assert (list(found), loose) == (["torch"], [])
    assert found["torch"].startswith("2.0 ")
    install(site, "another", {"another.py": ""})
    assert imported(site, "torch/__init__.py") == (found, [])


def test_packages_that_share_a_first_name_are_told_apart(site: Path) -> None:
    install(site, "nvidia-a", {"nvidia/a/lib.so": "a"})
    install(site, "nvidia-b", {"nvidia/b/lib.so": "b"})
    assert list(imported(site, "nvidia/b/lib.so")[0]) == ["nvidia-b"]


def test_a_file_that_no_package_has_stands_alone(site: Path) -> None:
    install(site, "torch", {"torch/__init__.py": "x = 1"})
    (site / "torch/evil.py").write_text("x = 2")
    (site / "own.py").write_text("")
    assert imported(site, "torch/evil.py", "own.py") == ({}, ["torch/evil.py", "own.py"])


def test_a_file_that_was_edited_after_its_installation_changes_the_hash(site: Path) -> None:
    install(site, "torch", {"torch/__init__.py": "x = 1"})
    before, _ = imported(site, "torch/__init__.py")
    seen = (site / "torch/__init__.py").stat()
    os.utime(site / "torch/__init__.py", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert imported(site, "torch/__init__.py")[0] == before
    (site / "torch/__init__.py").write_text("x = 2")
    os.utime(site / "torch/__init__.py", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert imported(site, "torch/__init__.py")[0] != before


def test_an_editable_package_is_seen_file_by_file_elsewhere(site: Path) -> None:
    finder = "__editable___pkg_1_0_finder"
    line = f"import {finder}; {finder}.install()"
    install(site, "pkg", {f"{finder}.py": "MAPPING = {}", "__editable__.pkg-1.0.pth": line}, editable=True)
    assert imported(site, f"{finder}.py", "__editable__.pkg-1.0.pth") == ({}, [])


def test_code_that_runs_at_the_start_of_python_counts_by_its_content(site: Path) -> None:
    (site / "folder.pth").write_text("/somewhere\n")
    (site / "a.pth").write_text("import evil\n")
    (site / "sitecustomize.py").write_text("x = 1")
    found, _ = imported(site)
    assert {name: len(value) for name, value in found.items()} == {"a.pth": 8, "sitecustomize.py": 8}


def test_a_package_without_a_record_is_known_by_its_names(site: Path) -> None:
    (site / "old_pkg-2.0.egg-info").mkdir()
    (site / "old_pkg-2.0.egg-info/PKG-INFO").write_text("Name: old-pkg\nVersion: 2.0\n")
    (site / "old_pkg-2.0.egg-info/top_level.txt").write_text("oldpkg\n")
    (site / "single-3.0.egg-info").write_text("Name: single\nVersion: 3.0\n")
    found, loose = imported(site, "oldpkg/a.py", "single.py")
    assert {name: value.split()[0] for name, value in found.items()} == {"old-pkg": "2.0", "single": "3.0"}
    assert loose == []


def test_a_folder_that_is_gone_has_no_packages(site: Path) -> None:
    site.rmdir()
    assert imported(site, "torch/__init__.py") == ({}, ["torch/__init__.py"])
