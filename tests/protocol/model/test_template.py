"""The command template: its script, its fields and its scale."""

import pytest
from seedproof.model.rules import Rules
from seedproof.model.template import find_module, find_script, script_places, unknown_field


@pytest.mark.parametrize(
    ("command", "script"),
    [
        (("{python}", "train_llm.py", "--seed", "{seed}"), "train_llm.py"),
        (("{python}", "-u", "train.py"), "train.py"),
        (("{python}", "-m", "pkg.train", "--config", "a.py"), "pkg/train.py"),
        (("torchrun", "--nproc_per_node=2", "train_gpt.py"), "train_gpt.py"),
        (("uv", "run", "src/pkg/train.py"), "src/pkg/train.py"),
        (("bash", "run.sh", "{seed}"), "run.sh"),
        (("{python}", "train.sh", "other.py"), "train.sh"),
        (("bash", "run.sh", "--script", "train.py"), "train.py"),
        (("./yolo", "detect", "seed={seed}"), None),
        (("{python}", "-m", "{seed}"), None),
    ],
)
def test_the_script_is_found_where_the_command_names_one(command: tuple[str, ...], script: str | None) -> None:
    assert find_script(command) == script


@pytest.mark.parametrize("part", ["${HOME}/x", "{key: 3}", "a{seed}b", "{}", "{1}", "--out={output_dir}"])
def test_braces_of_others_are_no_unknown_field(part: str) -> None:
    assert unknown_field([part]) is None


@pytest.mark.parametrize(("part", "meant"), [("{sed}", "{seed}"), ("{out_dir}", "{output_dir}"), ("{flag}", "{flags}")])
def test_an_unknown_field_is_told_with_the_likely_one(part: str, meant: str) -> None:
    assert f"did you mean {meant}?" in (unknown_field(["python", part]) or "")


def test_the_scale_is_named_as_the_rules_give_it() -> None:
    plain = Rules(command=("{python}", "train.py", "{seed}", "{flags}"))
    assert (plain.label, plain.scale_words) == ("1M", None)
    timed = plain.model_copy(update={"scale": "300 s"})
    assert (timed.label, timed.scale_words) == ("300s", "300 s")
    assert (Rules().label, Rules().scale_words) == ("1M", "1M tokens")
    by_variable = Rules(command=("x", "{seed}", "{flags}"), env={"TOKENS": "{train_tokens}"}, train_tokens=2000)
    assert by_variable.scale_words == "2k tokens"


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
