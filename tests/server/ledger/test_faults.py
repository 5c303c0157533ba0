"""What a disk, a crash or a stranger may do to the ledger: recovered or refused, never a wrong verdict."""

import contextlib
import errno
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from seedproof.admission.request import RunRequest
from seedproof.ledger.fold import apply, fold
from seedproof.ledger.records import EMPTY_HASH, FORMAT, canonical, read_line
from seedproof.ledger.state import State
from seedproof.ledger.study_events import Resumed
from seedproof.metrics.run_state import LOST
from seedproof.model.refusals import LedgerDamaged, LedgerRefusal, NotWritable, Refusal
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.phases.next_call import campaign_next
from seedproof.phases.study import Memory, Study
from seedproof.verdict.campaign import campaign, stored_p_values
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner import conductor, conductor_status
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, slot_lock

from tests.server.ledger.test_file import notes, start_writer, write
from tests.support.amounts import IS_SOAK, amount
from tests.support.callers import tools
from tests.support.in_process import InProcessEngine, in_process_service, quick_tools
from tests.support.memory import MEMORY
from tests.support.real_runs import conductors
from tests.support.seeds import SEEDS
from tests.support.waiting import PATIENCE_S, wait_until

FLIPS = amount(sample=10_000, whole=10_000, soak=1_000_000)
RECORDS_EACH = amount(sample=4, whole=12, soak=1_000)
FILL_LEVELS = amount(sample=5, whole=20, soak=200)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def declare(service: Service, name: str, *flags: str) -> None:
    """Declare an experiment and take every run through that it is sure to need."""
    service.request_run(RunRequest(experiment=name, flags=flags, hypothesis="it helps", queue_all=True))


def take_through(service: Service) -> str:
    """A baseline and a WINNER on three seeds; the headline."""
    service.request_run(RunRequest(queue_all=True))
    service.write_report()
    declare(service, "better", "--shift", "-0.5")
    return service.compare("better").headline


def new_project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "train_llm.py").touch()
    return folder


