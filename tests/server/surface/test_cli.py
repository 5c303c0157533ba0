"""The command line, as a person and a shell script meet it; and what importing the server costs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from seedproof_mcp.surface.cli import main

from tests.support.places import FAKE
from tests.support.seeds import SEEDS


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as the working folder; wide enough that tables do not wrap."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("COLUMNS", "200")
    return project


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output, errors."""
    code = main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_protocol_from_the_command_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "check-baseline")
    assert (code, out.splitlines()[0]) == (0, "Baseline unmeasured (1M tokens)")
    code, out, err = run(capsys, "compare", "muon")
    assert (code, out) == (3, "")
    assert err.startswith("baseline_missing: ") and "\nNext: seedproof run --seed 42  # Runs seed 42.\n" in err

    code, out, _ = run(capsys, "run", "--all")
    assert code == 0
    assert [f"baseline seed {seed} (attempt 1): succeeded" in out for seed in SEEDS] == [True] * 5
    assert out.count("\nNext: ") == 1, "the command itself goes on with the others"
    code, out, _ = run(capsys, "report")
    assert code == 0 and (here / "docs/research/baseline_variance_1M.md").exists()

    flags = ("--flags=--shift -0.1", "--hypothesis", "a lower loss")
    code, out, _ = run(capsys, "run", "muon", *flags, "--all")
    assert code == 0 and out.count("succeeded") == 3
    code, out, _ = run(capsys, "compare", "muon")
    assert code == 0 and out.startswith("WINNER (unconfirmed)\nval_loss ")
    code, out, _ = run(capsys, "report", "muon")
    assert code == 0 and (here / "docs/research/experiment_muon_1M.md").exists()

    code, out, _ = run(capsys, "status")
    assert code == 0
    assert out.startswith("Baseline ready (1M tokens): val_loss ")
    assert "muon" in out and "WINNER (unconfirmed): " in out and "experiment_muon_1M.md" in out
    assert "If none helped, one idea would show a WINNER by luck 3.0 % of the time" in " ".join(out.split())
    assert "\nNext: seedproof run muon --confirm  # Confirms the WINNER on fresh seeds: 0 of 6 runs.\n" in out


def test_a_run_that_brings_no_result_exits_with_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "train_llm.py").write_text("import sys; sys.exit('no such package')\n")
    code, out, _ = run(capsys, "run")
    assert code == 1
    assert "failed" in out and "no such package" in out


def test_a_failure_that_voids_the_baseline_does_not_ask_for_seeds(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "train_llm.py").write_text("import sys; sys.exit('no such package')\n")
    assert "Seeds still needed: 5" in run(capsys, "run")[1]
    code, out, _ = run(capsys, "run", "--seed", "42", "--attempt", "2")
    assert code == 1 and "Notice (baseline_void): " in out
    assert "still needed" not in out


