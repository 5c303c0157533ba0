"""The command line: calls the service and prints what it answers."""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from seedproof_mcp.surface.arguments import parse, run_request
from seedproof_mcp.surface.commands.exit_codes import INTERRUPTED, REFUSED, USAGE
from seedproof_mcp.surface.commands.output import OutputFailed, give_up_output, printing, tell
from seedproof_mcp.surface.next_command import in_commands, next_line
from seedproof_mcp.surface.setup_commands import init, try_command
from seedproof_mcp.surface.show import TRY_AGAIN, json_refusal, print_json, show

if TYPE_CHECKING:
    from seedproof_mcp.service.replies.run import RunResult
    from seedproof_mcp.service.service import Service

__all__ = ["main"]

# How old the shown progress of a run may be.
SHOW_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code, as in `exit_codes.py`."""
    if sys.platform == "win32":
        print("Seedproof needs Linux or macOS (file locks, process groups). On Windows use WSL.", file=sys.stderr)
        return USAGE
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if not options.project.is_dir():
        tell(f"seedproof: {options.project} is not a folder; give the project's with --project.")
        return USAGE
    if options.command == "serve":
        return _serve(options)
    try:
        with printing():
            return _carry_out(options)
    except OutputFailed as failed:
        return give_up_output(failed)


def _carry_out(options: argparse.Namespace) -> int:
    from seedproof.model.refusals import Refusal

    try:
        return _ACTS[options.command](options)
    except Refusal as refusal:
        again = options.command == "try" and refusal.next_call.tool == "check_baseline"
        call = TRY_AGAIN if again else refusal.next_call
        if options.json:
            print_json(json_refusal(refusal, call, options.project))
        tell(f"{refusal.code}: {in_commands(refusal.message)}")
        tell(f"Next: {next_line(call, options.project)}")
        return REFUSED
    except OSError as error:
        from seedproof_mcp.service.os_errors import cure

        tell(f"seedproof: {cure(error)}")
        return REFUSED
    except KeyboardInterrupt:
        tell("Stopped waiting; runs that were requested go on. `seedproof status` shows them.")
        return INTERRUPTED


def _service(options: argparse.Namespace) -> "Service":
    from seedproof_mcp.service.service import Service

    return Service(options.project)


def _serve(options: argparse.Namespace) -> int:
    # Nothing needs an orderly end here. Ctrl-C would be noticed only with the next line on stdin; what whoever started
    # the server ignores, as nohup does, would be ignored here as well.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if sys.stdin is not None and sys.stdin.isatty():
        tell("seedproof serve: waiting for an MCP client on stdin. Hosts start this themselves; Ctrl-C ends it.")
    gc.disable()  # loading makes a hundred thousand objects that stay, and looking for garbage among them takes a tenth
    from seedproof_mcp.surface.stdio import serve_short_lines
    from seedproof_mcp.surface.tools import build_server

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
    result = service.write_study() if options.study else service.write_report(options.experiment)
    return show(options.project, result, as_json=options.json)


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

    paths, found = ProjectPaths(options.project.resolve()), []
    try:
        for check in verify(paths, regenerate=options.regenerate, against=options.against):
            found.append(check)
            if not options.json:
                print(check, flush=True)
    except CannotVerify as reason:
        tell(f"seedproof: {reason}")
        return USAGE
    failures = sum(check.outcome is Outcome.FAIL for check in found)
    if options.json:
        print_json({"failed": failures, "checks": [asdict(check) for check in found]})
    else:
        print(f"{failures} checks failed." if failures else "All is well.")
    return 1 if failures else 0


def _run(options: argparse.Namespace) -> int:
    from seedproof.model.refusals import NothingDue

    if options.after:
        from seedproof_mcp.surface.commands.own_options import misplaced_words, script_knows

        misplaced = misplaced_words(options.parser, options.typed, options.after, script_knows(options.project))
        if misplaced is not None:
            tell(f"seedproof run: {misplaced}")
            return USAGE
    from seedproof_mcp.service.run_queries import is_first_of_baseline, open_runs

    service, request = _service(options), run_request(options)
    if options.until_verdict and not options.control:
        from seedproof_mcp.surface.commands.until_verdict import run_until_verdict

        return run_until_verdict(service, options.project, request, lambda observe: _watch(service, observe))
    told: set[str] = set()
    # What is wrong with the command or the metric is wrong for every seed: the first one of a baseline tells.
    if request.queue_all and is_first_of_baseline(service, request):
        first = service.request_run(replace(request, queue_all=False))
        code = _follow_all(service, options, [first], told, goes_on=True)
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
    return _follow_all(service, options, open_runs(service, run_id) if options.all else [run_id], told)


def _follow_all(
    service: "Service", options: argparse.Namespace, run_ids: list[str], told: set[str], *, goes_on: bool = False
) -> int:
    """Show each run once it has ended; `Next:` only where the command itself does not go on with that."""
    from seedproof_mcp.service.run_queries import goes_on_after

    for number, one in enumerate(run_ids, start=1):
        seen = _watch(service, partial(service.observe, one))
        is_followed = seen.state == "succeeded" and (goes_on or number < len(run_ids))
        show(options.project, seen.model_copy(update={"next": None}) if is_followed else seen, told)
        if seen.state == "diverged":
            break  # it decides the arm; its other runs are not needed
        if seen.state != "succeeded":
            left = goes_on_after(service, one, run_ids[number:])
            if left:
                print(f"{left} more of these runs go on; `seedproof stop RUN --reason REASON` ends one of them.")
            elif run_ids[number:]:
                print("The other runs of this call were not started.")
            return 1
    return 0


def _watch(service: "Service", observe: "Callable[[], RunResult]") -> "RunResult":
    """Show progress until what is observed is not active any more; the last result."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from seedproof_mcp.service.service import BLIND_S

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar, service.watch() as watch:
        task = bar.add_task("", total=None)
        while True:
            seen = observe()
            if not seen.is_active:
                return seen
            elapsed = seen.elapsed_s or 0.0
            total = None if seen.eta_s is None else elapsed + seen.eta_s
            bar.update(task, completed=elapsed, total=total, description=f"{seen.run_id}: {seen.progress()}")
            watch.wait(SHOW_S, BLIND_S)


