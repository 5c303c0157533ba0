"""Flags that say the same in other words."""

import pytest
from seedproof.commands.option_names import option_names
from seedproof.model.rules import Rules
from seedproof.phases.twins import say_the_same, template_options


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["--tag=a"], ["--tag", "a"]),
        (["--a", "1", "--b"], ["--b", "--a=1"]),
        (["--lr", ".01"], ["--lr", "1e-2"]),
        (["--lr", "0.10"], ["--lr", "0.1"]),
        (["--learning_rate", "1"], ["--Learning-Rate", "1"]),
        (["--learning_r", "1"], ["--learning_rate", "1"]),
        (["-r0.01"], ["-r", "0.01"]),
        (["--no-bias"], ["--bias", "false"]),
        (["--bias"], ["--bias", "True"]),
        (["--lr", "9", "--lr", "1"], ["--lr", "1"]),
        (["--opts", "lr=0.10", "wd=1"], ["--opts", "wd=1.0", "lr=.1"]),
    ],
)
def test_flags_in_other_words_say_the_same_both_ways(one: list[str], other: list[str]) -> None:
    assert say_the_same(one, other)
    assert say_the_same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([], []),
        (["--lr", "0.1"], ["--lr", "0.11"]),
        (["--lr", "0.1"], ["--learning_rate", "0.1"]),
        (["--muon"], ["--muon", "--lr", "1"]),
        (["--bias"], ["--no-bias"]),
        (["--opt", "adam"], ["--opt", "Adam"]),
        (["-a", "1"], ["--alpha", "1"]),
    ],
)
def test_other_flags_do_not(one: list[str], other: list[str]) -> None:
    assert not say_the_same(one, other)
    assert not say_the_same(other, one)


COMMAND = ("python", "train.py", "--dropout", "0.1", "--amp", "--seed", "{seed}", "{flags}")


@pytest.mark.parametrize("more", [["--dropout", "0.1"], ["--dropout=.10", "--amp"], ["--Amp", "true"]])
def test_what_the_command_says_already_makes_no_other_flags(more: list[str]) -> None:
    own = template_options(Rules(command=COMMAND))
    for flags in ([*more, "--lr", "2"], ["--lr", "2", *more]):
        assert say_the_same(flags, ["--lr", "2"], template=own)
        assert say_the_same(["--lr", "2"], flags, template=own)
        assert not say_the_same(flags, ["--lr", "3"], template=own)


def test_another_value_than_the_commands_makes_other_flags() -> None:
    own = template_options(Rules(command=COMMAND))
    assert not say_the_same(["--lr", "2", "--dropout", "0.2"], ["--lr", "2"], template=own)
    assert not say_the_same(["--dropout", "0.1"], ["--amp"], template=own)  # neither says anything


# --- with the options of the script ----------------------------------------------------------------

SCRIPT = b"""
import argparse, click
parser = argparse.ArgumentParser()
parser.add_argument("config")
parser.add_argument("--learning_rate", "--lr", "-r", type=float)
parser.add_argument("--lr_decay", type=float)
group = parser.add_argument_group()
group.add_argument("-R", "--resume")
parser.add_argument("--bias", action=argparse.BooleanOptionalAction)

@click.option("--shout/--no-shout", " /-S", default=False)
def run(shout): ...
"""
NAMES = option_names(SCRIPT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["--lr", "0.01"], ["--learning_rate", "1e-2"]),
        (["-r", "0.01"], ["--lr=0.01"]),
        (["-r0.01"], ["--learning_rate", "0.01"]),
        (["--lea", "0.01"], ["--lr", "0.01"]),
        (["--learning-rate", "0.01"], ["--lr", "0.01"]),
        (["--lr", "9", "-r", "1"], ["--lr", "1"]),
        (["--no-bias"], ["--bias", "false"]),
        (["-Rlast"], ["--resume", "last"]),
    ],
)
def test_names_of_one_option_say_the_same(one: list[str], other: list[str]) -> None:
    assert say_the_same(one, other, NAMES)
    assert say_the_same(other, one, NAMES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["--lr", "0.01"], ["--lr_decay", "0.01"]),
        (["-r", "1"], ["-R", "1"]),
        (["-r", "9", "--lr", "1"], ["--lr", "1", "-r", "9"]),
        (["--shout"], ["--no-shout"]),
        (["--lr", "0.01"], ["--learning_rate", "0.02"]),
    ],
)
def test_options_that_the_script_has_apart_are_never_one(one: list[str], other: list[str]) -> None:
    assert not say_the_same(one, other, NAMES)
    assert not say_the_same(other, one, NAMES)


def test_a_name_of_several_options_means_none_of_them() -> None:
    names = option_names(b'a.add_argument("--lr", "-l")\nb.add_argument("--layers", "-l")\n')
    assert not say_the_same(["-l", "3"], ["--lr", "3"], names)
    assert not say_the_same(["-l", "3"], ["--layers", "3"], names)


@pytest.mark.parametrize(
    "source",
    [None, b"", b"def", b"\xff\xfe", b"a\0b", b"x = 1\n" * 200_000, b"(" * 5000, b'add_argument("lr", name, *names)'],
)
def test_a_script_that_cannot_be_read_has_no_known_options(source: bytes | None) -> None:
    assert option_names(source) == ()
