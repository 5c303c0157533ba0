"""Writes down what a node is: `python -P -m seedproof_mcp.host.describe QUESTION ANSWER...`, run by a job on it.

QUESTION is a run's spec.json, or a file with what it asks. An ANSWER is a file, or a folder that has one per node.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from seedproof_mcp.host import environment
from seedproof_mcp.host.place import ThisMachine
from seedproof_mcp.system import files

__all__ = ["asked_env", "description", "main"]

# What an interpreter is found by and imports from; nothing that may hold a secret.
_ASKED = ("PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH")
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def asked_env(env: Mapping[str, str]) -> dict[str, str]:
    """The variables with which an interpreter is asked on another machine."""
    return {
        name: value for name, value in sorted(env.items()) if name in (*_ASKED, _VISIBLE) or name.startswith("PYTHON")
    }


def description(python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
    """This machine, as a job on it sees it, in the form of a place.json."""
    place = ThisMachine()
    # Several nodes of a test may be one machine; Slurm's name is what its users know.
    machine = replace(place.machine(), host=os.environ.get("SLURMD_NODENAME") or os.uname().nodename)
    asked = {"HOME": os.environ.get("HOME", "/"), **env}
    document = place.environment(python, asked, cwd)
    # What the scheduler gave the job comes before what the settings name, as in the training's environment.
    visible = os.environ.get(_VISIBLE, env.get(_VISIBLE))
    seen = None if visible is None else _seen(document["gpus"], visible)
    if seen is not None:
        document |= {"gpus": seen, "gpus_visible": True}
    path = list(place.import_path(python, asked, cwd))
    # A training tells the interpreter that it had, and not the wrapper that started it.
    interpreter = {"python": python, "executable": environment.executable(python, asked, cwd), "import_path": path}
    return {"time_s": time.time(), "machine": asdict(machine), "environment": document, **interpreter}


def _seen(gpus: Sequence[str], visible: str) -> list[str] | None:
    """The GPUs that a training sees through that variable; None where its words do not tell which they are."""
    named = [one.strip() for one in visible.split(",") if one.strip()]
    if named in ([], ["NoDevFiles"], ["-1"]):
        return []
    if all(one.isdigit() and int(one) < len(gpus) for one in named):
        return [gpus[int(one)] for one in named]
    return list(gpus[: len(named)]) if len(set(gpus)) == 1 else None


def main(arguments: Sequence[str]) -> int:
    """Describe this machine; the exit code is 0 where it could be written."""
    question, *answers = map(Path, arguments)
    asked = json.loads(question.read_bytes())
    asked = asked.get("asks", asked)
    said = description(asked["python"], asked["env"], Path(asked["cwd"]))
    for answer in answers:
        place = answer / f"{said['machine']['host']}.json" if answer.is_dir() else answer
        files.write_atomic(place, json.dumps(said).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
