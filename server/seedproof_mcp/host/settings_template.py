"""The commented seedproof.toml that `seedproof init` writes, made from the fields of rules and settings."""

import json
import re
import textwrap
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from seedproof.model.metric_rule import MetricRule
from seedproof.model.presets import PRESETS
from seedproof.model.rules import Rules

from seedproof_mcp.host.settings import Settings
from seedproof_mcp.host.settings_errors import allowed_words

__all__ = ["settings_template"]

_WIDTH = 100
_HEAD = (
    "Seedproof: what a result means ([rules]) and how runs are carried out ([settings]). Everything is optional; "
    "values are the defaults, or examples where there is no default. Rules are frozen into the ledger when a "
    "baseline begins: changing one afterwards voids that baseline. Settings void nothing."
)
_PRESET = f"A ready-made metric in place of the fields below: {', '.join(PRESETS)}."


def settings_template() -> str:
    """A file in which every rule and setting is explained and commented out."""
    blocks = [_comment(_HEAD), *_table("[rules]", "rules", Rules), *_table("[settings]", "settings", Settings)]
    return "\n\n".join(blocks) + "\n"


def _table(header: str, name: str, model: type[BaseModel]) -> Iterator[str]:
    """The blocks of one table: its keys, and after them the tables inside, as TOML demands."""
    yield header
    if model is MetricRule:
        yield f'{_comment(_PRESET)}\n# preset = "{next(iter(PRESETS))}"'
    inner: list[str] = []
    for key, field in model.model_fields.items():
        text = _comment(_explanation(field))
        value = field.examples[0] if field.examples else field.get_default(call_default_factory=True)
        table = f"{text}\n# [{name}.{key}]"
        if isinstance(value, BaseModel):
            inner += _table(table, f"{name}.{key}", type(value))
        elif isinstance(value, dict):
            inner.append("\n".join([table, *(f"# {one} = {json.dumps(text)}" for one, text in value.items())]))
        elif key == "extra_metrics":
            inner.append(text)
        else:
            yield f"{text}\n# {key} = {json.dumps(value)}"
    yield from inner


def _explanation(field: FieldInfo) -> str:
    description = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", field.description or "")  # links belong to the web page
    return f"{description} Allowed: {allowed_words(field)}."


def _comment(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
