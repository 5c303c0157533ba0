"""The rules: the protocol's numbers by default, nothing inconsistent by choice."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from seedproof.model.metric_patterns import is_default_pattern
from seedproof.model.metric_rule import EventFile, JsonFile, LogPattern, MetricRule, Table
from seedproof.model.rules import RETIRED_RULES, EarlierRules, Rules
from seedproof.phases.read_again import present_metrics

from tests.support.places import ROOT


def test_the_defaults_are_the_protocol() -> None:
    rules = Rules()
    assert rules.train_tokens == 1_000_000
    assert rules.baseline_seeds == (42, 137, 256, 512, 1024)
    assert (rules.experiment_seeds, rules.extra_seeds) == ((42, 137, 256), (512, 1024))
    assert (rules.metric.name, rules.metric.direction) == ("val_loss", "minimize")
    assert (rules.winner_sigma, rules.suggestive_sigma) == (2.0, 1.0)
    assert (rules.label, rules.script) == ("1M", "train_llm.py")
    assert rules.differences() == []


@pytest.mark.parametrize(
    ("tokens", "label"), [(1_000_000, "1M"), (2_000_000_000, "2B"), (100_000, "100k"), (1500, "1500"), (1, "1")]
)
def test_the_scale_in_file_names(tokens: int, label: str) -> None:
    assert Rules(train_tokens=tokens).label == label


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"baseline_seeds": (1, 2)}, "at least 3"),
        ({"baseline_seeds": (1, 1, 2)}, "distinct"),
        ({"experiment_seeds": (1, 2, 2**32)}, "distinct integers from 0"),
        ({"extra_seeds": (42,)}, "in common"),
        ({"winner_sigma": 0.0}, "greater than 0"),
        ({"winner_sigma": float("inf")}, "finite"),
        ({"suggestive_sigma": 3.0}, "at most winner_sigma"),
        ({"train_tokens": 0}, "greater than or equal to 1"),
        ({"train_tokens": "many"}, "valid integer"),
        ({"command": ("python", "train.py")}, "needs one element that is {flags}"),
        ({"command": ("{flags}", "{seed}")}, "begins with a program"),
        ({"command": ("python", "--seed", "{sed}", "{flags}")}, r"{sed} is no field; did you mean {seed}\?"),
        ({"command": ("python", "{flags}")}, "the command has no {seed}; write it where"),
        ({"command": ("python", "{flags}"), "env": {"S": "{seed}"}}, 'so write seed = "environment"'),
        ({"command": ("python", "{flags}"), "seed": "inject"}, "needs replace_seed"),
        ({"replace_seed": 7}, "alone takes replace_seed"),
        ({"seed": "unseeded"}, "is for commands and variables without {seed}"),
        ({"env": {"A": "{flags}"}}, "values may hold"),
        ({"scale": "300 s"}, "train_tokens is the scale here"),
        ({"extra_metrics": (MetricRule(name="val_loss", pattern="(?P<value>x)"),)}, "same name"),
        ({"extra_metrics": (MetricRule(name="wall_time_s", pattern="(?P<value>x)"),)}, "wall_time_s is taken"),
        ({"p_value": 0.05}, "Extra inputs"),
    ],
)
def test_rules_that_contradict_themselves_do_not_exist(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Rules(**change)


@pytest.mark.parametrize("outside", [False, True])
def test_a_metric_file_needs_no_output_folder_in_the_command(outside: bool) -> None:
    metric = MetricRule(name="loss", file="results/metrics.json", path="loss", outside=outside)
    rules = Rules(command=("{python}", "train.py", "--seed={seed}", "{flags}"), metric=metric)
    assert not rules.names_output_dir
    assert rules.model_copy(update={"env": {"OUT": "{output_dir}"}}).names_output_dir
    assert Rules().names_output_dir


@pytest.mark.parametrize(
    "fields",
    [
        {"pattern": None},
        {"file": "a.json"},
        {"file": "../a.json", "path": "x"},
        {"file": "a.json", "path": "x", "pattern": "(?P<value>x)"},
        {"file": "a.csv", "path": "x", "column": "x"},
        {"pattern": "(?P<value>x)", "tag": "x"},
        {"file": "/a.json", "path": "x"},
        {"file": "a/../../b.json", "path": "x"},
        {"file": "a//b.json", "path": "x"},
        {"file": "a\\b.json", "path": "x"},
        {"file": "**/b.json", "path": "x"},
        {"file": "a" * 300, "path": "x"},
        {"file": "a/" * 90 + "b.json", "path": "x"},
        {"pattern": "(?P<value>x)", "outside": True},
    ],
)
def test_a_metric_has_exactly_one_source_inside_its_folder(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MetricRule(name="loss", **fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"file": "a.json"}, "file and one of path, column and tag belong together"),
        ({"pattern": "(?P<value>x)", "select": "bbox"}, "select needs a pattern with a group named 'name'"),
        ({"file": "a.json", "path": "x", "select": "bbox"}, "select needs a pattern with a group named 'name'"),
        ({"pattern": "(?P<value>x)", "statistic": "mean_of_last_n"}, "n and statistic = .* belong together"),
        ({"pattern": "(?P<value>x)", "n": 3}, "n and statistic = .* belong together"),
        ({"pattern": "(?P<value>x)", "statistic": "mean_of_last_n", "n": 1}, "greater than or equal to 2"),
        ({"pattern": "(?P<value>x)", "statistic": "median"}, "'last', 'best' or 'mean_of_last_n'"),
        ({"file": "**/a.json", "path": "x"}, "file names each folder"),
    ],
)
def test_fields_that_do_not_belong_together_are_refused_in_words(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        MetricRule(name="loss", **fields)


def test_each_kind_of_source_has_a_type_and_says_where_it_looks() -> None:
    rules = [
        MetricRule(name="loss", pattern="(?P<name>a)(?P<value>x)", select="bbox"),
        MetricRule(name="loss", file="m.jsonl", path="bbox/AP"),
        MetricRule(name="loss", file="v_*/m.csv", column="val loss"),
        MetricRule(name="loss", file="events.*", tag="val/loss", outside=True),
    ]
    assert [rule.source for rule in rules] == [
        LogPattern("(?P<name>a)(?P<value>x)", "bbox"),
        JsonFile("m.jsonl", "bbox/AP"),
        Table("v_*/m.csv", "val loss"),
        EventFile("events.*", "val/loss", outside=True),
    ]
    assert [rule.source.where for rule in rules] == [
        "under the name bbox in its output",
        "at bbox/AP in m.jsonl",
        "in the column val loss of v_*/m.csv",
        "under the tag val/loss in events.*",
    ]


@given(st.lists(st.tuples(st.text("a/%2F.*", min_size=1, max_size=9), st.booleans()), unique=True, min_size=2))
def test_no_two_files_share_a_copy_and_no_copy_lies_in_a_folder(files: list[tuple[str, bool]]) -> None:
    names = []
    for name, outside in files:
        with suppress(ValidationError):
            source = MetricRule(name="loss", file=name, path="x", outside=outside).source
            assert isinstance(source, JsonFile)
            names.append(source.copy_name)
    assert len(set(names)) == len(names)
    assert all("/" not in name and len(name.encode()) < 255 for name in names)


def test_fields_that_say_nothing_stand_in_no_document() -> None:
    rule = MetricRule(name="loss", file="m.csv", column="loss", statistic="mean_of_last_n", n=3)
    document = Rules(metric=rule).document()["metric"]
    assert set(document) - {"name", "direction", "pattern", "file", "path"} == {"column", "statistic", "n"}
    assert Rules.from_document(Rules(metric=rule).document()).metric == rule


def test_a_source_is_a_type_and_its_document_stays_three_fields() -> None:
    from_log = MetricRule(name="loss", pattern="(?P<value>x)")
    from_file = MetricRule(name="loss", file="m.json", path="a.b")
    assert (from_log.source, from_file.source) == (LogPattern("(?P<value>x)"), JsonFile("m.json", "a.b"))
    fields = {"name": "loss", "direction": "minimize", "pattern": None, "file": "m.json", "path": "a.b"}
    assert Rules(metric=from_file).document()["metric"] == fields


def test_rules_come_back_from_the_ledger_as_they_went_in() -> None:
    rules = Rules(winner_sigma=2.5, metric=MetricRule(name="acc", direction="maximize", file="m.json", path="a.b"))
    assert Rules.from_document(rules.document()) == rules
    assert [name for name, _, _ in rules.differences()] == ["metric", "winner_sigma"]


# --- confirmation seeds -----------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [(), (1, 2, 3), (1, 2, 3, 4, 5, 6)])
def test_a_confirmation_draws_its_seeds_or_has_three_or_six_given_ones(seeds: tuple[int, ...]) -> None:
    assert Rules(confirm_seeds=seeds).confirm_seeds == seeds


@pytest.mark.parametrize("number", [1, 2, 4, 5, 7])
def test_another_number_of_given_seeds_is_refused_with_those_that_are_allowed(number: int) -> None:
    says = f"confirm_seeds has {number} seeds; give 3 or 6, or none: then six are drawn"
    with pytest.raises(ValidationError, match=says):
        Rules(confirm_seeds=tuple(range(1, number + 1)))


@pytest.mark.parametrize(
    ("seeds", "says"), [((1, 2, 42), "fresh"), ((1, 2, 1024), "fresh"), ((1, 1, 2), "distinct"), ((1, 2, -1), "from 0")]
)
def test_given_seeds_are_fresh_and_distinct(seeds: tuple[int, ...], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Rules(confirm_seeds=seeds)


# --- documents of versions before records of format 2 -------------------------------------------------

KNOWN_TO_ALL = (100_003, 100_019, 100_043)


def earlier_document(**more: Any) -> dict[str, Any]:
    """A document as the version before wrote it."""
    document = Rules().document()
    del document["repeat_probe"]
    return {**document, "confirm_seeds": list(KNOWN_TO_ALL), "sequential_variance": "arms", **more}


def test_rules_of_a_version_before_mean_what_held_then() -> None:
    rules = Rules.from_document(earlier_document(design="sequential", winner_sigma=2.5))
    assert (rules.design, rules.winner_sigma) == ("sequential", 2.5)
    assert rules.repeat_probe is False
    assert rules.confirm_seeds == ()
    assert rules.earlier == EarlierRules(KNOWN_TO_ALL)


def test_a_rule_that_the_oldest_documents_lack_has_what_held_then() -> None:
    document = earlier_document()
    for name in ("confirm_seeds", "sequential_variance", "design", "sealed", "pairing", "worthwhile_sigma"):
        del document[name]
    rules = Rules.from_document(document)
    assert (rules.design, rules.sealed, rules.pairing) == ("protocol", (), "auto")
    assert rules.earlier == EarlierRules(KNOWN_TO_ALL)


@pytest.mark.parametrize(
    ("given", "stays"),
    [
        (KNOWN_TO_ALL, ()),
        ((7, 8, 9), (7, 8, 9)),
        ((7, 8, 9, 10, 11, 12), (7, 8, 9, 10, 11, 12)),
        ((7, 8), ()),
        ((7, 8, 9, 10), ()),
    ],
)
def test_fresh_seeds_of_the_users_choice_stay_and_those_known_to_all_confirm_nothing_new(
    given: tuple[int, ...], stays: tuple[int, ...]
) -> None:
    rules = Rules.from_document(earlier_document(confirm_seeds=list(given)))
    assert rules.confirm_seeds == stays
    assert rules.earlier == EarlierRules(given)


def test_rules_that_were_written_since_have_nothing_earlier() -> None:
    assert Rules().earlier is None
    assert Rules.from_document(Rules().document()).earlier is None


def test_an_update_alone_makes_no_rule_differ() -> None:
    begun = Rules.from_document(earlier_document())
    assert begun.differing(Rules()) == []
    assert begun.differing(Rules(confirm_seeds=(1, 2, 3), repeat_probe=False)) == []
    assert begun.differences() == []
    assert begun.differing(Rules(winner_sigma=2.5, design="screening")) == ["design", "winner_sigma"]
    changed = Rules.from_document(earlier_document(winner_sigma=2.5, confirm_seeds=[7, 8, 9]))
    assert changed.differences() == [("winner_sigma", 2.0, 2.5)]


def test_rules_of_today_differ_in_their_newer_rules_too() -> None:
    assert Rules().differing(Rules(confirm_seeds=(1, 2, 3), repeat_probe=False)) == ["confirm_seeds", "repeat_probe"]
    names = [name for name, _, _ in Rules(confirm_seeds=(1, 2, 3)).differences()]
    assert names == ["confirm_seeds"]


def test_a_generation_of_before_accepted_exit_code_zero_only() -> None:
    document = Rules().document()
    del document["accept_exit"]
    for begun in (Rules.from_document(document), Rules.from_document(earlier_document())):
        assert begun.accept_exit == "zero"
        assert (begun.differing(Rules()), begun.differing(Rules(accept_exit="value"))) == ([], ["accept_exit"])


@pytest.mark.parametrize("name", RETIRED_RULES)
def test_a_rule_that_went_is_read_past_in_a_document_of_before_and_is_unknown_today(name: str) -> None:
    assert Rules.from_document(earlier_document(**{name: "ledger"})).differing(Rules()) == []
    with pytest.raises(ValidationError, match="Extra inputs"):
        Rules(**{name: "ledger"})


def test_a_rule_of_a_version_to_come_is_refused() -> None:
    for document in (earlier_document(colour="red"), {**Rules().document(), "colour": "red"}):
        with pytest.raises(ValidationError, match="Extra inputs"):
            Rules.from_document(document)


def test_a_document_that_is_read_and_written_again_is_one_of_today() -> None:
    again = Rules.from_document(earlier_document()).document()
    assert again == {**Rules().document(), "repeat_probe": False}


# The default pattern until records of format 2, as ledgers hold it.
EARLIER_LEDGER = ROOT / "tests/old_ledgers/report_format_4/docs/research/ledger.jsonl"


def test_a_ledger_with_an_earlier_default_pattern_counts_as_having_todays() -> None:
    begun = Rules.from_document(json.loads(EARLIER_LEDGER.read_text().splitlines()[0])["rules"])
    assert begun.metric.pattern is not None
    assert is_default_pattern(begun.metric.pattern)
    present = begun.with_metrics(Rules().metric, begun.extra_metrics)
    assert begun.differing(present) == []
    own = begun.with_metrics(MetricRule(name="val_loss", pattern="loss=(?P<value>x)"), begun.extra_metrics)
    assert begun.differing(own) == ["metric"]
    # Its runs go on being read by its own pattern, also when something else about the metrics changes.
    extra = present.with_metrics(present.metric, (MetricRule(name="acc", pattern="acc=(?P<value>x)"),))
    assert present_metrics(begun, extra).metric == begun.metric


def test_a_generation_from_before_budgets_had_steps_and_differs_in_none_of_them() -> None:
    """An update, also of a preset, ends no study."""
    document = Rules().document()
    del document["budget"]
    before = Rules.from_document(document)
    assert before.budget == "steps"
    assert before.differing(Rules(budget="time")) == []
    assert Rules().differing(Rules(budget="time")) == ["budget"]
    assert Rules.from_document(Rules(budget="none").document()).differing(Rules()) == ["budget"]
