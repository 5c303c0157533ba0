"""What the lines of processes add up to: inputs are what a run read before it wrote it itself."""

from hypothesis import given
from hypothesis import strategies as st
from seedproof.inputs.reads import Process, Seen, add_up, read_process

HEAD = "# seedproof-reads 1\t7\t6\t/usr/bin/python3\t3.11.9\n"
OLD, NEW = 100, 300
STARTED = 200


def process(*lines: str) -> Process:
    """A process that told these lines."""
    found = read_process(HEAD + "".join(f"{line}\n" for line in lines))
    assert found is not None
    return found


def r(path: str, at: int = OLD, size: int = 5) -> str:
    return f"r\t{size}\t1\t{at}\t{at}\t{path}"


def w(path: str) -> str:
    return f"w\t-\t-\t-\t-\t{path}"


def seen(*processes: Process) -> Seen:
    """The one file that they opened."""
    (found,) = add_up(processes, lambda path: path, STARTED).values()
    return found


def kind(*processes: Process) -> tuple[bool, bool]:
    """Whether it is an input, and whether the run wrote it."""
    found = seen(*processes)
    return found.is_read, found.is_written


def test_a_file_that_was_read_first_is_an_input_even_if_it_is_written_later() -> None:
    assert kind(process(r("/a"))) == (True, False)
    assert kind(process(r("/a"), w("/a"))) == (True, True)
    assert kind(process(w("/a"), r("/a", NEW))) == (False, True)


def test_between_processes_the_time_of_the_change_decides() -> None:
    assert kind(process(w("/a")), process(r("/a", NEW))) == (False, True)
    assert kind(process(r("/a", OLD)), process(w("/a"))) == (True, True)
    assert kind(process(w("/a")), process(r("/a", OLD), r("/a", NEW))) == (True, True)


def test_a_file_that_was_not_there_is_no_input_and_a_module_without_looks_is_one() -> None:
    assert kind(process("r\t-\t-\t-\t-\t/a")) == (False, False)
    assert kind(process("i\t-\t-\t-\t-\t/a")) == (True, False)


def test_a_file_that_changed_between_two_readings_is_moving_unless_the_run_wrote_it() -> None:
    assert seen(process(r("/a"), r("/a", size=6))).is_moving
    assert seen(process(r("/a"), r("/a", OLD + 1))).is_moving
    assert not seen(process(r("/a"), r("/a"))).is_moving
    assert not seen(process(r("/a"), w("/a"), r("/a", NEW))).is_moving


def test_another_inode_alone_is_no_change() -> None:
    line = f"r\t5\t{{}}\t{OLD}\t{OLD}\t/a"
    assert not seen(process(line.format(1)), process(line.format(2))).is_moving


def test_paths_that_lead_to_one_file_are_one() -> None:
    found = add_up([process(r("/link"), w("/a"))], lambda path: "/a", STARTED)
    assert list(found) == ["/a"]
    assert found["/a"].opened_as == ["/link", "/a"]


def test_what_is_no_line_is_passed_over_and_said_except_a_last_one_that_was_cut_off() -> None:
    assert process(r("/a")).is_whole
    for bad in ("x\t1\t1\t1\t1\t/a", "r\t1\t1", "r\t1\t1\t1\t1\trelative", "r\t1\t1\t1\t1\t/a\tb"):
        assert not process(bad, r("/a")).is_whole
        assert len(process(bad, r("/a")).opened) == 1
    cut = read_process(f"{HEAD}{r('/a')}\nr\t5\t1\t10")
    assert cut is not None
    assert (len(cut.opened), cut.is_whole) == (1, True)


def test_a_file_with_another_first_line_is_none_of_these() -> None:
    for text in ("", "\n", "# seedproof-reads 2\t1\t1\tx\t3\n", "# seedproof-reads 1\tx\t1\tx\t3\n", r("/a")):
        assert read_process(text) is None


@given(st.text(alphabet=st.characters(blacklist_characters="\0"), min_size=1))
def test_every_name_comes_through_the_escapes(name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    (opened,) = process(w(f"/{escaped}")).opened
    assert opened.path == f"/{name}"
