"""`seedproof init` reads small projects of many frameworks and writes the command that trains them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from seedproof.model.rules import Rules
from seedproof_mcp.host.settings import Config, load_config
from seedproof_mcp.setup.first_settings import FirstSettings, first_settings
from seedproof_mcp.setup.look import look

from tests.support.framework_projects import PROJECTS
from tests.support.repositories import write
from tests.support.waiting import stop_everything

COMMANDS = {
    "argparse": "{python} train.py --random_seed {seed} --out {output_dir} {flags}",
    "click": "{python} main.py train --seed {seed} --save-dir {output_dir} {flags}",
    "typer": "{python} train.py --seed {seed} --output-dir {output_dir} {flags}",
    "fire": "{python} train.py --seed={seed} --out_dir={output_dir} {flags}",
    "absl": "{python} main.py --seed={seed} --workdir={output_dir} {flags}",
    "hydra": "{python} src/train.py seed={seed} hydra.run.dir={output_dir} {flags}",
    "lightning-cli": "{python} main.py fit --seed_everything {seed} --trainer.default_root_dir {output_dir} {flags}",
    "jsonargparse": "{python} train.py --seed={seed} --out_dir={output_dir} {flags}",
    "trainer": "{python} run_lm.py --seed {seed} --output_dir {output_dir} {flags}",
    "yacs": "{python} train_net.py SEED {seed} OUTPUT_DIR {output_dir} {flags}",
    "configurator": "{python} train.py --out_dir={output_dir} {flags}",
    "tyro": "{python} train.py --seed={seed} --out_dir={output_dir} {flags}",
    "globals": "{python} train.py {flags}",
    "variables": "env {flags} SEED={seed} OUT_DIR={output_dir} {python} train_gpt.py",
    "xgboost": "{python} train.py --seed {seed} {flags}",
    "keras": "{python} train.py {flags}",
    "package": "{python} -m pkg.train --seed {seed} {flags}",
    "places": "{python} train.py {seed} {output_dir} {flags}",
}
SCALES = {
    "argparse": "300 steps",
    "click": "20 epochs",
    "typer": "5 epochs",
    "fire": "1000 steps",
    "absl": "500 steps",
    "hydra": "12 epochs",
    "jsonargparse": "3 epochs",
    "trainer": "3 epochs",
    "yacs": "400 iterations",
    "configurator": "200 iterations",
    "tyro": "250 steps",
    "globals": "300 s",
    "variables": "20 iterations",
    "xgboost": "50 rounds",
    "keras": "8 epochs",
}
INJECTED = {"configurator": 1337, "globals": 7, "keras": 812}
MOST_LINES = 6


def written(folder: Path) -> tuple[FirstSettings, Config]:
    """What init writes for a project, and how it loads."""
    first = first_settings(folder)
    path = folder / "seedproof.toml"
    path.write_text(first.text)
    try:
        return first, load_config(path)
    finally:
        path.unlink()


def settings_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith(("#", "["))]


def make(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    write(folder, PROJECTS[name])
    return folder


@pytest.mark.parametrize("name", PROJECTS)
def test_the_command_of_each_framework_is_found(name: str, tmp_path: Path) -> None:
    first, config = written(make(tmp_path / "p", name))
    assert " ".join(config.rules.command) == COMMANDS[name]
    assert config.rules.scale == SCALES.get(name)
    way = ("inject", INJECTED[name]) if name in INJECTED else ("argument", None)
    assert (config.rules.seed, config.rules.replace_seed) == way
    assert len(settings_lines(first.text)) <= MOST_LINES
    assert first.said[-1] == "Next: seedproof try"


def test_the_metric_is_the_one_that_the_source_prints_or_its_library_does(tmp_path: Path) -> None:
    found = {name: written(make(tmp_path / name, name))[1].rules.metric for name in PROJECTS}
    assert found["argparse"] == Rules().metric
    assert (found["globals"].name, found["trainer"].name) == ("val_bpb", "eval_loss")
    assert found["configurator"].pattern is not None and "train loss" in found["configurator"].pattern
    assert found["lightning-cli"].pattern is not None and found["lightning-cli"].pattern.startswith("^Epoch")
    assert (found["xgboost"].select, found["xgboost"].direction) == ("valid-auc", "maximize")
    assert (found["xgboost"].name, found["keras"].name) == ("valid_auc", "val_loss")


def test_each_line_says_where_it_was_found(tmp_path: Path) -> None:
    first, _ = written(make(tmp_path / "p", "argparse"))
    assert "# train.py takes its settings from argparse. options.py:7 has --random_seed, options.py:8 has --out.\n" in (
        first.text
    )
    assert "# options.py:6 has --max_steps 300 by default.\nscale" in first.text
    assert "# train.py:8 prints val_loss, 5 decimals; the default pattern reads it." in first.text


TRAINS_HERE = ("argparse", "variables", "places", "configurator", "globals", "package")


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINS_HERE)
def test_what_was_written_trains_a_baseline_seed(name: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "p", name)
    command = [sys.executable, "-m", "seedproof_mcp.surface.cli"]
    try:
        for words in (["init"], ["run"]):
            done = subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("baseline seed 42 (attempt 1): succeeded, val_")
    finally:
        stop_everything(folder)


# --- which file trains ----------------------------------------------------------------------------


def test_a_training_wins_over_files_that_evaluate_and_prepare(tmp_path: Path) -> None:
    text = PROJECTS["globals"]["train.py"]
    write(tmp_path, dict.fromkeys(("eval.py", "prepare.py", "tests/train.py", "main_test.py", "pretrain.py"), text))
    assert written(tmp_path)[1].rules.script == "pretrain.py"


def test_two_likely_files_are_both_named(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(("train_a.py", "train_b.py"), PROJECTS["globals"]["train.py"]))
    first, _ = written(tmp_path)
    assert "Check: train_a.py was taken for the training; train_b.py may be it as well." in first.said


def test_a_package_with_a_main_module_is_started_as_a_module(tmp_path: Path) -> None:
    files = {"net/__init__.py": "", "net/work.py": PROJECTS["argparse"]["work.py"]}
    write(tmp_path, {**files, "net/__main__.py": PROJECTS["package"]["src/pkg/train.py"]})
    assert written(tmp_path)[1].rules.command[:3] == ("{python}", "-m", "net")


def test_a_program_of_pyproject_is_started_by_its_name(tmp_path: Path) -> None:
    source = PROJECTS["package"]["src/pkg/train.py"].partition("if __name__")[0]
    script = '[project]\nname = "net"\n[project.scripts]\ntrain-net = "net.train:main"\n'
    write(tmp_path, {"net/__init__.py": "", "net/train.py": source, "pyproject.toml": script})
    assert written(tmp_path)[1].rules.command == ("train-net", "--seed", "{seed}", "{flags}")


def test_what_a_script_cannot_do_without_comes_from_the_shell_script_that_starts_it(tmp_path: Path) -> None:
    train = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('data')\n"
        "p.add_argument('--model', required=True)\np.add_argument('--seed', type=int)\na = p.parse_args()\n"
    )
    write(tmp_path, {"train.py": train})
    assert "Check: train.py needs --model, data: add it to the command." in written(tmp_path)[0].said
    write(tmp_path, {"run.sh": "#!/bin/bash\npython train.py corpus.txt \\\n  --model small\n"})
    first, config = written(tmp_path)
    assert " ".join(config.rules.command) == "{python} train.py corpus.txt --model small --seed {seed} {flags}"
    assert "# run.sh:2 starts the training so." in first.text


NEEDS = (
    "import os\nseed = int(os.environ['SEED']); lr = float(os.environ['LR']); steps = int(os.environ['STEPS'])\n"
    "mom = float(os.environ.get('MOMENTUM', '0'))\nprint(f'val_loss: {lr:.5f}')\nloss.backward()\nmain()\n"
)


@pytest.mark.parametrize(
    ("shell", "command"),
    [
        (
            "export SEED=${SEED:-0}\nexport LR=${LR:-0.1} STEPS=${STEPS:-400}\npython3 fit.py 2>&1 | tee log.txt\n",
            "env {flags} SEED={seed} bash run.sh",
        ),
        ("export LR=0.1 STEPS=9\npython3 fit.py\n", "bash run.sh {flags}"),
        ("LR=0.1 STEPS=9 SEED=3 python3 fit.py\n", "env LR=0.1 STEPS=9 {flags} SEED={seed} {python} fit.py"),
        ("LR=$1 STEPS=9 python3 fit.py\n", "bash run.sh {flags}"),
        ("python3 fit.py\n", "env {flags} SEED={seed} {python} fit.py"),
    ],
)
def test_variables_that_a_script_cannot_do_without_come_from_the_shell_script(
    shell: str, command: str, tmp_path: Path
) -> None:
    write(tmp_path, {"fit.py": NEEDS, "run.sh": f"#!/bin/bash\n{shell}"})
    first, config = written(tmp_path)
    assert " ".join(config.rules.command) == command
    assert ("Check: fit.py needs LR, STEPS: add it to the command." in first.said) == (shell == "python3 fit.py\n")


def test_a_variable_that_a_script_asks_for_first_is_not_needed(tmp_path: Path) -> None:
    text = NEEDS.replace("mom =", "mom = 0 if 'STEPS' not in os.environ else 1 #").replace("['LR']", ".get('LR', 1)")
    write(tmp_path, {"fit.py": text})
    assert not [one for one in written(tmp_path)[0].said if "needs" in one]


def test_config_files_that_a_script_takes_and_the_command_does_not_name_are_told(tmp_path: Path) -> None:
    folder = make(tmp_path / "p", "configurator")
    write(folder, {"config/tiny.py": "max_iters = 50\n"})
    first, config = written(folder)
    says = "config/tiny.py is not used; `seedproof init -- python train.py config/tiny.py` takes it over."
    assert f"Check: {says}" in first.said and f"# {says}" in first.text
    assert config.rules.scale == "200 iterations"


def test_the_config_file_that_is_used_sets_the_length(tmp_path: Path) -> None:
    parser = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--config', required=True)\n"
        "p.add_argument('--epochs', type=int, default=4)\np.add_argument('--seed')\np.parse_args()\nloss.backward()\n"
    )
    write(tmp_path, {"train.py": parser, "config.yaml": "trainer:\n  max_epochs: 9\n"})
    first, config = written(tmp_path)
    assert config.rules.scale == "9 epochs" and "# config.yaml:2 sets trainer.max_epochs = 9.\n" in first.text


def test_options_that_are_not_recognised_are_said_to_be_so_where_the_arguments_are_read(tmp_path: Path) -> None:
    reads = "import sys\ndef load():\n    return dict(word.split('=') for word in sys.argv[1:])\n"
    train = "from .config import load\ncfg = load()\nprint(f'val_loss: {fit(cfg):.5f}')\nloss.backward()\nmain()\n"
    write(tmp_path, {"pkg/__init__.py": "", "pkg/config.py": reads, "pkg/train.py": train})
    says = "No option of pkg/train.py was recognised; flags work as far as pkg/config.py:3 reads them from sys.argv."
    assert f"# {says}\n" in written(tmp_path)[0].text
    write(tmp_path, {"pkg/config.py": "def load():\n    return {}\n"})
    assert "# pkg/train.py has no options, so experiments are changes of the code.\n" in written(tmp_path)[0].text


def test_a_shell_script_that_starts_the_same_file_is_named_without_its_text(tmp_path: Path) -> None:
    folder = make(tmp_path / "p", "argparse")
    write(folder, {"run.sh": "WANDB_API_KEY=abcdef python train.py --lr 0.3\n"})
    text = written(folder)[0].text
    assert "# run.sh:1 starts it with more; " in text and "abcdef" not in text


def test_a_project_of_wandb_is_no_output_folder(tmp_path: Path) -> None:
    text = PROJECTS["argparse"]["options.py"].replace('"--out", default="runs/last"', '"--project", default="nets"')
    write(tmp_path, {**PROJECTS["argparse"], "options.py": text})
    assert written(tmp_path)[1].rules.command[2:] == ("--random_seed", "{seed}", "{flags}")


def test_a_script_of_a_launcher_is_started_by_torchrun(tmp_path: Path) -> None:
    text = "import os, torch\nrank = int(os.environ['RANK'])\ntorch.manual_seed(11 + rank)\nloss.backward()\n"
    write(tmp_path, {"train.py": text})
    rules = written(tmp_path)[1].rules
    assert rules.command == ("torchrun", "--nproc_per_node=1", "train.py", "{flags}")
    assert (rules.seed, rules.replace_seed) == ("inject", 11)


def test_tokens_are_the_scale_only_where_the_script_takes_them(tmp_path: Path) -> None:
    text = PROJECTS["argparse"]["options.py"].replace("--max_steps", "--train_tokens").replace("300", "2_000_000")
    write(tmp_path, {**PROJECTS["argparse"], "options.py": text})
    rules = written(tmp_path)[1].rules
    assert "{train_tokens}" in rules.command and (rules.train_tokens, rules.scale) == (2_000_000, None)


def test_a_variable_gives_the_seed_where_no_option_does(tmp_path: Path) -> None:
    text = (
        "import argparse, os\np = argparse.ArgumentParser()\np.add_argument('--lr')\nseed = int(os.environ['SEED'])\n"
    )
    write(tmp_path, {"train.py": f"{text}loss.backward()\np.parse_args()\n"})
    rules = written(tmp_path)[1].rules
    assert (rules.seed, rules.env) == ("environment", {"SEED": "{seed}"})


def test_a_script_without_any_seed_is_called_so_and_the_alternative_stands_beside_it(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "print('val_loss: 1.0')\nloss.backward()\nmain()\n"})
    first, config = written(tmp_path)
    assert config.rules.seed == "unseeded"
    assert '\n# seed = "environment"\n' in first.text
    assert any(one.startswith("Check: The script takes no seed") for one in first.said)


# --- logs and files of earlier trainings ----------------------------------------------------------


def test_an_old_log_decides_over_the_source(tmp_path: Path) -> None:
    folder = make(tmp_path / "p", "argparse")
    write(folder, {"logs/one.log": "step 200: train loss 2.6602, val loss 2.7316\n" * 3})
    first, config = written(folder)
    assert 'preset = "nanogpt"' in first.text
    assert "# logs/one.log:3 has val_loss 2.7316, 4 decimals.\n" in first.text
    assert config.rules.metric.name == "val_loss"


def test_the_bar_of_lightning_is_read_where_training_loss_stands_behind_it(tmp_path: Path) -> None:
    bar = "Epoch 2: 100%|████| 20/20 [00:02<00:00, 9.87it/s, v_num=33, val_loss=2.116, train_loss=0.096]\n"
    write(make(tmp_path / "p", "places"), {"train.log": f"\r{bar}"})
    first, config = written(tmp_path / "p")
    assert "train.log:1 has val_loss 2.116" in first.text
    assert config.rules.metric == Rules().metric


def test_few_decimals_are_told(tmp_path: Path) -> None:
    write(make(tmp_path / "p", "places"), {"train.log": "val_loss: 2.1\n"})
    assert any("printed with 1 decimals" in one for one in written(tmp_path / "p")[0].said)


@pytest.mark.parametrize(
    ("path", "text", "field"),
    [
        ("runs/last/metrics.json", '{"final": {"val_loss": 2.25}}', ("metrics.json", "final.val_loss", None)),
        ("runs/last/results.csv", "epoch,val_acc\n1,0.5\n2,0.6125\n", ("results.csv", None, "val_acc")),
        ("runs/last/log.jsonl", '{"step": 1, "val_loss": 3.5}\n{"step": 2}\n', ("log.jsonl", "val_loss", None)),
    ],
)
def test_a_file_of_results_is_named_from_the_output_folder_on(
    path: str, text: str, field: tuple[str, str | None, str | None], tmp_path: Path
) -> None:
    folder = make(tmp_path / "p", "argparse")
    write(folder, {"train.py": PROJECTS["argparse"]["train.py"].replace("val_loss", "done"), path: text})
    metric = written(folder)[1].rules.metric
    assert (metric.file, metric.path, metric.column) == field
    assert metric.direction == ("maximize" if metric.name == "val_acc" else "minimize")


def test_a_file_of_a_script_without_an_output_option_lies_outside_it(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "import torch\ntorch.manual_seed(3)\nloss.backward()\nmain()\n"})
    write(tmp_path, {"lightning_logs/version_0/metrics.csv": "epoch,val_loss\n1,2.5\n"})
    metric = written(tmp_path)[1].rules.metric
    assert (metric.file, metric.column, metric.outside) == ("lightning_logs/version_*/metrics.csv", "val_loss", True)


def test_a_metric_of_another_name_gets_a_pattern_and_a_training_loss_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "print(f'epoch {epoch} test accuracy {acc:.4f}')\nloss.backward()\n"})
    metric = written(tmp_path)[1].rules.metric
    assert (metric.name, metric.direction) == ("test_accuracy", "maximize")
    write(tmp_path, {"train.py": "print(f'epoch {epoch} loss {loss:.4f}')\nloss.backward()\n"})
    first, config = written(tmp_path)
    assert config.rules.metric.name == "loss"
    assert any("The metric is a training loss" in one for one in first.said)


# --- interpreters ---------------------------------------------------------------------------------


def fake_python(folder: Path) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(sys.executable)
    (folder / "pyvenv.cfg").touch()


def test_an_environment_is_named_only_where_it_would_not_be_found(tmp_path: Path) -> None:
    folder = make(tmp_path / "p", "argparse")
    fake_python(folder / "venv")
    assert written(folder)[1].settings.python == "venv/bin/python"
    fake_python(folder / ".venv")
    assert written(folder)[1].settings.python is None


def test_conda_poetry_and_uv_are_found_or_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "p", "argparse")
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    write(folder, {"environment.yml": "name: nets\ndependencies: []\n"})
    first, config = written(folder)
    assert config.settings.python is None and '# python = "/path/to' in first.text
    home = Path(os.environ["HOME"])
    fake_python(home / "miniconda3/envs/nets")
    assert written(folder)[1].settings.python == str(home / "miniconda3/envs/nets/bin/python")
    (folder / "environment.yml").unlink()
    write(folder, {"pyproject.toml": '[tool.poetry]\nname = "my_nets"\n'})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fake_python(tmp_path / "cache/pypoetry/virtualenvs/my-nets-Ab_d1234-py3.11")
    assert "my-nets-Ab_d1234-py3.11/bin/python" in str(written(folder)[1].settings.python)
    write(folder, {"pyproject.toml": '[project]\nname = "p"\n', "uv.lock": ""})
    assert any("run `uv sync`" in one for one in written(folder)[0].said)


def test_a_script_that_names_its_own_packages_is_run_by_uv(tmp_path: Path) -> None:
    head = "# /// script\n# dependencies = ['numpy']\n# ///\n"
    write(tmp_path, {"train.py": head + PROJECTS["globals"]["train.py"]})
    assert written(tmp_path)[1].rules.command == ("uv", "run", "train.py", "{flags}")


# --- hostile and large projects -------------------------------------------------------------------


def test_nothing_of_a_project_is_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    folder = make(tmp_path / "p", "argparse")
    poison = f"open({str(mark)!r}, 'w')\n"
    for name in ("options.py", "sitecustomize.py", "conftest.py", "typing.py", "seedproof.py"):
        write(folder, {name: poison + PROJECTS["argparse"].get(name, "")})
    for name in ("git", "uv", "conda", "python3"):
        write(folder, {f"bin/{name}": f"#!/bin/sh\ntouch {mark}\n"})
        (folder / f"bin/{name}").chmod(0o755)
    env = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "seedproof_mcp.surface.cli", "init", "--print", "--project", str(folder)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "--random_seed" in done.stdout and not mark.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"def (:\n",
        b"\x00\x01\xff" * 1000,
        b"x = " + b"(" * 5000 + b")" * 5000,
        b"x = " + b"-" * 50_000 + b"1\nmain()\n",
        b"x = " + b"a." * 20_000 + b"a\nmain()\n",
        b"# coding: no-such\nmain()\n",
        b"",
        b"pad = '" + b"x" * 10_000_000 + b"'\nmain()\n",
    ],
)
def test_files_that_are_no_readable_python_are_passed_over(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_bytes(data)
    write(tmp_path, {"run_it.py": PROJECTS["globals"]["train.py"]})
    config = written(tmp_path)[1]
    assert config.rules.script in ("run_it.py", "train.py")
    if b"main()" not in data or len(data) > 1_000_000:
        assert config.rules.script == "run_it.py"


def test_links_that_lead_in_circles_pipes_and_strange_names_do_no_harm(tmp_path: Path) -> None:
    folder = make(tmp_path / "p", "argparse")
    (folder / "again").symlink_to(folder)
    (folder / "train_other.py").symlink_to("train_other.py")
    os.mkfifo(folder / "train_pipe.py")
    os.mkfifo(folder / "train.log")
    (folder / 'train_"]\nseed = 1.py').write_text(PROJECTS["globals"]["train.py"])
    (folder / os.fsdecode(b"train_\xff.py")).write_text(PROJECTS["globals"]["train.py"])
    assert " ".join(written(folder)[1].rules.command) == COMMANDS["argparse"]


def test_text_of_the_source_cannot_add_a_setting(tmp_path: Path) -> None:
    text = 'print("\\n[settings]\\nengine = 1 val_loss\\x1b[2J \\u202e loss:", loss)\nloss.backward()\n'
    write(tmp_path, {"train.py": text})
    first, config = written(tmp_path)
    assert config.settings == Config().settings
    assert all(line.isprintable() for line in first.text.splitlines())


def test_a_project_without_a_training_gets_the_commented_template(tmp_path: Path) -> None:
    write(tmp_path, {"notes.md": "words", "setup.py": "import setuptools\nsetuptools.setup()\n"})
    assert look(tmp_path) is None
    first, config = written(tmp_path)
    assert config == Config() and "# preset = " in first.text
    assert first.said[0].startswith("No file here looks like a training")


def test_of_a_large_project_a_bounded_part_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five thousand files of source, and folders that are not entered; the parsed files are counted, not the time."""
    folder = make(tmp_path / "p", "argparse")
    for number in range(50):
        write(folder, {f"lib{number}/part{part}.py": "import os\nx = 1\nmain()\n" for part in range(100)})
    write(folder, {"data/train.py": "main()\n", "node_modules/a/train.py": "main()\n", ".git/train.py": "main()\n"})
    from seedproof_mcp.setup import project_files

    read: list[str] = []
    plain = project_files.read_source
    monkeypatch.setattr(project_files, "read_source", lambda root, path: read.append(path) or plain(root, path))
    assert " ".join(written(folder)[1].rules.command) == COMMANDS["argparse"]
    assert len(read) < 60
    assert not {"data/train.py", "node_modules/a/train.py", ".git/train.py"} & set(read)
    shutil.rmtree(folder)
