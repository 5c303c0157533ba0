"""Prints results in the words of the command line."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from seedproof.model.refusals import NextCall

from seedproof_mcp.surface.next_command import in_commands, next_line

if TYPE_CHECKING:
    from seedproof_mcp.service.results import Result
    from seedproof_mcp.service.rows import NoticeResult, TriedRow

__all__ = ["REFUSED", "TRY_AGAIN", "show", "show_try"]

REFUSED = 3
"""The exit code of a command that was refused."""
TRY_AGAIN = NextCall("run_seed", "Tries the command again, once that is mended.", {"try_run": True})
"""What follows a try that was refused, or that found something to mend."""


def show(project: Path, result: "Result", told: set[str] | None = None) -> int:
    """Print a result; the exit code is 0.

    Args:
        project: The project's folder, as the command line names it.
        result: The result.
        told: What notices said before, which are left out; those of this result are added.
    """
    seen = set() if told is None else told
    new = [one for one in result.notices if _gist(one) not in seen]
    seen.update(map(_gist, result.notices))
    print(result.worded(in_commands, new).for_people(lambda call: next_line(call, project)))
    return 0


def show_try(project: Path, tried: "TriedRow") -> int:
    """Print what a try told; the exit code is 1 where something is to be mended."""
    print("\n".join([tried.headline, *tried.lines()]))
    if tried.log_tail:
        print(f"End of the training's output:\n{tried.log_tail}")
    if tried.toml is not None:
        print(f"\nseedproof.toml, to paste:\n\n{tried.toml}", end="")
    if not tried.is_well:
        print(f"\nNext: {next_line(TRY_AGAIN, project)}")
    return 0 if tried.is_well else 1


def _gist(notice: "NoticeResult") -> str:
    """What a notice says, whatever the number of runs that it is a mean of."""
    return re.sub(r"[\d.e+-]+ \(mean of \d+ seeds\)", "", f"{notice.code} {notice.message}")
