"""`seedproof log`: the output of a run, as its training printed it."""

import argparse
import re
import sys
from typing import TYPE_CHECKING

from seedproof_mcp.service.run_queries import log_of, newest_run
from seedproof_mcp.surface.commands.output import print_bytes, tell
from seedproof_mcp.surface.show import json_document, print_json

if TYPE_CHECKING:
    from seedproof_mcp.service.service import Service

__all__ = ["print_log"]

CHUNK = 1 << 20
LOOK_S = 0.5
# What moves the cursor, asks the terminal or changes its title; line ends, tabs and progress bars stay.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")


def print_log(options: argparse.Namespace, service: "Service") -> int:
    """Print the log of a run; with `--follow` until the run has ended."""
    run_id = newest_run(service, options.run_id or "")
    if options.json:
        seen, log = service.observe(run_id), service.paths.run(run_id).log
        size = log.stat().st_size if log.exists() else 0
        where = str(log.relative_to(service.paths.root))
        print_json({**json_document(seen, options.project), "log_path": where, "log_bytes": size})
        return 0
    shown = _print_new(service, run_id, 0)
    if not options.follow:
        if not shown:
            tell(f"{run_id} has printed nothing yet.")
        return 0
    from seedproof_mcp.service.service import BLIND_S

    with service.watch() as watch:
        while service.observe(run_id).is_active:
            watch.wait(LOOK_S, BLIND_S)
            shown = _print_new(service, run_id, shown)
    _print_new(service, run_id, shown)  # what it printed before its end and after the last look
    tell(service.observe(run_id).first_line())
    return 0


def _print_new(service: "Service", run_id: str, offset: int) -> int:
    """Print what stands behind a place of the log; return where it ends now."""
    is_terminal = sys.stdout.isatty()
    while chunk := log_of(service, run_id, offset, CHUNK):
        offset += len(chunk)
        print_bytes(_for_terminal(chunk) if is_terminal else chunk)
    return offset


def _for_terminal(chunk: bytes) -> bytes:
    from seedproof.metrics.lines import strip_codes

    return _CONTROL.sub(b"", strip_codes(chunk))
