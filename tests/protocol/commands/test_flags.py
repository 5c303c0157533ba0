"""Flags: what may reach the training script's command line, and what may not."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.commands.argv import training_argv
from seedproof.commands.flags import check_flags, normalise_flags
from seedproof.model.metric_rule import MetricRule
from seedproof.model.refusals import FlagMalformed, FlagProtected
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role, RunKey, Side

from tests.support.arms import run_key

RULES = Rules()


def test_the_baseline_command_is_the_protocols() -> None:
    folder = run_key(None, 42).output_dir(RULES.label)
    assert " ".join(training_argv(RULES, "python", 42, (), folder)) == (
        "python train_llm.py --train_tokens 1000000 --seed 42 --output_dir checkpoints/baseline_1M_seed42"
    )


def test_an_experiment_adds_its_flags_before_the_output_folder() -> None:
    folder = run_key("muon", 137).output_dir(RULES.label)
    assert " ".join(training_argv(RULES, "python", 137, ("--lr", "0.02"), folder)) == (
        "python train_llm.py --train_tokens 1000000 --seed 137 --lr 0.02 --output_dir checkpoints/exp_muon_1M_seed137"
    )


def test_each_role_has_a_folder_of_its_own() -> None:
    folders = {run_key("muon", 42, role=role).output_dir(RULES.label, "9f") for role in (Role.MEASURE, Role.CONTROL)}
    assert folders == {f"checkpoints/{kind}_muon_1M_seed42" for kind in ("exp", "control")}


def test_both_sides_of_a_confirmation_have_folders_that_their_marks_alone_tell_apart() -> None:
    sides = [RunKey(1, Role.CONFIRM, side, "muon", 100_001, 1) for side in Side]
    folders = {side.output_dir(RULES.label, "9f2c04a1") for side in sides}
    assert folders == {"checkpoints/confirm_muon_1M_seed100001_9f2c04a1"}


def test_the_probe_has_a_name_and_a_folder_beside_the_run_that_it_repeats() -> None:
    probe = run_key(None, 42, role=Role.PROBE)
    assert (probe.run_id, probe.output_dir(RULES.label)) == ("g1-probe-s42-a1", "checkpoints/probe_1M_seed42")


@pytest.mark.parametrize(
    "flag",
    [
        "--seed",
        "--seed=7",
        "--se",
        "--SEED",
        "-s",
        "--train-tokens",
        "--train_tok=9",
        "--output-dir=x",
        "---seed",
    ],
)
def test_an_option_of_the_template_or_its_abbreviation_is_protected(flag: str) -> None:
    with pytest.raises(FlagProtected):
        check_flags(("--lr", "1", flag, "7"), RULES)


@pytest.mark.parametrize("flag", ["-s", "-s7", "-s=7", "-S7", "-s-1", "-se", "-seed", "-output_dir=x", "-train_tok"])
def test_a_short_option_that_may_be_one_of_the_template_is_protected(flag: str) -> None:
    with pytest.raises(FlagProtected):
        check_flags(("--lr", "1", flag, "7"), RULES)


@pytest.mark.parametrize("flag", ["-o", "-o/tmp", "-t", "-d7", "-optimizer=sgd", "-steps=5", "-size", "-lr=0.3", "-w"])
def test_a_letter_that_the_template_does_not_have_is_free(flag: str) -> None:
    check_flags((flag,), RULES)


CLICK = (("--seed", "-s"), ("--out", "-o"), ("--lr", "-l"), ("--steps", "-t"), ("--no-shuffle",))


@pytest.mark.parametrize("flag", ["-o", "-o/tmp", "-s", "-s7", "--se", "--ou"])
def test_a_letter_that_the_script_gives_the_templates_option_is_protected(flag: str) -> None:
    rules = Rules(command=("{python}", "train.py", "fit", "--seed", "{seed}", "--out", "{output_dir}", "{flags}"))
    with pytest.raises(FlagProtected):
        check_flags((flag, "7"), rules, CLICK)


def test_a_letter_that_the_script_gives_another_option_is_free() -> None:
    names = (("--steps", "-s"), ("--seed",), ("--out_channels", "-o"), ("--train",))
    for flags in (("-s", "7"), ("-s7",), ("-o3",), ("--train",), ("--ste", "7")):
        check_flags(flags, RULES, names)
    with pytest.raises(FlagProtected):
        check_flags(("--train",), RULES)


HYDRA = Rules(command=("{python}", "train.py", "model=small", "run.seed={seed}", "+out={output_dir}", "{flags}"))


@pytest.mark.parametrize(
    "value",
    ["run.seed=7", "+run.seed=7", "++run.seed=7", "~run.seed", "~run", "RUN.SEED=7", "run={seed: 7}", "out=x"],
)
def test_a_key_that_the_template_sets_is_protected_wherever_it_stands(value: str) -> None:
    for flags in ((value,), ("--x", value), (f"--x={value}",), (f"-D{value}",), ("lr=1", value)):
        with pytest.raises(FlagProtected):
            check_flags(flags, HYDRA)
    check_flags(("--x", "runner=7", "lr=0.1", "~dropout", "run.seeding=7", "-lr", "0.1", "-x=y"), HYDRA)
    check_flags(("model=big", "run=fast", "run={lr: 1}", "out_channels=3"), HYDRA)


def test_the_fields_of_the_template_are_protected_under_their_own_names_too() -> None:
    rules = Rules(command=("{python}", "train.py", "-s", "{seed}", "-d", "{output_dir}", "{flags}"))
    for flag in ("--seed", "--output_dir=x", "-s7", "-dx", "-steps"):
        with pytest.raises(FlagProtected):
            check_flags((flag, "7"), rules)
    check_flags(("--train_tokens", "7", "--dropout", "0.1"), rules)


@pytest.mark.parametrize(
    "flags",
    [
        ("0.1",),
        ("--",),
        ("-",),
        ("@args.txt",),
        ("--lr", "@args.txt"),
        ("--lr", "1\n2"),
        ("--lr", "\x1b[31m"),
        ("--lr", "a\u2028b"),
        ("--lr", "x" * 513),
        ("-0.5",),
        tuple(["--lr"] * 65),
    ],
)
def test_what_is_no_option_with_values_is_malformed(flags: tuple[str, ...]) -> None:
    with pytest.raises(FlagMalformed):
        check_flags(flags, RULES)


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--lr", "-0.5"),
        ("--lr", "-1e-3", "--use_muon"),
        ("--seeded", "1"),
        ("--betas", "0.9", "0.95"),
        ("--label_smoothing=0.1",),
        ("--lr", "x" * 512),
        ("-lr", "0.1"),
        ("-lr=0.1", "-n7"),
        ("--optimizer", "adam", "lr=0.1", "-x", "~/data"),
    ],
)
def test_ordinary_flags_pass(flags: tuple[str, ...]) -> None:
    check_flags(flags, RULES)


_names = st.from_regex(r"--?[A-Za-z0-9_-]{0,14}", fullmatch=True)


@given(_names, st.booleans())
def test_what_passes_never_changes_what_argparse_reads_as_seed_scale_or_folder(name: str, joined: bool) -> None:
    flags = (f"{name}=7",) if joined else (name, "7")
    try:
        check_flags(flags, RULES, (("--train_tokens", "-t"), ("--seed", "-s"), ("--output_dir", "-o")))
    except (FlagProtected, FlagMalformed):
        return
    # The most forgiving script there is: argparse with abbreviations and short names.
    parser = argparse.ArgumentParser(add_help=False)
    for option in ("--train_tokens", "--seed", "--output_dir"):
        parser.add_argument(option, option[1:3])
    argv = training_argv(RULES, "python", 42, flags, "out")[2:]
    known, _ = parser.parse_known_args(argv)
    assert (known.train_tokens, known.seed, known.output_dir) == ("1000000", "42", "out")


def test_the_same_flags_are_the_same_however_they_are_written() -> None:
    assert normalise_flags(("--a=1", "--b", "2")) == normalise_flags(("--b", "2", "--a", "1"))
    assert normalise_flags(("--a", "1")) != normalise_flags(("--a", "2"))
    # The last repetition wins with argparse, so the order of repetitions is meant.
    assert normalise_flags(("--a", "1", "--a", "2")) != normalise_flags(("--a", "2", "--a", "1"))
    assert normalise_flags(("--a", "-1")) == normalise_flags(("--a=-1",))


@given(st.lists(st.tuples(st.sampled_from(["--a", "--b", "--c"]), st.sampled_from(["1", "-2", "x"])), max_size=5))
def test_normalising_does_not_depend_on_the_order_of_different_options(pairs: list[tuple[str, str]]) -> None:
    once = dict(pairs)
    forward = [part for pair in once.items() for part in pair]
    backward = [part for pair in reversed(once.items()) for part in pair]
    assert normalise_flags(forward) == normalise_flags(backward)


# --- flags that a script prints ---------------------------------------------------------------------

FILE = Rules(metric=MetricRule(name="val_loss", file="metrics.json", path="val_loss"))
BPB = Rules(metric=MetricRule(name="val_bpb", pattern=r"^val_bpb:\s*(?P<value>[0-9.]+)\s*$"))
ANY = Rules(metric=MetricRule(name="acc", pattern=r"(?P<value>\d+\.\d+)$"))


@pytest.mark.parametrize(
    ("flags", "rules"),
    [
        (["--tag", "x | val_loss: 3.2"], Rules()),
        (["--tag", "x | val_loss: "], Rules()),
        (["--tag=x | val_loss:"], Rules()),
        (["--x", "val_loss=3"], Rules()),
        (["--tag", "x | Val Loss: 3"], FILE),
        (["--tag", "val_bpb: 0.9"], BPB),
        (["--val_bpb=0.9"], BPB),
        (["--val_loss", "3"], BPB),
        (["--opts", "val_loss", "3.0"], BPB),
        (["--tag", "x | val_loss: 3.2"], ANY),
    ],
)
def test_a_flag_that_would_be_read_as_the_metric_where_it_is_printed_is_refused(flags: list[str], rules: Rules) -> None:
    with pytest.raises((FlagMalformed, FlagProtected)) as refused:
        check_flags(flags, rules)
    assert "where the script prints its arguments" in refused.value.message


@pytest.mark.parametrize(
    "flags", [["--val_loss", "3.0"], ["--val-loss=3"], ["--VAL_LOSS"], ["--opts", "val_loss", "3"]]
)
def test_an_option_with_the_name_of_the_metric_is_refused(flags: list[str]) -> None:
    with pytest.raises(FlagProtected):
        check_flags(flags, Rules())


@pytest.mark.parametrize(
    ("flags", "rules"),
    [
        (["--monitor", "val_loss", "--patience", "3"], Rules()),
        (["--monitor=val_loss", "--mode=min"], Rules()),
        (["--val_loss_weight", "0.5"], Rules(free=("val_loss_weight",))),
        (["--loss", "focal", "--lr", "-1"], Rules()),
        (["--note", "lower val loss by 3"], Rules()),
        (["--wandb_name", "val_loss-3.2"], Rules()),
        (["--lr", "0.1"], ANY),
    ],
)
def test_honest_flags_near_the_metric_are_accepted(flags: list[str], rules: Rules) -> None:
    check_flags(flags, rules)
