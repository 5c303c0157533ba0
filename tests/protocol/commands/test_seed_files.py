"""Which keys of a file of settings set a seed that the command does not set itself."""

import pytest
from seedproof.commands.seed_files import named_files, own_keys, seed_keys
from seedproof.model.rules import Rules


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("lr: 0.1\nseed: 7\n", ("seed",)),
        ("seed_everything: 7\ntrainer:\n  seed: 8\n", ("seed_everything", "trainer.seed")),
        ("seed_everything: true\n", ("seed_everything",)),
        ("run: {lr: 1, seed: 7}\n", ("run.seed",)),
        ('{"run": {"seed": 7}}', ("run.seed",)),
        ('{\n  "run": {\n    "lr": [1, 2]},\n  "seed": 7\n}', ("seed",)),
        ("run: {\n  lr: 1,\n  seed: 7}\nlr: 1\n", ("run.seed",)),
        ("run:\n  a:\n    seed: 7\n  seed: 8\n", ("run.a.seed", "run.seed")),
        ("seed = 7\n", ("seed",)),
        ("lr = 0.5\nseed=7  # why\n", ("seed",)),
        ("randomness = dict(seed=7)\n", ("randomness.seed",)),
        ("randomness = dict(\n    deterministic=True,\n    seed=7,\n)\nlr = 1\n", ("randomness.seed",)),
        ("hooks = [dict(seed=7)]\nmake(seed=8)\n", ("hooks.seed", "seed")),
        ("[run]\nmanual_seed = 7\n", ("run.manual_seed",)),
        ("train.seed = 7\n", ("train.seed",)),
        ("--lr=1\n--seed=7\n", ("seed",)),
        ("--seed 7\n", ("seed",)),
        ("random_state: 3\n", ("random_state",)),
        ("seed: '7'\n", ("seed",)),
        ("seeds: [1, 2]\n", ("seeds",)),
        ("seed: ${seed}\n", ()),
        ("seed: null\nseed_everything: false\n", ()),
        ("seed:\n", ()),
        ("# seed: 7\n", ()),
        ("lr: 1  # seed: 7\n", ()),
        ("seedling: 7\nproceed: 1\n", ()),
        ("seed = args.seed\n", ()),
        ("if seed == 7:\n", ()),
        ("", ()),
    ],
)
def test_a_key_with_the_word_seed_and_a_number_counts(text: str, keys: tuple[str, ...]) -> None:
    assert seed_keys(text.encode()) == keys


def test_data_is_not_searched() -> None:
    assert seed_keys(b"\xff\xfe" * 100 + b"\nseed: 7\n") == ("seed",)
    assert seed_keys(b"seed: 7\n" + b" " * (1 << 20)) == ()


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("seed={seed} {flags}", {"seed"}),  # Hydra and OmegaConf put overrides above files
        ("++trainer.seed={seed} {flags}", {"trainer.seed"}),
        ("--cfg-options randomness.seed={seed} {flags}", {"randomness.seed"}),
        ("--gin_param=train.seed={seed} {flags}", {"train.seed"}),
        ("SEED {seed} {flags}", {"seed"}),  # and yacs
        ("{flags} --seed_everything={seed}", {"seed_everything"}),  # jsonargparse and absl read in order
        ("--config c.yaml {flags} --seed {seed}", {"seed"}),
        ("--seed_everything={seed} {flags}", set()),
        ("--seed {seed} {flags}", set()),
        ("{seed} {flags}", set()),
    ],
)
def test_keys_that_the_command_sets_whatever_a_file_says(command: str, keys: set[str]) -> None:
    assert own_keys(Rules(command=("{python}", "train.py", *command.split()))) == keys


def test_only_a_key_on_the_very_same_path_is_the_commands_own() -> None:
    text = b"seed: 7\ndata:\n  seed: 8\nlist:\n  - (seed=9)\n"
    assert seed_keys(text, own={"seed"}) == ("data.seed", "list.seed")
    assert seed_keys(text, own={"data.seed"}) == ("seed", "list.seed")
    assert seed_keys(b"make(seed=8)\n", own={"seed"}) == ("seed",), "whose seed a call sets is not known"
    assert seed_keys(b"manual-seed: 7\n", own={"manual_seed"}) == ()


@pytest.mark.parametrize(
    ("flag", "path", "text", "keys"),
    [
        ("--config-name=other", "conf/other.yaml", b"seed: 7\n", ()),
        ("optimizer=sgd", "conf/optimizer/sgd.yaml", b"seed: 7\n", ("optimizer.seed",)),
        ("optimizer@net.first=sgd", "conf/optimizer/sgd.yaml", b"seed: 7\n", ("net.first.seed",)),
        ("+experiment=a", "conf/experiment/a.yaml", b"# @package _global_\nseed: 7\n", ()),
        ("+experiment=a", "conf/experiment/a.yaml", b"# @package data\nseed: 7\n", ("data.seed",)),
    ],
)
def test_a_file_of_hydra_says_its_keys_below_its_group_or_package(
    flag: str, path: str, text: bytes, keys: tuple[str, ...]
) -> None:
    found = named_files([flag], [path, "conf/config.yaml"])
    assert list(found) == [path]
    assert seed_keys(text, found[path], {"seed"}) == keys
