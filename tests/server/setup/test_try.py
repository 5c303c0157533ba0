"""`seedproof try`: real short runs outside the ledger, and what they tell."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from seedproof.admission.request import RunRequest
from seedproof_mcp.host.settings import ENGINES, load_config
from seedproof_mcp.runner.engines import RunState
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.service.replies.rows import TriedRow
from seedproof_mcp.service.service import Service
from seedproof_mcp.setup.trial.ask import try_here
from seedproof_mcp.setup.trial.findings import SnapshotContent
from seedproof_mcp.setup.trial.folder import clean_up
from seedproof_mcp.setup.trial.words import snapshot_line
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths, ScratchPaths, registry_folder, slot_lock

from tests.support.repositories import git, make_repository, state_of, write
from tests.support.servers import SEEDPROOF
from tests.support.waiting import wait_until

HEAD = """
import argparse, json, os, random, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--output_dir")
options = parser.parse_args()
draw = random.Random(options.seed)
os.makedirs(options.output_dir)
"""
HONEST = """
for step in range(1, 11):
    print(f"step {step}/10 loss: {5 - step * 0.1 + draw.gauss(0, 0.1):.4f}", flush=True)
print(f"val_loss: {3 + draw.gauss(0, 0.1):.6f}")
"""
COMMAND = '["{python}", "train.py", "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]'


def project_with(folder: Path, body: str, more: str = "", *, repository: bool = False) -> Path:
    """A project whose script has this body, and whose settings have these lines more."""
    files = {"train.py": HEAD + body, "seedproof.toml": f"[rules]\ncommand = {COMMAND}\n{more}"}
    if repository:
        return make_repository(folder, files)
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    return lambda body, more="", **options: project_with(tmp_path / "project", body, more, **options)


def tried(folder: Path, limit_s: float = 60.0) -> TriedRow:
    row = try_here(folder, limit_s, lambda words: None)
    assert not (folder / ".seedproof").exists()
    assert not (folder / "checkpoints").exists()
    return row


def line(row: TriedRow, begin: str) -> str:
    return next((one for one in row.found if one.startswith(begin)), "")


def test_an_honest_training_is_well_and_leaves_no_trace(make: Callable[..., Path]) -> None:
    folder = make(HONEST, repository=True)
    before, names = state_of(folder), sorted(folder.iterdir())
    row = tried(folder)
    assert row.is_well, row.mend
    assert row.values.keys() == {"seed 1", "seed 2", "seed 1 again"}
    assert row.values["seed 1"] == row.values["seed 1 again"] != row.values["seed 2"]
    assert "differs between seeds 1 and 2" in line(row, "Seed:")
    assert line(row, "Repeat:") == "Repeat: the same seed gives the same values, digit by digit"
    assert line(row, "Resolution:") == "Resolution: printed in steps of 1e-06"
    assert '(line 11: "val_loss: ' in line(row, "Metric val_loss:")
    assert line(row, "Snapshot:").startswith("Snapshot: 2 tracked files")
    assert "baseline 5 runs" in line(row, "Cost") and "a confirmation up to 12" in line(row, "Cost")
    assert row.interpreter is not None and f"{row.interpreter}, Python 3." in line(row, "Interpreter:")
    assert row.command[1:4] == ["train.py", "--seed", "1"]
    assert (state_of(folder), sorted(folder.iterdir())) == (before, names)
    assert git(folder, "worktree", "list").count("\n") == 1
    assert not registry_folder().exists()


def test_a_scale_that_only_the_log_shows_is_one_line_and_nothing_to_paste(make: Callable[..., Path]) -> None:
    folder = make(HONEST)
    row = tried(folder)
    assert row.is_well and row.toml is None
    told = 'Scale: not named; files are called …_1M… unless [rules] has scale = "10 steps", as the log shows it'
    assert line(row, "Scale:") == told
    settings = folder / "seedproof.toml"
    settings.write_text(settings.read_text().replace("[rules]\n", '[rules]\nscale = "10 steps"\n'))
    assert line(tried(folder), "Scale:") == ""


def test_the_settings_to_paste_load_and_name_the_scale_that_the_log_shows(make: Callable[..., Path]) -> None:
    folder = make(HONEST.replace("val_loss", "Dev accuracy is now"))
    row = tried(folder)
    assert row.toml is not None and tomllib.loads(row.toml)["rules"]["scale"] == "10 steps"
    assert line(row, "Scale:") == ""
    (folder / "seedproof.toml").write_text(row.toml)
    assert load_config(folder / "seedproof.toml").rules.scale == "10 steps"
    assert tried(folder).toml is None


def test_a_scale_that_nothing_tells_is_asked_for(make: Callable[..., Path]) -> None:
    row = tried(make('print(f"val_loss: {draw.gauss(3, 0.1):.4f}")'))
    assert line(row, "Scale:").endswith('unless rules.scale says how long a run trains, such as "300 steps"')


def test_an_existing_ledger_is_not_touched(project: Path) -> None:
    service = Service(project)
    run_id = service.request_run(RunRequest())
    wait_until(lambda: not service.observe(run_id).is_active)
    wait_until(lambda: not locks.is_locked(ProjectPaths(project).conductor_lock))
    before, known = _content(project), _content(registry_folder())
    assert try_here(project, 60.0, lambda words: None).is_well
    assert (_content(project), _content(registry_folder())) == (before, known)


def _content(folder: Path) -> dict[str, bytes | None]:
    return {str(one): one.read_bytes() if one.is_file() else None for one in sorted(folder.rglob("*"))}


def test_a_seed_without_effect_is_to_be_mended(make: Callable[..., Path]) -> None:
    row = tried(make("draw = random.Random(1)" + HONEST))
    assert not row.is_well
    assert row.mend == [
        "the seed has no effect: val_loss is the same for seeds 1 and 2; does the script use the seed that it is given?"
    ]


def test_a_training_that_does_not_repeat_itself_is_told_and_not_refused(make: Callable[..., Path]) -> None:
    row = tried(make("draw = random.SystemRandom()" + HONEST))
    assert row.is_well, row.mend
    assert line(row, "Repeat:").startswith("Repeat: the same seed gives val_loss 0.")


@pytest.mark.parametrize(
    ("print_it", "table"),
    [
        ('print(f"Validation-Loss is now {draw.gauss(3, 0.1):.6f}; dev accuracy = {draw.random():.4f}")', "pattern"),
        ('print(f"step 10: train loss 3.1, val loss {draw.gauss(3, 0.1):.4f}")', "preset"),
        ('print(f"mean reward per episode: {draw.gauss(300, 9):.2f}")', "pattern"),
        ('print(f"final | val_bpb={draw.gauss(1, 0.1):.4f}")', "pattern"),
        ('json.dump({"end": {"valid_loss": draw.gauss(3, 0.1)}}, open(options.output_dir + "/m.json", "w"))', "path"),
        ('json.dump({"valid_loss": draw.gauss(3, 0.1)}, open("metrics_here.json", "w"))', "outside"),
    ],
)
def test_a_metric_by_another_name_is_found_and_the_pasted_settings_read_it(
    make: Callable[..., Path], print_it: str, table: str
) -> None:
    strict = "[rules.metric]\nname = 'val_loss'\npattern = '^eval: (?P<value>\\S+)'\n"
    folder = make(print_it, strict)
    row = try_here(folder, 60.0, lambda words: None)
    assert not row.is_well
    assert row.toml is not None, row
    assert table in tomllib.loads(row.toml)["rules"]["metric"], row.toml
    (folder / "seedproof.toml").write_text(row.toml)
    again = try_here(folder, 60.0, lambda words: None)
    assert again.is_well, again
    assert again.values == row.values


def test_the_whole_line_of_a_value_is_quoted_around_what_was_read(make: Callable[..., Path]) -> None:
    body = 'print("epoch 9 | " + "x" * 200 + f" | best so far, val_loss: {draw.gauss(3, 0.1):.4f} at epoch 7")\n'
    body += 'print(f"Best of all so far: val_loss: {draw.gauss(3, 0.1):.4f} (epoch 7)")'
    folder = make(body)
    row = tried(folder)
    assert f'(line 2: "Best of all so far: val_loss: {row.values["seed 1"]} (epoch 7)")' in line(row, "Metric val_loss")
    (folder / "train.py").write_text(HEAD + body.partition("\n")[0])
    row = tried(folder)
    assert f'x | best so far, val_loss: {row.values["seed 1"]}…")' in line(row, "Metric val_loss")


def test_a_file_that_the_settings_cannot_read_is_told_once_with_settings_that_can(make: Callable[..., Path]) -> None:
    body = 'open(options.output_dir + "/m.csv", "w").write(f"step,val_loss\\n1,{draw.gauss(3, 0.1)}\\n")'
    row = tried(make(body, '[rules.metric]\nname = "val_loss"\nfile = "m.csv"\npath = "val_loss"\n'))
    assert [one.partition(",")[0] for one in row.mend] == ["seed 1: unread", row.mend[1].partition(",")[0]]
    assert row.mend[1].endswith('is read by: name = "val_loss"; file = "m.csv"; column = "val_loss"')
    assert row.toml is not None and tomllib.loads(row.toml)["rules"]["metric"]["column"] == "val_loss"


@pytest.mark.parametrize(
    ("name", "text", "said", "fields"),
    [
        (
            "m.tsv",
            "step\\ttrain_mse\\tval_mse\\n1\\t2.5\\t{value}\\n",
            "has the columns step, train_mse, val_mse",
            {"name": "val_mse", "column": "val_mse"},
        ),
        (
            "m.jsonl",
            '{{"step": 1, "dev_f1": {value}}}\\n',
            "has the keys step, dev_f1",
            {"name": "dev_f1", "direction": "maximize", "path": "dev_f1"},
        ),
    ],
)
@pytest.mark.parametrize("is_linked", [True, False])
def test_a_metric_of_another_kind_in_a_file_is_offered_by_its_own_name(
    make: Callable[..., Path], name: str, text: str, said: str, fields: dict[str, str], is_linked: bool
) -> None:
    body = f"os.makedirs('runs/exp', exist_ok=True); value = draw.gauss(3, 0.1)\nopen('runs/exp/{name}', 'w')"
    folder = make(f"{body}.write(f'{text}')", repository=True)
    if is_linked:
        (folder / ".gitignore").write_text("runs/\n")
        (folder / "runs").mkdir()
    row = try_here(folder, 60.0, lambda words: None)
    assert f"runs/exp/{name} {said}" in line(row, "Files of numbers:")
    assert row.toml is not None
    assert tomllib.loads(row.toml)["rules"]["metric"] == {**fields, "file": f"runs/exp/{name}", "outside": True}
    (folder / "seedproof.toml").write_text(row.toml)
    again = try_here(folder, 60.0, lambda words: None)
    assert again.is_well, again
    assert again.values == row.values


def test_a_file_without_a_likely_metric_is_named_with_its_columns(make: Callable[..., Path]) -> None:
    row = tried(make('open(options.output_dir + "/m.csv", "w").write("step,train_mse\\n1,2.5\\n")'))
    assert row.mend == ["no val_loss was found in its output; m.csv has the columns step, train_mse"]


def test_a_training_that_prints_nothing_like_a_metric_is_told_so(make: Callable[..., Path]) -> None:
    row = tried(make('print("done")'))
    assert row.mend == ["no val_loss was found in its output, and nothing that looks like a metric"]
    assert row.log_tail == "done"


FOREVER = """
import subprocess
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
for step in range(1, 1001):
    print(f"step {step}/1000 loss: {5 + draw.gauss(0, 0.1):.4f}", flush=True)
    time.sleep(0.05)
