"""Takes ten projects from `seedproof init` to a first verdict, and prints what that takes besides training.

Five of them are real frameworks, with a small program of ours; the rest are stand-ins of the same shape. With
`--fetched FOLDER`, projects of the public that lie there under their names take the place of their stand-ins.
"""

import argparse
import array
import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import figures  # slots and registry of their own

ROOT = Path(__file__).parents[1]
STAND_INS, REAL = ROOT / "tests/recipes/projects", ROOT / "tests/recipes/real"
FRAMEWORKS = ROOT / ".venv-recipes/bin"
MOST_MINUTES, MOST_LINES = 5, 6
HEAD = ("Project", "Code", "Minutes to a verdict besides training", "Settings", "Generations", "Dead ends", "Notices")
SOMEONE = ("-c", "user.name=someone", "-c", "user.email=someone@localhost", "-c", "commit.gpgSign=false")
MORE_SEEDS = "more_seeds_needed"
"""No dead end: the protocol asks for the other two seeds."""
PASTE = "seedproof.toml, to paste:\n\n"
"""Before the settings that a try offers."""


@dataclass(frozen=True)
class Project:
    """A project, and what its user types."""

    name: str
    source: Path
    experiment: str
    """What stands behind `--` of the first experiment; empty for edited code."""
    command: str = ""
    """A command that works, from which `init` learns; empty where it looks by itself."""
    edit: tuple[str, str, str] | None = None
    """File, text and its replacement: an experiment in code."""
    files: Mapping[str, str] = field(default_factory=dict)
    """More files of the project."""
    fetched: str | None = None
    """The folder of the public project that takes its place, where it was fetched."""
    prepare: Callable[[Path], None] | None = None
    """What the fetched project needs before its first training."""
    fetched_command: str = ""
    """The command of the fetched project, in sizes for a processor."""


@dataclass(frozen=True)
class Row:
    """What one project took."""

    project: str
    code: str
    minutes: float
    """From the beginning of `init` to the verdict, without the wall time of the runs."""
    lines: int
    generations: int
    dead_ends: tuple[str, ...]
    """Commands that ended badly, with the reason."""
    notices: tuple[str, ...]
    verdict: str

    @property
    def is_reached(self) -> bool:
        """Whether the goals are reached."""
        is_quick = self.minutes <= MOST_MINUTES and self.lines <= MOST_LINES and self.generations == 1
        return is_quick and not self.dead_ends and bool(self.verdict)


def prepare_nanogpt(folder: Path) -> None:
    """Characters of our own pages, as nanoGPT's preparation lays down those of a text that it fetches."""
    data = folder / "data/shakespeare_char"
    text = "".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    known = {one: number for number, one in enumerate(sorted(set(text)))}
    tokens = array.array("H", (known[one] for one in text))
    split = len(tokens) * 9 // 10
    (data / "train.bin").write_bytes(tokens[:split].tobytes())
    (data / "val.bin").write_bytes(tokens[split:].tobytes())
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(known), "stoi": known, "itos": sorted(known)}))


NANOGPT_SMALL = (
    "python train.py config/train_shakespeare_char.py --device=cpu --compile=False --eval_iters=10 --eval_interval=30 "
    "--block_size=32 --batch_size=8 --n_layer=2 --n_head=2 --n_embd=64 --max_iters=120 --lr_decay_iters=120 "
    "--dropout=0.0 --out_dir=out"
)
RUN_SH = 'set -euo pipefail\nseed=$1 folder=$2\nshift 2\nuv run train.py --seed "$seed" --out "$folder" "$@"\n'

PROJECTS = (
    Project("LLM research kit", STAND_INS / "llm-research-kit", "--muon_lr 0.1"),
    Project(
        "nanoGPT",
        STAND_INS / "nanogpt",
        "--learning_rate=2e-3",
        "python train.py config/train_shakespeare_char.py",
        fetched="nanoGPT",
        prepare=prepare_nanogpt,
        fetched_command=NANOGPT_SMALL,
    ),
    Project(
        "autoresearch",
        STAND_INS / "autoresearch",
        "",
        "uv run train.py",
        edit=("train.py", "MATRIX_LR = 0.04", "MATRIX_LR = 0.08"),
    ),
    Project(
        "modded-nanogpt under torchrun",
        REAL / "modded-nanogpt",
        "",
        "torchrun --standalone --nproc_per_node=2 train_gpt.py",
        edit=("train_gpt.py", "MATRIX_LR = 0.05", "MATRIX_LR = 0.1"),
    ),
    Project(
        "Hugging Face Trainer",
        REAL / "huggingface-trainer",
        "--learning_rate 1e-3",
        "python run_clm.py --do_train --do_eval --seed 1 --output_dir out --num_train_epochs 3 --report_to none",
    ),
    Project("LightningCLI", REAL / "lightning", "--model.lr=0.1", "python main.py fit --seed_everything=1"),
    Project("Hydra", REAL / "hydra", "optimizer.lr=0.1"),
    Project("XGBoost", REAL / "xgboost", "--eta 0.3"),
    Project("uv run in a shell launcher", REAL / "uv", "--lr 0.1", "bash run.sh 1 out", files={"run.sh": RUN_SH}),
    Project("metrics in files", STAND_INS / "files", "--lr 0.1", "python train.py --seed 1 --out out"),
)


