"""The command line: calls the service and prints what it answers."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seedproof_mcp.surface.arguments import parse, run_request

if TYPE_CHECKING:
    from seedproof.model.refusals import NextCall

    from seedproof_mcp.service.results import Follow, Result, RunResult
    from seedproof_mcp.service.service import Service

__all__ = ["main"]

POLL_S = 0.2
REFUSED = 3
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
        print(f"{refusal.code}: {refusal.message}", file=sys.stderr)
        print(f"Next: {_next_line(options, refusal.next_call)}", file=sys.stderr)
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


def _show(options: argparse.Namespace, result: "Result") -> int:
    print(result.for_people(lambda call: _next_line(options, call)))
    return 0


def _next_line(options: argparse.Namespace, call: "NextCall | Follow") -> str:
    from seedproof_mcp.surface.next_command import next_line

    return next_line(call, options.project)


def _serve(options: argparse.Namespace) -> int:
    from seedproof_mcp.surface.stdio import serve_short_lines
    from seedproof_mcp.surface.tools import build_server

    # Nothing needs an orderly end here. Ctrl-C would be noticed only with the next line on stdin; what whoever started
    # the server ignores, as nohup does, would be ignored here as well.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    serve_short_lines()
    try:
        build_server(options.project).run("stdio")
    except* BrokenPipeError:
        print("seedproof: the client does not read any more; runs that were requested go on.", file=sys.stderr)
    finally:
        # Else output that a library printed and did not flush would reach the client at exit.
        os.dup2(2, 1)
    return 0


def _init(options: argparse.Namespace) -> int:
    from seedproof_mcp.setup.first_settings import first_settings
    from seedproof_mcp.setup.learn import CannotLearn
    from seedproof_mcp.system import files
    from seedproof_mcp.system.paths import ProjectPaths

    path = ProjectPaths(options.project).settings
    if path.exists() and not options.print:
        print(f"{path.name} exists already; nothing was changed. --print shows what init would write.", file=sys.stderr)
        return REFUSED
    try:
        first = first_settings(options.project.resolve(), options.after, full=options.full)
    except CannotLearn as reason:
        print(f"seedproof: {reason}", file=sys.stderr)
        return REFUSED
    if options.print:
        print(first.text, end="")
        print("\n".join(first.said), file=sys.stderr)
        return 0
    files.write_atomic(path, first.text.encode())
    print("\n".join([f"Wrote {path.name}.", *first.said]))
    return 0


def _try(options: argparse.Namespace) -> int:
    """0 all well, 1 something must be mended."""
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
        return 130
    print("\n".join([tried.headline, *tried.lines()]))
    if tried.log_tail:
        print(f"End of the training's output:\n{tried.log_tail}")
    if tried.toml is not None:
        print(f"\nseedproof.toml, to paste:\n\n{tried.toml}", end="")
    return 0 if tried.is_well else 1


def _report(options: argparse.Namespace) -> int:
    service = _service(options)
    return _show(options, service.write_study() if options.study else service.write_report(options.experiment))


def _stop(options: argparse.Namespace) -> int:
    if not options.all:
        return _show(options, _service(options).stop(options.run_id, options.experiment, options.reason))
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
        now = page.running.run_id if page.running else "nothing"
        console.print(f"training now: {now}; queued: {page.queued}", markup=False)
    for notice in (*baseline.notices, *page.notices):
        console.print(f"Notice ({notice.code}): {notice.message}", markup=False)
    if page.running or page.queued:
        words = service.complaint()
        if words:
            console.print(f"The conductor cannot go on: {words}", markup=False)
    if page.next:
        console.print(f"Next: {_next_line(options, page.next)}", markup=False, soft_wrap=True)
    return 0


def _run(options: argparse.Namespace) -> int:
    service = _service(options)
    run_id = service.request_run(run_request(options))
    # The queue of this moment, not `next` after each run: that may be a retry, which a person has to ask for.
    for one in service.open_runs(run_id) if options.all else [run_id]:
        seen = _follow(service, one)
        _show(options, seen)
        if seen.state == "diverged":
            break  # it decides the arm; its other runs are not needed
        if seen.state != "succeeded":
            return 1
    return 0


def _follow(service: "Service", run_id: str) -> "RunResult":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(run_id, total=None)
        while True:
            seen = service.observe(run_id)
            if not seen.is_active:
                return seen
            elapsed = seen.elapsed_s or 0.0
            total = None if seen.eta_s is None else elapsed + seen.eta_s
            bar.update(task, completed=elapsed, total=total, description=f"{run_id}: {seen.progress()}")
            time.sleep(POLL_S)


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
    "init": _init,
    "try": _try,
    "status": _status,
    "check-baseline": lambda options: _show(options, _service(options).check_baseline()),
    "run": _run,
    "compare": lambda options: _show(options, _service(options).compare(options.experiment, options.against)),
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
