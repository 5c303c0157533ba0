"""The rules: the protocol's numbers by default, nothing inconsistent by choice."""

from typing import Any

import pytest
from pydantic import ValidationError
from seedproof.model.metric_rule import JsonFile, LogPattern, MetricRule
from seedproof.model.rules import Rules


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
        ({"command": ("python", "train.py")}, "needs {seed}"),
        ({"command": ("python", "--seed", "{seed}", "{flags}", "{output_dir}")}, "ends in .py"),
        ({"extra_metrics": (MetricRule(name="val_loss", pattern="(?P<value>x)"),)}, "same name"),
        ({"extra_metrics": (MetricRule(name="wall_time_s", pattern="(?P<value>x)"),)}, "wall_time_s is taken"),
        ({"p_value": 0.05}, "Extra inputs"),
    ],
)
def test_rules_that_contradict_themselves_do_not_exist(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Rules(**change)


@pytest.mark.parametrize(
    "fields",
    [
        {"pattern": None},
        {"file": "a.json"},
        {"file": "../a.json", "path": "x"},
        {"file": "a.json", "path": "x", "pattern": "(?P<value>x)"},
    ],
)
def test_a_metric_has_exactly_one_source_inside_its_folder(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MetricRule(name="loss", **fields)


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
