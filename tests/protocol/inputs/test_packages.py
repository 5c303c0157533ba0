"""The hash of a package is the same wherever it is installed, and another one once a file of it differs."""

from seedproof.inputs.packages import (
    PackageFile,
    PackageHead,
    digest_of,
    is_start_up_code,
    read_head,
    read_record,
)

RECORD = """\
pkg/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
"pkg/a, b.py",sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
pkg-1.0.dist-info/METADATA,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
pkg-1.0.dist-info/RECORD,,
"""
OF_THE_PLACE = """\
../../../bin/pkg,sha256=AAAAAAj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,7
pkg/__pycache__/__init__.cpython-311.pyc,,
pkg-1.0.dist-info/INSTALLER,sha256=AAAAAAj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,4
pkg-1.0.dist-info/direct_url.json,sha256=AAAAAAj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,9
"""
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing


def test_a_record_names_files_with_hash_and_size() -> None:
    found = read_record(RECORD)
    assert found["pkg/a, b.py"] == PackageFile(EMPTY, 0)
    assert found["pkg-1.0.dist-info/RECORD"] == PackageFile("", None)


def test_what_differs_between_two_installations_is_not_in_the_hash() -> None:
    assert digest_of(read_record(RECORD + OF_THE_PLACE)) == digest_of(read_record(RECORD))
    assert digest_of(read_record(RECORD.replace("47DEQ", "57DEQ", 1))) != digest_of(read_record(RECORD))
    assert digest_of(read_record(RECORD), {"pkg/__init__.py": "f" * 64}) != digest_of(read_record(RECORD))


def test_name_and_version_come_from_the_head_of_the_description() -> None:
    text = "Metadata-Version: 2.1\nName: My_Pkg.x\nVersion: 1.0\n\nName: other\n"
    assert read_head(text) == PackageHead("my-pkg-x", "1.0")
    assert read_head("Version: 1\n") is None


def test_a_line_that_imports_runs_code_but_for_the_one_that_setuptools_writes() -> None:
    assert is_start_up_code(["import evil"])
    assert is_start_up_code(["/folder", "import a; a.b()"])
    assert not is_start_up_code(["/folder", "# import a", ""])
    assert not is_start_up_code(["import __editable___a_1_finder; __editable___a_1_finder.install()"])
    assert is_start_up_code(["import __editable___a_finder; __editable___b_finder.install()"])
