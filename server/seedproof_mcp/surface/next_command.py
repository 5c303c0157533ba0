"""The next call as a command that a person can type."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedproof.model.refusals import NextCall

if TYPE_CHECKING:
    from seedproof_mcp.service.results import Follow

__all__ = ["next_command", "next_line"]

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


def next_line(call: "NextCall | Follow", project: Path) -> str:
    """The command, and what it brings as a comment of the shell."""
    return f"{next_command(call, project)}  # {call.why}"


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
    if name == "role":
        return [] if value == "measure" else [f"--{value}"]
    if isinstance(value, bool):
        return [f"--{'all' if name == 'queue_all' else name.replace('_', '-')}"] if value else []
    return _option(name.replace("_", "-"), value)


def _option(name: str, value: object) -> list[str]:
    text = str(value)
    return [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