@pytest.mark.slow
def test_running_all_follows_what_is_queued_and_never_spends_a_retry(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "import sys\nprint('val_loss: 4.' + sys.argv[4])\nsys.exit(sys.argv[4] == '42')\n"
    (here / "train_llm.py").write_text(script)
    assert run(capsys, "run")[0] == 1
    code, out, _ = run(capsys, "run", "--all")
    assert code == 0
    assert [f"baseline seed {seed} (attempt 1): succeeded" in out for seed in SEEDS[1:]] == [True] * 4
    assert "(attempt 2)" not in out
    assert "Next: seedproof run --seed 42 --attempt 2  # Tries seed 42 again" in out
    assert run(capsys, "check-baseline")[1].startswith("Baseline measuring ")


def test_running_all_of_a_baseline_queues_the_rest_once_the_first_run_has_a_value(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "seedproof.toml").write_text('[rules.metric]\nname = "val_loss"\npattern = "nothing: (?P<value>.)"\n')
    code, out, _ = run(capsys, "run", "--all")
    assert code == 1 and out.count("baseline seed ") == 1
    assert "queued" not in run(capsys, "status")[1]
    assert len(list((here / ".seedproof/runs").glob("g1-*"))) == 1
    (here / "seedproof.toml").unlink()
    code, out, _ = run(capsys, "run", "--all")
    assert code == 0
    assert [f"baseline seed {seed} (attempt 1): succeeded" in out for seed in SEEDS[1:]] == [True] * 4
    assert run(capsys, "check-baseline")[1].startswith("Baseline ready ")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_is_no_fault_of_the_project(here: Path, unbuffered: str) -> None:
    out, into = os.pipe()
    os.close(out)
    command = [sys.executable, "-m", "seedproof_mcp.surface.cli", "check-baseline"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, cwd=here, env=environment, stdout=into, stderr=subprocess.PIPE, check=False)
    os.close(into)
    assert (done.returncode, done.stderr) == (141, b"")


def test_status_tells_of_a_report_that_nobody_vouches_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = here / "docs/research/baseline_variance_1M.md"
    report.parent.mkdir(parents=True)
    report.write_text("val_loss: 1.0000 ± 0.0001\n")
    code, out, _ = run(capsys, "status")
    assert code == 0
    assert "Notice (unverified_report): docs/research/baseline_variance_1M.md exists, but no ledger" in out


@pytest.mark.slow
def test_flags_stand_behind_two_dashes_as_they_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "run", "--all")[0] == 0
    code, out, err = run(capsys, "run", "muon", "--hypothesis", "it helps", "--", "--shift", "-0.1", "--say=", "--fast")
    assert code == 1 and "unrecognized arguments: --fast" in out, err
    code, _, err = run(capsys, "run", "muon", "--seed", "42", "--flags=--shift -0.1 --say= --fast")
    assert code == 1, err
    code, _, err = run(capsys, "run", "muon", "--", "--shift", "-0.2")
    assert code == 0, err  # without a value, it may be declared anew
    code, _, err = run(capsys, "run", "muon", "--", "--shift", "-0.3")
    assert code == 3 and err.startswith("flags_changed: ")
    code, _, err = run(capsys, "run", "muon", "--", "--")
    assert code == 3 and err.startswith("flags_changed: ")


@pytest.mark.parametrize("arguments", [("run", "x", "--flags=--a", "--", "--b"), ("status", "--", "--b")])
def test_flags_in_two_places_or_for_another_command_are_wrong_usage(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "--" in capsys.readouterr().err


def test_the_help_of_run_shows_where_flags_stand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "seedproof run muon --hypothesis 'a lower loss' -- --lr 0.01" in said


@pytest.mark.slow
def test_a_person_confirms_a_winner_and_ends_or_resumes_what_goes_wrong(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "run", "--all")[0] == 0
    assert run(capsys, "run", "muon", "--hypothesis", "it helps", "--all", "--", "--shift", "-0.1")[0] == 0
    assert run(capsys, "run", "muon", "--confirm")[2].startswith("confirm_not_due: muon has no verdict yet")
    assert run(capsys, "compare", "muon")[0] == 0
    code, out, _ = run(capsys, "run", "muon", "--confirm", "--all")
    assert code == 0 and out.count("muon on a fresh seed") == 6
    assert run(capsys, "compare", "muon")[1].startswith("WINNER (confirmed on 3 fresh seeds)")
    assert run(capsys, "stop", "--all", "--reason", "enough")[1] == "Nothing was queued or running.\n"
    assert run(capsys, "resume", "--reason", "looked")[2].startswith("nothing_due: the last run did not fail")
    assert run(capsys, "run", "bad", "--hypothesis", "it fails", "--", "--crash")[0] == 1
    assert "after 1 runs in a row" in run(capsys, "resume", "--reason", "a typo")[1]


def test_a_notice_is_told_once_in_a_command_and_names_commands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metric = '[rules.metric]\nname = "val_loss"\npattern = "val_loss: (?P<value>.+)"\n'
    (here / "seedproof.toml").write_text(metric.replace("val_loss: ", "nothing: "))
    assert run(capsys, "run")[0] == 1
    out = run(capsys, "status")[1]
    assert out.count("Notice (near_miss): ") == 1
    (here / "seedproof.toml").write_text(metric)
    out = run(capsys, "check-baseline")[1]
    assert "The next `seedproof run`, `seedproof compare` or `seedproof report` takes them over" in out


STEPS = """
import argparse, random
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--output_dir")
options = parser.parse_known_args()[0]
for step in range(1, options.steps + 1):
    print(f"step {step}/{options.steps} loss: 4.5")
print(f"val_loss: {random.Random(options.seed * options.steps).gauss(4, 0.1):.6f}")
"""


def test_a_notice_that_stands_is_told_once_of_all_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "train_llm.py").write_text(STEPS)
    assert run(capsys, "run", "--all")[0] == 0
    code, out, _ = run(capsys, "run", "longer", "--hypothesis", "it helps", "--all", "--", "--steps", "20")
    assert code == 0 and out.count("longer seed ") == 3
    assert out.count("Notice (trained_longer): ") == 1
    assert "measure a new baseline: `seedproof run --new-baseline 'the same length'`." in out


