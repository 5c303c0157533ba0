"""The tables of docs/settings.md, made from the fields of rules, metrics and settings."""

import json
import re

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.host.settings_errors import allowed_words
from seedproof_mcp.host.slurm_options import SlurmOptions

__all__ = ["with_tables"]

_TABLES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("Rules", "Rule", Rules),
    ("The metric", "Field", MetricRule),
    ("Settings", "Setting", Settings),
    ("Slurm", "Setting", SlurmOptions),
)


def with_tables(page: str) -> str:
    """The page with its tables written anew; everything else stays."""
    for title, first, model in _TABLES:
        head, heading, rest = page.partition(f"\n## {title}\n")
        assert heading, title
        table = _table(first, model)
        page = head + heading + re.sub(r"(?:^\|.*\n)+", lambda _, new=table: new, rest, count=1, flags=re.MULTILINE)
    return page


def _table(first: str, model: type[BaseModel]) -> str:
    lines = [f"| {first} | Default | Allowed | Meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        allowed = allowed_words(field).replace("|", "\\|").replace("*", "\\*")
        lines.append(f"| `{name}` | {_default(field)} | {allowed} | {field.description} |")
    return "".join(f"{line}\n" for line in lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, MetricRule):
        return f"`{value.name}` from the log, {'lower' if value.direction == 'minimize' else 'higher'} is better"
    if isinstance(value, SlurmOptions):
        return "no option"
    return "none" if value is None else f"`{json.dumps(value)}`"
