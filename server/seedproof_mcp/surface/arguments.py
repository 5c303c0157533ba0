"""The arguments of the command line."""

import argparse
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from seedproof_mcp.surface.commands.exit_codes import EXIT_CODES
from seedproof_mcp.surface.commands.tree import check_names, commands_of

if TYPE_CHECKING:
    from seedproof.admission.request import RunRequest

__all__ = ["build_parser", "parse", "run_request"]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command. What follows `--` are the flags of `run` and the command of `init`, as typed."""
    end = list(arguments).index("--") if "--" in arguments else None
    parser = build_parser()
    typed = arguments[:end]
    check_names(parser, typed)
    options = parser.parse_args(typed)
    options.typed, options.parser = tuple(typed), commands_of(parser)[options.command]
    if end is None:
        return options
    if options.command not in ("run", "init"):
        parser.error("only run takes flags behind --, and init a command")
    if options.command == "init" and options.full:
        parser.error("--full writes every setting; it takes no command")
    if options.command == "run" and options.flags is not None:
        parser.error("give the flags either behind -- or as --flags='…'")
    options.after = tuple(arguments[end + 1 :])
    return options


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command, without what follows `--`."""
    parser = argparse.ArgumentParser(
        prog="seedproof",
        description="Runs training experiments and refuses a verdict before the variance is known.",
        epilog="Exit codes: " + " ".join(f"{code} {text}" for code, text in EXIT_CODES.items()),
    )
    parser.add_argument("--version", action="version", version=f"seedproof {version('seedproof')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, text: str, *, json: bool = False) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(json=False)
        if json:
            command.add_argument("--json", action="store_true", help="print one JSON object")
        command.add_argument("--project", type=Path, default=Path(), help="folder with the training script (here)")
        command.set_defaults(command=name)
        return command

    add("serve", "serve the MCP tools on stdin and stdout")
    _add_init(add("init", "look at the project and write a seedproof.toml"))
    trial = add("try", "try the command in two short runs and a repeat, outside the ledger", json=True)
    trial.add_argument(
        "--limit", type=_seconds, default=60.0, metavar="S", help="seconds after which each run is ended (60)"
    )
    add("doctor", "look for what would keep runs from starting or being read, and say how to mend it", json=True)
    add("status", "show baseline, experiments, failed seeds and queue", json=True)
    add("check-baseline", "show where the baseline stands", json=True)
    add("watch", "show the runs in flight, live; without a terminal a line for each change, until nothing runs")
    log = add("log", "print the output of a run", json=True)
    log.add_argument("run_id", nargs="?", metavar="RUN", help="run id, its beginning, or experiment (the newest run)")
    log.add_argument("-f", "--follow", action="store_true", help="go on until the run has ended")
    _add_board(add("board", "show the study in the browser, live; read-only"))
    _add_export(add("export", "write the loss curves of all runs, with every value of their logs"))
    _add_run(add("run", "run the next seed, or the one named"))
    compare = add("compare", "give the verdict on an experiment", json=True)
    compare.add_argument("experiment", metavar="NAME", help="name of the experiment")
    compare.add_argument("--against", metavar="OTHER", help="compare it with another experiment, without a verdict")
    report = add("report", "write the report of an experiment, or of the baseline", json=True)
    about = report.add_mutually_exclusive_group()
    about.add_argument("experiment", nargs="?", metavar="NAME", help="name of the experiment; left out: the baseline")
    about.add_argument("--study", action="store_true", help="write the page on all experiments alone")
    stop = add("stop", "cancel a queued or running run, or all of the project; or withdraw an experiment")
    which = stop.add_mutually_exclusive_group(required=True)
    which.add_argument("run_id", nargs="?", metavar="RUN", help="id of the run, as `seedproof status` shows it")
    which.add_argument("--all", action="store_true", help="everything that is queued or running in this project")
    which.add_argument("--experiment", metavar="NAME", help="withdraw an experiment without any value, or close one")
    stop.add_argument("--reason", required=True, help="why; it is recorded in the ledger")
    resume = add("resume", "confirm that you looked at a row of failures, so that experiments may be declared again")
    resume.add_argument("--reason", required=True, help="what was wrong; it is recorded in the ledger")
    gc = add("gc", "list stored code that no arm needs any more", json=True)
    gc.add_argument("--yes", action="store_true", help="remove it")
    check = add("verify", "verify the ledger, its files and every published head", json=True)
    check.add_argument("--regenerate", action="store_true", help="regenerate reports and figures, byte for byte")
    check.add_argument(
        "--against", metavar="REV", help="require today's ledger to begin with the mirror of this git revision"
    )
    for name, text in (
        ("install", "enter the server and its skill into a host's settings"),
        ("uninstall", "take the server and its skill out of a host's settings"),
    ):
        _add_host(add(name, text), name)
    leave = add("uninstall-project", "show what Seedproof has left in the project, and remove it")
    leave.add_argument("--yes", action="store_true", help="remove it; reports and the mirror of the ledger stay")
    leave.add_argument("--reports", action="store_true", help="also the reports and the mirror under docs/research")
    completion = add("completion", "print what makes a shell complete commands and options")
    completion.add_argument("shell", choices=["bash", "zsh", "fish"], help="the shell")
    demo = add("demo", "watch the protocol on a small real language model")
    demo.add_argument("--keep", action="store_true", help="keep the demonstration's project folder")
    return parser


def _add_board(command: argparse.ArgumentParser) -> None:
    command.epilog = "The page is for this machine only; through ssh, forward its port: ssh -L 8765:127.0.0.1:8765 box"
    command.add_argument("--no-open", action="store_true", help="print the address and open no browser")
    command.add_argument("--port", type=_port, help="port on 127.0.0.1 (the one of last time, or a free one)")


def _add_export(command: argparse.ArgumentParser) -> None:
    command.add_argument("--csv", action="store_true", required=True, help="as comma-separated values, one a line")
    command.add_argument("--experiment", metavar="NAME", help="of this experiment's runs alone")
    command.add_argument("--output", type=Path, metavar="FILE", help="write them to a file instead of the terminal")


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError("a number from 1 to 65535")
    return port


def _add_init(command: argparse.ArgumentParser) -> None:
    command.epilog = (
        "It reads files and runs nothing. From a command that works it learns more: "
        "seedproof init -- python train.py --lr 0.1 --steps 300"
    )
    command.set_defaults(after=None)
    command.add_argument("--full", action="store_true", help="write every setting with its meaning, commented out")
    command.add_argument("--print", action="store_true", help="print the file instead of writing it")


def _add_host(command: argparse.ArgumentParser, name: str) -> None:
    from seedproof_mcp.setup.hosts.hosts import HOSTS

    command.add_argument("host", choices=list(HOSTS), help=f"one of {', '.join(HOSTS)}", metavar="HOST")
    command.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    if name == "install":
        command.add_argument(
            "--approve", action="store_true", help="let the agent call the tools without asking you each time"
        )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e7:
        raise argparse.ArgumentTypeError("a number of seconds above 0")
    return seconds


def _add_run(command: argparse.ArgumentParser) -> None:
    command.epilog = (
        "The first run of an experiment declares it: seedproof run muon --hypothesis 'a lower loss' -- --lr 0.01. "
        "Everything behind -- is added to the training command."
    )
    command.set_defaults(after=None)
    command.add_argument("experiment", nargs="?", metavar="NAME", help="name of the experiment; left out: the baseline")
    command.add_argument("--seed", type=int, metavar="N", help="this seed instead of the next one")
    command.add_argument("--attempt", type=int, metavar="N", help="2 or more: try a failed seed again")
    command.add_argument("--hypothesis", metavar="TEXT", help="what the experiment should change, for its declaration")
    command.add_argument(
        "--flags", metavar="FLAGS", help="the same as behind --, in one string and with =: --flags='--lr 0.01'"
    )
    command.add_argument("--new-baseline", metavar="REASON", help="begin a new baseline, and say why")
    command.add_argument("--code-change", action="store_true", help="declare the edited code as the experiment")
    side = command.add_mutually_exclusive_group()
    side.add_argument("--control", action="store_true", help="run changed code once without the experiment's flags")
    side.add_argument("--confirm", action="store_true", help="run the next fresh seed of a confirmation")
    command.add_argument(
        "--until-verdict",
        action="store_true",
        help="run all that is due until the verdict; with --confirm a confirmation as well, else it asks",
    )
    command.add_argument("--all", action="store_true", help="run every seed that the arm is sure to need")


def run_request(options: argparse.Namespace) -> "RunRequest":
    """The request that the options of `run` stand for.

    Raises:
        FlagMalformed: The text of --flags is not a command line.
    """
    import shlex

    from seedproof.admission.request import RunRequest
    from seedproof.model.refusals import FlagMalformed
    from seedproof.model.run_key import Role

    try:
        flags = options.after if options.flags is None else tuple(shlex.split(options.flags))
    except ValueError as error:
        raise FlagMalformed(f"the flags are not a command line: {error}.") from None
    return RunRequest(
        experiment=options.experiment,
        seed=options.seed,
        attempt=options.attempt,
        flags=flags,
        hypothesis=options.hypothesis,
        queue_all=options.all,
        new_baseline=options.new_baseline,
        role=Role.CONFIRM if options.confirm else Role.CONTROL if options.control else Role.MEASURE,
        code_change=options.code_change,
        until="verdict" if options.until_verdict else "seed",
    )
