"""An option that the command has already goes where an experiment names it."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.commands.argv import training_argv
from seedproof.commands.option_names import OptionNames
from seedproof.commands.replacement import replaced_places
from seedproof.model.refusals import FlagMalformed
from seedproof.model.rules import Rules


def rules(command: str) -> Rules:
    return Rules.model_validate({"command": tuple(shlex.split(command))})


def run_with(command: str, flags: str, names: OptionNames = ()) -> str:
    """The command of a run with these flags."""
    made, parts = rules(command), shlex.split(flags)
    return " ".join(training_argv(made, "python", 42, parts, "out", replaced_places(made, parts, names)))


TAIL = "--seed {seed} {flags} --out {output_dir}"


@pytest.mark.parametrize(
    ("command", "flags", "expected"),
    [
        ("--dropout 0.1", "--dropout 0.2", "python t.py --seed 42 --dropout 0.2 --out out"),
        ("--dropout 0.1", "--dropout=0.2", "python t.py --seed 42 --dropout=0.2 --out out"),
        ("--dropout=0.1", "--dropout 0.2", "python t.py --seed 42 --dropout 0.2 --out out"),
        ("--drop-out 0.1", "--drop_out 0.2", "python t.py --seed 42 --drop_out 0.2 --out out"),
        ("--betas 0.9 0.95 --lr 1", "--betas 0.8 0.9", "python t.py --lr 1 --seed 42 --betas 0.8 0.9 --out out"),
        ("--aug flip --aug crop", "--aug none", "python t.py --seed 42 --aug none --out out"),
        ("--aug flip crop", "--aug none", "python t.py --seed 42 --aug none --out out"),
        ("--bias", "--no-bias", "python t.py --seed 42 --no-bias --out out"),
        ("--no_bias", "--bias", "python t.py --seed 42 --bias --out out"),
        ("--ema", "--noema", "python t.py --seed 42 --noema --out out"),
        ("--ema=true", "--noema", "python t.py --seed 42 --noema --out out"),
        ("--bias true", "--no-bias", "python t.py --seed 42 --no-bias --out out"),
        ("--dropout 0.1", "--no-dropout", "python t.py --dropout 0.1 --seed 42 --no-dropout --out out"),
        ("--lr_decay 0.1", "--lr 0.2", "python t.py --lr_decay 0.1 --seed 42 --lr 0.2 --out out"),
        ("-l 0.1", "-l0.2", "python t.py --seed 42 -l0.2 --out out"),
        ("--lr -0.1", "--lr -0.2", "python t.py --seed 42 --lr -0.2 --out out"),
        ("base.py --lr=0.1", "--lr=0.2 other.py", "python t.py base.py --seed 42 --lr=0.2 other.py --out out"),
        ("--config a.yaml", "--config b.yaml", "python t.py --seed 42 --config b.yaml --out out"),
        ("model=a lr=1", "lr=2", "python t.py model=a --seed 42 lr=2 --out out"),
        ("model=a lr=1", "++lr=2 ~model", "python t.py --seed 42 ++lr=2 ~model --out out"),
        ("--set lr=1 --set wd=2", "--set lr=3", "python t.py --set wd=2 --seed 42 --set lr=3 --out out"),
        ("--set lr=1", "--set wd=3", "python t.py --set lr=1 --seed 42 --set wd=3 --out out"),
    ],
)
def test_the_commands_own_setting_goes(command: str, flags: str, expected: str) -> None:
    assert run_with(f"{{python}} t.py {command} {TAIL}", flags) == expected


@pytest.mark.parametrize(
    ("command", "flags", "expected"),
    [
        (
            "{python} net.py A.LR 0.1 SEED {seed} {flags}",
            "A.LR 0.2 A.WD 1",
            "python net.py SEED 42 A.LR 0.2 A.WD 1",
        ),
        (
            "{python} net.py --gpus 1 {flags} A.LR 0.1 SEED {seed}",
            "--gpus 2 A.LR 0.2",
            "python net.py --gpus 2 A.LR 0.2 SEED 42",
        ),
        ("env {flags} LR=0.1 SEED={seed} {python} t.py --lr 3", "LR=0.2", "env LR=0.2 SEED=42 python t.py --lr 3"),
        ("env LR=0.1 SEED={seed} {python} t.py {flags}", "LR=0.2", "env LR=0.1 SEED=42 python t.py LR=0.2"),
        ("torchrun --n 2 t.py --n 3 --seed {seed} {flags}", "--n 4", "torchrun --n 2 t.py --seed 42 --n 4"),
        ("{python} t.py --cfg-options a=1 r.seed={seed} {flags}", "a=2", "python t.py --cfg-options r.seed=42 a=2"),
        ("{python} t.py --cfg-options a=1 {flags} --seed {seed}", "a=2", "python t.py --cfg-options a=2 --seed 42"),
        ("yolo train epochs=5 seed={seed} {flags}", "epochs=9", "yolo train seed=42 epochs=9"),
    ],
)
def test_it_goes_in_every_style_and_never_before_the_script(command: str, flags: str, expected: str) -> None:
    assert run_with(command, flags) == expected


def test_the_names_of_the_script_tell_which_option_is_meant() -> None:
    names = (("--learning_rate", "--lr", "-l"), ("--layers", "-L"))
    command = f"{{python}} t.py --lr 0.1 -L 2 {TAIL}"
    for flags in ("--learning_rate 0.2", "-l 0.2", "-l0.2", "--learn 0.2"):
        assert run_with(command, flags, names) == f"python t.py -L 2 --seed 42 {flags} --out out"
    assert run_with(command, "--layers 3", names) == "python t.py --lr 0.1 --seed 42 --layers 3 --out out"


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("--amp config/base.py", "--no-amp"),
        ("--amp config/base.py", "--amp false"),
        ("--amp config/base.py", "--amp"),
        ("--lr 0.1 fit", "--lr 0.2"),
        ("--lr 0.1 config/base.py", "--lr 0.2"),
        ("--dropout 0.1", "--dropout"),
        ("--set lr=1", "lr=2"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(command: str, flags: str) -> None:
    with pytest.raises(FlagMalformed, match="the command has"):
        run_with(f"{{python}} t.py {command} {TAIL}", flags)


def test_the_baseline_keeps_its_command() -> None:
    made = rules(f"{{python}} t.py --lr 0.1 {TAIL}")
    assert training_argv(made, "python", 42, (), "out", (2, 3))[2:4] == ("--lr", "0.1")


_options = st.lists(st.sampled_from(["--a", "--b", "--c"]), unique=True, min_size=1)


@given(_options, _options, st.booleans(), st.booleans())
def test_every_option_stands_once_and_as_the_experiment_has_it(
    own: list[str], new: list[str], own_joined: bool, new_joined: bool
) -> None:
    def written(names: list[str], value: str, joined: bool) -> str:
        return " ".join(f"{name}={value}" if joined else f"{name} {value}" for name in names)

    command = f"{{python}} t.py {written(own, '1', own_joined)} {TAIL}"
    argv = run_with(command, written(new, "2", new_joined)).replace("=", " ").split()
    values = {name: argv[argv.index(name) + 1] for name in {*own, *new}}
    assert values == dict.fromkeys(own, "1") | dict.fromkeys(new, "2")
    assert all(argv.count(name) == 1 for name in values)