def test_flags_that_are_no_command_line_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "run", "muon", "--flags=--a 'open", "--hypothesis", "x")
    assert code == 3
    assert err.startswith("flag_malformed: the flags are not a command line")


def test_stopping_what_does_not_run_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "stop", "g1-baseline-s42-a1", "--reason", "tired")
    assert code == 3 and err.startswith("run_unknown: ")


def test_init_writes_a_settings_file_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "init")[0] == 0
    written = (here / "seedproof.toml").read_text()
    code, _, err = run(capsys, "init")
    assert code == 3 and "nothing was changed" in err
    assert (here / "seedproof.toml").read_text() == written


def test_init_replaces_what_it_wrote_itself_and_nobody_edited(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, command = here / "seedproof.toml", ("init", "--", "python", "train_llm.py", "--shift", "0.5")
    assert run(capsys, "init", "--full")[0] == 0  # all of it is comments
    assert run(capsys, "init")[1].startswith("Wrote seedproof.toml anew")
    assert run(capsys, *command)[0] == 0
    learned = path.read_text()
    assert '"--shift", "0.5"' in learned
    for text in (learned, "[rules]\nscale = '3 s'\n", "not toml"):
        path.write_text(text)
        code, _, err = run(capsys, "init")
        assert code == 3 and "and was edited; nothing was changed. --print shows" in err and "move the file" in err
        assert path.read_text() == text


def test_init_never_replaces_rules_under_which_runs_were_recorded(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "init", "--full")[0] == 0
    (here / ".seedproof").mkdir(exist_ok=True)
    (here / ".seedproof/ledger.jsonl").write_text("{}\n")
    code, _, err = run(capsys, "init")
    assert code == 3 and "runs were recorded under its rules; nothing was changed" in err


def test_init_prints_what_it_would_write_and_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "init", "--print")
    assert code == 0 and not (here / "seedproof.toml").exists()
    assert 'command = ["{python}", "train_llm.py", "--seed", "{seed}"' in out
    assert err.endswith("Next: seedproof try\n")
    assert run(capsys, "init")[0] == 0
    assert (here / "seedproof.toml").read_text() == out
    assert run(capsys, "init", "--print")[:2] == (0, out)


def test_init_full_writes_every_setting_as_a_comment(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "init", "--full")[0] == 0
    text = (here / "seedproof.toml").read_text()
    assert "# accept_exit = " in text and "# grace_s = " in text
    with pytest.raises(SystemExit):
        main(("init", "--full", "--", "python", "train_llm.py"))


