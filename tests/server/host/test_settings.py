"""seedproof.toml: every key, and what each mistake in it is told."""

import os
import re
from pathlib import Path

import pytest
from seedproof.model.metric_rule import MetricRule
from seedproof.model.presets import PRESETS
from seedproof.model.refusals import BadSettings
from seedproof.model.rules import RETIRED_RULES, Rules
from seedproof_mcp.host.settings import Settings, load_config
from seedproof_mcp.host.settings_errors import allowed_words
from seedproof_mcp.host.settings_template import settings_template

from tests.support.places import ROOT
from tests.support.settings_page import with_tables

TEMPLATE = settings_template()
ENGINE = Settings.model_fields["engine"]


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
    assert {*Rules.model_fields, *Settings.model_fields, *MetricRule.model_fields, "preset"} - named == {
        "extra_metrics"
    }
    assert max(len(line) for line in TEMPLATE.splitlines() if not line.startswith("# command = ")) <= 100


def test_the_template_with_every_line_switched_on_is_what_it_says(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (\w+ = |\[[a-z.]+\]$)", r"\1", TEMPLATE)
    # A ready-made metric, a pattern and a file exclude each other: keep the first.
    text = re.sub(r"(?m)^(name|pattern|select|file|path|column|tag|n) = .*\n", "", text)
    # These two are for other commands than the default.
    text = re.sub(r"(?m)^(replace_seed|scale) = .*\n", "", text)
    # One slot or several.
    text = re.sub(r"(?m)^slot = .*\n", "", text)
    found = load(tmp_path, text)
    assert found.settings.python == ".venv/bin/python"  # type: ignore[attr-defined]
    assert found.settings.env == {"CUDA_VISIBLE_DEVICES": "0"}  # type: ignore[attr-defined]
    assert found.rules.sealed == ("evaluate.py", "data/val*")  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_chosen(tmp_path: Path, name: str) -> None:
    found = load(tmp_path, f'[rules.metric]\npreset = "{name}"\n')
    first, *others = PRESETS[name]
    assert found.rules.metric.name == first["name"]  # type: ignore[attr-defined]
    assert len(found.rules.extra_metrics) == len(others)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[rules]\nwinner_sigma = 'two'", "line 2: rules.winner_sigma: allowed is a number above 0."),
        (
            "[rules]\n\nwinner_sgima = 2.0",
            "line 3: rules.winner_sgima is not known (did you mean rules.winner_sigma?).",
        ),
        (
            '[rules]\ncomand = ["a"]\n[rules.metrics]\nname = "acc"\n[settings]\nzzz = 1\n',
            "line 2: rules.comand is not known (did you mean rules.command?); line 3: rules.metrics is not "
            "known (did you mean rules.metric?); line 6: settings.zzz is not known (allowed here: python, env, ",
        ),
        ("[setings]\n", "line 1: setings is not known (did you mean settings?)."),
        ("[settings]\ntimeout_min = -1.0", "line 2: settings.timeout_min: allowed is a number of minutes above 0."),
        (
            "[settings]\nslot = '../up'",
            "line 2: settings.slot: allowed is a text of 1 to 32 letters, digits, _ and -, which begins",
        ),
        ("[settings]\nslots = []", "line 2: settings.slots: the list is empty; name at least one slot, or leave the"),
        ("[settings]\nslots = 'many'", 'line 2: settings.slots: allowed is "auto", or a list of tables such as'),
        ("[settings]\nslots = ['gpu0']", "line 2: settings.slots: slot 1 is no table such as"),
        (
            "[settings]\nslots = [{name = 'a'}, {name = 'a'}]",
            'line 2: settings.slots: two slots are named "a"; each needs a name of its own.',
        ),
        (
            "[settings]\nslots = [{name = 'a', envs = {}}]",
            "line 2: settings.slots: slot 1 has a key 'envs' that is not known (did you mean env?).",
        ),
        (
            "[settings]\nslots = [{env = {}}]",
            "settings.slots: slot 1 has no name; allowed are 1 to 32 letters, digits,",
        ),
        ("[settings]\nslots = [{name = '../up'}]", "settings.slots: slot 1 is named '../up'; allowed are 1 to 32"),
        (
            "[settings]\nslots = [{name = 'a', env = {X = 1}}]",
            "settings.slots: env of slot a is no table of texts such",
        ),
        *(
            (
                f"[settings]\nslots = [{{name = 'a', env = {{{name} = 'x'}}}}]",
                f"settings.slots: env of slot a sets {name}, which decides how a training computes and not where; "
                "set it for all runs in [settings.env], or leave it out.",
            )
            for name in ("SEEDPROOF_SEED", "PYTHONPATH", "PATH", "OMP_NUM_THREADS", "LD_PRELOAD")
        ),
        ("[settings]\nslots = 'auto'\nslot = 'a'", "settings: slot and slots are both set; leave one of them out."),
        ("[settings]\nslots = 'auto'\ncode = 'in-place'", 'slots needs code = "snapshot": runs in place share the'),
        (
            "[settings]\nslots = [{name = 'a', env = {X = '1'}}]\nenv = {X = '2'}",
            "slot a and [settings.env] both set X; leave one of them out.",
        ),
        (
            "[settings]\nslots = [{name = 'a', env = {X = '1'}}]\n[rules.env]\nX = '2'",
            "slot a and [rules.env] both set X; leave one of them out.",
        ),
        ("[settings]\nengine = 'cloud'", f"line 2: settings.engine: allowed is {allowed_words(ENGINE)}."),
        (
            "[settings.env]\nTHREADS = 3",
            "line 2: settings.env.THREADS: allowed is names of variables, each with a text in quotes, such",
        ),
        (
            "[rules]\nbaseline_seeds = [1, 2]",
            "line 2: rules.baseline_seeds: allowed is a list of 3 or more: whole numbers from 0 to",
        ),
        ("[settings]\ngrace_s = 601.0", "line 2: settings.grace_s: allowed is a number of seconds from 0 to 600."),
        ("[settings]\ntimeout_min = 'soon'", "line 2: settings.timeout_min: allowed is a number of minutes above 0."),
        ("[rules]\ntrain_tokens = 1.5", "line 2: rules.train_tokens: allowed is a whole number from 1 on."),
        ("[rules]\ntrain_tokens = 0", "line 2: rules.train_tokens: allowed is a whole number from 1 on."),
        (
            "[rules]\nbaseline_seeds = [1, 2, 'x']",
            "line 2: rules.baseline_seeds.2: allowed is a list of 3 or more: whole",
        ),
        ("[rules.metric]\nname = 'x'\npattern = 3", "line 3: rules.metric.pattern: allowed is a regular expression"),
        ("[rules.metric]\npattern = 'a(?P<value>.)'", "line 1: rules.metric.name: allowed is a text of 1 to 64 of a-z"),
        ("[rules]\nbaseline_seeds = [1, 2, 2]", "seeds are distinct integers"),
        ("[rules.metric]\nname = 'x'\npattern = '('", "pattern"),
        ("[rules.metric]\nname = 'x'\npattern = 'loss (.*)'", "value"),
        ("[rules.metric]\npreset = 'nanogtp'", "rules.metric.preset is 'nanogtp'; allowed: "),
        ("[rules\n", "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
        (b"\xff\xfe", "cannot be read"),
        ("rules = 3", "rules: allowed is a table, written [rules]."),
        ("[rules]\ndesign = 'screning'", 'line 2: rules.design: allowed is "protocol" or "screening".'),
        ("[rules]\n\ndesign = true", 'line 3: rules.design: allowed is "protocol" or "screening".'),
        ("[rules]\ndesign = ['screening']", 'line 2: rules.design: allowed is "protocol" or "screening".'),
        ("[rules]\nrepeat_probe = 'no'", "line 2: rules.repeat_probe: allowed is true or false."),
        (
            "[rules]\nconfirm_seeds = [7, 8]",
            "line 2: rules.confirm_seeds: confirm_seeds has 2 seeds; give 3 or 6, or none: then six are drawn.",
        ),
        ("[rules]\nconfirm_seeds = [7, 8, 8]", "line 2: rules.confirm_seeds: seeds are distinct integers"),
        ("[rules]\nconfirm_seeds = [7, 8, 42]", "confirm_seeds are fresh: none of them may be a seed of baseline or"),
        (
            "[rules]\nconfirm_seeds = 7",
            "line 2: rules.confirm_seeds: allowed is an empty list, or one of 3 or 6:",
        ),
        (
            "[rules.env]\nPYTHONHOME = 'x'",
            "rules.env: PYTHONHOME decides what is started, and belongs to no rule; set it in [settings.env].",
        ),
        (
            "[rules.env]\nA = '1'\nB = '1'\n[settings.env]\nB = '1'\nC = '1'",
            "[rules.env] and [settings.env] both set B; leave one of them out.",
        ),
        (
            "[rules]\ncommand = ['x', '{flags}']\nseed = 'inject'\nreplace_seed = 7\n"
            "[settings]\nobserve_inputs = false",
            'rules.seed = "inject" needs settings.observe_inputs = true',
        ),
    ],
)
def test_a_mistake_is_told_with_line_key_and_what_is_allowed(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load(tmp_path, text)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.next_call.tool == "check_baseline"


@pytest.mark.parametrize("name", RETIRED_RULES)
@pytest.mark.parametrize("value", ['"ledger"', "0", "false", "[]"])
def test_a_key_of_a_version_before_is_ignored_and_told(tmp_path: Path, name: str, value: str) -> None:
    found = load(tmp_path, f"[rules]\n{name} = {value}\nwinner_sigma = 2.5\n")
    assert found.rules == Rules(winner_sigma=2.5)  # type: ignore[attr-defined]
    (notice,) = found.notices(None)  # type: ignore[attr-defined]
    assert notice.code == "rule_ignored"
    assert notice.message == (
        f"rules.{name} in seedproof.toml is a rule of an earlier version and is ignored: {RETIRED_RULES[name]}. "
        "Remove the line."
    )


def test_without_such_a_key_nothing_is_told(tmp_path: Path) -> None:
    assert load_config(tmp_path / "seedproof.toml").notices(None) == []
    assert load(tmp_path, "[rules]\nwinner_sigma = 2.5\n").notices(None) == []  # type: ignore[attr-defined]


def test_every_key_has_a_description_and_says_in_words_what_it_may_be() -> None:
    for model in (Rules, MetricRule, Settings):
        for name, field in model.model_fields.items():
            assert field.description and allowed_words(field), name


def test_the_tables_of_the_page_are_those_of_the_fields() -> None:
    page = ROOT / "docs/settings.md"
    text = with_tables(page.read_text())
    if os.environ.get("REWRITE_GOLDEN"):
        page.write_text(text)
        pytest.skip("written anew by `make golden`")
    assert page.read_text() == text, "`make golden` writes it anew"


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "seedproof.toml").mkdir()
    with pytest.raises(BadSettings, match="cannot be read"):
        load_config(tmp_path / "seedproof.toml")


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ('[rules.metric]\npreset = "autoresearch"\n', "time"),
        ('[rules.metric]\npreset = "parameter-golf"\n', "time"),
        ('[rules.metric]\npreset = "nanogpt"\n', "steps"),
        ('[rules]\nbudget = "none"\n[rules.metric]\npreset = "autoresearch"\n', "none"),
    ],
)
def test_presets_of_programs_that_train_for_a_fixed_time_make_time_the_budget(
    tmp_path: Path, text: str, budget: str
) -> None:
    path = tmp_path / "seedproof.toml"
    path.write_text(text)
    assert load_config(path).rules.budget == budget
