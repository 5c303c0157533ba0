"""What a supervisor says of how much of a run's reading is recorded, and what it sees from outside."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.supervisor import observation, samples
from seedproof_mcp.supervisor.observation import BOOTSTRAP, Observation
from seedproof_mcp.supervisor.processes import mark, marker_of, marking, sweep
from seedproof_mcp.supervisor.run_contract import Spec
from seedproof_mcp.system.paths import RunPaths

from tests.support.reads import observed, recorded
from tests.support.supervised import LocalRuns, eventually

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

# Each training writes its name once it is where it is to be looked at, and waits to be told to end.
WAITS = "open('up', 'w').close(); sys.stdin.read()"


class Watched:
    """A training that stands still while it is looked at: supervised by the test itself."""

    def __init__(self, folder: Path, argv: Sequence[str], **env: str) -> None:
        self.run = RunPaths(folder / "runs/a-run")
        self.run.folder.mkdir(parents=True)
        self.work = folder / "work"
        self.work.mkdir()
        marker = mark(self.run)
        self.folder = Path(marker)
        spec = Spec("a-run", tuple(argv), str(self.work), {"PATH": os.defpath, **env}, None, 1.0, "default")
        self.observation = Observation(self.run, marker, spec)
        variables = {**spec.env, **self.observation.environment(), **marking(marker)}
        self.process = subprocess.Popen(spec.argv, cwd=self.work, env=variables, stdin=subprocess.PIPE)
        self.observation.begin(self.process.pid)
        eventually((self.work / "up").exists)

    def look(self) -> None:
        self.observation.look(0.1)

    def end(self) -> dict[str, Any]:
        """Let it end, and return what is said of it."""
        self.process.communicate(timeout=30)
        self.observation.end()
        assert not self.folder.exists()
        return observed(self.run)


@pytest.fixture
def watch(tmp_path: Path) -> Callable[..., Watched]:
    return lambda *argv, **env: Watched(tmp_path, argv, **env)


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python counts as one that has begun as soon as it is seen."""
    monkeypatch.setattr(samples, "_SETTLED_S", 0.0)


def python(code: str, *flags: str) -> list[str]:
    return [sys.executable, *flags, "-c", f"import os, subprocess, sys\n{code}\n"]


def child(flags: Sequence[str] = (), env: str = "None") -> str:
    """Code that starts a Python which waits, and waits for it."""
    inner = f"import sys; {WAITS}"
    return f"subprocess.run([sys.executable, *{list(flags)}, '-c', {inner!r}], env={env}, check=True)"


def words(said: dict[str, Any]) -> tuple[Any, Any]:
    return said["observed"], said["why"]


@linux_only
@pytest.mark.parametrize("flag", ["-I", "-S", "-E", "-sE", "-BI"])
def test_a_training_that_keeps_the_recorder_out_is_partly_observed(watch: Callable[..., Watched], flag: str) -> None:
    # -I keeps the folder off the path as well, so the training names no module of its own.
    training = watch(*python(WAITS, flag))
    training.look()
    letter = next(one for one in flag if one in "IES")
    said = training.end()
    assert words(said) == ("partly", f"its Python was started with -{letter}")
    assert said["processes"] == 0
    assert os.path.realpath(sys.executable) in said["sampled"]


def test_one_that_ended_before_the_first_look_is_not_observed(watch: Callable[..., Watched]) -> None:
    said = watch(*python(WAITS, "-W", "ignore", "-I")).end()
    assert words(said) == ("not", "its Python was started with -I")
    assert said["sampled"] == []


def test_flags_of_the_script_are_none_of_python(watch: Callable[..., Watched]) -> None:
    training = watch(*python(WAITS, "-B", "-Xutf8", "-W", "ignore"), "-I")
    training.look()
    assert words(training.end()) == ("fully", None)


@linux_only
@pytest.mark.parametrize(
    ("flags", "env", "why"),
    [
        (["-I"], "None", "a Python that it started was started with -I"),
        ([], "{}", "a Python that it started was started with another environment"),
        (
            [],
            "{**os.environ, 'PYTHONPATH': '/elsewhere'}",
            "a Python that it started was started with another environment",
        ),
        ([], "None", None),
    ],
)
def test_a_child_that_does_not_record_makes_the_run_partly_observed(
    watch: Callable[..., Watched], flags: list[str], env: str, why: str | None
) -> None:
    training = watch(*python(child(flags, env)))
    training.look()
    assert words(training.end()) == ("fully" if why is None else "partly", why)