class Journey:
    """One project on its way to a verdict."""

    def __init__(self, project: Project, folder: Path, fetched: Path | None) -> None:
        self.folder, self.dead_ends, self.notices = folder, list[str](), list[str]()
        self._project = project
        self._is_fetched = fetched is not None and project.fetched is not None and (fetched / project.fetched).is_dir()
        source = fetched / project.fetched if fetched and project.fetched and self._is_fetched else project.source
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__", ".git"))
        if not self._is_fetched:
            shutil.copy(STAND_INS / "tiny.py", folder)
        for name, text in project.files.items():
            (folder / name).write_text(text)
        own = Path(sys.executable).parent
        path = os.pathsep.join(map(str, (folder / "bin", FRAMEWORKS, own, os.environ["PATH"])))
        self._env = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(FRAMEWORKS.parent), "UV_PYTHON": sys.executable}

    @property
    def code(self) -> str:
        """What stands for the project."""
        if self._is_fetched:
            return "the public code"
        return "the real framework" if self._project.source.parent == REAL else "a stand-in"

    def prepare(self) -> None:
        """What its user did before: the data are there, the training works, and git knows the files."""
        if self._is_fetched and self._project.prepare:
            self._project.prepare(self.folder)
        if (self.folder / "pyproject.toml").exists() and not (self.folder / "bin/uv").exists():
            self._do("uv", "sync", "--offline")
        (self.folder / ".gitignore").write_text(".venv\nout*/\ndata/\nbin/\nlogs/\n__pycache__/\n*.lock\n")
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "begin")):
            subprocess.run(["git", *SOMEONE, *command], cwd=self.folder, check=True, capture_output=True)

    def go(self) -> str:
        """Take the project to its verdict; its headline, empty where none was reached."""
        project = self._project
        command = project.fetched_command if self._is_fetched else project.command
        self._do("seedproof", "init", *(("--", *shlex.split(command)) if command else ()))
        self._try()
        self._do("seedproof", "run", "--all")
        change = self._change()
        self._do("seedproof", "run", "idea", "--all", "--hypothesis", "it learns more", *change)
        said = self._do("seedproof", "compare", "idea", allowed=MORE_SEEDS)
        if MORE_SEEDS in said:
            self._do("seedproof", "run", "idea", "--all")
            said = self._do("seedproof", "compare", "idea")
        return next((line for line in said.splitlines() if line.startswith(("WINNER", "NEUTRAL", "LOSER"))), "")

    def _try(self) -> None:
        """Try the command; where settings are offered to paste, paste them and try again."""
        said = self._do("seedproof", "try", allowed=PASTE)
        if PASTE in said:
            (self.folder / "seedproof.toml").write_text(said.rpartition(PASTE)[2].partition("\nNext:")[0])
            self._do("seedproof", "try")

    def _change(self) -> Sequence[str]:
        if self._project.edit is None:
            return ("--", *shlex.split(self._project.experiment))
        name, text, other = self._project.edit
        file = self.folder / name
        file.write_text(file.read_text().replace(text, other))
        return ("--code-change",)

    def _do(self, *command: str, allowed: str = "") -> str:
        done = subprocess.run(command, cwd=self.folder, env=self._env, capture_output=True, text=True, check=False)
        said = done.stderr + done.stdout
        if done.returncode and not (allowed and allowed in said):
            lines = said.strip().splitlines() or [f"exit code {done.returncode}"]
            telling = next((line for line in lines if line.startswith(("Reason:", "Mend:"))), lines[0])
            self.dead_ends.append(f"{shlex.join(command)}: {telling}")
        self.notices += [line for line in said.splitlines() if line.startswith("Notice (")]
        return said

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The records of one kind in the ledger."""
        ledger = self.folder / ".seedproof/ledger.jsonl"
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        return [record for record in map(json.loads, lines) if record["kind"] == kind]

    def lines(self) -> int:
        """Settings that stand in `seedproof.toml`, without headings and comments."""
        file = self.folder / "seedproof.toml"
        return _count(tomllib.loads(file.read_text())) if file.exists() else 0


def _count(table: Mapping[str, Any]) -> int:
    return sum(_count(value) if isinstance(value, dict) else 1 for value in table.values())


def measure(project: Project, fetched: Path | None) -> Row:
    """Take one project to its verdict."""
    with tempfile.TemporaryDirectory(prefix="seedproof-ten-") as folder:
        journey = Journey(project, Path(folder) / "project", fetched)
        journey.prepare()
        began = time.monotonic()
        headline = journey.go()
        wall = time.monotonic() - began
        trained = sum(record.get("wall_time_s") or 0.0 for record in journey.records("run_finished"))
        generations = {record["generation"] for record in journey.records("run_requested")}
        return Row(
            project.name,
            journey.code,
            (wall - trained) / 60,
            journey.lines(),
            len(generations),
            tuple(dict.fromkeys(journey.dead_ends)),
            tuple(dict.fromkeys(journey.notices)),
            headline,
        )


def main() -> int:
    """Print the table; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fetched", type=Path, help="folder with public projects, such as nanoGPT")
    parser.add_argument("--only", help="part of a project's name")
    options = parser.parse_args()
    print(figures.machine(), end="\n\n", flush=True)
    print(f"| {' | '.join(HEAD)} |\n| --- | --- |{' ---: |' * (len(HEAD) - 2)}")
    rows = []
    for project in PROJECTS:
        if options.only and options.only.lower() not in project.name.lower():
            continue
        rows.append(row := measure(project, options.fetched and options.fetched.resolve()))
        counts = (row.lines, row.generations, len(row.dead_ends), len(row.notices))
        cells = (row.project, row.code, f"{row.minutes:.1f}", *counts)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        for line in (*row.dead_ends, *row.notices, *([] if row.verdict else ["no verdict"])):
            print(f"  {row.project}: {line}", file=sys.stderr, flush=True)
    return 0 if all(row.is_reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
