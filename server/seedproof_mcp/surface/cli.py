"""The command line: wiring between arguments, the lab and the screen."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seedproof_mcp.service.results import Result, RunResult
    from seedproof_mcp.service.service import Lab

__all__ = ["main"]

POLL_S = 0.2
REFUSED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 a run brought no result or a check failed, 2 wrong usage, 3 refused."""
    if sys.platform == "win32":
        print("Seedproof needs Linux or macOS (file locks, process groups). On Windows use WSL.", file=sys.stderr)
        return 2
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    if not options.project.is_dir():
        print(f"seedproof: {options.project} is not a folder; give the project's with --project.", file=sys.stderr)
        return 2
    from seedproof.model.refusals import Refusal

    try:
        return int(options.act(options))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    except OSError as error:
        from seedproof_mcp.service.os_errors import cure

        print(f"seedproof: {cure(error)}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("Stopped waiting; runs that were requested go on. `seedproof status` shows them.", file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; what stands behind `--` are the flags of `run`, word by word as typed."""
    end = list(arguments).index("--") if "--" in arguments else None
    parser = _parser()
    options = parser.parse_args(arguments[:end])
    if end is None:
        return options
    if options.act is not _run:
        parser.error("only run takes flags behind --")
    if options.flags is not None:
        parser.error("give the flags either behind -- or as --flags='…'")
    options.after = tuple(arguments[end + 1 :])
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seedproof", description="Runs training experiments and refuses a verdict before the variance is known."
    )
    parser.add_argument("--version", action="version", version=f"seedproof {version('seedproof')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, act: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--project", type=Path, default=Path(), help="folder with the training script (here)")
        command.set_defaults(act=act)
        return command

    add("serve", _serve, "serve the MCP tools on stdin and stdout")
    add("init", _init, "write a commented seedproof.toml")
    add("status", _status, "show baseline, experiments and queue")
    add("check-baseline", _check_baseline, "show where the baseline stands")
    _add_run(add("run", _run, "run the next seed, or the one named"))
    add("compare", _compare, "give the verdict on an experiment").add_argument("experiment")
    report = add("report", _report, "write the report of an experiment, or of the baseline")
    report.add_argument("experiment", nargs="?")
    stop = add("stop", _stop, "cancel a queued or running run, or all of the project")
    which = stop.add_mutually_exclusive_group(required=True)
    which.add_argument("run_id", nargs="?")
    which.add_argument("--all", action="store_true", help="everything that is queued or running in this project")
    stop.add_argument("--reason", required=True)
    resume = add("resume", _resume, "say that you have looked at a row of failures; experiments may be declared again")
    resume.add_argument("--reason", required=True, help="what was wrong; printed by whoever reads the ledger")
    gc = add("gc", _gc, "show what snapshots have left behind that no arm needs any more")
    gc.add_argument("--yes", action="store_true", help="remove it")
    check = add("verify", _verify, "hold the ledger against its hashes, its files and everyone who has seen its head")
    check.add_argument("--regenerate", action="store_true", help="make every report and figure again, byte for byte")
    check.add_argument(
        "--against", metavar="REV", help="the mirror of this git revision must be a beginning of today's ledger"
    )
    demo = add("demo", _demo, "watch the protocol on a small real language model")
    demo.add_argument("--keep", action="store_true", help="keep the demonstration's project folder")
    return parser


def _add_run(command: argparse.ArgumentParser) -> None:
    command.epilog = (
        "The first run of an experiment declares it: seedproof run muon --hypothesis 'a lower loss' -- --lr 0.01. "
        "Everything behind -- is added to the training command."
    )
    command.set_defaults(after=None)
    command.add_argument("experiment", nargs="?", help="left out: the baseline")
    command.add_argument("--seed", type=int)
    command.add_argument("--attempt", type=int)
    command.add_argument("--hypothesis")
    command.add_argument("--flags", help="the same as behind --, in one string and with =: --flags='--lr 0.01'")
    command.add_argument("--new-baseline", metavar="REASON")
    command.add_argument("--code-change", action="store_true", help="declare the edited code as the experiment")
    side = command.add_mutually_exclusive_group()
    side.add_argument("--control", action="store_true", help="run changed code once without the experiment's flags")
    side.add_argument("--confirm", action="store_true", help="run the next fresh pair of a WINNER")
    command.add_argument("--all", action="store_true", help="run every seed that the arm is sure to need")


def _lab(options: argparse.Namespace) -> "Lab":
    from seedproof_mcp.service.service import Lab

    return Lab(options.project)


def _show(result: "Result") -> int:
    print(result.text())
    return 0


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
        # What a library printed and nobody flushed would reach the client as the process ends.
        os.dup2(2, 1)
    return 0