"""


def test_a_long_training_is_ended_with_all_its_processes_and_its_length_is_told(make: Callable[..., Path]) -> None:
    folder = make(FOREVER)
    row = tried(folder, limit_s=1.5)
    assert row.is_well, row.mend
    assert row.headline == "Tried: val_loss was not seen within 1.5 s; the rest is well"
    assert line(row, "Time: reached the limit of 1.5 s at step ").count(" of 1000, so a run takes about ") == 1
    assert "the training loss differs between seeds" in line(row, "Seed:")
    assert processes_of(folder) == []
    assert not locks.is_locked(slot_lock("default"))


def processes_of(folder: Path) -> list[str]:
    """The processes that were started with something of a folder in their environment."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path("/proc", name, "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(str(folder)) in environment and int(name) != os.getpid():
            found.append(name)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_try_that_is_interrupted_leaves_nothing(make: Callable[..., Path], number: signal.Signals) -> None:
    folder = make(FOREVER)
    command = [SEEDPROOF, "try", "--project", folder]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        wait_until(lambda: any(ScratchPaths(folder).runs.glob("*/started.json")))
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 130
    assert said.decode().splitlines()[-1] == "The try was ended; nothing of it goes on."
    assert not (folder / ".seedproof").exists()
    assert processes_of(folder) == []