def test_init_learns_from_a_command_or_says_why_not(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "init", "--", "python", "missing.py")
    assert code == 3 and err.startswith("seedproof: missing.py is not in the project's folder")
    assert not (here / "seedproof.toml").exists()
    assert run(capsys, "init", "--", "python", "train_llm.py", "--shift", "0.5", "--seed", "1")[0] == 0
    assert '"--shift", "0.5", "--seed", "{seed}"' in (here / "seedproof.toml").read_text()


def test_a_project_that_is_no_folder_is_told_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "status", "--project", str(tmp_path / "nowhere"))
    assert code == 2 and "nowhere is not a folder" in err


def test_a_ledger_that_cannot_be_read_is_told_in_a_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / ".seedproof/ledger.jsonl").mkdir(parents=True)
    for command in ("status", "check-baseline", "run", "report"):
        code, out, err = run(capsys, command)
        assert (code, out) == (3, "")
        assert err.startswith("ledger_damaged: .seedproof/ledger.jsonl cannot be read (Is a directory). ")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, which not even root may write to")
def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "init", "--project", "/proc")
    assert (code, out) == (3, "")
    assert err.startswith("seedproof: seedproof.toml cannot be written (")
    assert err.endswith("; make the project folder writable, or free space.\n")


@pytest.mark.parametrize("arguments", [(), ("train",), ("run", "--seed", "many"), ("stop", "x")])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: seedproof" in capsys.readouterr().err


def test_windows_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    code, _, err = run(capsys, "status")
    assert code == 2 and "On Windows use WSL" in err


def test_the_installed_command_answers() -> None:
    command = Path(sys.executable).with_name("seedproof")
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("seedproof 0.")


def imported(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    return {name.partition(".")[0] for name in modules(statement)}


def modules(statement: str) -> set[str]:
    """All modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(said.stdout.split())


def test_importing_the_server_loads_no_statistics_library() -> None:
    loaded = imported("import seedproof_mcp.surface.tools")
    assert "mcp" in loaded
    assert not loaded & {"scipy", "matplotlib", "pandas", "torch"}


def test_the_server_loads_what_draws_and_what_trains_only_when_it_is_needed() -> None:
    assert not modules("import seedproof_mcp.surface.tools") & {
        "seedproof.report.figure",
        "seedproof_mcp.runner.conductor",
        "numpy",
    }


def test_the_conductor_knows_no_mcp_and_the_supervisor_only_the_standard_library() -> None:
    assert not imported("import seedproof_mcp.runner.conductor") & {"mcp", "scipy", "rich", "numpy"}
    supervisor = imported("import seedproof_mcp.supervisor.supervise")
    assert "hashlib" not in supervisor, "a quarter of its memory, for nothing that it does"
    foreign = {name for name in supervisor if not name.startswith("_")}
    plain = {name for name in imported("pass") if not name.startswith("_")}
    assert foreign - plain - set(sys.stdlib_module_names) == {"seedproof_mcp"}


def test_waiting_can_be_interrupted_and_the_run_goes_on(here: Path) -> None:
    shutil.copy(FAKE, here / "train_llm.py")
    gate = here / "gate"
    (here / "seedproof.toml").write_text(f'[settings.env]\nFAKE_GATE = "{gate}"\n')
    command = [sys.executable, "-m", "seedproof_mcp.surface.cli", "run"]
    # In a session of its own, as the Ctrl-C of a terminal reaches its foreground group only.
    waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    log = here / ".seedproof/runs/g1-baseline-s42-a1/output.log"
    while not (log.exists() and log.read_bytes()):
        assert waiting.poll() is None
    os.kill(waiting.pid, 2)
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "runs that were requested go on" in err
    gate.touch()
    again = subprocess.run([*command, "--seed", "42"], capture_output=True, text=True, timeout=60, check=True)
    assert "baseline seed 42 (attempt 1): succeeded" in again.stdout
