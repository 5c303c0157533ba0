"""The command line: calls the service and prints what it answers."""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from seedproof_mcp.surface.arguments import parse, run_request
from seedproof_mcp.surface.next_command import in_commands, next_line
from seedproof_mcp.surface.setup_commands import init, try_command
from seedproof_mcp.surface.show import REFUSED, TRY_AGAIN, show

if TYPE_CHECKING:
    from seedproof_mcp.service.results import RunResult
    from seedproof_mcp.service.service import Service

__all__ = ["main"]

# How old the shown progress of a run may be.
SHOW_S = 0.5
UNREAD = 128 + 13
"""As of a program that SIGPIPE ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 done, 1 a run brought no result or a check failed, 2 wrong usage, 3 refused, 141 nobody reads the output.
    """
    if sys.platform == "win32":
        print("Seedproof needs Linux or macOS (file locks, process groups). On Windows use WSL.", file=sys.stderr)
        return 2
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if not options.project.is_dir():
        print(f"seedproof: {options.project} is not a folder; give the project's with --project.", file=sys.stderr)
        return 2
    from seedproof.model.refusals import Refusal

    try:
        code = _ACTS[options.command](options)
        sys.stdout.flush()  # here, where a reader that left, such as `head`, is no fault of the project's folder
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is still in the buffer
        return UNREAD
    except Refusal as refusal:
        print(f"{refusal.code}: {in_commands(refusal.message)}", file=sys.stderr)
        again = options.command == "try" and refusal.next_call.tool == "check_baseline"
        print(f"Next: {next_line(TRY_AGAIN if again else refusal.next_call, options.project)}", file=sys.stderr)
        return REFUSED
    except OSError as error:
        from seedproof_mcp.service.os_errors import cure

        print(f"seedproof: {cure(error)}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("Stopped waiting; runs that were requested go on. `seedproof status` shows them.", file=sys.stderr)
        return 130


def _service(options: argparse.Namespace) -> "Service":
    from seedproof_mcp.service.service import Service

    return Service(options.project)


def _serve(options: argparse.Namespace) -> int:
    gc.disable()  # loading makes a hundred thousand objects that stay, and looking for garbage among them takes a tenth
    from seedproof_mcp.surface.stdio import serve_short_lines
    from seedproof_mcp.surface.tools import build_server

    # Nothing needs an orderly end here. Ctrl-C would be noticed only with the next line on stdin; what whoever started
    # the server ignores, as nohup does, would be ignored here as well.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    serve_short_lines()
    server = build_server(options.project)
    gc.freeze()
    gc.enable()
    try:
        server.run("stdio")
    except* BrokenPipeError:
        print("seedproof: the client does not read any more; runs that were requested go on.", file=sys.stderr)
    finally:
        # Else output that a library printed and did not flush would reach the client at exit.
        os.dup2(2, 1)
    return 0


def _report(options: argparse.Namespace) -> int:
    service = _service(options)
    return show(options.project, service.write_study() if options.study else service.write_report(options.experiment))


def _stop(options: argparse.Namespace) -> int:
    if not options.all:
        return show(options.project, _service(options).stop(options.run_id, options.experiment, options.reason))
    stopped = []
    for result in _service(options).stop_all(options.reason):
        print(result.first_line(), flush=True)  # at once: stopping the next one may fail
        stopped.append(result)
    ended = sum(not result.is_active for result in stopped)
    print(f"{ended} of {len(stopped)} runs were ended." if stopped else "Nothing was queued or running.")
    return 0 if ended == len(stopped) else 1


def _resume(options: argparse.Namespace) -> int:
    failures = _service(options).resume(options.reason)
    print(f"Noted, after {failures} runs in a row that failed or diverged. New experiments may be declared again.")
    return 0


def _verify(options: argparse.Namespace) -> int:
    """0 all checks passed, 1 something does not match, 2 nothing could be verified."""
    from seedproof_mcp.system.paths import ProjectPaths
    from seedproof_mcp.verify.checks import CannotVerify, Outcome
    from seedproof_mcp.verify.verify import verify

    paths, failures = ProjectPaths(options.project.resolve()), 0
    try:
        for check in verify(paths, regenerate=options.regenerate, against=options.against):
            print(check, flush=True)
            failures += check.outcome is Outcome.FAIL
    except CannotVerify as reason:
        print(f"seedproof: {reason}", file=sys.stderr)
        return 2
    print(f"{failures} checks failed." if failures else "All is well.")
    return 1 if failures else 0


def _status(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table
    from seedproof.report.summary import ideas_line, without_value_words

    service = _service(options)
    console = Console(highlight=False)
    baseline, offset = service.check_baseline(), 0
    console.print(baseline.first_line(), markup=False)
    table = Table("experiment", "state", "seeds", "verdict", "report")
    while True:
        page = service.list_experiments(offset, 100)
        for row in page.experiments:
            seeds = f"{row.seeds_done} of {row.seeds_done + row.seeds_needed}"
            name = f"{row.experiment} (null)" if row.is_null else row.experiment
            table.add_row(name, row.state, seeds, row.headline or row.reason or "-", row.report_path or "-")
        offset += len(page.experiments)
        if offset >= page.total or not page.experiments:
            break
    if page.total:
        console.print(table)
        console.print(ideas_line(page.campaign), markup=False)
        if page.campaign.without_value:
            console.print(without_value_words(page.campaign), markup=False)
    if page.running or page.queued:
        now = ", ".join(page.training) or "nothing"
        console.print(f"training now: {now}; queued: {page.queued}", markup=False)
    for notice in dict.fromkeys((*baseline.notices, *page.notices)):
        console.print(f"Notice ({notice.code}): {in_commands(notice.message)}", markup=False)
    if page.running or page.queued:
        words = service.complaint()
        if words:
            console.print(f"The conductor cannot go on: {words}", markup=False)
    if page.next:
        console.print(f"Next: {next_line(page.next, options.project)}", markup=False, soft_wrap=True)
    return 0


def _run(options: argparse.Namespace) -> int:
    from seedproof.model.refusals import NothingDue

    service, request = _service(options), run_request(options)
    told: set[str] = set()
    # What is wrong with the command or the metric is wrong for every seed: the first one of a baseline tells.
    if request.queue_all and service.is_first_of_baseline(request):
        code = _follow_all(service, options, [service.request_run(replace(request, queue_all=False))], told)
        if code != 0:
            return code
        request = replace(request, new_baseline=None)
    try:
        run_id = service.request_run(request)
    except NothingDue:
        if told:
            return 0
        raise
    # The queue of this moment, not `next` after each run: that may be a retry, which a person has to ask for.
    return _follow_all(service, options, service.open_runs(run_id) if options.all else [run_id], told)


def _follow_all(service: "Service", options: argparse.Namespace, run_ids: list[str], told: set[str]) -> int:
    for number, one in enumerate(run_ids, start=1):
        seen = _follow(service, one)
        show(options.project, seen, told)
        if seen.state == "diverged":
            break  # it decides the arm; its other runs are not needed
        if seen.state != "succeeded":
            left = len(run_ids) - number
            if left:
                print(f"{left} more of these runs go on; `seedproof stop RUN --reason REASON` ends one of them.")
            return 1
    return 0


def _follow(service: "Service", run_id: str) -> "RunResult":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from seedproof_mcp.service.service import BLIND_S

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar, service.watch() as watch:
        task = bar.add_task(run_id, total=None)
        while True:
            seen = service.observe(run_id)
            if not seen.is_active:
                return seen
            elapsed = seen.elapsed_s or 0.0
            total = None if seen.eta_s is None else elapsed + seen.eta_s
            bar.update(task, completed=elapsed, total=total, description=f"{run_id}: {seen.progress()}")
            watch.wait(SHOW_S, BLIND_S)


def _gc(options: argparse.Namespace) -> int:
    from seedproof_mcp.code.gc import find, free

    service = _service(options)
    found = free(service.paths) if options.yes else find(service.paths)
    for line in (*found.lines(), *service.left_by_runs(remove=options.yes)):
        print(line)
    return 0


def _host(options: argparse.Namespace) -> int:
    from seedproof_mcp.surface.host_commands import change_host

    return change_host(options)


def _demo(options: argparse.Namespace) -> int:
    from seedproof_mcp.surface.demo.story import run_demo

    return run_demo(keep=options.keep)


_ACTS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": _serve,
    "init": init,
    "try": try_command,
    "status": _status,
    "check-baseline": lambda options: show(options.project, _service(options).check_baseline()),
    "run": _run,
    "compare": lambda options: show(options.project, _service(options).compare(options.experiment, options.against)),
    "report": _report,
    "stop": _stop,
    "resume": _resume,
    "gc": _gc,
    "verify": _verify,
    "install": _host,
    "uninstall": _host,
    "demo": _demo,
}


if __name__ == "__main__":
    sys.exit(main())