_calls: list[str] = []


class Silent(LocalEngine):
    """Cannot be asked the first time; the job that it then has waits until it is cancelled once more."""

    def poll(self, handle: str) -> RunState:
        _calls.append("poll")
        if _calls.count("poll") == 1:
            raise OSError("the scheduler gave no answer")
        return "done" if _calls.count("cancel") == 2 else "queued"

    def cancel(self, handle: str, reason: str) -> None:
        _calls.append("cancel")

    def sweep(self, handle: str) -> None:
        _calls.append("sweep")


def test_a_run_is_ended_before_anybody_is_asked_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "silent", f"{__name__}:Silent")
    scratch = ScratchPaths(tmp_path)
    write(scratch.run("a-run").folder, {"spec.json": '{"engine": "silent"}'})
    _calls.clear()
    clean_up(scratch)
    assert _calls == ["cancel", "poll", "poll", "cancel", "poll", "sweep"]
    assert not scratch.state.exists()


def test_the_next_try_cleans_up_after_one_that_was_killed(make: Callable[..., Path]) -> None:
    folder = make(FOREVER, repository=True)
    with subprocess.Popen([SEEDPROOF, "try", "--project", folder], stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: any(ScratchPaths(folder).runs.glob("*/started.json")))
        process.kill()
    assert (folder / ".seedproof").exists()
    (folder / "train.py").write_text(HEAD + HONEST)
    assert tried(folder).is_well
    assert processes_of(folder) == []
    assert git(folder, "worktree", "list").count("\n") == 1


