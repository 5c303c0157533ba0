"""seedproof.toml: every key, and what each mistake in it is told."""

import re
import tomllib
from pathlib import Path

import pytest
from seedproof.errors import BadSettings
from seedproof.patterns import PRESETS
from seedproof.rules import Rules
from seedproof_mcp.config import TEMPLATE, Settings, load_config


def load(folder: Path, text: str | bytes) -> object:
    path = folder / "seedproof.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(path)


def test_without_a_file_everything_is_as_in_the_protocol(tmp_path: Path) -> None:
    found = load_config(tmp_path / "seedproof.toml")
    assert (found.rules, found.settings) == (Rules(), Settings())


def test_the_template_changes_nothing_as_it_stands_and_names_every_key(tmp_path: Path) -> None:
    found = load(tmp_path, TEMPLATE)
    assert (found.rules, found.settings) == (Rules(), Settings())  # type: ignore[attr-defined]
    named = set(re.findall(r"^# \[?(?:settings\.|rules\.)?(\w+)", TEMPLATE, re.MULTILINE))
    exempt = {"extra_metrics", "engine"}  # one value, or documented in docs/settings.md
    assert set(Rules.model_fields) | set(Settings.model_fields) <= named | exempt


def test_the_template_with_every_line_switched_on_is_what_it_says(tmp_path: Path) -> None:
    lines = []
    for line in TEMPLATE.splitlines():
        is_key = re.match(r"# (\w+ = |\[)", line)
        lines.append(line[2:] if is_key else line)
    text = "\n".join(lines)
    # The three ways to read the metric exclude each other: keep the first.
    text = re.sub(r'(?ms)^name = "val_loss".*?(?=^\[settings\])', "", text)
    tomllib.loads(text)
    found = load(tmp_path, text)
    assert found.settings.python == ".venv/bin/python"  # type: ignore[attr-defined]
    assert found.settings.env == {"CUDA_VISIBLE_DEVICES": "0"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_chosen(tmp_path: Path, name: str) -> None:
    found = load(tmp_path, f'[rules.metric]\npreset = "{name}"\n')
    first, *others = PRESETS[name]
    assert found.rules.metric.name == first["name"]  # type: ignore[attr-defined]
    assert len(found.rules.extra_metrics) == len(others)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[rules]\nwinner_sigma = 'two'", "line 2: rules.winner_sigma: Input should be a valid number"),
        ("[rules]\n\nwinner_sgima = 2.0", "line 3: rules.winner_sgima: Extra inputs are not permitted; allowed here:"),
        ("[setings]\n", "line 1: setings: Extra inputs are not permitted; allowed here: rules, settings"),
        ("[settings]\ntimeout_min = -1.0", "line 2: settings.timeout_min: Input should be greater than 0"),
        ("[settings]\nslot = '../up'", "line 2: settings.slot"),
        ("[settings]\nengine = 'cloud'", "line 2: settings.engine: Input should be 'local'"),
        ("[settings.env]\nTHREADS = 3", "line 2: settings.env.THREADS: Input should be a valid string"),
        ("[rules]\nbaseline_seeds = [1, 2]", "line 2: rules.baseline_seeds"),
        ("[rules]\nbaseline_seeds = [1, 2, 2]", "seeds are distinct integers"),
        ("[rules.metric]\nname = 'x'\npattern = '('", "pattern"),
        ("[rules.metric]\nname = 'x'\npattern = 'loss (.*)'", "value"),
        ("[rules.metric]\npreset = 'nanogtp'", "rules.metric.preset is 'nanogtp'; allowed: "),
        ("[rules\n", "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
        (b"\xff\xfe", "cannot be read"),
        ("rules = 3", "rules: Input should be an object"),
    ],
)
def test_a_mistake_is_told_with_line_key_and_what_is_allowed(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load(tmp_path, text)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.next_call.tool == "check_baseline"


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "seedproof.toml").mkdir()
    with pytest.raises(BadSettings, match="cannot be read"):
        load_config(tmp_path / "seedproof.toml")
