"""`seedproof doctor`: what would keep runs from starting or from being read, each with its remedy."""

import argparse
from dataclasses import asdict

from seedproof_mcp.surface.commands.exit_codes import DONE, FAULTY
from seedproof_mcp.surface.next_command import in_commands
from seedproof_mcp.surface.show import print_json

__all__ = ["doctor"]


def doctor(options: argparse.Namespace) -> int:
    """Print what is found; the exit code is 1 where something has to be mended."""
    from seedproof_mcp.setup.doctor.examination import examine

    found = []
    for one in examine(options.project.resolve()):
        found.append(one)
        if not options.json:
            print(f"{one.state:<4}  {one.topic}: {in_commands(one.text)}", flush=True)
            if one.remedy is not None:
                print(f"      -> {one.remedy}", flush=True)
    faults = sum(one.state == "mend" for one in found)
    if options.json:
        print_json({"mend": faults, "findings": [asdict(one) for one in found]})
    elif faults:
        print(f"{faults} {'thing has' if faults == 1 else 'things have'} to be mended.")
    else:
        print("Nothing has to be mended.")
    return FAULTY if faults else DONE
