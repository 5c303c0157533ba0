"""The commands `install` and `uninstall`: asks before agents may call unasked, and prints what was done."""

import argparse
import os
import sys

from seedproof_mcp.setup.hosts.hosts import HOSTS, Host
from seedproof_mcp.setup.hosts.install import HostSetup
from seedproof_mcp.setup.hosts.untouched import CannotEdit
from seedproof_mcp.surface.commands.exit_codes import DONE, REFUSED

__all__ = ["change_host"]

ALLOWS = (
    "run_seed starts your training command on this machine, with flags that the agent chooses and as often as the "
    "protocol asks for, write_report removes checkpoints, and stop_run ends runs, all without asking you"
)


def change_host(options: argparse.Namespace) -> int:
    """Install the server in a host or uninstall it.

    Returns:
        DONE, or REFUSED where a settings file was left as it is.
    """
    host = HOSTS[options.host]
    is_install = options.command == "install"
    try:
        setup = HostSetup(host, options.project.resolve(), os.environ, dry_run=options.dry_run)
    except CannotEdit as why:
        print(f"seedproof: {why}.", file=sys.stderr)
        return REFUSED
    if not host.is_tested:
        print(f"{host.title}: written as its documents say, and not tested with it.")
    if is_install:
        setup.install(approve=_approves(options, host, setup))
    else:
        setup.uninstall()
    print("\n".join(setup.told.done))
    if setup.told.left:
        print("\n".join(setup.told.left), file=sys.stderr)
        return REFUSED
    if is_install:
        print(f"Next: {host.then}")
    return DONE


def _approves(options: argparse.Namespace, host: Host, setup: HostSetup) -> bool:
    if host.approval is None:
        if options.approve:
            print(f"{host.title} has no approval that install could set; --approve changes nothing.")
        return False
    if options.approve or setup.is_approved():
        return True
    answer = ""
    if sys.stdin.isatty() and not options.dry_run:
        print(f"May agents in {host.title} call Seedproof's tools without asking you each time? Then {ALLOWS}.")
        try:
            answer = input("Allow it? [y/N] ")
        except EOFError:
            print()
    if answer.strip().lower() in ("y", "yes"):
        return True
    print(f"Approvals were left as they are: {host.title} asks you before calls. With --approve, {ALLOWS}.")
    return False
