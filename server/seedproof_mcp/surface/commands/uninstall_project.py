"""`seedproof uninstall-project`: shows what Seedproof has left in a project, and removes it once told to."""

import argparse
import os

from seedproof_mcp.surface.commands.exit_codes import DONE, REFUSED
from seedproof_mcp.surface.commands.output import tell

__all__ = ["uninstall_project"]


def uninstall_project(options: argparse.Namespace) -> int:
    """Show it, and with `--yes` remove it; reports and the mirror only with `--reports`."""
    from seedproof_mcp.code.git import GitFailed
    from seedproof_mcp.setup.project_traces import ProjectTraces

    try:
        traces = ProjectTraces(options.project.resolve(), with_reports=options.reports)
        found = list(traces.found(os.environ))
        if not found:
            print("Seedproof has left nothing in this project.")
            return DONE
        if options.yes and traces.is_training:
            tell("seedproof: a run is training here; `seedproof stop --all --reason …` ends it, and what is queued.")
            return REFUSED
        if options.yes and traces.has_conductor:
            tell(
                "seedproof: the conductor is still there: it leaves half a minute after the last run, or takes what is "
                "queued, which `seedproof stop --all --reason …` ends. Call again then."
            )
            return REFUSED
        verb = "removed" if options.yes else "would remove"
        if options.yes:
            traces.remove()
    except GitFailed as failure:
        tell(f"seedproof: git refuses to read the repository: {failure.reason}. Nothing was removed.")
        return REFUSED
    for one in found:
        print(f"{verb if one.is_removed else 'stays':<12}  {one.path}: {one.what}")
        if one.how:
            print(f"{'':<12}  {one.how}")
    if not options.yes and any(one.is_removed for one in found):
        print("Nothing was changed. `seedproof uninstall-project --yes` removes it; a ledger that is gone is gone.")
    return DONE
