"""Studies in real repositories whose code is edited between the calls."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Answer, Caller
from tests.support.memory import MEMORY
from tests.support.repositories import make_repository
from tests.support.tables import Table

__all__ = ["BASE", "SCRIPT", "THREE", "a_repository", "declare", "edit", "records", "specs", "table", "write_settings"]

SCRIPT = "train_llm.py"
BASE = (4.00, 4.01, 3.99, 4.02, 3.98)  # mean 4, sigma 0.0158
BETTER = (3.90, 3.91, 3.92)
THREE = (42, 137, 256)
FILES = {SCRIPT: "steps = 1\n", "evaluate.py": "exact = True\n", "README.md": "A study.\n", ".gitignore": "data/\n"}


@contextmanager
def a_repository() -> Iterator[Path]:
    """A project that is a repository, in memory where the system has it."""
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name:
        yield make_repository(Path(name) / "project", FILES)


def table() -> Table:
    """A baseline, and `a`, which is better; controls do as the baseline does."""
    return Table().arm("baseline", BASE).arm("exp_a", BETTER).arm("exp_b", BETTER)


def edit(project: Path, text: str = "steps = 2\n", name: str = SCRIPT) -> None:
    """What an agent does between two calls."""
    (project / name).write_text(text)


def write_settings(project: Path, **settings: str) -> None:
    """The settings file, one table for each argument."""
    text = "".join(f"[{table}]\n{lines}\n" for table, lines in settings.items())
    (project / "seedproof.toml").write_text(text)


async def declare(call: Caller, name: str = "a", **more: Any) -> Answer:
    """The first call for an experiment."""
    words: dict[str, Any] = {"flags": ["--lr", name], "hypothesis": "it helps", "wait_s": 0}
    return await call("run_seed", experiment=name, **{**words, **more})


def records(project: Path, kind: str) -> list[dict[str, Any]]:
    """The records of a kind."""
    lines = ProjectPaths(project).ledger.read_bytes().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def specs(project: Path) -> dict[str, dict[str, Any]]:
    """What every run was started with, by its id."""
    found = {}
    for path in ProjectPaths(project).state.glob("runs/*/spec.json"):
        spec = json.loads(path.read_bytes())
        found[spec["run_id"]] = spec
    return found
