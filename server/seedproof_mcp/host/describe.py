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


def asked_env(env: Mapping[str, str]) -> dict[str, str]:
    """The variables with which an interpreter is asked on another machine."""
    return {name: value for name, value in sorted(env.items()) if name in _ASKED or name.startswith("PYTHON")}


def description(python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
    """This machine, as a job on it sees it, in the form of a place.json."""
    place = ThisMachine()
    # Several nodes of a test may be one machine; Slurm's name is what its users know.
    machine = replace(place.machine(), host=os.environ.get("SLURMD_NODENAME") or os.uname().nodename)
    asked = {"HOME": os.environ.get("HOME", "/"), **env}
    document = place.environment(python, asked, cwd)
    document["gpus"] = _of_the_job(document["gpus"], os.environ.get("CUDA_VISIBLE_DEVICES"))
    path = list(place.import_path(python, asked, cwd))
    # A training tells the interpreter that it had, and not the wrapper that started it.
    interpreter = {"python": python, "executable": environment.executable(python, asked, cwd), "import_path": path}
    return {"time_s": time.time(), "machine": asdict(machine), "environment": document, **interpreter}


def _of_the_job(gpus: Sequence[str], visible: str | None) -> list[str]:
    """The GPUs that the scheduler gave the job; all that can be seen where it names none of them by its number."""
    if visible is None:
        return list(gpus)
    numbers = [one.strip() for one in visible.split(",")]
    if not all(one.isdigit() and int(one) < len(gpus) for one in numbers):
        return list(gpus)
    return [gpus[int(one)] for one in numbers]


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