@linux_only
def test_a_python_that_cannot_load_the_recorder_is_told(watch: Callable[..., Watched], monkeypatch: Any) -> None:
    monkeypatch.setattr(observation, "BOOTSTRAP", "/nowhere/bootstrap")  # as for a user who may not read it
    training = watch(*python(WAITS))
    training.look()
    assert words(training.end()) == ("partly", "its Python did not load the recorder")


@linux_only
def test_a_forked_process_that_opens_nothing_is_observed_even_without_descriptors(
    watch: Callable[..., Watched],
) -> None:
    code = f"""
reader, writer = os.pipe()
if os.fork() == 0:
    os.closerange(3, 4096)
    os.write(1, b"closed\\n")
    os.read(0, 1)
    os._exit(0)
{WAITS}
"""
    training = watch(*python(code))
    training.look()
    assert words(training.end()) == ("fully", None)


@linux_only
def test_a_shell_in_front_and_programs_beside_it_take_nothing_from_it(watch: Callable[..., Watched]) -> None:
    beside = shutil.which("cat")
    code = f"subprocess.Popen([{beside!r}], stdin=subprocess.PIPE); {WAITS}"
    script = f"{sys.executable} -c '{'; '.join(python(code)[-1].strip().splitlines())}'; exit 0".replace("'", '"', 0)
    inner = python(code)[-1].replace("'", '"')
    script = f"{sys.executable} -c '{inner}'; exit 0"
    training = watch("/bin/sh", "-c", script)
    training.look()
    said = training.end()
    assert words(said) == ("fully", None)
    assert {os.path.realpath("/bin/sh"), os.path.realpath(beside or "")} <= set(said["sampled"])


@linux_only
def test_a_training_without_any_python_is_partly_observed(watch: Callable[..., Watched]) -> None:
    training = watch("/bin/sh", "-c", ": > up; cat; exit 0")
    training.look()
    said = training.end()
    assert words(said) == ("partly", "the program that it ran is no Python")
    assert os.path.realpath("/bin/sh") in said["sampled"]


@linux_only
def test_files_that_are_mapped_or_open_for_reading_are_sampled_and_outputs_are_not(
    watch: Callable[..., Watched],
) -> None:
    code = f"""
import mmap
for name in ("mapped", "output", "held", "log", "gone"):
    with open(name, "wb") as file: file.write(b"x" * 4096)
with open("mapped", "rb") as file: mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
with open("output", "r+b") as file: output = mmap.mmap(file.fileno(), 0)
held, log, gone = open("held", "rb"), open("log", "ab"), open("gone", "rb")
os.unlink("gone")
{WAITS}
"""
    training = watch(*python(code))
    training.look()
    said = training.end()
    names = {os.path.basename(path) for path in said["sampled"] if os.path.dirname(path) == str(training.work)}
    assert names == {"mapped", "held"}
    assert words(said) == ("fully", None)


@pytest.mark.parametrize("swap", ["os.symlink('elsewhere', folder)", "os.mkdir(folder)", "pass"])
def test_a_folder_that_the_training_replaced_is_not_believed_nor_emptied(
    watch: Callable[..., Watched], swap: str
) -> None:
    code = f"""
os.mkdir("elsewhere"); open("elsewhere/mine", "w").close()
folder = os.environ["SEEDPROOF_RUN"]
os.rename(folder, "moved")
{swap}
{WAITS}
"""
    training = watch(*python(code))
    training.process.communicate(timeout=30)
    training.observation.end()
    said = observed(training.run)
    assert words(said) == ("not", "the folder of the record was replaced while it ran")
    assert said["processes"] == 0
    assert (training.work / "elsewhere/mine").exists()


def test_what_else_lies_in_the_folder_is_no_record(watch: Callable[..., Watched]) -> None:
    code = f"""
folder = os.environ["SEEDPROOF_RUN"]
os.symlink("/etc/passwd", f"{{folder}}/1-link.reads"); os.mkfifo(f"{{folder}}/2-pipe.reads")
os.mkdir(f"{{folder}}/3-folder.reads"); open(f"{{folder}}/note.reads", "w").close()
{WAITS}
"""
    training = watch(*python(code))
    said = training.end()
    assert words(said) == ("fully", None)
    (record,) = training.run.reads.glob("*.reads")
    assert record.name.startswith(f"{training.process.pid}-")
    assert len(list(training.run.reads.glob("*.reads.found"))) == 4


def test_a_record_that_grows_too_large_ends_and_that_is_told(watch: Callable[..., Watched], monkeypatch: Any) -> None:
    code = """
open("up", "w").close(); sys.stdin.read(1)
for number in range(100): open(f"{number}", "w").close()
subprocess.run([sys.executable, "-c", "open('below', 'w')"], check=True)
"""
    training = watch(*python(code))
    monkeypatch.setattr(observation, "_MOST_BYTES", 1000)
    training.look()
    assert training.process.stdin is not None
    training.process.stdin.write(b"x")
    said = training.end()
    assert words(said) == ("partly", "it opened more files than are recorded")
    assert recorded(training.run, training.work).written == {"up"}


