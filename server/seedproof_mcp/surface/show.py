"""Prints results in the words of the command line, or as JSON."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedproof.model.refusals import NextCall

from seedproof_mcp.surface.commands.exit_codes import DONE, FAULTY
from seedproof_mcp.surface.next_command import in_commands, next_command, next_line

if TYPE_CHECKING:
    from seedproof.model.refusals import Refusal

    from seedproof_mcp.service.replies.result import Follow, Result
    from seedproof_mcp.service.replies.rows import NoticeResult, TriedRow

__all__ = ["TRY_AGAIN", "json_document", "json_refusal", "print_json", "show", "show_try"]

TRY_AGAIN = NextCall("run_seed", "Tries the command again, once that is mended.", {"try_run": True})
"""What follows a try that was refused, or that found something to mend."""


def show(project: Path, result: "Result", told: set[str] | None = None, *, as_json: bool = False) -> int:
    """Print a result; the exit code is 0.

    Args:
        project: The project's folder, as the command line names it.
        result: The result.
        told: What notices said before, which are left out; those of this result are added.
        as_json: Print its structure.
    """
    if as_json:
        print_json(json_document(result, project))
        return 0
    seen = set() if told is None else told
    new = [one for one in result.notices if _gist(one) not in seen]
    seen.update(map(_gist, result.notices))
    print(result.worded(in_commands, new).for_people(lambda call: next_line(call, project)))
    return 0


def json_document(result: "Result", project: Path) -> dict[str, Any]:
    """A result as the tools give it, with the next call as a command of the command line."""
    found = result.document()
    return found if result.next is None else {**found, "next_command": next_command(result.next, project)}


def json_refusal(refusal: "Refusal", next_call: NextCall, project: Path) -> dict[str, Any]:
    """A refusal likewise."""
    call = {
        "tool": next_call.tool,
        "arguments": dict(next_call.arguments),
        "why": next_call.why,
        "you_choose": list(next_call.you_choose),
    }
    told = {"code": refusal.code, "message": refusal.message}
    return {"refusal": told, "next": call, "next_command": next_command(next_call, project)}


def print_json(document: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(document, indent=2, ensure_ascii=True))


def show_try(project: Path, tried: "TriedRow", due: "Follow | None", *, as_json: bool = False) -> int:
    """Print what a try told and, where all is well, what is due; the exit code is 1 where something is to be mended."""
    follow = due if tried.is_well else TRY_AGAIN
    if as_json:
        command = {} if follow is None else {"next_command": next_command(follow, project)}
        print_json(tried.model_dump(mode="json") | command)
        return DONE if tried.is_well else FAULTY
    print("\n".join([tried.headline, *tried.lines()]))
    if tried.log_tail:
        print(f"End of the training's output:\n{tried.log_tail}")
    if tried.toml is not None:
        print(f"\nseedproof.toml, to paste:\n\n{tried.toml}", end="")
    if follow is not None:
        print(f"\nNext: {next_line(follow, project)}")
    return DONE if tried.is_well else FAULTY


def _gist(notice: "NoticeResult") -> str:
    """What a notice says, whatever the number of runs that it is a mean of."""
    return re.sub(r"[\d.e+-]+ \(mean of \d+ seeds\)", "", f"{notice.code} {notice.message}")
