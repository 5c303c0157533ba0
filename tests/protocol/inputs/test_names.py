"""Names of files that a run read: one line of valid text, no two alike, the same file the same name."""

from hypothesis import given
from hypothesis import strategies as st
from seedproof.inputs.names import LONGEST_NAME, last_names, name_files, outside_name, printable_name

# A lone surrogate that stands for no byte is not part of any path.
_paths = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def test_an_outside_file_is_called_by_its_last_two_names() -> None:
    assert last_names("/home/me/work/cfg.json") == "…/work/cfg.json"
    assert outside_name("/cfg.json") == "…/cfg.json"


def test_a_module_of_the_standard_library_is_called_by_its_place_there() -> None:
    assert outside_name("/usr/lib/python3.11/json/decoder.py") == "…/python3.11/json/decoder.py"
    assert outside_name("/v/lib/python3.11/site-packages/a/b.py") == "…/a/b.py"


def test_equal_names_are_told_apart_and_a_name_that_was_given_stays() -> None:
    keys = {"/a/work/c": "…/work/c", "/b/work/c": "…/work/c", "data/x": "data/x"}
    assert name_files(keys, {}) == {"/a/work/c": "…/work/c", "/b/work/c": "…/work/c (2)", "data/x": "data/x"}
    known = {"…/work/c": "/b/work/c"}
    assert name_files(keys, known) == {"/a/work/c": "…/work/c (2)", "/b/work/c": "…/work/c", "data/x": "data/x"}


@given(st.lists(_paths, unique=True), st.lists(_paths, unique=True, max_size=3))
def test_no_two_files_have_one_name(keys: list[str], earlier: list[str]) -> None:
    taken = name_files({f"/{key}": outside_name(f"/{key}") for key in earlier}, {})
    given_names = {name: key for key, name in taken.items()}
    found = name_files({f"/{key}": outside_name(f"/{key}") for key in keys}, given_names)
    assert len(set(found.values())) == len(keys)
    assert all(found[key] == name for name, key in given_names.items() if key in found)


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_a_name_is_one_short_line_of_valid_text(path: str) -> None:
    name = printable_name(path)
    name.encode()
    assert len(name.splitlines()) <= 1
    assert "\t" not in name
    assert len(name) <= LONGEST_NAME