def _init(options: argparse.Namespace) -> int:
    from seedproof_mcp.host.settings import TEMPLATE
    from seedproof_mcp.system import files
    from seedproof_mcp.system.paths import ProjectPaths

    path = ProjectPaths(options.project).settings
    if path.exists():
        print(f"{path.name} exists already; nothing was changed.", file=sys.stderr)
        return REFUSED
    files.write_atomic(path, TEMPLATE.encode())
    print(f"Wrote {path.name}; every line in it is optional.")
    return 0


def _check_baseline(options: argparse.Namespace) -> int:
    return _show(_lab(options).check_baseline())


def _compare(options: argparse.Namespace) -> int:
    return _show(_lab(options).compare(options.experiment))


def _report(options: argparse.Namespace) -> int:
    return _show(_lab(options).write_report(options.experiment))


def _stop(options: argparse.Namespace) -> int:
    if not options.all:
        return _show(_lab(options).stop_run(options.run_id, options.reason))
    stopped = []
    for result in _lab(options).stop_all(options.reason):
        print(result.first_line(), flush=True)  # what was ended is said, also if the next one cannot be
        stopped.append(result)
    ended = sum(not result.is_active for result in stopped)
    print(f"{ended} of {len(stopped)} runs were ended." if stopped else "Nothing was queued or running.")
    return 0 if ended == len(stopped) else 1


def _resume(options: argparse.Namespace) -> int:
    failures = _lab(options).resume(options.reason)
    print(f"Noted, after {failures} runs in a row that failed or diverged. New experiments may be declared again.")
    return 0


def _verify(options: argparse.Namespace) -> int:
    """0 all is well, 1 something does not match, 2 it cannot be done."""
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
    from seedproof.report.sections import tried_line

    lab = _lab(options)
    console = Console(highlight=False)
    baseline, offset = lab.check_baseline(), 0
    console.print(baseline.first_line(), markup=False)
    table = Table("experiment", "state", "seeds", "verdict", "report")
    while True:
        page = lab.list_experiments(offset, 100)
        for row in page.experiments:
            seeds = f"{row.seeds_done} of {row.seeds_done + row.seeds_needed}"
            name = f"{row.experiment} (null)" if row.is_null else row.experiment
            table.add_row(name, row.state, seeds, row.headline or row.reason or "-", row.report_path or "-")
        offset += len(page.experiments)
        if offset >= page.total or not page.experiments:
            break
    if page.total:
        console.print(table)
        console.print(tried_line(page.campaign), markup=False)
    if page.running or page.queued:
        now = page.running.run_id if page.running else "nothing"
        console.print(f"training now: {now}; queued: {page.queued}", markup=False)
    for notice in (*baseline.notices, *page.notices):
        console.print(f"Notice ({notice.code}): {notice.message}", markup=False)
    if page.running or page.queued:
        words = lab.complaint()
        if words:
            console.print(f"The conductor cannot go on: {words}", markup=False)
    if page.next:
        console.print(f"Next: {page.next} - {page.next.why}", markup=False)
    return 0


def _run(options: argparse.Namespace) -> int:
    import shlex

    from seedproof.admission.request import RunRequest
    from seedproof.model.refusals import FlagMalformed
    from seedproof.model.runs import Role

    try:
        flags = options.after if options.flags is None else tuple(shlex.split(options.flags))
    except ValueError as error:
        raise FlagMalformed(f"the flags are not a command line: {error}.") from None
    request = RunRequest(
        experiment=options.experiment,
        seed=options.seed,
        attempt=options.attempt,
        flags=flags,
        hypothesis=options.hypothesis,
        queue_all=options.all,
        new_baseline=options.new_baseline,
        role=Role.CONFIRM if options.confirm else Role.CONTROL if options.control else Role.MEASURE,
        code_change=options.code_change,
    )
    lab = _lab(options)
    run_id = lab.request_run(request)
    # What is queued now, and not `next` after each run: that may be a retry, which only a person may spend.
    for one in lab.open_runs(run_id) if options.all else [run_id]:
        seen = _follow(lab, one)
        print(seen.text())
        if seen.state == "diverged":
            break  # which decides the arm; its other runs are not needed
        if seen.state != "succeeded":
            return 1
    return 0


def _follow(lab: "Lab", run_id: str) -> "RunResult":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(run_id, total=None)
        while True:
            seen = lab.observe(run_id)
            if not seen.is_active:
                return seen
            elapsed = seen.elapsed_s or 0.0
            total = None if seen.eta_s is None else elapsed + seen.eta_s
            bar.update(task, completed=elapsed, total=total, description=f"{run_id}: {seen.progress()}")
            time.sleep(POLL_S)


def _gc(options: argparse.Namespace) -> int:
    from seedproof_mcp.code.gc import find, free

    lab = _lab(options)
    found = free(lab.paths) if options.yes else find(lab.paths)
    for line in found.lines():
        print(line)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from seedproof_mcp.surface.demo.story import run_demo

    return run_demo(keep=options.keep)


if __name__ == "__main__":
    sys.exit(main())
