"""init finds the option or variable that a script seeds itself with, and replaces no other number."""

from pathlib import Path

import pytest
from seedproof.model.rules import Rules
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.setup.first_settings import FirstSettings, first_settings

from tests.support.repositories import write

PARSER = (
    "import argparse, os, random\nimport numpy as np\np = argparse.ArgumentParser()\n"
    "p.add_argument('--lr', type=float, default=0.1)\np.add_argument('--rng', '-r', type=int, default=1)\n"
    "p.add_argument('--steps', type=int, default=20)\na = p.parse_args()\n"
)
DATA = "d = random.Random(3)\n"
TRAINS = "print(f'val_loss: {random.gauss(3, 1):.5f}')\n"


def rules_of(folder: Path, body: str, command: list[str] | None = None) -> tuple[Rules, FirstSettings]:
    write(folder, {"train.py": body + TRAINS})
    first = first_settings(folder, command)
    path = folder / "seedproof.toml"
    path.write_text(first.text)
    rules = load_config(path).rules
    path.unlink()
    return rules, first


FED = [
    "random.seed(a.rng)\n",
    "random.seed(int(a.rng) + int(os.environ.get('RANK', 0)))\n",
    "np.random.seed(vars(a)['rng'])\n",
    "value = a.rng\nrandom.seed(value)\n",
    "def begin(number):\n    random.seed(number)\nbegin(a.rng)\n",
    "def begin(number):\n    random.seed(number)\nbegin(number=a.rng)\n",
    "class Run:\n    def __init__(self, start):\n        self.start = start\n    def go(self):\n"
    "        random.seed(self.start)\nRun(start=a.rng).go()\n",
    "from torch import manual_seed\nmanual_seed(a.rng if a.rng >= 0 else 7)\n",
    "r = random.Random(a.rng)\n",
    "first, second = a.rng, a.lr\nrandom.seed(first)\n",
    "random.seed(getattr(a, 'rng', 1))\n",
]


@pytest.mark.parametrize("body", FED)
def test_the_option_that_feeds_the_seeding_takes_the_seed(body: str, tmp_path: Path) -> None:
    for order in (body + DATA, DATA + body):
        rules, first = rules_of(tmp_path, PARSER + order)
        assert " ".join(rules.command) == "{python} train.py --rng {seed} {flags}"
        assert (rules.seed, rules.replace_seed) == ("argument", None)
        assert "train.py:5 has --rng." in first.text
    rules, _ = rules_of(tmp_path, PARSER + body, ["python", "train.py", "-r", "4"])
    assert " ".join(rules.command) == "{python} train.py -r {seed} {flags}"


def test_an_option_is_known_by_its_dest_and_a_variable_whatever_its_name(tmp_path: Path) -> None:
    renamed = PARSER.replace("'--rng', '-r'", "'--start', dest='begin'")
    assert rules_of(tmp_path, renamed + "random.seed(a.begin)\n")[0].command[2:4] == ("--start", "{seed}")
    rules, _ = rules_of(tmp_path, PARSER + DATA + "random.seed(int(os.environ['DRAW']))\n")
    assert (rules.seed, rules.env) == ("environment", {"DRAW": "{seed}"})


def test_an_option_called_seed_stays_the_seed_where_the_script_uses_it(tmp_path: Path) -> None:
    both = PARSER.replace("a = p", "p.add_argument('--seed', type=int)\na = p")
    for uses in ("train(a.seed)\n", "train(**vars(a))\n"):
        assert rules_of(tmp_path, both + uses + "random.seed(a.rng)\n")[0].command[2] == "--seed"
    assert rules_of(tmp_path, both + "random.seed(a.rng)\n")[0].command[2] == "--rng"


def test_a_generator_s_number_is_not_replaced_where_the_main_seeding_has_none(tmp_path: Path) -> None:
    rules, first = rules_of(tmp_path, PARSER + DATA + "random.seed(read_it())\n")
    assert (rules.seed, rules.replace_seed) == ("unseeded", None)
    assert "train.py:9 calls random.seed with read_it(), which no option" in first.text
    assert any(one.startswith("Check: Where the script takes its seed was not found") for one in first.said)
    for other in ("", "import torch\ndef begin_worker(worker_id):\n    np.random.seed(torch.initial_seed() % 2**32)\n"):
        assert rules_of(tmp_path, PARSER + other + DATA)[0].replace_seed == 3
        assert rules_of(tmp_path, PARSER + other + DATA + "random.seed(11)\n")[0].replace_seed == 11


def test_several_numbers_are_told_and_the_one_with_a_name_is_replaced(tmp_path: Path) -> None:
    rules, first = rules_of(tmp_path, PARSER + DATA + "SEED = 5\nr = random.Random(SEED)\n")
    assert rules.replace_seed == 5
    says = "Check: Each run's seed takes the place of 5 (train.py:10 calls random.Random); 3 (train.py:8 calls "
    assert [one for one in first.said if one.startswith(says)], first.said


def test_the_check_names_what_the_script_uses(tmp_path: Path) -> None:
    _, first = rules_of(tmp_path, "import random\nrandom.seed(11)\n")
    assert "Check: Each run's seed takes the place of 11 in the script's own seeding of random." in first.said


@pytest.mark.parametrize("given", [["--seed", "1"], ["--seed=1"]])
def test_a_seed_option_that_the_parser_lacks_is_left_out_and_told(given: list[str], tmp_path: Path) -> None:
    command = ["python", "train.py", *given, "--steps", "30"]
    rules, first = rules_of(tmp_path, PARSER + "random.seed(a.rng)\n", command)
    assert " ".join(rules.command) == "{python} train.py --steps 30 --rng {seed} {flags}"
    assert (
        "Check: train.py has no --seed; it has --lr, --rng, --steps. --rng takes the seed in its place." in first.said
    )
    rules, first = rules_of(tmp_path, PARSER + "random.seed(8)\n", command)
    assert (rules.seed, rules.replace_seed, rules.command[2:]) == ("inject", 8, ("--steps", "30", "{flags}"))


def test_a_seed_option_stays_where_the_parser_may_have_more_than_was_read(tmp_path: Path) -> None:
    more = PARSER.replace("a = p", "for name in NAMES:\n    p.add_argument(name)\na = p")
    for body in (more, PARSER.replace("parse_args()", "parse_known_args()[0]")):
        rules, _ = rules_of(tmp_path, body + "random.seed(a.rng)\n", ["python", "train.py", "--seed", "1"])
        assert rules.command[2:4] == ("--seed", "{seed}")