@pytest.fixture(scope="module")
def study() -> Iterator[Path]:
    """A study with verdicts, reports, a confirmation, an arm of five seeds, twins and an arm that failed for good."""
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name:
        folder = new_project(Path(name) / "project")
        service = in_process_service(folder, InProcessEngine())
        take_through(service)
        declare(service, "flat", "--shift", "0.0")
        service.request_run(RunRequest(experiment="flat", queue_all=True))
        service.compare("flat")
        service.write_report("flat")
        declare(service, "crashed", "--crash", "--shift", "0.1")
        declare(service, "failed", "--fail_after")
        for attempt in (1, 2):
            with contextlib.suppress(Refusal):
                service.request_run(RunRequest(experiment="failed", seed=42, attempt=attempt))
        service.request_run(RunRequest(experiment="better", role=Role.CONFIRM, queue_all=True))
        service.compare("better")
        service.write_report("better")
        yield folder


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where the system has that: a sync then costs nothing."""
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name:
        yield Path(name)


def lines_of(folder: Path) -> list[bytes]:
    return ProjectPaths(folder).ledger.read_bytes().splitlines(keepends=True)


@pytest.fixture
def cut(study: Path, memory: Path) -> ProjectPaths:
    """A project whose ledger ends with the run that decides `better`."""
    paths = ProjectPaths(new_project(memory / "cut"))
    files.make_folder(paths.state)
    lines = lines_of(study)
    decided = next(place for place, line in enumerate(lines) if b'"verdict_issued"' in line)
    paths.ledger.write_bytes(b"".join(lines[:decided]))
    return paths


# --- the last record ------------------------------------------------------------------------------


def judged_with(paths: ProjectPaths, data: bytes) -> str:
    """The code of the refusal, or the verdict, on a ledger of these bytes; a refused one must stay as it is."""
    paths.ledger.write_bytes(data)
    try:
        return in_process_service(paths.root, InProcessEngine()).compare("better").verdict
    except Refusal as refusal:
        is_kept = paths.ledger.read_bytes() == data and "sed -n" in refusal.message
        return refusal.code if is_kept or not isinstance(refusal, LedgerRefusal) else "neither kept nor explained"


def test_a_deciding_record_cut_at_any_byte_or_filled_up_with_zeros_gives_no_verdict(cut: ProjectPaths) -> None:
    whole = cut.ledger.read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    for size in range(begin, len(whole)):
        assert judged_with(cut, whole[:size]) == "experiment_incomplete"
        if size % 7 and size != len(whole) - 1 and not IS_SOAK:
            continue
        assert judged_with(cut, whole[:size] + b"\0" * (len(whole) - size)) == "experiment_incomplete"
        seen = judged_with(cut, whole[:size] + b"\0" * (len(whole) - size - 1) + b"\n")
        is_only_newline = size == len(whole) - 1
        is_only_zeros = size == begin
        expected = "WINNER" if is_only_newline else "experiment_incomplete" if is_only_zeros else "ledger_damaged"
        assert seen == expected
    assert judged_with(cut, whole) == "WINNER"


def test_garbage_behind_the_last_record_is_cut_off_or_refused_and_changes_no_verdict(cut: ProjectPaths) -> None:
    whole, dice = cut.ledger.read_bytes(), random.Random(5)
    for _ in range(100):
        garbage = dice.randbytes(dice.randrange(1, 600))
        expected = "ledger_damaged" if b"\n" in garbage else "WINNER"
        assert judged_with(cut, whole + garbage) == expected
        assert judged_with(cut, whole + garbage.replace(b"\n", b"") + b"\n") == "ledger_damaged"


# --- bit flips ------------------------------------------------------------------------------------


def test_every_flipped_bit_is_refused_or_cuts_the_last_record_off(study: Path, tmp_path: Path) -> None:
    lines, dice = lines_of(study), random.Random(7)
    data = b"".join(lines)
    ends, heads = [0], [EMPTY_HASH]
    for line in lines:
        ends.append(ends[-1] + len(line))
        heads.append(json.loads(line)["hash"])
    paths = ProjectPaths(tmp_path)
    files.make_folder(paths.state)
    cut_back = 0
    for number in range(FLIPS):
        at = dice.randrange(len(data))
        record = next(place for place in range(len(lines)) if at < ends[place + 1])
        # What lies before the flip is read as ever: only the record that holds it and the next one are read.
        piece = bytearray(data[ends[record] : ends[min(record + 2, len(lines))]])
        piece[at - ends[record]] ^= 1 << dice.randrange(8)
        first, is_complete, _ = bytes(piece).partition(b"\n")
        if not is_complete:
            assert (record, at) == (len(lines) - 1, len(data) - 1)
            cut_back += 1
            continue
        with pytest.raises(LedgerRefusal):
            read_line(first, record + 1, heads[record])
        if number % (FLIPS // 50) == 0:  # the same by way of the file
            paths.ledger.write_bytes(data[: ends[record]] + bytes(piece) + data[ends[record] + len(piece) :])
            with pytest.raises(LedgerRefusal):
                Ledger(paths).refresh()
    assert cut_back < FLIPS / 100


def test_a_flip_of_the_last_newline_cuts_the_last_record_off(cut: ProjectPaths) -> None:
    whole = cut.ledger.read_bytes()
    for bit in range(8):
        assert judged_with(cut, whole[:-1] + bytes([whole[-1] ^ 1 << bit])) == "experiment_incomplete"


# --- writers --------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_sixteen_writers_at_once_lose_no_record_and_keep_one_chain(tmp_path: Path) -> None:
    paths = ProjectPaths(tmp_path)
    writers = [start_writer(paths, RECORDS_EACH, str(number)) for number in range(16)]
    said = [line for writer in writers for line in writer.communicate(timeout=PATIENCE_S * 10)[0].split()]
    found = notes(paths)
    assert len(said) == 16 * RECORDS_EACH
    assert sorted(found) == sorted(said)


def test_a_writer_whose_lock_file_was_deleted_while_it_waited_waits_for_the_new_one(tmp_path: Path) -> None:
    paths = ProjectPaths(tmp_path)
    write(Ledger(paths), "first")
    held = locks.lock(paths.ledger_lock)
    writer = start_writer(paths, 1, "late")
    assert writer.stdout is not None
    wait_until(lambda: is_open_in(writer.pid, paths.ledger_lock))
    paths.ledger_lock.unlink()
    with locks.lock(paths.ledger_lock):
        held.release()
        wait_until(lambda: is_open_in(writer.pid, paths.ledger_lock))  # not the deleted one
        assert notes(paths) == ["first"]
    assert writer.communicate(timeout=PATIENCE_S)[0] == "late-0\n"
    assert notes(paths) == ["first", "late-0"]


def is_open_in(pid: int, path: Path) -> bool:
    folder = Path(f"/proc/{pid}/fd")
    if not folder.exists():
        pytest.skip("needs /proc")
    return any(os.path.samestat(one.stat(), path.stat()) for one in folder.iterdir() if one.exists())


def test_a_ledger_that_is_exchanged_while_a_writer_decides_gets_no_record_that_does_not_fit(tmp_path: Path) -> None:
    paths = ProjectPaths(tmp_path)
    ledger = Ledger(paths)
    write(ledger, "a", "b")
    with ledger.writing() as writer:
        paths.ledger.unlink()
        with pytest.raises(OSError, match="it was changed while it was being written"):
            writer.append(Resumed(reason="c"))
    write(ledger, "d")
    assert notes(paths) == ["d"]


# --- no room --------------------------------------------------------------------------------------


class FullDisk:
    """The `os` of files.py on a disk with so many bytes left."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: Any) -> int:
        part = data[: self.left]
        if len(data) and not len(part):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = os.write(descriptor, part)
        self.left -= done
        self.written += done
        return done


