"""Which keys of a file of settings set a seed."""

import pytest
from seedproof.commands.seed_files import seed_keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("lr: 0.1\nseed: 7\n", ("seed",)),
        ("seed_everything: 7\ntrainer:\n  seed: 8\n", ("seed_everything", "seed")),
        ("seed_everything: true\n", ("seed_everything",)),
        ("run: {lr: 1, seed: 7}\n", ("seed",)),
        ('{"run": {"seed": 7}}', ("seed",)),
        ("seed = 7\n", ("seed",)),
        ("lr = 0.5\nseed=7  # why\n", ("seed",)),
        ("randomness = dict(seed=7)\n", ("seed",)),
        ("[run]\nmanual_seed = 7\n", ("manual_seed",)),
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
