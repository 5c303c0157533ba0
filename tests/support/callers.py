"""Calls of the tools in memory, and their answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from mcp.client.client import Client
from mcp.server import MCPServer
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface.tools import build_server

from tests.support.seeds import SEEDS
from tests.support.waiting import PATIENCE_S

__all__ = ["Answer", "Caller", "tools"]


# What a reply leaves out of these is an empty list or object; of all other fields, null.
_LISTS = ("notices", "missing_seeds", "seeds", "caps", "brackets", "accepted", "figures", "removed", "experiments")
_LISTS += ("flags", "queue", "do_not_retry", "mend", "found", "protocol", "facts")
_OBJECTS = ("metrics", "kept", "baseline_metrics", "experiment_metrics", "unavailable", "packages", "values")


class Whole(dict[str, Any]):
    """An object of a reply, in which the fields that it leaves out are there with their empty values."""

    def __missing__(self, name: str) -> Any:
        return [] if name in _LISTS else Whole() if name in _OBJECTS else None


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return Whole({name: _whole(one) for name, one in value.items()})
    return [_whole(one) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Answer:
    """A tool's answer as the model and its client see it."""

    text: str
    data: dict[str, Any]
    is_error: bool
    more: str = field(default="", compare=False)
    """What stands in a second text."""

    @property
    def code(self) -> str | None:
        """The refusal's code; None for a result."""
        return self.data["refusal"]["code"] if self.is_error else None

    @property
    def next(self) -> str:
        """The next call as the text names it."""
        call = self.data["next"]
        parts = [f"{name}={value!r}" for name, value in call["arguments"].items()]
        return f"{call['tool']}({', '.join(parts + [f'{name}=…' for name in call['you_choose']])})"


class Caller:
    """Calls the tools of one project."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, **arguments: Any) -> Answer:
        # The tests look at evidence and campaign as well.
        full = {"detail": "full"} if tool == "compare" else {}
        result = await self.client.call_tool(tool, {**full, **arguments})
        text, *more = [one.text for one in result.content]
        return Answer(text, _whole(result.structured_content), bool(result.is_error), "".join(more))

    async def measure_baseline(self) -> None:
        """Take the baseline through."""
        await self("run_seed", queue_all=True)
        for seed in SEEDS:
            answer = await self("run_seed", seed=seed, wait_s=PATIENCE_S)
            assert answer.data["state"] == "succeeded", answer.text

    async def measure(self, name: str, *flags: str, seeds: tuple[int, ...] = SEEDS[:3]) -> None:
        """Declare an experiment and run these seeds."""
        await self("run_seed", experiment=name, flags=list(flags), hypothesis="it helps", queue_all=True, wait_s=0)
        for seed in seeds:
            answer = await self("run_seed", experiment=name, seed=seed, wait_s=PATIENCE_S)
            assert answer.data["state"] in ("succeeded", "diverged"), answer.text


class PresentService:
    """Stands for the service of the project that a server works on now."""

    service: Service | None = None

    def head(self) -> str:
        assert self.service is not None, "the server works on no project"
        return self.service.head()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


# Making the schemas of a server takes longer than most tests: one that is not in use takes the next project.
_idle: list[tuple[MCPServer[Any], PresentService]] = []


def _server() -> tuple[MCPServer[Any], PresentService]:
    if _idle:
        return _idle.pop()
    present = PresentService()
    return build_server(Path("."), cast(Service, present)), present


@asynccontextmanager
async def tools(folder: Path, mode: str = "auto", service: Service | None = None) -> AsyncIterator[Caller]:
    """A client on a server of the project, in memory."""
    server, present = _server()
    present.service = service or Service(folder)
    async with Client(server, mode=mode) as client:
        yield Caller(client)
    # Not where the test fails: something of its calls may still be going on.
    _idle.append((server, present))


def _check_each_schema_once() -> None:
    """Let the SDK's client find a schema valid that it found valid before; anew in each session, it takes 90 ms."""
    check, valid = Draft202012Validator.check_schema.__func__, set[str]()

    def once(kind: type[Any], schema: Any, *arguments: Any, **options: Any) -> None:
        text = json.dumps(schema, sort_keys=True)
        if text not in valid:
            check(kind, schema, *arguments, **options)
            valid.add(text)

    Draft202012Validator.check_schema = classmethod(once)


_check_each_schema_once()
