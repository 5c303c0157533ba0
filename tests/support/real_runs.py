"""Projects whose trainings are processes: what runs, and what the ledger says of it."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Caller, tools
from tests.support.places import FAKE
from tests.support.waiting import stop_everything, wait_until

__all__ = ["BY_CHANCE", "FIRST", "a_pair", "conductors", "records", "started", "unexpected"]

FIRST = "g1-baseline-s42-a1"
# Told where other work on the machine weighs on one of the arms, and of one unseeded baseline in 200.
BY_CHANCE = ("wall_time_withheld", "outlier")


def unexpected(notices: Iterable[Any]) -> list[Any]:
    """The notices of a reply, as objects or as its structure, without those that an honest study has by chance."""
    return [one for one in notices if (one["code"] if isinstance(one, dict) else one.code) not in BY_CHANCE]


def records(project: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """The records of the ledger, or those of one kind."""
    every = [json.loads(line) for line in ProjectPaths(project).ledger.read_bytes().splitlines()]
    return [record for record in every if kind in (None, record["kind"])]


def started(project: Path, run_id: str = FIRST) -> dict[str, int]:
    """The processes of a run, once they exist."""
    file = ProjectPaths(project).run(run_id).started
    wait_until(file.exists)
    return dict(json.loads(file.read_bytes()))


def conductors(project: Path) -> list[int]:
    """The processes that conduct a project, or are about to."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"seedproof_mcp.runner.conductor" in words and os.fsencode(project) in words:
            found.append(int(entry.name))
    return found


@asynccontextmanager
async def a_pair(folder: Path, *slots: str) -> AsyncIterator[list[tuple[Path, Caller]]]:
    """Projects whose trainings wait for the file `gate` beside their script; one for each slot."""
    async with AsyncExitStack() as stack:
        pair = []
        for number, slot in enumerate(slots):
            project = folder / f"project{number}"
            project.mkdir()
            shutil.copy(FAKE, project / "train_llm.py")
            gate = json.dumps(str(project / "gate"))
            text = f'[settings]\nslot = "{slot}"\ngrace_s = 0.1\nenv = {{ FAKE_GATE = {gate} }}\n'
            (project / "seedproof.toml").write_text(text)
            stack.callback(stop_everything, project)
            pair.append((project, await stack.enter_async_context(tools(project))))
        yield pair
