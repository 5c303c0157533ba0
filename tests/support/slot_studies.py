"""Studies whose runs train side by side on slots of one machine, and what their trainings told of it."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from seedproof.admission.request import RunRequest
from seedproof_mcp.service.service import Service

from tests.support.repositories import make_repository
from tests.support.waiting import stop_everything, wait_until

__all__ = ["SCRIPT", "Turn", "a_study", "named", "overlapping", "queue", "settle", "turns"]

SCRIPT = '''"""Tells when it begins and ends, and on which slot; waits for a file if it is told one."""

import argparse, os, random, time

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--train_tokens", type=int)
parser.add_argument("--seed", type=int)
parser.add_argument("--output_dir")
parser.add_argument("--shift", type=float, default=0.0)
parser.add_argument("--crash", action="store_true")
options = parser.parse_args()
slot = os.environ.get("CUDA_VISIBLE_DEVICES", "")
turns = os.open(os.environ["TURNS"], os.O_WRONLY | os.O_APPEND)
me = f"{slot or '-'} {options.output_dir} {os.getcwd()}"
os.write(turns, f"{time.monotonic_ns()} begin {me}\\n".encode())
gate = os.environ["GATE"]
while gate and not os.path.exists(gate) and not os.path.exists(f"{gate}-{options.seed}"):
    time.sleep(0.01)
time.sleep(float(os.environ["LASTS_S"]))
if not options.crash:
    print(f"Step 100 | val_loss: {4 + options.shift + random.Random(options.seed).gauss(0, 0.01):.6f}")
os.write(turns, f"{time.monotonic_ns()} end {me}\\n".encode())
raise SystemExit(1 if options.crash else 0)
'''


@dataclass(frozen=True)
class Turn:
    """One training, by what it told."""

    slot: str
    """The device that it saw; `-` for none."""
    output_dir: str
    """Its output folder."""
    folder: str
    """Where it was started."""
    begin_ns: int
    end_ns: int | None
    """None where it was killed."""


@contextmanager
def a_study(
    folder: Path, slots: str = "", *, lasts_s: float = 0.0, gated: bool = False, script: str = SCRIPT
) -> Iterator[Path]:
    """A project in a repository of its own.

    Args:
        slots: The value of the setting, as TOML; empty for one run at a time.
        gated: Whether its trainings wait for the file `gate`, or `gate-SEED`, above the project.
    """
    project = make_repository(folder / "project", {"train_llm.py": script, ".gitignore": "checkpoints\n.seedproof\n"})
    (folder / "turns").touch()
    env = {"TURNS": folder / "turns", "GATE": folder / "gate" if gated else "", "LASTS_S": lasts_s}
    written = "\n".join(f"{name} = {json.dumps(str(value))}" for name, value in env.items())
    head = f"slots = {slots}\n" if slots else ""
    # Requested behind the baseline, a probe would begin before or after whatever a test does then.
    rules = "[rules]\nrepeat_probe = false\n" if gated else ""
    text = f"{rules}[settings]\n{head}python = {json.dumps(sys.executable)}\ngrace_s = 0.1\n[settings.env]\n{written}\n"
    (project / "seedproof.toml").write_text(text)
    try:
        yield project
    finally:
        (folder / "gate").touch()
        stop_everything(project)


def named(count: int) -> str:
    """So many slots, each with a device of its own, as TOML."""
    slots = (f'{{name = "gpu{one}", env = {{CUDA_VISIBLE_DEVICES = "{one}"}}}}' for one in range(count))
    return f"[{', '.join(slots)}]"


def queue(service: Service, *experiments: str) -> list[str]:
    """Queue all that each of these experiments needs; without one, the baseline."""
    if not experiments:
        return [service.request_run(RunRequest(queue_all=True))]
    shifts = {name: ("--shift", f"{number / 10:g}") for number, name in enumerate(experiments, 1)}
    return [
        service.request_run(RunRequest(experiment=name, flags=shifts[name], hypothesis="it is worse", queue_all=True))
        for name in experiments
    ]


def settle(service: Service, run_ids: Sequence[str] = ()) -> None:
    """Wait until nothing is queued or training, or until these runs have ended."""

    def is_over() -> bool:
        active = service._ledger.refresh().active
        for run_id in list(active)[:1]:
            service.observe(run_id)  # starts a conductor where one is needed
        return not active if not run_ids else not any(one in active for one in run_ids)

    wait_until(is_over)


def turns(project: Path) -> list[Turn]:
    """Every training that began, in the order of their beginnings."""
    begun: dict[str, Turn] = {}
    for line in (project.parent / "turns").read_text().splitlines():
        at_ns, kind, slot, output_dir, folder = line.split(maxsplit=4)
        if kind == "begin":
            begun[f"{output_dir} {at_ns}"] = Turn(slot, output_dir, folder, int(at_ns), None)
        else:
            key = next(key for key in reversed(begun) if key.startswith(f"{output_dir} "))
            was = begun[key]
            begun[key] = Turn(slot, output_dir, folder, was.begin_ns, int(at_ns))
    return sorted(begun.values(), key=lambda turn: turn.begin_ns)


def overlapping(found: Sequence[Turn]) -> list[tuple[Turn, Turn]]:
    """The pairs that trained at the same time, as far as both told their end."""
    ended = [turn for turn in found if turn.end_ns is not None]
    return [
        (one, other)
        for one, other in combinations(ended, 2)
        if one.begin_ns < (other.end_ns or 0) and other.begin_ns < (one.end_ns or 0)
    ]
