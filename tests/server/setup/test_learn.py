"""`seedproof init -- COMMAND` learns the template from a command that works."""

import os
import shlex
import sys
from pathlib import Path

import pytest
from seedproof_mcp.host.settings import Config, load_config
from seedproof_mcp.setup.first_settings import first_settings
from seedproof_mcp.setup.learn import CannotLearn

from tests.support.framework_projects import PROJECTS
from tests.support.repositories import write


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `python` is the one that Seedproof would take anyway."""
    folder = tmp_path / "project"
    for name in ("python", "python3"):
        link = folder / ".venv/bin" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{folder}/.venv/bin:{os.environ['PATH']}")
    return folder


def learned(folder: Path, name: str, command: str) -> Config:
    write(folder, PROJECTS[name])
    path = folder / "seedproof.toml"
    path.write_text(first_settings(folder, shlex.split(command)).text)
    return load_config(path)


TEMPLATES = [
    (
        "argparse",
        "python train.py --lr 0.1 --max_steps 500",
        "{python} train.py --lr 0.1 --max_steps 500 --random_seed {seed} --out {output_dir} {flags}",
    ),
    ("argparse", "python3 -u train.py -s 5 --out o", "{python} -u train.py -s {seed} --out {output_dir} {flags}"),
    ("argparse", "./train.py --random_seed=5", "{python} train.py --random_seed={seed} --out={output_dir} {flags}"),
    (
        "argparse",
        "torchrun --standalone --nproc_per_node=2 train.py --lr 0.2",
        "torchrun --standalone --nproc_per_node=2 train.py --lr 0.2 --random_seed {seed} --out {output_dir} {flags}",
    ),
    (
        "argparse",
        "python -m torch.distributed.run --nproc_per_node 2 train.py",
        "torchrun --nproc_per_node 2 train.py --random_seed {seed} --out {output_dir} {flags}",
    ),
    (
        "argparse",
        "accelerate launch --mixed_precision bf16 train.py --lr 1",
        "accelerate launch --mixed_precision bf16 train.py --lr 1 --random_seed {seed} --out {output_dir} {flags}",
    ),
    ("argparse", "uv run train.py -s 1", "uv run train.py -s {seed} --out {output_dir} {flags}"),
    ("argparse", "uv run python -m train -s 1", "uv run python -m train -s {seed} --out {output_dir} {flags}"),
    (
        "argparse",
        "mpirun -n 2 python train.py -s 1",
        "mpirun -n 2 {python} train.py -s {seed} --out {output_dir} {flags}",
    ),
    (
        "click",
        "python main.py train --amp --seed 3",
        "{python} main.py train --amp --seed {seed} --save-dir {output_dir} {flags}",
    ),
    (
        "hydra",
        "python src/train.py optimizer.lr=0.1 +x=1",
        "{python} src/train.py optimizer.lr=0.1 +x=1 seed={seed} hydra.run.dir={output_dir} {flags}",
    ),
    (
        "yacs",
        "python train_net.py --config-file c.yaml SOLVER.BASE_LR 0.03 SEED 7",
        "{python} train_net.py --config-file c.yaml SOLVER.BASE_LR 0.03 SEED {seed} OUTPUT_DIR {output_dir} {flags}",
    ),
    (
        "variables",
        "SEED=3 MATRIX_LR=0.1 python train_gpt.py",
        "env MATRIX_LR=0.1 {flags} SEED={seed} OUT_DIR={output_dir} {python} train_gpt.py",
    ),
    (
        "variables",
        "env MATRIX_LR=0.1 python train_gpt.py",
        "env MATRIX_LR=0.1 {flags} SEED={seed} OUT_DIR={output_dir} {python} train_gpt.py",
    ),
    (
        "configurator",
        "python train.py config/base.py --max_iters=50",
        "{python} train.py config/base.py --max_iters=50 --out_dir={output_dir} {flags}",
    ),
    ("package", "python -m pkg.train --seed 4", "{python} -m pkg.train --seed {seed} {flags}"),
    (
        "globals",
        "yolo detect train data=coco128.yaml epochs=5",
        "yolo detect train data=coco128.yaml epochs=5 seed={seed} project={output_dir} {flags}",
    ),
    (
        "argparse",
        "python train.py --random_seed {seed} {flags} --lr 1",
        "{python} train.py --random_seed {seed} {flags} --lr 1 --out {output_dir}",
    ),
]


@pytest.mark.parametrize(("name", "command", "template"), TEMPLATES)
def test_a_command_becomes_a_template(name: str, command: str, template: str, project: Path) -> None:
    config = learned(project, name, command)
    assert " ".join(config.rules.command) == template
    assert config.settings.python is None


def test_a_command_in_one_text_is_split_as_a_shell_does(project: Path) -> None:
    write(project, PROJECTS["argparse"])
    first = first_settings(project, ["python train.py --note 'two words' --random_seed 1"])
    assert '"--note", "two words", "--random_seed", "{seed}"' in first.text


def test_the_length_of_the_command_is_the_scale(project: Path) -> None:
    assert learned(project, "argparse", "python train.py --max_steps 500").rules.scale == "500 steps"
    assert learned(project, "click", "python main.py train --epochs=7").rules.scale == "7 epochs"
    assert learned(project, "hydra", "python src/train.py trainer.max_epochs=3").rules.scale == "3 epochs"
    rules = learned(project, "globals", "python train.py --seed 1 --train_tokens 5000").rules
    assert (rules.train_tokens, rules.command[4:6]) == (5000, ("--train_tokens", "{train_tokens}"))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("config/tiny.py", "max_iters = 50\n"),
        ("config/tiny.json", '{"train": {"max_iters": 50}}'),
        ("config/tiny.toml", "[train]\nmax_iters = 50\n"),
        ("config/tiny.yaml", "train:\n  max_iters: 50\n"),
    ],
)
def test_the_config_file_of_the_command_sets_the_length(path: str, text: str, project: Path) -> None:
    write(project, {path: text})
    assert learned(project, "configurator", f"python train.py {path}").rules.scale == "50 iterations"
    assert learned(project, "configurator", f"python train.py --config={path}").rules.scale == "50 iterations"
    assert learned(project, "configurator", f"python train.py {path} --max_iters=9").rules.scale == "9 iterations"
    write(project, {path: ""})
    assert learned(project, "configurator", f"python train.py {path}").rules.scale == "200 iterations"


def test_variables_before_the_program_become_rules_or_settings_and_secrets_stay_out(project: Path) -> None:
    command = "CUDA_VISIBLE_DEVICES=1 SEED=3 DEPTH=4 WANDB_API_KEY=abcdef python train.py"
    write(project, PROJECTS["argparse"])
    config = learned(project, "argparse", command)
    assert config.rules.env == {"SEED": "{seed}", "DEPTH": "4"}
    assert config.settings.env == {"CUDA_VISIBLE_DEVICES": "1"}
    first = first_settings(project, shlex.split(command))
    assert "abcdef" not in first.text
    assert "Check: WANDB_API_KEY is not written: set it where Seedproof is started." in first.said


def test_another_interpreter_becomes_a_setting(project: Path) -> None:
    other = project / "envs/ml/bin"
    other.mkdir(parents=True)
    (other / "python").symlink_to(sys.executable)
    (other / "torchrun").touch()
    config = learned(project, "argparse", "envs/ml/bin/python train.py")
    assert (config.settings.python, config.rules.command[0]) == ("envs/ml/bin/python", "{python}")
    config = learned(project, "argparse", f"{other}/torchrun train.py")
    assert (config.settings.python, config.rules.command[0]) == ("envs/ml/bin/python", "torchrun")


def test_flags_stand_before_values_that_one_argument_takes_all_of(project: Path) -> None:
    text = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--seed', type=int)\n"
        "p.add_argument('--lr')\np.add_argument('files', nargs='*')\np.parse_args()\n"
    )
    write(project, {"train.py": text})
    first = first_settings(project, shlex.split("python train.py --lr 0.1 a.txt b.txt"))
    assert '"--lr", "0.1", "--seed", "{seed}", "{flags}", "a.txt", "b.txt"]' in first.text


def test_a_shell_script_that_passes_its_arguments_on_takes_the_options_of_what_it_starts(project: Path) -> None:
    write(project, {"run.sh": 'set -e\npython train.py --lr 0.1 "$@"\n'})
    rules = learned(project, "argparse", "bash run.sh --max_steps 9").rules
    assert " ".join(rules.command) == ("bash run.sh --max_steps 9 --random_seed {seed} --out {output_dir} {flags}")
    assert rules.scale == "9 steps"


def test_a_shell_script_with_variables_gets_its_seed_from_one(project: Path) -> None:
    write(project, {"run.sh": "LR=${LR:-0.1}\npython train.py --random_seed ${SEED:-1} --lr $LR\n"})
    rules = learned(project, "argparse", "bash run.sh").rules
    assert rules.command == ("env", "{flags}", "SEED={seed}", "bash", "run.sh")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "behind -- stands no command"),
        (("",), "behind -- stands no command"),
        (("python", "missing.py"), "missing.py is not in the project's folder"),
        (("python", "train.py", ">", "log"), "`>` is a sign of the shell"),
        (("python train.py | tee log",), "`|` is a sign of the shell"),
        (("python 'train.py",), "the command cannot be split"),
        (("python", "train.py", "--lr", "{sed}"), "{sed} is no field; did you mean {seed}?"),
        (("python", "train.py", "{flags}", "{flags}"), "{flags} stands in the command twice"),
        (("python", "train.py", "--hub", "hf_abcdefghijklmnop"), "`--hub` holds what looks like a secret"),
        (("python", "train.py", "--password=x"), "`--password` holds what looks like a secret"),
        (("A=1",), "the command has variables and no program"),
        (("python", "train.py", "a\x1bb"), "the command has a control character"),
    ],
)
def test_a_command_that_teaches_nothing_is_refused_in_a_sentence(
    words: tuple[str, ...], said: str, project: Path
) -> None:
    write(project, PROJECTS["argparse"])
    with pytest.raises(CannotLearn) as caught:
        first_settings(project, words)
    assert str(caught.value).startswith(said)