def _gc(options: argparse.Namespace) -> int:
    from seedproof_mcp.code.gc import find, free

    service = _service(options)
    found = free(service.paths) if options.yes else find(service.paths)
    left = service.left_by_runs(remove=options.yes)
    if options.json:
        print_json({**asdict(found), "left_by_runs": [*left]})
        return 0
    for line in (*found.lines(), *left):
        print(line)
    return 0


def _loaded(where: str, *, has_service: bool = False) -> Callable[[argparse.Namespace], int]:
    """A command of another module, such as `commands.log:print_log`, which is loaded when it is called."""

    def act(options: argparse.Namespace) -> int:
        module, _, name = where.partition(":")
        command: Callable[..., int] = getattr(import_module(f"seedproof_mcp.surface.{module}"), name)
        return command(options, _service(options)) if has_service else command(options)

    return act


def _completion(options: argparse.Namespace) -> int:
    from seedproof_mcp.surface.arguments import build_parser
    from seedproof_mcp.surface.commands.completion import completion

    print(completion(build_parser(), options.shell), end="")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from seedproof_mcp.surface.demo.story import run_demo

    return run_demo(keep=options.keep)


_ACTS: dict[str, Callable[[argparse.Namespace], int]] = {
    "init": init,
    "try": try_command,
    "status": _loaded("commands.status:status", has_service=True),
    "check-baseline": lambda options: show(options.project, _service(options).check_baseline(), as_json=options.json),
    "run": _run,
    "compare": lambda options: show(
        options.project, _service(options).compare(options.experiment, options.against), as_json=options.json
    ),
    "report": _report,
    "stop": _stop,
    "resume": _resume,
    "gc": _gc,
    "verify": _verify,
    "install": _loaded("host_commands:change_host"),
    "uninstall": _loaded("host_commands:change_host"),
    "board": _loaded("commands.board:serve_board"),
    "export": _loaded("commands.export:export_curves", has_service=True),
    "demo": _demo,
    "watch": _loaded("commands.watch:watch_runs", has_service=True),
    "log": _loaded("commands.log:print_log", has_service=True),
    "doctor": _loaded("commands.doctor:doctor"),
    "uninstall-project": _loaded("commands.uninstall_project:uninstall_project"),
    "completion": _completion,
}


if __name__ == "__main__":
    sys.exit(main())
