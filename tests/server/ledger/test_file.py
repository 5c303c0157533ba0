"""The ledger file: appended, cut back, mirrored, shared; what was acknowledged stays."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof.ledger.fold import fold
from seedproof.ledger.records import canonical, make_record
from seedproof.ledger.run_ends import RunFinished
from seedproof.ledger.run_events import RunRequested
from seedproof.ledger.study_events import GenerationStarted, Resumed
from seedproof.model.refusals import LedgerDamaged, LedgerDiverged, LedgerNewer
from seedproof.model.rules import Rules
from seedproof.model.runs import RunState
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.arms import run_key
from tests.support.waiting import wait_until

# A writer of its own process: says on its output what it was told is stored.
WRITER = """
import sys
from pathlib import Path
from seedproof.ledger.study_events import Resumed
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.system.paths import ProjectPaths
ledger = Ledger(ProjectPaths(Path(sys.argv[1])))
for number in range(int(sys.argv[2])):
    with ledger.writing() as writer:
        event = writer.append(Resumed(reason=f"{sys.argv[3]}-{number}"))
    print(event.reason, flush=True)
"""


@pytest.fixture
def paths(tmp_path: Path) -> ProjectPaths:
    return ProjectPaths(tmp_path)


def write(ledger: Ledger, *notes: str) -> None:
    with ledger.writing() as writer:
        for note in notes:
            writer.append(Resumed(reason=note))


def notes(paths: ProjectPaths) -> list[str]:
    """What a fresh reader finds, chain and all."""
    ledger = Ledger(paths)
    ledger.refresh()
    return [record["reason"] for record in ledger.records()]


def test_what_one_process_appends_another_reads(paths: ProjectPaths) -> None:
    first, second = Ledger(paths), Ledger(paths)
    write(first, "a", "b")
    assert second.refresh().seq == 2
    write(second, "c")
    assert first.refresh().head == second.state.head
    assert notes(paths) == ["a", "b", "c"]


def test_nothing_is_created_by_reading(paths: ProjectPaths) -> None:
    assert Ledger(paths).refresh().seq == 0
    assert list(paths.root.iterdir()) == []


def test_the_state_folder_is_invisible_to_git(paths: ProjectPaths) -> None:
    write(Ledger(paths), "a")
    assert paths.gitignore.read_text() == "*\n"


def test_a_record_cut_at_any_byte_is_forgotten_and_the_next_one_takes_its_place(paths: ProjectPaths) -> None:
    write(Ledger(paths), "kept", "torn")
    whole = paths.ledger.read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(first, len(whole)):
        paths.ledger.write_bytes(whole[:size])
        assert notes(paths) == ["kept"]
        write(Ledger(paths), "new")
        assert notes(paths) == ["kept", "new"]


@pytest.mark.parametrize("tail", [b"\0" * 100, b"\0" * 100 + b"\n", b'{"seq":', b"\xff\xfe garbage"])
def test_what_a_crash_leaves_behind_the_last_record_is_cut_off_by_the_next_writer(
    paths: ProjectPaths, tail: bytes
) -> None:
    write(Ledger(paths), "kept")
    with paths.ledger.open("ab") as file:
        file.write(tail)
    write(Ledger(paths), "new")
    assert notes(paths) == ["kept", "new"]


def test_zeros_in_the_middle_are_damage_and_what_follows_them_is_not_cut_off(paths: ProjectPaths) -> None:
    write(Ledger(paths), "a", "b", "c")
    lines = paths.ledger.read_bytes().splitlines(keepends=True)
    lines[1] = b"\0" * (len(lines[1]) - 1) + b"\n"
    paths.ledger.write_bytes(b"".join(lines))
    with pytest.raises(LedgerDamaged, match="record 2"):
        write(Ledger(paths), "new")
    assert paths.ledger.read_bytes() == b"".join(lines)


def test_a_complete_line_that_is_no_record_is_damage_and_stays_where_it_is(paths: ProjectPaths) -> None:
    write(Ledger(paths), "kept")
    with paths.ledger.open("ab") as file:
        file.write(b'{"a":"foreign line"}\n')
    before = paths.ledger.read_bytes()
    with pytest.raises(LedgerDamaged, match="record 2"):
        write(Ledger(paths), "new")
    assert paths.ledger.read_bytes() == before


def test_an_edited_value_is_noticed_by_a_server_that_read_it_before(paths: ProjectPaths) -> None:
    ledger = Ledger(paths)
    write(ledger, "4.1234", "later")
    text = paths.ledger.read_bytes()
    paths.ledger.write_bytes(text.replace(b"4.1234", b"4.0234"))
    os.utime(paths.ledger, ns=(1, 1))
    with pytest.raises(LedgerDamaged, match="record 1"):
        ledger.refresh()


def test_a_ledger_of_a_newer_version_is_refused(paths: ProjectPaths) -> None:
    paths.state.mkdir()
    record = {**make_record(1, "2030-01-01T00:00:00Z", "0" * 64, "resumed", {}), "format": 9}
    paths.ledger.write_bytes(canonical(record) + b"\n")
    with pytest.raises(LedgerNewer):
        Ledger(paths).refresh()


# --- the mirror ---------------------------------------------------------------------------------


def mirrored(paths: ProjectPaths, *noted: str) -> Ledger:
    ledger = Ledger(paths)
    write(ledger, *noted)
    ledger.write_mirror()
    return ledger


def test_without_the_state_folder_the_mirror_is_read_and_adopted_by_the_next_writer(paths: ProjectPaths) -> None:
    mirrored(paths, "a", "b")
    shutil.rmtree(paths.state)
    assert notes(paths) == ["a", "b"]
    assert not paths.state.exists()
    write(Ledger(paths), "c")
    assert notes(paths) == ["a", "b", "c"]
    assert paths.ledger.read_bytes().startswith(paths.mirror.read_bytes())


def test_runs_of_an_adopted_mirror_that_had_not_ended_are_interrupted(paths: ProjectPaths) -> None:
    ledger = Ledger(paths)
    with ledger.writing() as writer:
        writer.append(GenerationStarted(generation=1, rules=Rules(), reason=None))
        writer.append(RunRequested(key=run_key(None, 42)))
    ledger.write_mirror()
    shutil.rmtree(paths.state)
    write(Ledger(paths), "later")
    found = Ledger(paths)
    state = found.refresh()
    assert state.runs["g1-baseline-s42-a1"].state == "interrupted"
    assert not state.active
    assert "not on this machine" in str(state.runs["g1-baseline-s42-a1"].reason)


def test_an_open_run_of_a_mirror_is_seen_as_interrupted_until_the_mirror_says_how_it_ended(
    paths: ProjectPaths, tmp_path: Path
) -> None:
    elsewhere = ProjectPaths(tmp_path / "elsewhere")
    ledger = Ledger(elsewhere)
    with ledger.writing() as writer:
        writer.append(GenerationStarted(generation=1, rules=Rules(), reason=None))
        writer.append(RunRequested(key=run_key(None, 42)))
    paths.research.mkdir(parents=True)
    shutil.copy(elsewhere.ledger, paths.mirror)
    reader = Ledger(paths)
    seen = reader.refresh()
    assert (seen.runs["g1-baseline-s42-a1"].state, list(seen.active)) == ("interrupted", [])
    assert "not on this machine" in str(seen.runs["g1-baseline-s42-a1"].reason)
    assert seen.head == ledger.state.head
    with ledger.writing() as writer:
        writer.append(RunFinished(run_id=run_key(None, 42).run_id, end=RunState.FAILED, reason="exit code 1"))
    shutil.copy(elsewhere.ledger, paths.mirror)
    assert reader.refresh().runs["g1-baseline-s42-a1"].state == "failed"
    assert not paths.state.exists()


@pytest.mark.parametrize("longer", ["ledger", "mirror"])
def test_where_one_continues_the_other_the_longer_counts(paths: ProjectPaths, longer: str) -> None:
    ledger = mirrored(paths, "a")
    short = paths.ledger.read_bytes()
    write(ledger, "b")
    if longer == "mirror":
        ledger.write_mirror()
        paths.ledger.write_bytes(short)
    assert notes(paths) == ["a", "b"]
    write(Ledger(paths), "c")
    assert notes(paths) == ["a", "b", "c"]


def test_two_stories_are_refused_until_a_person_chooses(paths: ProjectPaths) -> None:
    mirrored(paths, "a", "b")
    shutil.rmtree(paths.state)
    paths.mirror.rename(paths.root / "aside")
    write(Ledger(paths), "another", "story", "entirely")
    (paths.root / "aside").rename(paths.mirror)
    for act in (lambda: Ledger(paths).refresh(), lambda: write(Ledger(paths), "new")):
        with pytest.raises(LedgerDiverged, match="neither continues"):
            act()
    paths.mirror.unlink()
    assert notes(paths) == ["another", "story", "entirely"]


# --- several processes ----------------------------------------------------------------------------


def start_writer(paths: ProjectPaths, count: int, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(paths.root), str(count), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_eight_writers_at_once_lose_nothing_and_keep_one_chain(paths: ProjectPaths) -> None:
    writers = [start_writer(paths, 25, str(number)) for number in range(8)]
    said = [line for writer in writers for line in writer.communicate(timeout=60)[0].split()]
    found = notes(paths)
    assert len(said) == 200
    assert sorted(found) == sorted(said)
    for number in range(8):
        own = [note for note in found if note.startswith(f"{number}-")]
        assert own == [f"{number}-{count}" for count in range(25)]


@pytest.mark.slow
def test_no_acknowledged_record_is_lost_when_writers_are_killed(paths: ProjectPaths) -> None:
    acknowledged: list[str] = []
    for attempt in range(12):
        writer = start_writer(paths, 100_000, str(attempt))
        assert writer.stdout is not None
        for _ in range(1 + attempt * 3):
            acknowledged.append(writer.stdout.readline().strip())
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().split()[:-1]  # the last line may be a torn one
        writer.wait()
        writer.stdout.close()
    found = set(notes(paths))
    assert set(acknowledged) <= found
    write(Ledger(paths), "the next one")
    assert notes(paths)[-1] == "the next one"


def test_later_calls_read_only_what_is_new(paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Ledger(paths)
    write(Ledger(paths), *map(str, range(50)))
    reader.refresh()
    size = paths.ledger.stat().st_size
    write(Ledger(paths), "new")
    read: list[int] = []
    real = Path.open

    class Counting:
        def __init__(self, file: object) -> None:
            self._file = file

        def __enter__(self) -> "Counting":
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()  # type: ignore[attr-defined]

        def seek(self, place: int) -> None:
            self._file.seek(place)  # type: ignore[attr-defined]

        def __iter__(self) -> Iterator[bytes]:
            for line in self._file:  # type: ignore[attr-defined]
                read.append(len(line))
                yield line

    monkeypatch.setattr(Path, "open", lambda path, mode="r": Counting(real(path, mode)))
    reader.refresh()
    monkeypatch.undo()
    assert sum(read) == paths.ledger.stat().st_size - size
    assert reader.state == fold(json.loads(line) for line in paths.ledger.read_bytes().splitlines())


def test_a_reader_beside_a_busy_writer_always_sees_whole_records(paths: ProjectPaths) -> None:
    writer = start_writer(paths, 300, "w")
    reader, seen, deadline = Ledger(paths), 0, time.monotonic() + 60
    while writer.poll() is None and time.monotonic() < deadline:
        now = reader.refresh().seq
        assert now >= seen
        seen = now
    assert writer.communicate()[0].count("\n") == 300
    wait_until(lambda: reader.refresh().seq == 300)