def test_what_a_run_writes_into_the_tree_and_the_project_is_told(make: Callable[..., Path]) -> None:
    body = HONEST + 'open("run.log", "w").write("x"); open("data/cache.bin", "w").write("x")\n'
    body += 'open(options.output_dir + "/model.bin", "w").write("x")\n'
    folder = make(body, repository=True)
    (folder / ".gitignore").write_text("data\n")
    (folder / "data").mkdir()
    row = tried(folder)
    outputs = line(row, "Outputs:")
    assert "1 file (model.bin) in the output folder" in outputs
    assert "1 file (run.log) in the working tree" in outputs
    assert "1 file (data/cache.bin) elsewhere in the project" in outputs
    assert "ignored, reached through links: data" in line(row, "Snapshot:")
    assert line(row, "Snapshot:").startswith("Snapshot: 2 tracked files, 1 that git does not track: .gitignore, ")


def test_a_snapshot_of_one_file_is_told_in_the_singular() -> None:
    assert snapshot_line(SnapshotContent(1, (), 700, (), ())) == "Snapshot: 1 tracked file, 0.7 kB"


def test_a_crash_is_told_once_with_the_end_of_the_output(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make('print("password=hunter22222"); sys.exit("no such data set")')
    assert main(["try", "--project", str(folder)]) == 1
    said = capsys.readouterr()
    assert "Mend: seed 1: failed, exit code 1: no such data set\n" in said.out
    assert "\nNext: seedproof try --project" in said.out
    assert "no such data set" in said.out and "hunter22222" not in said.out
    assert "run 2 of 3" not in said.err


def test_a_try_that_went_well_names_the_first_run_of_the_baseline(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(HONEST)
    assert main(["try", "--project", str(folder)]) == 0
    assert capsys.readouterr().out.endswith(f"\nNext: seedproof run --seed 42 --project {folder}  # Runs seed 42.\n")
    assert not ProjectPaths(folder).state.exists()


def test_a_try_as_json_is_what_it_tells_with_the_next_command(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(HONEST)
    assert main(["try", "--json", "--project", str(folder)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["is_well"] is True and found["next_command"].startswith("seedproof run --seed 42 ")


def test_a_missing_module_names_the_interpreter_that_lacks_it(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("import no_such_module_of_this_test", f"[settings]\npython = {json.dumps(sys.executable)}\n")
    words = (
        f"it was run by {sys.executable}, which Seedproof itself runs in; name another interpreter with "
        "settings.python in seedproof.toml"
    )
    assert tried(folder).mend == [
        "seed 1: failed, exit code 1: ModuleNotFoundError: No module named 'no_such_module_of_this_test'; " + words
    ]
    assert main(["run", "--project", str(folder)]) == 1
    assert f"Reason: exit code 1; {words}\n" in capsys.readouterr().out


def test_an_option_that_the_script_does_not_have_is_told_in_its_own_words(make: Callable[..., Path]) -> None:
    folder = make(HONEST)
    (folder / "train.py").write_text((folder / "train.py").read_text().replace('"--seed"', '"--rng"'))
    (told,) = tried(folder).mend
    assert told == "seed 1: failed, exit code 2: train.py: error: unrecognized arguments: --seed 1"


def test_bad_settings_and_a_missing_script_are_refused_as_for_a_run(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(HONEST)
    (folder / "train.py").unlink()
    assert main(["try", "--project", str(folder)]) == 3
    said = capsys.readouterr().err
    assert "script_missing: train.py is not in the project folder" in said
    assert f"\nNext: seedproof try --project {folder}  # Tries the command again, once that is mended.\n" in said
    (folder / "seedproof.toml").write_text("[rules]\nseeds = 3\n")
    assert main(["try", "--project", str(folder)]) == 3
    assert "bad_settings: seedproof.toml, line 2: rules.seeds" in capsys.readouterr().err
    (folder / "seedproof.toml").unlink()
    assert main(["try", "--project", str(folder)]) == 3
    assert capsys.readouterr().err.startswith(
        "script_missing: there is no seedproof.toml, and no train_llm.py in the project folder, which is trained "
        "without one; `seedproof init` writes it.\n"
    )
    assert not ProjectPaths(folder).state.exists()


def test_a_script_with_a_seed_of_its_own_says_which_calls_were_given_another(make: Callable[..., Path]) -> None:
    body = "random.seed(1337); draw = random" + HONEST
    folder = make(body, 'seed = "inject"\nreplace_seed = 1337\n')
    text = (folder / "seedproof.toml").read_text().replace('"--seed", "{seed}", ', "")
    (folder / "seedproof.toml").write_text(text)
    row = tried(folder)
    assert row.is_well, row.mend
    assert line(row, "Seed replaced in:") == "Seed replaced in: random.seed (1x)"


def test_it_waits_for_the_slot_and_says_so(make: Callable[..., Path]) -> None:
    folder, told = make(HONEST), list[str]()
    slot_lock("default").parent.mkdir(parents=True)
    held = locks.try_lock(slot_lock("default"))
    assert held is not None

    def tell(words: str) -> None:
        told.append(words)
        if words.startswith("waiting"):
            held.release()

    assert try_here(folder, 60.0, tell).is_well
    assert "waiting: another training holds the slot default" in told
