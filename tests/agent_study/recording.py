"""Records what an agent sees of a study: each call with its reply in both channels."""

import hashlib
import json
import random
import re
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedproof_mcp.host.place import Machine, ThisMachine

from tests.support.callers import Caller
from tests.support.homes import own_home
from tests.support.in_process import InProcessEngine, Training, option, quick_tools
from tests.support.memory import MEMORY
from tests.support.places import ROOT

__all__ = ["SKILL", "Recording", "Reply", "record"]

SKILL = ROOT / "skills/experiment-runner/SKILL.md"
IDEA = {"experiment": "muon", "flags": ["--muon_lr", "0.012"], "hypothesis": "larger steps learn more"}
# A ledger head, the hash of a report, and the end of a confirmation's folder, which is drawn.
_HASH = re.compile(r"(?<=#)\d+ [0-9a-f]{12}\b|\b[0-9a-f]{64}\b|(?<=_)[0-9a-f]{8}\b")


@dataclass(frozen=True)
class Reply:
    """A call and its reply."""

    call: str
    structure: str
    """As JSON goes over the wire."""
    text: str
    more: str
    """The second text, which begins a line; empty without one."""

    @property
    def whole_text(self) -> str:
        """Everything that a host shows which shows texts."""
        return self.text + self.more


@dataclass(frozen=True)
class Recording:
    """Two agents' ways through the same study, and what else an agent reads."""

    by_arm: Sequence[Reply]
    by_seed: Sequence[Reply]
    waiting: Sequence[Reply]
    refusals: Sequence[Reply]
    lost_context: Sequence[Reply]
    first: Mapping[str, str]
    """What is read before the first call, by what it is."""


class SteadyMachine(ThisMachine):
    """A machine whose load does not depend on what else it does: wall times are compared at equal load only."""

    def machine(self) -> Machine:
        return Machine("machine", "Linux", 8, 1.0)


class SteadyEngine(InProcessEngine):
    """Trainings of about 60 s that take no time; one that is looked at has trained for 20 s."""

    def __init__(self) -> None:
        super().__init__(_train, SteadyMachine())

    def elapsed_s(self, handle: str) -> float | None:
        return 20.0


def _train(argv: Sequence[str]) -> Training:
    """A loss that depends on the seed, is better with larger steps, and varies a little between two runs of a seed."""
    drawn = random.Random(str([one for one in argv if not one.startswith("checkpoints/confirm_")]))
    loss = 3.7 + random.Random(option(argv, "--seed")).gauss(0, 0.01) + drawn.gauss(0, 0.004)
    loss -= 0.05 * ("--muon_lr" in argv)
    log = f"step 381 | val_loss: {loss:.6f}\n"
    return Training(log, files={"model.bin": "x"}, wall_time_s=round(60 + drawn.random(), 3))


async def record() -> Recording:
    """Take two agents through the study, and show what trouble costs on the way."""
    async with _agent() as (agent, _):
        by_seed = [reply async for reply in agent.study({})]
    async with _agent() as (agent, _):
        first = await agent.first()
        by_arm = [reply async for reply in agent.study({"until": "verdict"})]
        lost_context = [await agent("check_baseline"), await agent("list_experiments")]
    async with _agent() as (agent, engine):
        refusals = [await agent("compare", experiment="muon")]
        await agent("run_seed", until="verdict")
        refusals += [
            await agent("run_seed", **{**IDEA, "flags": ["--muon_lr 0.012"]}),
            await agent("run_seed", **{**IDEA, "flags": '["--muon_lr", "0.012"]'}),
        ]
        engine.held = True
        waiting = [await agent("run_seed", **IDEA, until="verdict", wait_s=0)]
    return Recording(by_arm, by_seed, waiting, refusals, lost_context, first)


class _Agent:
    """Calls the tools of a project of its own, and keeps hashes and drawn names out of the replies."""

    def __init__(self, call: Caller) -> None:
        self._client = call.client
        self._steady: dict[str, str] = {}

    async def __call__(self, tool: str, **arguments: Any) -> Reply:
        reply, _ = await self._called(tool, arguments)
        return reply

    async def study(self, always: Mapping[str, Any]) -> AsyncIterator[Reply]:
        """Follow `next` from the first call to the report of one experiment.

        Args:
            always: Arguments of each run_seed, instead of the seed that `next` names.
        """
        tool, arguments, is_declared = "check_baseline", dict[str, Any](), False
        while True:
            if tool == "run_seed" and always:
                arguments = {name: value for name, value in arguments.items() if name != "seed"} | {**always}
            reply, following = await self._called(tool, arguments)
            yield reply
            tool, arguments = following["tool"], dict(following["arguments"])
            if following["you_choose"]:
                if is_declared:
                    return
                arguments, is_declared = arguments | IDEA, True

    async def first(self) -> dict[str, str]:
        """What an agent reads before its first call."""
        listed = (await self._client.list_tools()).tools
        told = [[tool.name, tool.description, tool.input_schema] for tool in listed]
        return {
            "Instructions of the server": self._client.instructions or "",
            "Names, descriptions and inputs of the six tools": _json(told),
            "The skill, where it is used": SKILL.read_text(encoding="utf-8"),
        }

    async def _called(self, tool: str, arguments: Mapping[str, Any]) -> tuple[Reply, dict[str, Any]]:
        result = await self._client.call_tool(tool, dict(arguments))
        assert result.structured_content is not None
        structure, *texts = [
            _HASH.sub(self._stand_in, one)
            for one in (_json(result.structured_content), *(one.text for one in result.content))  # type: ignore[union-attr]
        ]
        written = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
        return Reply(f"{tool}({written})", structure, texts[0], "".join(texts[1:])), result.structured_content["next"]

    def _stand_in(self, found: re.Match[str]) -> str:
        """The same in place of a hash or a drawn name whenever the study is recorded, and as long."""
        number, _, drawn = found[0].rpartition(" ")
        order = len(self._steady)
        steady = self._steady.setdefault(drawn, hashlib.sha256(str(order).encode()).hexdigest()[: len(drawn)])
        return f"{number} {steady}" if number else steady


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@asynccontextmanager
async def _agent() -> AsyncIterator[tuple[_Agent, SteadyEngine]]:
    """An agent in a project that no other one has left a trace of."""
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name, own_home(Path(name) / "home"):
        folder = Path(name) / "project"
        folder.mkdir()
        (folder / "train_llm.py").touch()
        engine = SteadyEngine()
        async with quick_tools(folder, engine) as call:
            yield _Agent(call), engine
