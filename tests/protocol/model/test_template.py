"""Where the training script of a command may lie."""

import pytest
from seedproof.model.template import find_module, script_places


@pytest.mark.parametrize(
    ("command", "places"),
    [
        ("{python} train.py --seed {seed}", ["train.py"]),
        (
            "{python} -m pkg.train --seed {seed}",
            ["pkg/train.py", "pkg/train/__main__.py", "src/pkg/train.py", "src/pkg/train/__main__.py"],
        ),
        ("uv run src/a/train.py {seed}", ["src/a/train.py"]),
        ("bash run.sh {seed}", ["run.sh"]),
        ("./yolo train seed={seed}", ["./yolo"]),
        ("{python} {flags}", []),
    ],
)
def test_the_script_is_looked_for_where_the_command_names_it(command: str, places: list[str]) -> None:
    assert list(script_places(command.split())) == places


def test_a_script_behind_an_installed_launcher_is_found() -> None:
    command = ["{python}", "-m", "torch.distributed.run", "--standalone", "train.py", "--seed", "{seed}"]
    assert find_module(command) == "torch.distributed.run"
    assert script_places(command)[-1] == "train.py"


def test_only_a_name_of_a_module_is_one() -> None:
    assert find_module(["./sim", "-m", "0.5"]) is None