def finish(service: Service, acknowledged: list[str] | None = None) -> str:
    """As take_through, from wherever a study stands; notes each run that it was told of."""
    said = [] if acknowledged is None else acknowledged
    said += (service.request_run(RunRequest(seed=seed)) for seed in SEEDS)
    service.write_report()
    declared = {"experiment": "better", "flags": ("--shift", "-0.5"), "hypothesis": "it helps"}
    said += (service.request_run(RunRequest(**declared, seed=seed)) for seed in SEEDS[:3])
    return service.compare("better").headline


@pytest.mark.sampled
def test_a_disk_that_fills_at_any_level_is_named_and_loses_nothing(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = FullDisk(10**9)
    monkeypatch.setattr(files, "os", free)
    headline = finish(in_process_service(new_project(memory / "free"), InProcessEngine()))
    for level in range(FILL_LEVELS):
        project = new_project(memory / f"full{level}")
        full = FullDisk(free.written * level // FILL_LEVELS + level % 7)
        monkeypatch.setattr(files, "os", full)
        engine, acknowledged = InProcessEngine(), list[str]()
        service = in_process_service(project, engine)
        with pytest.raises(NotWritable, match="cannot be written: the disk is full") as refused:
            finish(service, acknowledged)
        assert "free space" in refused.value.message
        assert set(acknowledged) <= set(Ledger(ProjectPaths(project)).refresh().runs)
        service.check_baseline(), service.list_experiments()  # what only reads goes on
        full.left = 10**9
        engine.release()
        assert finish(service) == headline
        counted = [run.seed for run in Ledger(ProjectPaths(project)).refresh().runs.values() if run.state.is_counted]
        assert sorted(counted) == sorted([*SEEDS, *SEEDS[:3]])


LIMITED = """
import resource, sys
from pathlib import Path
from seedproof.ledger.study_events import Resumed
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.system.paths import ProjectPaths
ledger = Ledger(ProjectPaths(Path(sys.argv[1])))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for level in range(int(sys.argv[2])):
    ledger.refresh()
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(ledger._offset + 37 * level, 64), hard))
    for number in range(100):
        try:
            with ledger.writing() as writer:
                print(writer.append(Resumed(reason=f"{level}-{number}")).reason)
        except OSError as error:
            assert error.filename.endswith("ledger.jsonl"), error
            break
    else:
        raise SystemExit("there was no limit")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    with ledger.writing() as writer:
        print(writer.append(Resumed(reason=f"{level}-after")).reason)
"""


@pytest.mark.sampled
def test_a_file_that_the_system_cuts_short_at_any_level_holds_what_was_acknowledged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path), str(FILL_LEVELS)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    said = ended.stdout.split()
    assert [note for note in said if note.endswith("after")] == [f"{level}-after" for level in range(FILL_LEVELS)]
    assert notes(ProjectPaths(tmp_path)) == said


# --- what may not be written, or is not what it should be -----------------------------------------


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder and its files that nobody may write, not even root where the file system can do that."""
    entries = [folder, *(one for one in folder.iterdir() if one.is_file())]
    modes = [one.stat().st_mode for one in entries]
    if os.geteuid() == 0:
        tried = subprocess.run(["chattr", "+i", *entries], capture_output=True, check=False)
        if tried.returncode:
            subprocess.run(["chattr", "-i", *entries], capture_output=True, check=False)
            pytest.skip("root may write everywhere, and this file system has no chattr +i")
    for one in entries if os.geteuid() else ():
        one.chmod(0o555)
    try:
        yield
    finally:
        if os.geteuid() == 0:
            subprocess.run(["chattr", "-i", *entries], check=True)
        for one, mode in zip(entries, modes, strict=True):
            one.chmod(mode)


def test_a_state_folder_that_became_read_only_can_be_read_and_is_written_once_it_may_be(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    service = in_process_service(project, InProcessEngine())
    service.request_run(RunRequest(queue_all=True))
    with read_only(project / ".seedproof"):
        assert service.check_baseline().phase == "ready"
        with pytest.raises(NotWritable, match=r"cannot be written .* make the project folder writable"):
            declare(service, "better", "--shift", "-0.5")
    declare(service, "better", "--shift", "-0.5")
    assert service.compare("better").verdict == "WINNER"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("place", "code"),
    [
        (".seedproof/ledger.lock", "not_writable"),
        (".seedproof/ledger.jsonl", "ledger_damaged"),
        ("docs/research/ledger.jsonl", "ledger_damaged"),
        (".seedproof/.gitignore", None),
    ],
)
async def test_a_folder_in_the_place_of_a_file_is_said_and_goes_on_once_it_is_gone(
    quick_project: Path, place: str, code: str | None
) -> None:
    (quick_project / place).mkdir(parents=True)
    (quick_project / place / "mine").touch()
    async with quick_tools(quick_project) as call:
        answer = await call("run_seed")
        assert answer.code == code, answer.text
        assert "unexpected" not in answer.text
        shutil.rmtree(quick_project / place)
        assert (await call("run_seed", seed=42)).data["state"] == "succeeded"


class WithoutLocks:
    """The `fcntl` of locks.py on a file system that has no locks."""

    LOCK_EX, LOCK_SH, LOCK_NB, LOCK_UN = 2, 1, 4, 8

    def __init__(self, number: int) -> None:
        self.number = number

    def flock(self, _descriptor: int, _kind: int) -> None:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.anyio
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
async def test_a_file_system_without_locks_is_said_by_tools_command_line_and_conductor(
    quick_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    engine = InProcessEngine()
    engine.held = True
    in_process_service(quick_project, engine).request_run(RunRequest())
    paths = ProjectPaths(quick_project)
    paths.run("g1-baseline-s42-a1").alive.touch()
    monkeypatch.setattr(locks, "fcntl", WithoutLocks(number))
    async with tools(quick_project, service=Service(quick_project)) as call:
        asked = await call("run_seed", seed=137, wait_s=0)
        seen = await call("check_baseline")
    assert asked.text.startswith("not_writable: ledger.lock cannot be locked: this file system has no file locks")
    assert "move the project to a local disk" in asked.text
    assert seen.data["seeds"][0]["state"] == "running"  # nobody can tell, so it is not called lost
    assert main(["run", "--project", str(quick_project)]) == 3
    assert "this file system has no file locks" in capsys.readouterr().err
    assert conductor.main([str(quick_project)]) == 1
    assert conductor_status.read_problem(paths) == ".seedproof/conductor.lock: this file system has no file locks"


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_state_folder_removed_during_a_run_is_answered_and_begun_again_with_nothing_counted_twice(
    project: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    (project / "seedproof.toml").write_text(f"[settings.env]\nFAKE_GATE = {json.dumps(str(gate))}\n")
    paths = ProjectPaths(project)
    async with tools(project) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        output = project / "checkpoints" / "baseline_1M_seed42"
        wait_until((output / "model.bin").exists)
        paths.state.rename(tmp_path / "gone")  # at once, so that nobody makes it again meanwhile
        shutil.rmtree(tmp_path / "gone")
        answers = [
            await call("check_baseline"),
            await call("list_experiments"),
            await call("run_seed", seed=42, wait_s=0),
            await call("stop_run", run_id="g1-baseline-s42-a1", reason="it is gone"),
            await call("compare", experiment="a"),
        ]
        output.rename(tmp_path / "theirs")
        anew = await call("run_seed", seed=42, wait_s=0)
        with anyio.fail_after(PATIENCE_S):
            while not locks.is_locked(paths.conductor_lock):  # another one: it waits for the slot
                await call("run_seed", seed=42, wait_s=0.1)
        gate.touch()  # the first training ends, and its result is not that of the second
        await call.measure_baseline()
    assert (anew.data["state"], anew.data["attempt"]) == ("queued", 1)
    assert [answer.code for answer in answers] == [None, None, "output_exists", "run_unknown", "baseline_missing"]
    assert answers[0].data["phase"] == "unmeasured"
    runs = Ledger(paths).refresh().runs
    assert [(run.seed, str(run.state)) for run in runs.values()] == [(seed, "succeeded") for seed in SEEDS]


@pytest.mark.anyio
async def test_the_repair_command_of_a_damaged_ledger_without_a_report_begins_anew_in_the_same_server(
    quick_project: Path,
) -> None:
    ledger = ProjectPaths(quick_project).ledger
    (quick_project / ".seedproof").mkdir()
    (quick_project / ".seedproof/ledger.damaged").write_text("an earlier one")
    async with quick_tools(quick_project, InProcessEngine()) as call:
        await call.measure_baseline()
        *kept, last = lines_of(quick_project)
        ledger.write_bytes(b"\n".join([*kept, last.replace(b"succeeded", b"failed"), b""]))
        refused = await call("check_baseline")
        _look, repair = re.findall(r"`([^`]*)`", refused.text)
        assert f"`{repair}`: everything is measured anew" in refused.text
        subprocess.run(repair, shell=True, check=True, cwd=quick_project)
        assert (quick_project / ".seedproof/ledger.damaged").read_text() == "an earlier one"
        assert (await call("check_baseline")).data["phase"] == "unmeasured"
        assert (await call("run_seed")).code == "output_exists"
        shutil.rmtree(quick_project / "checkpoints")
        await call.measure_baseline()
        assert (await call("check_baseline")).data["phase"] == "ready"


@pytest.mark.anyio
async def test_the_repair_command_of_a_damaged_ledger_brings_back_the_last_report_and_says_so(
    quick_project: Path,
) -> None:
    ledger = ProjectPaths(quick_project).ledger
    async with quick_tools(quick_project, InProcessEngine()) as call:
        await call.measure_baseline()
        await call("write_report")
        await call.measure("better", "--shift", "-0.5")
        *kept, last = lines_of(quick_project)
        ledger.write_bytes(b"\n".join([*kept, last.replace(b"succeeded", b"failed"), b""]))
        refused = await call("compare", experiment="better")
        assert refused.code == "ledger_damaged"
        _look, repair = re.findall(r"`([^`]*)`", refused.text)
        subprocess.run(repair, shell=True, check=True, cwd=quick_project)
        status = await call("check_baseline")
        assert status.data["phase"] == "ready"
        assert "ledger_rewound" in {one["code"] for one in status.data["notices"]}
        shutil.rmtree(quick_project / "checkpoints")
        await call.measure("better", "--shift", "-0.5")
        assert (await call("compare", experiment="better")).data["verdict"] == "WINNER"


@pytest.mark.anyio
async def test_without_its_state_folder_a_study_goes_on_from_the_mirror_and_counts_each_seed_once(
    quick_project: Path,
) -> None:
    engine = InProcessEngine()
    flags = {"flags": ["--shift", "-0.5"], "hypothesis": "it helps"}
    async with quick_tools(quick_project, engine) as call:
        await call.measure_baseline()
        await call("write_report")
        engine.held = True
        assert (await call("run_seed", experiment="better", wait_s=0, **flags)).data["state"] == "running"
        shutil.rmtree(quick_project / ".seedproof")
        assert (await call("check_baseline")).data["phase"] == "ready"
        refused = await call("run_seed", experiment="better", wait_s=0, **flags)
        assert refused.code == "output_exists"
        shutil.rmtree(quick_project / "checkpoints" / "exp_better_1M_seed42")
        engine = InProcessEngine()
    async with quick_tools(quick_project, engine) as call:
        await call.measure("better", "--shift", "-0.5")
        assert (await call("compare", experiment="better")).data["verdict"] == "WINNER"
    counted = [run.seed for run in Ledger(ProjectPaths(quick_project)).refresh().runs.values()]
    assert counted == [*SEEDS, *SEEDS[:3]]


# --- upgrade --------------------------------------------------------------------------------------

NEWER_FIELDS = ("adopted", "adoption", "primary", "primary_reason", "arm", "evidence", "campaign", "fresh_seeds")
NEWER_FIELDS += ("confirmation", "report_format", "figure_sha256", "start_text", "output_id", "output_bytes")


def as_format(lines: list[bytes], number: int, without: tuple[str, ...] = ()) -> bytes:
    """The same records as another version would have written them, chain and all."""
    prev, written = EMPTY_HASH, []
    for line in lines:
        record = {key: value for key, value in json.loads(line).items() if key not in ("hash", *without)}
        record |= {"format": number, "prev": prev}
        prev = hashlib.sha256(canonical(record)).hexdigest()
        written.append(canonical({**record, "hash": prev}) + b"\n")
    return b"".join(written)


@pytest.mark.anyio
async def test_a_study_of_an_older_format_goes_on_where_it_stood(cut: ProjectPaths) -> None:
    """Baseline report and runs of the old version, verdict, confirmation and next experiment of this one."""
    cut.ledger.write_bytes(as_format(lines_of(cut.root), 0, NEWER_FIELDS))
    before = Ledger(cut).refresh().seq
    async with quick_tools(cut.root) as call:
        assert (await call("check_baseline")).data["phase"] == "ready"
        assert (await call("compare", experiment="better")).data["verdict"] == "WINNER"
        confirmed = await call("run_seed", experiment="better", role="confirm", queue_all=True)
        assert confirmed.data["state"] == "succeeded"
        assert (await call("compare", experiment="better")).data["confirmation"]["state"] == "confirmed"
        for name in (None, "better"):
            report = await call("write_report", **({} if name is None else {"experiment": name}))
            assert not report.is_error, report.text
        await call.measure("flat", "--shift", "0.3")
        assert (await call("compare", experiment="flat")).data["verdict"] == "LOSER"
    records = [json.loads(line) for line in lines_of(cut.root)]
    assert [record["format"] for record in records] == [0] * before + [FORMAT] * (len(records) - before)
    assert fold(records) == Ledger(cut).refresh()


def test_verdicts_and_reports_of_an_older_format_stay_what_they_were(study: Path, tmp_path: Path) -> None:
    paths = ProjectPaths(new_project(tmp_path / "old"))
    files.make_folder(paths.state)
    # Confirmations are newer than everything that a ledger without `arm` may hold.
    lines = lines_of(study)
    end = next(place for place, line in enumerate(lines) if b'"confirm"' in line)
    paths.ledger.write_bytes(as_format(lines[:end], 0, NEWER_FIELDS))
    listed = in_process_service(paths.root, InProcessEngine()).list_experiments()
    assert {row.experiment: row.verdict for row in listed.experiments} == {
        "better": "WINNER",
        "flat": "NEUTRAL",
        "crashed": None,
        "failed": None,
    }
    assert in_process_service(paths.root, InProcessEngine()).write_report("flat").verdict == "NEUTRAL"


@pytest.mark.anyio
async def test_a_ledger_of_a_newer_format_is_refused_by_name_everywhere_and_stays_as_it_is(
    cut: ProjectPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(cut.root)
    head = json.loads(lines[-1])["hash"]
    record = {
        "kind": "of a later day",
        "format": FORMAT + 1,
        "seq": len(lines) + 1,
        "prev": head,
        "time": "2030-01-01T00:00:00Z",
    }
    record["hash"] = hashlib.sha256(canonical(record)).hexdigest()
    newer = b"".join(lines) + canonical(record) + b"\n"
    cut.ledger.write_bytes(newer)
    arguments = {"compare": {"experiment": "better"}, "stop_run": {"run_id": "x", "reason": "y"}}
    async with quick_tools(cut.root) as call:
        for tool in ("check_baseline", "run_seed", "compare", "write_report", "list_experiments", "stop_run"):
            answer = await call(tool, **arguments.get(tool, {}))
            assert answer.code == "ledger_newer"
            assert f"format {FORMAT + 1}" in answer.text and "Update Seedproof" in answer.text
    assert main(["status", "--project", str(cut.root)]) == 3
    assert "ledger_newer" in capsys.readouterr().err
    assert cut.ledger.read_bytes() == newer


# --- a restart of the machine ---------------------------------------------------------------------


@linux_only
@pytest.mark.anyio
async def test_a_run_whose_machine_went_down_is_interrupted_for_whoever_looks(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = tmp_path / "gate"
    (project / "seedproof.toml").write_text(f"[settings.env]\nFAKE_GATE = {json.dumps(str(gate))}\n")
    paths = ProjectPaths(project)
    run = paths.run("g1-baseline-s42-a1")
    async with tools(project) as call:
        await call("run_seed", wait_s=0)
        wait_until(lambda: run.started.exists() and run.log.exists() and b"val_loss" in run.log.read_bytes())
        assert (await call("list_experiments")).data["running"]["run_id"] == "g1-baseline-s42-a1"
        started = json.loads(run.started.read_bytes())
        for pid in (*conductors(project), started["supervisor_pid"], started["pid"]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: not (locks.is_locked(run.alive) or locks.is_locked(slot_lock("gpu0")) or conductors(project))
        )
        recorded = paths.ledger.read_bytes()
        listed, seen = await call("list_experiments"), await call("check_baseline")
        assert main(["status", "--project", str(project)]) == 0
        assert (paths.ledger.read_bytes(), conductors(project)) == (recorded, [])  # who only looks starts nothing
        gate.touch()
        again = await call("run_seed", **listed.data["next"]["arguments"], wait_s=PATIENCE_S)
    assert (listed.data["running"], listed.data["queued"]) == (None, 0)
    assert listed.next == seen.next == "run_seed(seed=42, attempt=2)"
    assert seen.data["seeds"][0]["state"] == "interrupted"
    assert "training now" not in capsys.readouterr().out
    assert (again.data["state"], again.data["attempt"]) == ("succeeded", 2)
    first = Ledger(paths).refresh().runs["g1-baseline-s42-a1"]
    assert (str(first.state), first.reason, first.metrics["val_loss"].text) == ("interrupted", LOST, "9.5000")


# --- what is kept between calls -------------------------------------------------------------------


def test_what_a_state_keeps_between_looks_is_what_a_fresh_reading_finds_after_each_record(study: Path) -> None:
    records = [json.loads(line) for line in lines_of(study)]
    kept, memory, rules = State(), Memory(), Rules()
    for seq, record in enumerate(records, 1):
        apply(kept, record)
        fresh = fold(records[:seq])
        for _ in range(2):  # the second look uses what the first has kept
            one, other = Study(kept, rules, memory.of(kept)), Study(fresh, rules)
            assert campaign_next(one) == campaign_next(other)
            assert dict(stored_p_values(one)) == dict(stored_p_values(other))
        assert campaign(kept) == campaign(fresh)
    everything = [one for generation in kept.generations for one in generation.experiments.values()]
    assert kept.experiments == everything
    assert kept.judged == sum(one.verdict is not None for one in everything)
    assert kept.winners == sum(one.verdict is not None and one.verdict.is_winner for one in everything)
    assert memory.next_calls and len(memory.next_calls) < len(everything)  # the arm that crashed is looked at anew


def test_a_refusal_of_damage_names_the_way_to_look_at_it(cut: ProjectPaths) -> None:
    whole = cut.ledger.read_bytes()
    cut.ledger.write_bytes(whole + b"{}\n")
    with pytest.raises(LedgerDamaged, match=f"sed -n {whole.count(bytes([10])) + 1}p .seedproof/ledger.jsonl"):
        Ledger(cut).refresh()
