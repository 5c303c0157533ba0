"""What a run's list says against those of earlier runs."""

import pytest
from seedproof.inputs.history import History, Interval, left_by_runs, other_content
from seedproof.inputs.listed import Listed, ListedFile, WrittenFile, read_list, write_list
from seedproof.model.inputs import InputFile, Origin, OtherContent

STAT = (5, 1, 100, 100)


def file(path: str, content: str = "a", origin: Origin = "project", **more: object) -> ListedFile:
    """A file of the project that was read."""
    return ListedFile(path, content, origin, path, path, **more)  # type: ignore[arg-type]


def written(path: str, content: str = "a", *, is_read: bool = False) -> WrittenFile:
    """A file of the project that was written."""
    return WrittenFile(path, path, content, STAT, is_read)


def history(*runs: Listed, is_baseline: bool = True) -> History:
    """Runs r1, r2 and so on of the first generation."""
    found = History()
    for number, listed in enumerate(runs, 1):
        found.add(f"r{number}", 1, listed, is_baseline=is_baseline)
    return found


def left(one: ListedFile, known: History, **more: object) -> list[tuple[str, bool]]:
    """The run that left a file, and whether it is a cache."""
    found = left_by_runs([one], known, **{"outputs": {}, **more})  # type: ignore[arg-type]
    return [(file.run_id, file.is_cache) for file in found]


def test_a_list_is_read_back_as_it_was_written_and_nothing_else_is_one() -> None:
    listed = Listed(
        (
            file("a\udcff\n", stat=STAT),
            ListedFile("…/b", "", "named", "/x/b", "/x/b", None, is_own=True, is_appended=True),
            ListedFile("c", "f", "code", "c", ".seedproof/worktrees/ab/c", STAT),
        ),
        (written("w"), WrittenFile("v", "v", "", None)),
        {"data": "0f"},
    )
    assert read_list(write_list(listed)) == listed
    for bad in (
        b"",
        b"{}\n",
        b"x\n",
        b'{"seedproof_inputs": 2}\n',
        b'{"seedproof_inputs": 1}\n{"origin": "x"}\n',
        b"[]",
    ):
        assert read_list(bad) is None


def test_lines_that_earlier_lists_had_are_not_read_again() -> None:
    known: set[bytes] = set()
    read_list(write_list(Listed((file("a"),), (written("w"),))), known)
    again = read_list(write_list(Listed((file("a"), file("b")), (written("w"),))), known)
    assert again is not None
    assert ([one.path for one in again.files], len(again.written)) == (["b"], 1)


def test_the_first_reading_in_the_generation_is_what_counts() -> None:
    known = history(Listed((file("x", "a"),)), Listed((file("x", "b"),)))
    assert other_content([file("x", "b")], known, 1) == (OtherContent("x", "b", "r1"),)
    assert other_content([file("x", "a")], known, 1) == ()
    assert other_content([file("x", "b")], known, 2) == ()
    assert other_content([file("x", "")], known, 1) == ()


def test_the_same_file_is_known_by_its_place_and_not_by_its_name() -> None:
    known = history(Listed((ListedFile("…/work/c", "a", "outside", "/a/work/c", "/a/work/c"),)))
    assert other_content([ListedFile("…/work/c (2)", "b", "outside", "/b/work/c", "/b/work/c")], known, 1) == ()
    assert len(other_content([ListedFile("…/work/c", "b", "outside", "/a/work/c", "/a/work/c")], known, 1)) == 1


@pytest.mark.parametrize(
    ("now", "then", "is_told"),
    [("code", "code", False), ("project", "code", True), ("code", "project", True), ("outside", "outside", True)],
)
def test_code_is_compared_by_its_identity(now: Origin, then: Origin, is_told: bool) -> None:
    known = history(Listed((file("x", "a", then),)))
    assert bool(other_content([file("x", "b", now)], known, 1)) is is_told


def test_a_file_that_is_added_to_is_told_nowhere() -> None:
    known = history(Listed((file("x", "a"),), (written("x", "b"),)))
    grown = file("x", "c", is_own=True, is_appended=True)
    assert other_content([grown], known, 1) == ()
    assert left(grown, known) == []


def test_a_record_stands_for_a_list_that_is_gone() -> None:
    known = History()
    known.add_recorded("r1", 1, {"x": InputFile("a", "project"), "…/b": InputFile("a", "named")}, is_baseline=True)
    outside = ListedFile("…/b", "z", "named", "/x/b", "/x/b")
    assert [one.path for one in other_content([file("x", "z"), outside], known, 1)] == ["x", "…/b"]


def test_a_file_that_a_run_wrote_is_left_by_the_last_one_that_did() -> None:
    known = history(Listed((), (written("w", "a"),)), Listed((), (written("w", "b"),)))
    assert left(file("w", "b"), known) == [("r2", False)]
    assert left(file("v", "b"), known) == []


def test_a_cache_was_never_changed_and_is_called_one_or_serves_a_baseline() -> None:
    once = Listed((), (written("cache/w"), written("w")))
    assert left(file("cache/w"), history(once)) == [("r1", True)]
    assert left(file("cache/w", "b"), history(once)) == [("r1", False)]
    assert left(file("cache/w"), history(once, Listed((), (written("cache/w", "b"),)))) == [("r2", False)]
    # A model that a baseline wrote and none of its runs reads is no cache of the baseline's.
    assert left(file("w"), history(once)) == [("r1", False)]
    assert left(file("w"), history(once, Listed((file("w"),)))) == [("r1", True)]
    assert left(file("w"), history(Listed((), (written("w", is_read=True),)))) == [("r1", True)]
    assert left(file("w"), history(Listed((), (written("w", is_read=True),)), is_baseline=False)) == [("r1", False)]


def test_what_lies_in_the_output_folder_of_a_run_is_left_by_it() -> None:
    outputs = {"checkpoints/exp_a_1M_seed42": "r1"}
    assert left(file("checkpoints/exp_a_1M_seed42/a/w.pt"), History(), outputs=outputs) == [("r1", False)]
    assert left(file("checkpoints/exp_a_1M_seed420/w.pt"), History(), outputs=outputs) == []


def test_what_was_written_while_a_run_of_the_arm_was_carried_out_is_taken_for_its_own() -> None:
    during = [Interval("r1", 50, 150)]
    assert left(file("w", stat=STAT), History(), same_arm=during) == [("r1", False)]
    assert left(file("w", stat=STAT), History(), same_arm=[Interval("r1", 100, 150)]) == []
    assert left(file("w", origin="named", stat=STAT), History(), same_arm=during) == []
    assert left(file("w", origin="code", stat=STAT), History(), same_arm=during) == []


def test_a_record_holds_a_hundred_of_them() -> None:
    many = [file(f"{number}", "b") for number in range(150)]
    known = history(Listed(tuple(file(f"{number}") for number in range(150))))
    assert len(other_content(many, known, 1)) == 100