def test_a_folder_that_cannot_be_made_lets_the_training_run(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/.reads").write_text("in the way")
    training = Watched(tmp_path, python(WAITS))
    training.process.communicate(timeout=30)
    training.observation.end()
    assert words(observed(training.run)) == ("not", "the record could not be begun: .reads: File exists")


# --- with a supervisor ----------------------------------------------------------------------------


def test_who_turns_it_off_gets_no_recorder_and_that_is_told(local: LocalRuns) -> None:
    run = local.submit("print(os.environ.get('PYTHONPATH'))", observe=False)
    assert local.result(run)["exit_code"] == 0
    assert run.log == b"None\n"
    said = observed(run.paths)
    assert (words(said), said["sampled"]) == (("off", "settings.observe_inputs is false"), [])


def test_a_training_that_was_not_started_is_not_observed(local: LocalRuns) -> None:
    run = local.submit(argv=["/nowhere/python", "train.py"])
    assert local.result(run)["end"] == "not_started"
    assert words(observed(run.paths)) == ("not", "it was not started")


def test_records_are_there_before_the_result_is(local: LocalRuns) -> None:
    (local.work / "data").touch()
    run = local.submit("open('data')")
    eventually(run.paths.result.exists)
    assert "data" in recorded(run.paths, local.work).read
    assert list((run.paths.folder.parent / ".reads").iterdir()) == []


@linux_only
def test_a_real_supervisor_looks_at_what_runs_long_enough(
    local: LocalRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With looks all the time, by a module that the supervisor's interpreter loads first; a look leaves a trace."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(
        "import seedproof_mcp.supervisor.samples as samples\n"
        "take = samples.Samples.take\n"
        "def traced(self, pids):\n"
        f"    if 'held' in str(take(self, pids) or self.paths): open({str(local.work / 'looked')!r}, 'w').close()\n"
        "samples.Samples.take, samples.Samples.is_due = traced, lambda self, elapsed_s: True\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{os.environ['PYTHONPATH']}")
    (local.work / "held").touch()
    run = local.submit("held = os.open('held', os.O_RDONLY); await_file('looked')")
    assert local.result(run)["exit_code"] == 0
    assert str(local.work / "held") in observed(run.paths)["sampled"]


@linux_only
def test_what_a_lost_supervisor_recorded_is_kept(local: LocalRuns) -> None:
    (local.work / "data").touch()
    run = local.submit("open('data'); say('up'); signal.pause()")
    local.read("up")
    os.kill(run.started["supervisor_pid"], signal.SIGKILL)
    eventually(lambda: local.poll(run) == "lost")
    local.engine.sweep(run.handle)
    assert words(observed(run.paths)) == ("partly", "its supervisor died")
    assert "data" in recorded(run.paths, local.work).read


@linux_only
def test_ending_the_run_of_a_copied_folder_reaches_nobody(local: LocalRuns, tmp_path: Path) -> None:
    """A copy has the files of the run, and its processes belong to the original."""
    run = local.submit("say('up'); await_file('go')")
    local.read("up")
    beside = shutil.copytree(run.paths.folder, run.paths.folder.with_name("copy"))
    elsewhere = shutil.copytree(run.paths.folder.parent, tmp_path / "other/runs") / run.run_id
    link = tmp_path / "link"
    link.symlink_to(run.paths.folder.parent)
    for copy in (beside, elsewhere):
        assert marker_of(RunPaths(copy)) is None
        assert sweep(copy) == 0
    assert marker_of(RunPaths(link / run.run_id)) == marker_of(run.paths) is not None
    (local.work / "go").touch()
    assert local.result(run)["exit_code"] == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"token": 1, "folder": 2}', '{"token": "../..", "folder": "%s"}'])
def test_a_marker_that_nobody_wrote_is_none(tmp_path: Path, text: str) -> None:
    run = RunPaths(tmp_path)
    run.marker.write_text(text.replace("%s", os.path.realpath(tmp_path)))
    assert marker_of(run) is None
    run.marker.write_text(json.dumps({"token": "0" * 32, "folder": os.path.realpath(tmp_path)}))
    assert marker_of(run) == os.path.realpath(tmp_path.parent / ".reads" / ("0" * 32))


def test_the_bootstrap_is_part_of_the_package() -> None:
    assert {"sitecustomize.py", "seedproof_recorder.py"} <= set(os.listdir(BOOTSTRAP))
