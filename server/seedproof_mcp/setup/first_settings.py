"""The text of a project's first seedproof.toml, with what a person is told about it."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.host.settings_template import settings_template
from seedproof_mcp.setup.learn import learn
from seedproof_mcp.setup.look import look
from seedproof_mcp.setup.source.python_source import read_text
from seedproof_mcp.setup.written import told, toml_of

__all__ = ["FirstSettings", "first_settings", "why_kept"]


@dataclass(frozen=True, slots=True)
class FirstSettings:
    """What `seedproof init` writes and says."""

    text: str
    said: tuple[str, ...]


def first_settings(root: Path, command: Sequence[str] | None = None, *, full: bool = False) -> FirstSettings:
    """Settings from a command that works, from what the project's files say, or the commented template.

    Args:
        command: The words of a command that trains.
        full: Write every setting with its meaning.

    Raises:
        CannotLearn: The command is no command that starts a training here.
    """
    if full:
        return FirstSettings(settings_template(), ("Every line in it is optional.",))
    setup = look(root) if command is None else learn(root, command)
    if setup is None:
        return FirstSettings(
            settings_template(),
            (
                "No file here looks like a training, so every setting is explained and commented out.",
                "Next: seedproof init --print -- COMMAND THAT TRAINS",
            ),
        )
    return FirstSettings(toml_of(setup), told(setup))


def why_kept(path: Path, first: FirstSettings, *, has_runs: bool) -> str | None:
    """Why a seedproof.toml that is there must stay, to follow `exists already`; None where it may be replaced.

    It may where init wrote it and nobody edited it: it sets nothing, or is what init writes by itself.

    Args:
        path: The file.
        first: What would stand in it.
        has_runs: Whether runs were recorded under its rules.
    """
    text = read_text(path)
    if text == first.text:
        return "as init writes it"
    if has_runs:
        return "and runs were recorded under its rules"
    return None if text is not None and _is_unedited(path.parent, text) else "and was edited"


def _is_unedited(root: Path, text: str) -> bool:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return not any(document.values()) or text == first_settings(root.resolve()).text
