"""The next call as a command that a person can type, and calls that a sentence names likewise."""

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedproof.model.refusals import NextCall

if TYPE_CHECKING:
    from seedproof_mcp.service.replies.result import Follow

__all__ = ["in_commands", "next_command", "next_line"]

_COMMANDS = {
    "check_baseline": "check-baseline",
    "run_seed": "run",
    "compare": "compare",
    "write_report": "report",
    "list_experiments": "status",
    "stop_run": "stop",
}
_POSITIONAL = ("experiment", "run_id")
# For arguments that only the caller can choose.
_PLACEHOLDERS = {
    "experiment": "NAME",
    "flags": "FLAGS",
    "hypothesis": "HYPOTHESIS",
    "new_baseline": "REASON",
    "reason": "REASON",
}


_TEXT = r'"(?:[^"\\]|\\.)*"'
_CALL = re.compile(rf"\b({'|'.join(_COMMANDS)})\(((?:{_TEXT}|[^()\"])*)\)")
_ARGUMENT = re.compile(rf"\s*(?P<name>[a-z_]+)(?:=(?P<value>{_TEXT}|<[^>]*>|[\w.-]+))?\s*(?:,|$)")
# Names that are no word of the language: `compare` alone may be one.
_NAME = re.compile(rf"\b({'|'.join(name for name in _COMMANDS if '_' in name)})\b(?!\()")
_OPTIONS = {
    r"\bcode_change(=true\b)?": "--code-change",
    r"\bnew_baseline\b": "--new-baseline",
    r"\bqueue_all(=true\b)?": "--all",
    r'\brole="(confirm|control)"': r"--\1",
    r'\buntil="verdict"': "--until-verdict",
}


def in_commands(text: str) -> str:
    """A sentence for a model as one for the command line: calls and names of tools become commands."""
    worded = _NAME.sub(lambda found: f"`seedproof {_COMMANDS[found[1]]}`", _CALL.sub(_as_command, text))
    for name, option in _OPTIONS.items():
        worded = re.sub(name, option, worded)
    return worded


def _as_command(call: re.Match[str]) -> str:
    arguments: dict[str, Any] = {}
    chosen: list[str] = []
    at = 0
    while at < len(call[2]):
        found = _ARGUMENT.match(call[2], at)
        if found is None:
            return call[0]
        name, value, at = found["name"], found["value"], found.end()
        if value is None or value.startswith("<"):
            chosen.append(name)
        else:
            arguments[name] = json.loads(value) if value[0] == '"' or value in ("true", "false") else value
    if not {*chosen} <= _PLACEHOLDERS.keys():
        return call[0]
    return f"`{next_command(NextCall(call[1], '', arguments, tuple(chosen)))}`"


def next_line(call: "NextCall | Follow", project: Path) -> str:
    """The command, and what it brings as a comment of the shell."""
    return f"{next_command(call, project)}  # {in_commands(call.why)}"


def next_command(call: "NextCall | Follow", project: Path = Path()) -> str:
    """The `seedproof` command that does the same as a call of a tool.

    Args:
        call: The call.
        project: The project's folder; left out where it is the working folder.
    """
    values = {**call.arguments, **{name: _PLACEHOLDERS[name] for name in call.you_choose}}
    flags = values.pop("flags", None)
    words = ["seedproof", "try" if values.pop("try_run", False) else _COMMANDS[call.tool]]
    if call.tool == "stop_run" and "experiment" in values:  # a bare word is a run there
        words += _option("experiment", values.pop("experiment"))
    for name in sorted(values, key=lambda name: name not in _POSITIONAL):
        words += _words(name, values[name])
    if project != Path():
        words += _option("project", project)
    if flags is not None:
        words += ["--", *([flags] if isinstance(flags, str) else flags)]
    return shlex.join(words)


def _words(name: str, value: Any) -> list[str]:
    if name in _POSITIONAL:
        return [value]
    if name == "until":
        return ["--until-verdict"] if value == "verdict" else []
    if name == "role":
        return [] if value == "measure" else [f"--{value}"]
    if isinstance(value, bool):
        return [f"--{'all' if name == 'queue_all' else name.replace('_', '-')}"] if value else []
    return _option(name.replace("_", "-"), value)


def _option(name: str, value: object) -> list[str]:
    text = str(value)
    return [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
