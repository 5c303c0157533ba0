"""The commands of the first minutes: `seedproof init` and `seedproof try`."""

import argparse
import sys

from seedproof_mcp.surface.commands.exit_codes import INTERRUPTED, REFUSED
from seedproof_mcp.surface.show import show_try

__all__ = ["init", "try_command"]

_ELSE = "--print shows what init would write; move the file away to have that written."


def init(options: argparse.Namespace) -> int:
    """Write seedproof.toml, or print it."""
    from seedproof_mcp.setup.first_settings import first_settings, why_kept
    from seedproof_mcp.setup.learn import CannotLearn
    from seedproof_mcp.system import files
    from seedproof_mcp.system.paths import ProjectPaths

    paths = ProjectPaths(options.project)
    path = paths.settings
    is_there = path.exists() and not options.print
    try:
        first = first_settings(options.project.resolve(), options.after, full=options.full)
    except CannotLearn as reason:
        print(f"seedproof: {reason}", file=sys.stderr)
        return REFUSED
    kept = why_kept(path, first, has_runs=paths.ledger.exists() or paths.mirror.exists()) if is_there else None
    if kept is not None:
        print(f"{path.name} exists already {kept}; nothing was changed. {_ELSE}", file=sys.stderr)
        return REFUSED
    if options.print:
        print(first.text, end="")
        print("\n".join(first.said), file=sys.stderr)
        return 0
    files.write_atomic(path, first.text.encode())
    wrote = f"Wrote {path.name} anew: it was as init had written it." if is_there else f"Wrote {path.name}."
    print("\n".join([wrote, *first.said]))
    return 0


def try_command(options: argparse.Namespace) -> int:
    """Try the baseline's command: 0 all well, 1 something must be mended."""
    from seedproof_mcp.service.service import Service
    from seedproof_mcp.setup.trial.ask import end_cleanly, try_here

    told: list[str] = []

    def tell(words: str) -> None:
        if told[-1:] != [words]:
            told.append(words)
            print(words, file=sys.stderr, flush=True)

    end_cleanly()
    try:
        tried = try_here(options.project.resolve(), options.limit, tell)
    except KeyboardInterrupt:
        print("The try was ended; nothing of it goes on.", file=sys.stderr)
        return INTERRUPTED
    due = Service(options.project).check_baseline().next
    return show_try(options.project, tried, due, as_json=options.json)
