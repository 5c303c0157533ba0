"""Many servers, several projects, one slot: never two trainings at once, and nobody is forgotten."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.amounts import amount
from tests.support.callers import tools
from tests.support.places import HOSTILE
from tests.support.real_runs import records
from tests.support.seeds import SEEDS
from tests.support.servers import served
from tests.support.waiting import PATIENCE_S, stop_everything, wait_until

pytestmark = pytest.mark.anyio

PROJECTS, SERVERS = amount(sample=(2, 2), whole=(2, 4), soak=(6, 4))
"""How many projects, and servers in each."""


@asynccontextmanager
async def a_project(folder: Path, name: str, script: Path, slot: str, **env: str) -> AsyncIterator[Path]:
    project = folder / name
    project.mkdir()
    shutil.copy(script, project / "train_llm.py")
    values = "\n".join(f"{key} = {json.dumps(value)}" for key, value in env.items())
    (project / "seedproof.toml").write_text(f'[settings]\nslot = "{slot}"\ngrace_s = 0.1\n[settings.env]\n{values}\n')
    try:
        yield project
    finally:
        stop_everything(project)


class Race:
    """Servers that start together once all of them can answer."""

    def __init__(self) -> None:
        self._start = anyio.Event()
        self._ready = 0
        self.states: list[str] = []

    async def measure(self, project: Path, seed: int) -> None:
        """Start a server of its own; with the others, ask for a seed and wait for it."""
        async with served(project) as call:
            await call("check_baseline")
            self._ready += 1
            if self._ready == PROJECTS * SERVERS:
                self._start.set()
            await self._start.wait()
            answer = await call("run_seed", seed=seed, wait_s=0)
            while answer.data.get("state") in ("queued", "running"):
                answer = await call("run_seed", seed=seed, wait_s=PATIENCE_S)
            self.states.append(answer.data.get("state", answer.text))


@pytest.mark.sampled
async def test_servers_that_race_for_a_slot_train_one_at_a_time_in_the_order_of_the_requests(tmp_path: Path) -> None:
    turns, race = tmp_path / "turns", Race()
    turns.touch()
    async with AsyncExitStack() as stack:
        projects = [
            await stack.enter_async_context(
                a_project(tmp_path, f"project{number}", HOSTILE / "takes_its_turn.py", "shared", TURNS=str(turns))
            )
            for number in range(PROJECTS)
        ]
        async with anyio.create_task_group() as group:
            for project in projects:
                for seed in SEEDS[:SERVERS]:
                    group.start_soon(race.measure, project, seed)
    assert race.states == ["succeeded"] * (PROJECTS * SERVERS)
    _assert_one_after_the_other(turns)
    for project in projects:
        requested = [record["run_id"] for record in records(project, "run_requested")]
        assert len(requested) == SERVERS
        assert [record["run_id"] for record in records(project, "run_started")] == requested


def _assert_one_after_the_other(turns: Path) -> None:
    """Each training that began ended before the next began."""
    lines = [line.split(maxsplit=2) for line in turns.read_text().splitlines()]
    assert len(lines) == 2 * PROJECTS * SERVERS
    by_time = sorted(lines, key=lambda line: int(line[0]))
    assert [kind for _, kind, _ in by_time] == ["begin", "end"] * (PROJECTS * SERVERS)
    assert [begin[2] for begin in by_time[::2]] == [end[2] for end in by_time[1::2]]


async def test_two_slots_of_one_machine_train_side_by_side(tmp_path: Path) -> None:
    # Each waits for the other's mark: one after the other, neither would ever end.
    script = tmp_path / "waits.py"
    script.write_text(
        "import os, time\n"
        "open(os.environ['MINE'], 'w').close()\n"
        "while not os.path.exists(os.environ['OTHER']):\n"
        "    time.sleep(0.01)\n"
        "print('val_loss: 4.1')\n"
    )
    marks = (str(tmp_path / "one"), str(tmp_path / "two"))
    async with (
        a_project(tmp_path, "a", script, "gpu0", MINE=marks[0], OTHER=marks[1]) as first,
        a_project(tmp_path, "b", script, "gpu1", MINE=marks[1], OTHER=marks[0]) as second,
        tools(first) as call_first,
        tools(second) as call_second,
    ):
        await call_first("run_seed", wait_s=0)
        wait_until(Path(marks[0]).exists)
        there = await call_second("run_seed", wait_s=PATIENCE_S)
        here = await call_first("run_seed", seed=42, wait_s=PATIENCE_S)
    assert (here.data["state"], there.data["state"]) == ("succeeded", "succeeded")
