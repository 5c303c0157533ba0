"""The variables of a run, and what is asked where the seed changes nothing."""

import pytest
from pydantic import ValidationError
from seedproof.commands.argv import fixed_env, training_env
from seedproof.commands.seeding import seed_question
from seedproof.model.rules import Rules
from seedproof.report.provenance import command_lines

ENV = {"SEED": "{seed}", "OUT": "{output_dir}/x", "TOKENS": "{train_tokens}", "OMP_NUM_THREADS": "4"}
BARE = ("python", "train.py", "{flags}")
BY_ENV = Rules(command=BARE, seed="environment", env=ENV)


def test_every_run_is_told_its_seed_and_its_folder() -> None:
    assert training_env(Rules(), 7, "out") == {"SEEDPROOF_SEED": "7", "SEEDPROOF_OUTPUT_DIR": "out"}


def test_the_variables_of_the_rules_are_filled_in() -> None:
    assert training_env(BY_ENV, 7, "out") == {
        "SEEDPROOF_SEED": "7",
        "SEEDPROOF_OUTPUT_DIR": "out",
        "OMP_NUM_THREADS": "4",
        "OUT": "out/x",
        "SEED": "7",
        "TOKENS": "1000000",
    }
    assert fixed_env(BY_ENV) == {"OMP_NUM_THREADS": "4", "TOKENS": "1000000"}


def test_an_injected_seed_names_the_one_that_it_replaces() -> None:
    rules = Rules(command=BARE, seed="inject", replace_seed=1337)
    assert training_env(rules, 7, "out")["SEEDPROOF_REPLACE_SEED"] == "1337"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("SEEDPROOF_RUN", "Seedproof sets it"),
        ("SEEDPROOF_SEED", "Seedproof sets it"),
        ("PYTHONHOME", r"set it in \[settings.env\]"),
        ("PYTHONPATH", r"set it in \[settings.env\]"),
        ("PATH", r"set it in \[settings.env\]"),
        ("LD_PRELOAD", r"set it in \[settings.env\]"),
        ("1SEED", "no name of a variable"),
        ("A=B", "no name of a variable"),
        ("", "no name of a variable"),
    ],
)
def test_names_that_decide_what_is_started_are_no_rules(name: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Rules(env={name: "x"})


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "PYTHONWARNINGS", "PATHS", "MY_PYTHONPATH", "_", "pythonpath"])
def test_other_names_are_taken(name: str) -> None:
    assert Rules(env={name: "x"}).env == {name: "x"}


def test_a_value_without_an_end_is_refused() -> None:
    with pytest.raises(ValidationError, match="has a NUL"):
        Rules(env={"A": "x\0y"})


def test_the_order_of_variables_is_that_of_the_ledger() -> None:
    assert list(BY_ENV.env) == sorted(ENV)
    assert Rules.from_document(BY_ENV.document()) == BY_ENV


def test_a_report_shows_the_variables_of_the_rules_before_the_command_and_none_of_ours() -> None:
    rules = Rules(
        command=BARE, seed="environment", env={"SEED": "{seed}", "NOTE": "it's", "DATA": "/home/me/data/x.bin"}
    )
    assert command_lines(rules, (), "baseline")[-2] == ("DATA=…/data/x.bin NOTE='it'\"'\"'s' SEED=42 python train.py")
    assert command_lines(Rules(), (), "baseline")[-2].startswith("python train_llm.py ")


@pytest.mark.parametrize(
    ("rules", "question"),
    [
        (Rules(), "does the script use --seed?"),
        (Rules(command=("python", "t.py", "run.seed={seed}", "{flags}")), "does the script use run.seed?"),
        (Rules(command=("python", "t.py", "--s={seed}", "{flags}")), "does the script use --s?"),
        (Rules(command=("python", "t.py", "{seed}", "{flags}")), "does the script use its seed?"),
        (Rules(command=BARE, seed="environment", env={"S": "{seed}"}), "does the script read S?"),
        (Rules(command=BARE, seed="environment"), "does the script read SEEDPROOF_SEED?"),
        (
            Rules(command=BARE, seed="inject", replace_seed=7),
            "does anything random depend on the seed 7 that is replaced?",
        ),
        (Rules(command=BARE, seed="unseeded"), "is there a seed in it after all?"),
    ],
)
def test_what_to_look_at_follows_from_how_the_seed_is_given(rules: Rules, question: str) -> None:
    assert seed_question(rules) == question
