"""Runs are compared only where packages and device are the same, unless the settings accept what differs."""

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from seedproof.model.code import Code
from seedproof_mcp.host import environment, fingerprint
from seedproof_mcp.host.place import ThisMachine
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.service.service import Service
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Answer, Caller
from tests.support.fake_python import BEFORE, fake_python, trained_with
from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.support.real_runs import records
from tests.support.seeds import FRESH
from tests.support.tables import Table
from tests.support.waiting import wait_until

pytestmark = pytest.mark.anyio

H100, A100 = "NVIDIA H100", "NVIDIA A100"
WINS = (3.90, 3.91, 3.925)
ACCEPT = '[settings]\npython = "tools/python"\naccept_differences = {}\n'


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory, trained with an interpreter that answers what a test wants."""
    trained_with()(quick_project)
    return quick_project


def table() -> Table:
    made = Table().arm("baseline", (4.00, 4.01, 3.99, 4.02, 3.98)).arm("exp_a", WINS)
    return made.arm("confirm_a", WINS, FRESH).arm("control_a", (4.00, 4.01, 3.99), FRESH)


class ThenInstalls:
    """An engine's training after whose n-th run somebody installs something: too late for the gate."""

    def __init__(self, project: Path, after: int, **answers: object) -> None:
        self._table, self._after, self._act = table(), after, lambda: trained_with(**answers)(project)

    def __call__(self, argv: Sequence[str]) -> Training:
        training = self._table(argv)
        if len(self._table.argvs) == self._after:
            self._act()
        return training


async def queued(call: Caller) -> Answer:
    """Baseline and experiment in two calls, and the verdict."""
    await call("run_seed", queue_all=True)
    await call("run_seed", experiment="a", flags=["--idea", "a"], hypothesis="it helps", queue_all=True)
    return await call("compare", experiment="a")


# --- what is recorded -------------------------------------------------------------------------


async def test_an_environment_is_written_out_by_its_first_run_and_named_by_the_others(
    project: Path,
) -> None:
    engine = InProcessEngine(ThenInstalls(project, 5, packages={"torch": "4"}))
    async with quick_tools(project, engine) as call:
        await call("run_seed", queue_all=True)
        (project / "seedproof.toml").write_text(ACCEPT.format("true"))
        await call("run_seed", experiment="a", flags=["--idea", "a"], hypothesis="it helps", queue_all=True)
    started = records(project, "run_started")
    assert [("environment" in one) for one in started] == [True, *[False] * 4, True, *[False] * 2]
    assert len({one["fingerprint"]["environment_sha256"] for one in started}) == 2
    first = started[0]["environment"]
    assert (first["implementation"], first["version"], first["packages"]) == ("cpython", "3.12", BEFORE)
    assert (first["gpus"], first["driver"], first["cuda"]) == ([], None, None)
    assert started[0]["fingerprint"]["environment_sha256"] == environment.environment_sha256(first)
    assert started[0]["fingerprint"]["load"] >= 0
    assert all(one["load"] >= 0 for one in records(project, "run_finished"))
    state = Service(project)._ledger.refresh()
    assert {one["packages"]["torch"] for one in state.environments.values()} == {"3", "4"}


async def test_an_interpreter_that_cannot_answer_breaks_nothing_and_the_reader_is_told(project: Path) -> None:
    python = project / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    (project / "seedproof.toml").write_text('[settings]\npython = "./python"\n')
    async with quick_tools(project, InProcessEngine(table())) as call:
        said = await queued(call)
    assert said.data["verdict"] == "WINNER"
    assert (
        "Notice (environment_unknown): a and baseline: packages (8 of 8 runs) not recorded, "
        "so whether they differ is not known."
    ) in said.text
    assert records(project, "run_started")[0]["environment"]["packages"] is None


async def test_a_ledger_from_before_environments_were_recorded_is_judged_and_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"code_sha256": "0" * 64, "packages_sha256": "1" * 64, "host": "lab-1"}
    monkeypatch.setattr(fingerprint.Surroundings, "recorded", lambda *_: (old, None))
    monkeypatch.delattr(os, "getloadavg")
    async with quick_tools(project, InProcessEngine(table())) as call:
        said = await queued(call)
        report = await call("write_report", experiment="a")
    words = (
        "a and baseline: packages (8 of 8 runs) and device (8 of 8 runs) not recorded, so whether they differ "
        "is not known."
    )
    assert f"Notice (environment_unknown): {words}" in said.text
    assert f"- {words}" in (project / report.data["path"]).read_text()
    assert (said.data["accepted"], said.data["wall_time_change_percent"]) == ([], 0.0)


