"""The seedproof.toml that `seedproof init` writes: few settings, each below what was found."""

import json
import textwrap
from collections.abc import Sequence

from seedproof.model.untrusted import one_line

from seedproof_mcp.setup.source.found import Line, Setup

__all__ = ["told", "toml_list", "toml_table", "toml_text", "toml_of"]

_WIDTH = 110
_HEAD = "Seedproof read the project's files and ran nothing. `seedproof init --full` writes every setting, explained."
_TABLES = ("rules", "rules.metric", "settings", "settings.env")


def toml_of(setup: Setup) -> str:
    """The text of the file."""
    blocks = [_comment(_HEAD)]
    for table in _TABLES:
        lines = [line for line in setup.lines if line.table == table]
        if not lines:
            continue
        is_active = any(line.is_active for line in lines)
        blocks.append("\n".join([f"[{table}]" if is_active else f"# [{table}]", *map(_block, lines)]))
    return "\n\n".join(blocks) + "\n"


def told(setup: Setup) -> tuple[str, ...]:
    """What a person reads: what was found, what must be checked, and the next command."""
    checks = [f"Check: {one}" for one in setup.checks]
    return (*map(one_line, (*setup.said, *checks)), "Next: seedproof try")


def _block(line: Line) -> str:
    above = [_comment(why) for why in line.why]
    return "\n".join([*above, line.text if line.is_active else f"# {line.text}"] if line.text else above)


def _comment(text: str) -> str:
    # What stands in a file name or in the source must not end the comment.
    return textwrap.fill(one_line(text), _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def toml_text(text: str) -> str:
    """A text as a TOML string; a literal one where it has a backslash."""
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_list(texts: Sequence[str]) -> str:
    """Texts as a TOML array."""
    return f"[{', '.join(map(toml_text, texts))}]"


def toml_table(values: dict[str, str]) -> str:
    """Variables as an inline table; their names are plain keys."""
    return f"{{ {', '.join(f'{name} = {toml_text(value)}' for name, value in values.items())} }}"
