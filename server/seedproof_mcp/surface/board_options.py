"""The options of the commands `board` and `export`; read at each start, so it loads neither."""

import argparse
from pathlib import Path

__all__ = ["add_board", "add_export"]


def add_board(command: argparse.ArgumentParser) -> None:
    """Add the options of `board`."""
    command.epilog = "The page is for this machine only; through ssh, forward its port: ssh -L 8765:127.0.0.1:8765 box"
    command.add_argument("--no-open", action="store_true", help="print the address and open no browser")
    command.add_argument("--port", type=_port, help="port on 127.0.0.1 (the one of last time, or a free one)")


def add_export(command: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    command.add_argument("--csv", action="store_true", required=True, help="as comma-separated values, one a line")
    command.add_argument("--experiment", metavar="NAME", help="of this experiment's runs alone")
    command.add_argument("--output", type=Path, metavar="FILE", help="write them to a file instead of the terminal")


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError("a number from 1 to 65535")
    return port