# --- refused before it costs anything ---------------------------------------------------------

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another version of a package": ({}, {"packages": {**BEFORE, "torch": "4"}}, "packages (torch 3 → 4)"),
    "another interpreter": ({}, {"version": "3.13"}, "packages (cpython 3.12 → 3.13)"),
    "a package that was not there": ({}, {"packages": {**BEFORE, "apex": "1"}}, "packages (apex absent → 1)"),
    "a package that is gone": ({}, {"packages": {"torch": "3"}}, "packages (numpy 2 → absent)"),
    "seven packages": (
        {},
        {"packages": {**BEFORE, **{f"p{n}": "1" for n in range(6)}, "torch": "4"}},
        "packages (torch 3 → 4, p0 absent → 1, p1 absent → 1, p2 absent → 1, p3 absent → 1 and 2 more)",
    ),
    "another GPU": (
        {"gpus": [H100], "driver": "550"},
        {"gpus": [A100], "driver": "550"},
        f"device (GPU {H100} → {A100})",
    ),
    "one more GPU": (
        {"gpus": [H100], "driver": "550"},
        {"gpus": [H100, H100], "driver": "550"},
        f"device (GPU {H100} → 2 x {H100})",
    ),
    "another driver and CUDA": (
        {"gpus": [H100], "driver": "550", "cuda": "12"},
        {"gpus": [H100], "driver": "560", "cuda": "13"},
        "device (driver 550 → 560, CUDA 12 → 13)",
    ),
    "packages and device": (
        {"gpus": [H100], "driver": "550"},
        {"gpus": [A100], "driver": "550", "version": "3.13"},
        f"packages (cpython 3.12 → 3.13) and device (GPU {H100} → {A100})",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
async def test_a_run_that_could_not_be_compared_is_refused_before_it_is_written_down(project: Path, case: str) -> None:
    before, after, words = CHANGES[case]
    trained_with(**before)(project)
    async with quick_tools(project, InProcessEngine(table())) as call:
        head = (await call("run_seed", queue_all=True)).data["ledger_head"]
        trained_with(**after)(project)
        said = await call("run_seed", experiment="a", flags=["--idea", "a"], hypothesis="it helps")
        assert said.code == "not_comparable"
        assert f"a run that starts now would differ from the baseline's in {words}. Bring back" in said.text
        assert (said.next, said.data["ledger_head"].split()[0]) == ("run_seed(new_baseline=…)", head.split()[0])
        trained_with(**before)(project)
        again = await call("run_seed", experiment="a", flags=["--idea", "a"], hypothesis="it helps")
        assert again.data["state"] == "succeeded"
        trained_with(**after)(project)
        assert (await call("run_seed", experiment="a", seed=42)).data["state"] == "succeeded", "its result can be had"
        assert (await call("run_seed", experiment="a")).code == "not_comparable"
        assert (await call("run_seed", new_baseline="another machine")).data["state"] == "succeeded"


async def test_a_baseline_is_not_mixed_either(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed")
        trained_with(version="3.13")(project)
        assert (await call("run_seed")).code == "not_comparable"
        assert (await call("run_seed", seed=42)).data["state"] == "succeeded"


async def test_hiding_the_gpu_makes_another_device(project: Path) -> None:
    trained_with(gpus=[H100])(project)
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed", queue_all=True)
        (project / "seedproof.toml").write_text(f'{ACCEPT.format("[]")}[settings.env]\nCUDA_VISIBLE_DEVICES = ""\n')
        said = await call("run_seed", experiment="a", flags=["--idea", "a"], hypothesis="it helps")
    assert said.code == "not_comparable"
    assert f"device (GPU {H100} → CPU " in said.text


# --- refused when it has happened -------------------------------------------------------------


async def test_arms_of_other_packages_are_not_compared_and_the_refusal_holds_no_result(project: Path) -> None:
    engine = InProcessEngine(ThenInstalls(project, 6, packages={**BEFORE, "torch": "4"}))
    async with quick_tools(project, engine) as call:
        said = await queued(call)
        report = await call("write_report", experiment="a")
    assert said.text == (
        "not_comparable: the runs of a and its baseline differ in packages (torch 3 → 4 (a, seed 137, 256)). "
        'Bring back what the baseline had, begin a new baseline, or set accept_differences = ["packages"] in '
        "[settings] of seedproof.toml, which the headline will say. Next: run_seed(new_baseline=…)"
    )
    assert report.code == "not_comparable"
    assert records(project, "verdict_issued") == []


async def test_a_baseline_of_two_machines_is_compared_with_nothing_and_says_so_itself(project: Path) -> None:
    trained_with(gpus=[H100])(project)
    engine = InProcessEngine(ThenInstalls(project, 2, gpus=[A100]))
    async with quick_tools(project, engine) as call:
        await call("run_seed", queue_all=True)
        status = await call("check_baseline")
        written = await call("write_report")
        declared = await call("run_seed", experiment="a", flags=["--idea", "a"], hypothesis="it helps")
    words = f"baseline: other device: GPU {H100} → {A100} (the baseline, seed 256, 512, 1024)."
    assert f"Notice (environment_differs): {words}" in status.text
    assert f"- {words}" in (project / written.data["path"]).read_text()
    assert declared.code == "not_comparable"


@pytest.mark.parametrize("accepts", ['["packages"]', "true"])
async def test_an_accepted_difference_stands_in_headline_record_and_report_whatever_the_settings_say_later(
    project: Path, accepts: str
) -> None:
    engine = InProcessEngine(ThenInstalls(project, 5, packages={**BEFORE, "torch": "4"}))
    async with quick_tools(project, engine) as call:
        await call("run_seed", queue_all=True)
        (project / "seedproof.toml").write_text(ACCEPT.format(accepts))
        await call("run_seed", experiment="a", flags=["--idea", "a"], hypothesis="it helps", queue_all=True)
        said = await call("compare", experiment="a")
        (project / "seedproof.toml").write_text(ACCEPT.format("[]"))
        again = await call("compare", experiment="a")
        written = await call("write_report", experiment="a")
    headline = "WINNER (unconfirmed; accepted: other packages): 5.59 sigma better"
    assert (said.data["headline"], again.data["headline"], written.data["headline"]) == (headline,) * 3
    accepted = [{"kind": "packages", "words": "torch 3 → 4"}]
    (issued,) = records(project, "verdict_issued")
    assert said.data["accepted"] == issued["accepted"] == accepted
    text = (project / written.data["path"]).read_text()
    assert f"- {headline}\n" in text
    assert "- a and baseline: other packages: torch 3 → 4.\n" in text


async def test_what_is_accepted_is_that_and_nothing_else(project: Path) -> None:
    engine = InProcessEngine(ThenInstalls(project, 6, version="3.13"))
    (project / "seedproof.toml").write_text(ACCEPT.format('["device"]'))
    async with quick_tools(project, engine) as call:
        assert (await queued(call)).code == "not_comparable"


async def test_a_confirmation_with_other_packages_confirms_nothing_until_that_is_accepted(project: Path) -> None:
    engine = InProcessEngine(ThenInstalls(project, 10, packages={**BEFORE, "torch": "4"}))
    async with quick_tools(project, engine) as call:
        first = await queued(call)
        await call("run_seed", experiment="a", role="confirm", queue_all=True)
        refused = await call("compare", experiment="a")
        (project / "seedproof.toml").write_text(ACCEPT.format('["packages"]'))
        said = await call("compare", experiment="a")
    assert first.data["headline"] == "WINNER (unconfirmed): 5.59 sigma better"
    assert "packages (torch 3 → 4 (the confirmation, seed 100019, 100043))" in refused.text
    assert said.data["headline"].startswith("WINNER (confirmed on 3 fresh seeds; accepted: other packages): ")


# --- wall time --------------------------------------------------------------------------------


async def test_nothing_is_said_of_wall_time_where_threads_differ(project: Path) -> None:
    trained = table().wall("exp_a", (1.0, 1.1, 1.2))
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call("run_seed", queue_all=True)
        (project / "seedproof.toml").write_text(ACCEPT.format("[]") + '[settings.env]\nOMP_NUM_THREADS = "8"\n')
        await call("run_seed", experiment="a", flags=["--idea", "a"], hypothesis="it helps", queue_all=True)
        said = await call("compare", experiment="a")
        written = await call("write_report", experiment="a")
    assert said.data["wall_time_change_percent"] is None
    assert "Wall time changed" not in said.text
    why = "a: nothing is said of wall time, because OMP_NUM_THREADS differs."
    assert f"Notice (wall_time_withheld): {why}" in said.text
    other = "OMP_NUM_THREADS is not the same in all runs: unset in baseline, 8 in a."
    assert f"Notice (variables_differ): {other}" in said.text
    text = (project / written.data["path"]).read_text()
    assert f"- {why}" in text and f"- {other}" in text
    assert "| wall_time_s | 2.00 s | 1.10 s | withheld: OMP_NUM_THREADS differs |" in text
    assert "| wall_time_s | - | - | not tested |" in text


async def test_nothing_is_said_of_wall_time_where_the_machine_was_busy_for_one_arm_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    async with quick_tools(project, InProcessEngine(table())) as call:
        monkeypatch.setattr(os, "getloadavg", lambda: (0.4, 0.0, 0.0))
        await call("run_seed", queue_all=True)
        monkeypatch.setattr(os, "getloadavg", lambda: (8.0, 0.0, 0.0))
        await call("run_seed", experiment="a", flags=["--idea", "a"], hypothesis="it helps", queue_all=True)
        said = await call("compare", experiment="a")
    assert said.data["wall_time_change_percent"] is None
    assert "the load before the runs was 0.1 and 2.0 per processor (medians)." in said.text


# --- asking -----------------------------------------------------------------------------------


def wrapper(path: Path, folder: Path) -> Path:
    """This Python, with a folder of packages of its own."""
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def install(folder: Path, name: str, version: str) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: none\n")


def test_a_real_interpreter_tells_its_packages_its_torch_and_where_it_imports_from(tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    install(folder, "Fancy_Optimizer", "1.5")
    (folder / "torch").mkdir()
    (folder / "torch/__init__.py").write_text("raise SystemExit('torch was imported')\n")
    version = "__version__ = '2.9.0+cu128'\ndebug = False\ncuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n"
    (folder / "torch/version.py").write_text(version)
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the project was imported')\n")
    python = str(wrapper(tmp_path / "python", folder))
    found = environment.environment(python, os.environ, tmp_path)
    assert (found["implementation"], found["version"]) == (sys.implementation.name, sys.version.split()[0])
    assert found["packages"]["fancy-optimizer"] == "1.5"
    assert found["packages"]["pytest"] == pytest.__version__
    assert (found["torch"], found["cuda"]) == ("2.9.0+cu128", "12.8")
    assert found["cpu"]
    assert str(folder) in environment.import_path(python, os.environ, tmp_path)


def test_nvidia_ml_py_is_asked_where_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text(
        "def nvmlInit(): pass\n"
        "def nvmlDeviceGetCount(): return 2\n"
        "def nvmlDeviceGetHandleByIndex(index): return index\n"
        "def nvmlDeviceGetName(handle): return b'NVIDIA H100'\n"
        "def nvmlSystemGetDriverVersion(): return '550.54'\n"
    )
    found = environment.environment(str(wrapper(tmp_path / "python", tmp_path)), os.environ)
    assert (found["gpus"], found["driver"]) == ([H100, H100], "550.54")


def test_without_nvidia_ml_py_the_driver_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpus/0000:01:00.0").mkdir(parents=True)
    (tmp_path / "gpus/0000:01:00.0/information").write_text("Model: \t\t NVIDIA H100\nIRQ:   \t\t 1\n")
    said = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"
    monkeypatch.setattr(environment, "_NVIDIA", tmp_path)
    for text in (said, said.replace("x86_64 Kernel Module ", "Open Kernel Module for x86_64 ")):
        (tmp_path / "version").write_text(text)
        found = environment.environment("/nowhere/python", {})
        assert (found["gpus"], found["driver"], found["packages"]) == ([H100], "550.54.15", None)


def test_an_interpreter_is_asked_once_and_again_after_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []
    real = environment.spawn.start

    def spawn(argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        asked.append(argv)
        return real(argv, **options)

    monkeypatch.setattr(environment.spawn, "start", spawn)
    python = str(wrapper(tmp_path / "python", tmp_path / "packages"))
    install(tmp_path / "packages", "one", "1")
    first = [environment.environment(python, os.environ) for _ in range(3)]
    install(tmp_path / "packages", "two", "2")
    later = environment.environment(python, os.environ)
    assert len(asked) == 2
    assert first[0] == first[2] != later
    assert set(later["packages"]) - set(first[0]["packages"]) == {"two"}


@pytest.mark.parametrize(
    "body", ["exit 3", "echo seedproof:{", "echo 'seedproof:[]'", 'echo \'seedproof:{"packages": 7, "path": 3}\'']
)
def test_a_program_that_is_no_python_tells_nothing(tmp_path: Path, body: str) -> None:
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    found = environment.environment(str(path), os.environ)
    assert (found["packages"], found["version"], environment.import_path(str(path), os.environ)) == (None, None, ())


class Hangs:
    """A process that says what it says, and then no more."""

    def __init__(self, process: subprocess.Popen[bytes], has_spoken: Path) -> None:
        self._process, self._has_spoken = process, has_spoken
        self.kill = process.kill

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Time is up once it has spoken, and not before."""
        if timeout is None:
            return self._process.communicate()
        wait_until(self._has_spoken.exists)
        raise subprocess.TimeoutExpired("python", timeout)


def test_an_interpreter_that_hangs_at_its_gpus_has_told_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, has_spoken = fake_python(tmp_path / "python"), tmp_path / "spoken"
    path.write_text(f'{path.read_text()}touch "{has_spoken}"\nexec sleep 600\n')
    real = environment.spawn.start
    monkeypatch.setattr(environment.spawn, "start", lambda *argv, **more: Hangs(real(*argv, **more), has_spoken))
    assert environment.environment(str(path), os.environ)["packages"] == BEFORE


def hangs(path: Path, asked: Path) -> None:
    """An interpreter that writes down that it was asked, and says nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho >> "{asked}"\nexec sleep 600\n')
    path.chmod(0o755)


async def test_an_interpreter_that_hangs_is_asked_once_and_never_while_servers_wait_for_the_ledger(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, has_spoken, locked = project / "tools/python", project / "asked", []
    hangs(python, has_spoken)
    real = environment.spawn.start

    def spawn(argv: Sequence[str], **more: Any) -> Any:
        if argv[0] != str(python):
            return real(argv, **more)
        locked.append(locks.is_locked(ProjectPaths(project).ledger_lock))
        return Hangs(real(argv, **more), has_spoken)

    monkeypatch.setattr(environment.spawn, "start", spawn)
    async with quick_tools(project, InProcessEngine(table())) as call:
        said = await queued(call)
    assert said.data["verdict"] == "WINNER" and "environment_unknown" in said.text
    assert locked == [False]


def test_an_interpreter_that_hung_is_asked_again_once_it_was_changed_or_a_minute_has_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, has_spoken, asked = tmp_path / "python", tmp_path / "asked", []
    hangs(python, has_spoken)
    real, now = environment.spawn.start, [1000.0]
    monkeypatch.setattr(environment, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def spawn(argv: Sequence[str], **more: Any) -> Hangs:
        asked.append(now[0])
        return Hangs(real(argv, **more), has_spoken)

    monkeypatch.setattr(environment.spawn, "start", spawn)
    for now[0] in (1000.0, 1059.0, 1061.0):
        assert environment.environment(str(python), os.environ)["packages"] is None
    assert asked == [1000.0, 1061.0]
    fake_python(python)
    monkeypatch.setattr(environment.spawn, "start", real)
    assert environment.environment(str(python), os.environ)["packages"] == BEFORE


def test_names_from_a_package_stay_on_their_line(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "python", {"odd\n# WINNER": "1\x1b[31m", "long": "9" * 500})
    found = environment.environment(str(python), os.environ)["packages"]
    assert found == {"odd # WINNER": "1 [31m", "long": "9" * 100}


def test_a_fingerprint_takes_the_hash_of_code_that_is_known(project: Path) -> None:
    paths = ProjectPaths(project)
    surroundings = fingerprint.Surroundings(paths, load_config(paths.settings), ThisMachine())
    found = surroundings.fingerprint(Code("c" * 64, "snapshot", "d" * 40))
    assert (found["code_sha256"], found["snapshot"]) == ("c" * 64, "d" * 40)
    assert "snapshot" not in surroundings.fingerprint()


async def test_the_value_of_an_added_variable_is_recorded_as_a_hash_that_holds_in_its_ledger_alone(
    project: Path, tmp_path: Path
) -> None:
    hashes = []
    for folder in (project, tmp_path / "other"):
        folder.mkdir(exist_ok=True)
        (folder / "train_llm.py").touch()
        (folder / "seedproof.toml").write_text('[settings.env]\nKEY = "hush"\nSAME = "hush"\nOMP_NUM_THREADS = "3"\n')
        async with quick_tools(folder, InProcessEngine(table())) as call:
            await call("run_seed", queue_all=True)
        assert b"hush" not in ProjectPaths(folder).ledger.read_bytes()
        found = [one["fingerprint"]["env_sha256"] for one in records(folder, "run_started")]
        assert all(one == found[0] for one in found) and sorted(found[0]) == ["KEY", "SAME"]
        hashes += found[0].values()
    assert len(set(hashes)) == 4
