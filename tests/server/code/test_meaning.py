"""Whether a change of code means anything to a run."""

import hashlib

import pytest
from seedproof_mcp.code.diffs import Content, meaning_of
from seedproof_mcp.code.identity import File

BEFORE = b'''"""A script."""\nx = 1\n\n\ndef f():\n    return x\n'''


def code(content: bytes, path: str = "train.py", mode: str = "100644") -> tuple[list[File], Content]:
    blob = hashlib.sha1(content).hexdigest()
    return [File(path, mode, blob)], lambda file: content


@pytest.mark.parametrize(
    "after",
    [
        BEFORE + b"# a comment\n",
        BEFORE.replace(b"x = 1", b"x  =  1  # one"),
        BEFORE.replace(b"A script.", b"Another script."),
        BEFORE.replace(b"    return x", b"    'says nothing'\n    return x"),
        b"\n\n" + BEFORE,
    ],
)
def test_comments_blanks_and_docstrings_mean_nothing(after: bytes) -> None:
    assert meaning_of(code(BEFORE), code(after)) == ""


@pytest.mark.parametrize(
    "after",
    [
        BEFORE.replace(b"x = 1", b"x = 2"),
        BEFORE + b"print(__doc__)\n",
        BEFORE + b"this is no Python\n",
        BEFORE.replace(b"return x", b"return -x"),
    ],
)
def test_everything_else_does(after: bytes) -> None:
    assert meaning_of(code(BEFORE), code(after))


def test_a_docstring_that_the_program_reads_is_a_part_of_it() -> None:
    one, other = (b'"""Usage: %s"""\nfrom docopt import docopt\ndocopt(__doc__)\n' % word for word in (b"a", b"b"))
    assert meaning_of(code(one), code(other))


def test_of_other_files_and_of_modes_every_difference_counts() -> None:
    assert meaning_of(code(b"a: 1\n", "x.yaml"), code(b"a: 1  # one\n", "x.yaml"))
    assert meaning_of(code(BEFORE), code(BEFORE, mode="100755"))


def test_two_changes_that_mean_the_same_have_one_hash() -> None:
    base = code(BEFORE)
    one, other = (meaning_of(base, code(BEFORE.replace(b"1", b"2") + tail)) for tail in (b"", b"# again\n"))
    assert one == other
    assert one != meaning_of(base, code(BEFORE.replace(b"1", b"3")))


def test_a_file_that_is_gone_is_a_difference() -> None:
    assert meaning_of(code(BEFORE), ([], lambda file: None))
