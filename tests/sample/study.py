"""Carries out the study of docs/sample: a baseline, an idea that helps, one that does nothing, and one that harms."""

import hashlib
import random
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seedproof_mcp.host.place import Machine

from tests.support.homes import own_home
from tests.support.in_process import InProcessEngine, Training, option, quick_tools
from tests.support.memory import MEMORY
from tests.support.places import ROOT

__all__ = ["FOLDER", "reports"]

FOLDER = ROOT / "docs/sample"
IDEAS: Mapping[str, tuple[Sequence[str], str]] = {
    "momentum": (["--momentum", "0.95"], "a longer memory of gradients learns more"),
    "weight_decay": (["--weight_decay", "0.1"], "smaller weights generalise better"),
    "batch_64": (["--batch_size", "64"], "larger batches learn as much in fewer steps"),
}
_EFFECTS = {"--momentum": -0.05, "--batch_size": 0.06}
_BEGAN, _TIME = "2026-01-01T09:00:00.000Z", re.compile(r"\b20\d\d-\d\d-\d\d(T[\d:.]+Z)?")
_HOURS = re.compile(r'(?<="hours_between": )[\d.e-]+')
_HEAD, _LEDGER = re.compile(r"(?<=#)(\d+) [0-9a-f]{12}\b"), re.compile(r'((?i:ledger) |"ledger": ")[0-9a-f]{12}\b')


class _ThatMachine:
    """A machine and an interpreter that are the same wherever the study is carried out."""

    def machine(self) -> Machine:
        return Machine("lab-1", "Linux", 8, 1.0)

    def environment(self, python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
        found = {"implementation": "cpython", "version": "3.12.3", "packages": {"numpy": "2.4.6"}}
        return {**found, "torch": None, "cuda": None, "gpus": [], "driver": None, "cpu": "no processor: a stand-in"}

    def import_path(self, python: str, env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        return ()


def _train(argv: Sequence[str]) -> Training:
    """A loss that depends on the seed and on the flags, and varies a little between two runs of a seed."""
    drawn = random.Random(str([one for one in argv if one.startswith("--") or one.isdigit()]))
    loss = 3.7 + random.Random(option(argv, "--seed")).gauss(0, 0.01) + drawn.gauss(0, 0.004)
    loss += sum(effect for flag, effect in _EFFECTS.items() if flag in argv)
    return Training(f"step 381 | val_loss: {loss:.6f}\n", files={"model.bin": "x"}, wall_time_s=60 + drawn.random())


async def reports() -> dict[str, str]:
    """Every report, figure and file of numbers of the study by name, with its study page.

    What differs each time is replaced by something of the same form: hashes of the ledger, and times.
    """
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name, own_home(Path(name) / "home"):
        project = Path(name) / "project"
        project.mkdir()
        (project / "train_llm.py").touch()
        async with quick_tools(project, InProcessEngine(_train, _ThatMachine())) as call:
            await call("run_seed", until="verdict")
            await call("write_report")
            for idea, (flags, hypothesis) in IDEAS.items():
                await call("run_seed", experiment=idea, flags=flags, hypothesis=hypothesis, until="verdict")
                if "WINNER" in (await call("compare", experiment=idea)).text:
                    await call("run_seed", experiment=idea, role="confirm", until="verdict")
                    await call("compare", experiment=idea)
                await call("write_report", experiment=idea)
        kept = (one for one in (project / "docs/research").iterdir() if one.suffix in (".md", ".svg", ".json"))
        return {one.name: _steady(one.read_text(encoding="utf-8")) for one in sorted(kept)}


def _steady(text: str) -> str:
    text = _HOURS.sub("0.0", _TIME.sub(lambda found: _BEGAN if found[1] else _BEGAN[:10], text))
    text = _LEDGER.sub(lambda found: f"{found[1]}{_hash('ledger')}", text)
    return _HEAD.sub(lambda found: f"{found[1]} {_hash(found[1])}", text)


def _hash(of: str) -> str:
    """Twelve digits that depend on nothing else."""
    return hashlib.sha256(of.encode()).hexdigest()[:12]
