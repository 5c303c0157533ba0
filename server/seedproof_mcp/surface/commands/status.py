"""`seedproof status`: baseline, experiments, failed seeds, and the queue."""

import argparse
from typing import TYPE_CHECKING, Any

from seedproof_mcp.service.run_queries import wait_reason
from seedproof_mcp.surface.next_command import in_commands, next_line
from seedproof_mcp.surface.show import json_document, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from seedproof_mcp.service.replies.experiments import ExperimentList
    from seedproof_mcp.service.replies.rows import ExperimentRow
    from seedproof_mcp.service.service import Service

__all__ = ["status"]

_ANY_WIDTH = 100_000


def status(options: argparse.Namespace, service: "Service") -> int:
    """Print where the study stands."""
    baseline, page = service.check_baseline(), _whole_list(service)
    failed = service.failed_runs()
    is_active = page.running is not None or page.queued > 0
    problem = service.complaint() if is_active else None
    waits = wait_reason(service) if is_active else None
    if options.json:
        found: dict[str, Any] = {
            "baseline": json_document(baseline, options.project),
            **json_document(page, options.project),
            "failed": [one.model_dump(mode="json") for one in failed],
        }
        print_json(found | ({"problem": problem} if problem else {}) | ({"waits_for": waits} if waits else {}))
        return 0
    console = _console()
    _print(console, baseline.first_line())
    if page.total:
        _print_experiments(console, page)
    for one in failed:
        _print(console, f"{'diverged' if one.state == 'diverged' else 'without a result'}: {one}")
        _print(console, f"  {in_commands(one.log_path)}")
    if is_active:
        now = ", ".join(page.training) or "nothing"
        _print(console, f"training now: {now}; queued: {page.queued}")
    if waits:
        _print(console, f"The queue waits: {waits}")
    for notice in dict.fromkeys((*baseline.notices, *page.notices)):
        _print(console, f"Notice ({notice.code}): {in_commands(notice.message)}")
    if problem:
        _print(console, f"The conductor cannot go on: {problem}")
    if page.next:
        _print(console, f"Next: {next_line(page.next, options.project)}")
    return 0


def _whole_list(service: "Service") -> "ExperimentList":
    first = service.list_experiments(0, 100)
    rows, more = list(first.experiments), first
    while len(rows) < first.total and more.experiments:
        more = service.list_experiments(len(rows), 100)
        rows += more.experiments
    return first.model_copy(update={"experiments": rows})


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def _print(console: "Console", line: str) -> None:
    """Print a line as it is: a terminal wraps what is longer, and whoever copies a command gets all of it."""
    console.print(line, markup=False, soft_wrap=True)


def _print_experiments(console: "Console", page: "ExperimentList") -> None:
    from rich.measure import Measurement
    from rich.table import Table
    from seedproof.report.summary import ideas_line, without_value_words

    table = Table("experiment", "state", "seeds", "verdict", "report")
    for row in page.experiments:
        table.add_row(*_cells(row))
    # `console.measure` knows no width beyond the terminal's.
    if Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table).maximum <= console.width:
        console.print(table, markup=False)
    else:  # a path in two lines of a cell cannot be copied
        for name, state, seeds, verdict, report in map(_cells, page.experiments):
            _print(console, f"{name}: {state}, {seeds} seeds")
            for more in (verdict, report):
                if more != "-":
                    _print(console, f"  {more}")
    _print(console, ideas_line(page.campaign))
    if page.campaign.without_value:
        _print(console, without_value_words(page.campaign))


def _cells(row: "ExperimentRow") -> tuple[str, str, str, str, str]:
    name = f"{row.experiment} (null)" if row.is_null else row.experiment
    seeds = f"{row.seeds_done} of {row.seeds_done + row.seeds_needed}"
    return name, row.state, seeds, row.headline or row.reason or "-", row.report_path or "-"
