"""Writes a `seedproof.toml` of the settings that differ from the defaults."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from seedproof.model.presets import PRESETS
from seedproof.model.rules import Rules

from seedproof_mcp.host.settings import Config, Settings
from seedproof_mcp.host.slots import NamedSlot

__all__ = ["metric_toml", "settings_toml"]


def settings_toml(
    config: Config, metric: Mapping[str, Any] | None = None, notes: Mapping[str, str] | None = None
) -> str:
    """A complete file: every rule and setting that differs from its default.

    Args:
        config: Rules and settings.
        metric: Fields of [rules.metric] in place of the present ones.
        notes: Lines of [rules] that are commented out, by rule.
    """
    rules, default = config.rules, Rules()
    lines = ["[rules]", *_keys(rules, default), *(f"# {name} = {text}" for name, text in (notes or {}).items())]
    lines += _table("rules.env", rules.env)
    if metric is not None:
        lines += ["", *metric_toml(metric).splitlines()]
    elif rules.metric != default.metric:
        lines += ["", *metric_toml(_fields(rules.metric)).splitlines()]
    others = () if metric is not None and "preset" in metric else rules.extra_metrics
    for one in others:
        lines += ["", "[[rules.extra_metrics]]", *(f"{name} = {_value(value)}" for name, value in _fields(one).items())]
    settings = [*_keys(config.settings, Settings())]
    lines += ["", "[settings]", *settings] if settings else []
    lines += _table("settings.env", config.settings.env)
    return "\n".join(lines) + "\n"


def metric_toml(fields: Mapping[str, Any]) -> str:
    """The table of the metric that decides."""
    preset = PRESETS[fields["preset"]][0] if "preset" in fields else {}
    told = {name: value for name, value in fields.items() if preset.get(name) != value}
    return "\n".join(["[rules.metric]", *(f"{name} = {_value(value)}" for name, value in told.items())])


def _keys(model: BaseModel, default: BaseModel) -> Iterator[str]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if name not in ("env", "metric", "extra_metrics") and value != getattr(default, name) and value is not None:
            yield f"{name} = {_value(value)}"


def _table(name: str, variables: Mapping[str, str]) -> list[str]:
    return (
        ["", f"[{name}]", *(f"{_value(key)} = {_value(text)}" for key, text in variables.items())] if variables else []
    )


def _fields(rule: BaseModel) -> dict[str, Any]:
    return {name: value for name, value in rule.model_dump(mode="json").items() if value is not None}


def _value(value: Any) -> str:
    """A value as TOML has it; a text is a literal one where it holds backslashes and can be, as patterns do."""
    if isinstance(value, str):
        is_literal = "\\" in value and "'" not in value and value.isprintable()
        return f"'{value}'" if is_literal else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, NamedSlot):
        env = ", ".join(f"{_value(name)} = {_value(text)}" for name, text in value.env.items())
        return f"{{name = {_value(value.name)}, env = {{{env}}}}}"
    return json.dumps(value)
